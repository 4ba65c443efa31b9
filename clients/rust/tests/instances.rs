//! The client before several instances that come, go and say no.
#![allow(missing_docs)]

use std::{
    collections::HashMap,
    net::{SocketAddr, TcpListener},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use tfps_client::{
    Config, ConfigError, Retry,
    instances::{Backlog, Cause, Instances, Kept, Observer, Unanswered},
    v1::{self, CallEvent, stream_checks_response::Result as Answer},
};
use tfps_proto::v1::{
    check_service_server::{CheckService, CheckServiceServer},
    learn_service_server::{LearnService, LearnServiceServer},
};
use tokio::{
    runtime::Runtime,
    time::{sleep, timeout},
};
use tokio_stream::{Stream, StreamExt};
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Server, server::TcpIncoming},
};

#[tokio::test]
async fn a_call_its_progress_and_its_client_are_one_instances_until_that_goes() {
    let houses = [House::open(free_port()), House::open(free_port())];
    let (instances, tally) = before(&houses);
    eventually(|| instances.answering() == 2).await;
    for number in 0..40 {
        let call = format!("call-{number}");
        instances.check(check(&call)).await.unwrap();
        instances.learn(started(&call)).await.unwrap();
        let [own, other] = instances.clients(&call).await.try_into().unwrap();
        assert_ne!(own.address(), other.address());
        let house = houses
            .iter()
            .find(|house| house.url() == own.address())
            .unwrap();
        let heard = [format!("check {call}"), format!("learn {call}")];
        assert!(house.heard().ends_with(&heard), "{:?}", house.heard());
    }
    let shares = houses.each_ref().map(|house| house.heard().len());
    assert!(shares.iter().all(|share| *share >= 16), "{shares:?}");

    let [stays, goes] = houses;
    let (gone, address, heard) = (goes.url(), goes.address, goes.heard());
    drop(goes);
    eventually(|| tally.read(&gone) == "lost").await;
    for number in 0..40 {
        instances
            .check(check(&format!("after-{number}")))
            .await
            .unwrap();
    }
    assert_eq!(instances.answering(), 1);
    for instance in instances.health() {
        let lost = instance.address == gone;
        assert_eq!(instance.trouble.is_some(), lost);
        assert_eq!(instance.lost, u64::from(lost));
        let told = if lost { "lost" } else { "answers" };
        assert_eq!(tally.read(instance.address), told);
    }
    let [client] = instances.clients("anything").await.try_into().unwrap();
    assert_eq!(client.address(), stays.url());

    let back = House::open(address);
    eventually(|| instances.answering() == 2).await;
    for number in 0..40 {
        let call = format!("call-{number}");
        let [own, _] = instances.clients(&call).await.try_into().unwrap();
        let was_its_own = heard.contains(&format!("check {call}"));
        assert_eq!(own.address() == back.url(), was_its_own);
    }
    assert_eq!(tally.read(&gone), "answers");
}

#[tokio::test]
async fn a_call_whose_instance_goes_while_it_is_asked_is_decided_by_the_other() {
    let houses = [House::open(free_port()), House::open(free_port())];
    let (instances, _) = before(&houses);
    eventually(|| instances.answering() == 2).await;
    let call = "call-1";
    let own = instances.clients(call).await.remove(0);
    let [goes, _stays] = if houses[0].url() == own.address() {
        houses
    } else {
        let [first, second] = houses;
        [second, first]
    };
    // Its stream is reset before its connection breaks.
    drop(goes);
    instances.check(check(call)).await.unwrap();
}

#[tokio::test]
async fn where_nobody_answers_it_is_said_within_the_deadline() {
    let nobody = Config::new(url(free_port()));
    let observer: Arc<dyn Observer> = Arc::new(Tally::default());
    let instances = Instances::start(vec![nobody], Duration::from_millis(50), &observer).unwrap();
    let both = async {
        let unanswered = instances.check(check("a")).await.unwrap_err();
        assert_eq!(unanswered, Unanswered::Unavailable(Cause::Connection));
        assert!(instances.clients("a").await.is_empty());
    };
    timeout(Duration::from_secs(1), both).await.unwrap();
}

#[tokio::test]
async fn events_wait_in_their_order_up_to_a_bound() {
    let address = free_port();
    let tally = Arc::new(Tally::default());
    let observer: Arc<dyn Observer> = tally.clone();
    let instances = Instances::start(vec![config(address)], DEADLINE, &observer).unwrap();
    let instances = Arc::new(instances);
    let backlog = Backlog::start(Arc::clone(&instances), 3, &observer);
    for call in ["a", "refused", "b"] {
        assert_eq!(
            backlog.report(&instances, started(call)).await,
            Ok(Kept::Waits)
        );
    }
    assert_eq!(
        backlog.report(&instances, started("lost")).await,
        Ok(Kept::Full)
    );
    assert_eq!(tally.read("waiting"), "3");
    assert_eq!(tally.reports(), ["started dropped"]);

    let house = House::open(address);
    eventually(|| backlog.is_empty()).await;
    assert_eq!(
        backlog.report(&instances, started("c")).await,
        Ok(Kept::Told)
    );
    assert_eq!(
        backlog.report(&instances, started("refused")).await,
        Err(Unanswered::Refused {
            field: "request".to_owned(),
            why: "no such call".to_owned()
        })
    );
    assert_eq!(
        house.heard(),
        ["a", "refused", "b", "c", "refused"].map(|call| format!("learn {call}"))
    );
    assert_eq!(tally.read("waiting"), "0");
    let [dropped, told, refused] = ["started dropped", "started told", "started refused"];
    assert_eq!(
        tally.reports(),
        [dropped, told, refused, told, told, refused]
    );
}

#[tokio::test]
async fn a_burst_that_an_instance_cannot_serve_in_time_does_not_cost_it_its_connection() {
    let house = House::open(free_port());
    house.clerk.takes(Duration::from_millis(2));
    let observer: Arc<dyn Observer> = Arc::new(Tally::default());
    let deadline = Duration::from_millis(200);
    let instances = Instances::start(vec![house.config()], deadline, &observer).unwrap();
    eventually(|| instances.answering() == 1).await;
    let calls: Vec<_> = (0..2_000).map(|number| format!("call-{number}")).collect();
    let answers = join_all(calls.iter().map(|call| instances.check(check(call)))).await;
    let decided = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!((10..1_000).contains(&decided), "{decided}");
    for late in answers.into_iter().filter_map(Result::err) {
        assert_eq!(late, Unanswered::Unavailable(Cause::Deadline));
    }
    assert_eq!(instances.health().map(|health| health.lost).sum::<u64>(), 0);
    assert_eq!(instances.answering(), 1);
}

#[tokio::test]
async fn an_instance_with_too_much_to_do_is_asked_again_until_the_deadline() {
    let house = House::open(free_port());
    let (instances, _) = before(std::slice::from_ref(&house));
    eventually(|| instances.answering() == 1).await;
    house.clerk.refuses(3);
    // Without a Call-ID too: it was refused before it was decided.
    instances.check(check("")).await.unwrap();
    assert_eq!(house.heard(), ["check "; 4]);

    let observer: Arc<dyn Observer> = Arc::new(Tally::default());
    let deadline = Duration::from_millis(100);
    let instances = Instances::start(vec![house.config()], deadline, &observer).unwrap();
    eventually(|| instances.answering() == 1).await;
    house.clerk.refuses(1_000);
    let unanswered = instances.check(check("late")).await.unwrap_err();
    assert_eq!(unanswered, Unanswered::Unavailable(Cause::Overload));
    let asked = house.heard().len() - 4;
    assert!((2..10).contains(&asked), "{asked}");
}

#[tokio::test]
async fn what_cannot_work_is_an_error_at_the_start() {
    let observer: Arc<dyn Observer> = Arc::new(Tally::default());
    let good = config(free_port());
    let bad = Config::new("127.0.0.1:50051");
    let error = Instances::start(vec![good, bad], DEADLINE, &observer).unwrap_err();
    assert!(matches!(error, ConfigError::Address { .. }), "{error}");
    let error = Instances::start(Vec::new(), DEADLINE, &observer).unwrap_err();
    assert!(matches!(error, ConfigError::NoServer), "{error}");
}

/// The client before these instances, and what it tells its observer.
fn before(houses: &[House]) -> (Instances, Arc<Tally>) {
    let tally = Arc::new(Tally::default());
    let observer: Arc<dyn Observer> = tally.clone();
    let configs = houses.iter().map(House::config).collect();
    let instances =
        Instances::start(configs, DEADLINE, &observer).expect("the configurations are right");
    (instances, tally)
}

/// What an observer was told.
#[derive(Debug, Default)]
struct Tally {
    /// The newest of each instance, and of what waits.
    last: Mutex<HashMap<String, String>>,
    reports: Mutex<Vec<String>>,
}

impl Tally {
    fn read(&self, about: &str) -> String {
        let last = self.last.lock().expect("nobody panics with it");
        last.get(about).cloned().unwrap_or_default()
    }

    fn write(&self, about: &str, told: &str) {
        let mut last = self.last.lock().expect("nobody panics with it");
        last.insert(about.to_owned(), told.to_owned());
    }

    fn reports(&self) -> Vec<String> {
        self.reports.lock().expect("nobody panics with it").clone()
    }
}

impl Observer for Tally {
    fn answers(&self, instance: &str, answers: bool) {
        if answers {
            self.write(instance, "answers");
        } else if self.read(instance) != "lost" {
            self.write(instance, "away");
        }
    }

    fn lost(&self, instance: &str) {
        self.write(instance, "lost");
    }

    fn waiting(&self, events: usize) {
        self.write("waiting", &events.to_string());
    }

    fn reported(&self, event: &'static str, result: &'static str) {
        let mut reports = self.reports.lock().expect("nobody panics with it");
        reports.push(format!("{event} {result}"));
    }
}

const DEADLINE: Duration = Duration::from_secs(2);

fn check(call_id: &str) -> v1::CheckRequest {
    v1::CheckRequest {
        call_id: call_id.to_owned(),
        ..Default::default()
    }
}

fn started(call_id: &str) -> v1::CallProgress {
    v1::CallProgress {
        call_id: call_id.to_owned(),
        event: CallEvent::Started.into(),
        ..Default::default()
    }
}

async fn eventually(true_at_last: impl Fn() -> bool) {
    let waited = timeout(Duration::from_secs(10), async {
        while !true_at_last() {
            sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.expect("it comes true within ten seconds");
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

fn config(address: SocketAddr) -> Config {
    Config::new(url(address)).retry(Retry::NEVER)
}

/// An instance in a runtime of its own, which takes its connections with it when it goes.
struct House {
    address: SocketAddr,
    clerk: Clerk,
    runtime: Option<Runtime>,
}

impl House {
    fn open(address: SocketAddr) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let clerk = Clerk::default();
        let router = Server::builder()
            .add_service(CheckServiceServer::new(clerk.clone()))
            .add_service(LearnServiceServer::new(clerk.clone()));
        let incoming = {
            let _entered = runtime.enter();
            TcpIncoming::bind(address).expect("the port is still free")
        };
        runtime.spawn(router.serve_with_incoming(incoming));
        Self {
            address,
            clerk,
            runtime: Some(runtime),
        }
    }

    fn url(&self) -> String {
        url(self.address)
    }

    fn config(&self) -> Config {
        config(self.address)
    }

    fn heard(&self) -> Vec<String> {
        self.clerk
            .heard
            .lock()
            .expect("nobody panics with it")
            .clone()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Allows every call, and writes down what it hears; it does not know the call `refused`.
#[derive(Clone, Default)]
struct Clerk {
    heard: Arc<Mutex<Vec<String>>>,
    /// How long it takes to decide a call, in milliseconds; one after the other.
    takes: Arc<AtomicU64>,
    /// How many of the next calls it refuses, since it has too much to do.
    refuses: Arc<AtomicU64>,
}

impl Clerk {
    fn hear(&self, what: &str, call_id: &str) {
        let mut heard = self.heard.lock().expect("nobody panics with it");
        heard.push(format!("{what} {call_id}"));
    }

    fn takes(&self, time: Duration) {
        let milliseconds = u64::try_from(time.as_millis()).expect("it is short");
        self.takes.store(milliseconds, Ordering::Relaxed);
    }

    fn refuses(&self, calls: u64) {
        self.refuses.store(calls, Ordering::Relaxed);
    }

    async fn answer(&self, check: v1::CheckRequest) -> Answer {
        if check.dry_run {
            return Answer::Decision(v1::CheckResponse::default());
        }
        self.hear("check", &check.call_id);
        let takes = self.takes.load(Ordering::Relaxed);
        if takes > 0 {
            sleep(Duration::from_millis(takes)).await;
        }
        let left = self
            .refuses
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
        match left {
            Ok(_) => Answer::Error(v1::CheckError {
                code: tonic::Code::ResourceExhausted.into(),
                message: "too much to do".to_owned(),
                details: Vec::new(),
            }),
            Err(_) => Answer::Decision(v1::CheckResponse::default()),
        }
    }
}

#[tonic::async_trait]
impl CheckService for Clerk {
    async fn check(
        &self,
        _: Request<v1::CheckRequest>,
    ) -> Result<Response<v1::CheckResponse>, Status> {
        Err(Status::unimplemented("checks come on the stream"))
    }

    type StreamChecksStream =
        Pin<Box<dyn Stream<Item = Result<v1::StreamChecksResponse, Status>> + Send>>;

    async fn stream_checks(
        &self,
        request: Request<Streaming<v1::StreamChecksRequest>>,
    ) -> Result<Response<Self::StreamChecksStream>, Status> {
        let this = self.clone();
        let answers = request.into_inner().then(move |request| {
            let this = this.clone();
            async move {
                let v1::StreamChecksRequest { id, check } = request?;
                let result = Some(this.answer(check.unwrap_or_default()).await);
                Ok(v1::StreamChecksResponse { id, result })
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }

    type WatchHangUpsStream =
        Pin<Box<dyn Stream<Item = Result<v1::WatchHangUpsResponse, Status>> + Send>>;

    async fn watch_hang_ups(
        &self,
        _: Request<v1::WatchHangUpsRequest>,
    ) -> Result<Response<Self::WatchHangUpsStream>, Status> {
        Err(Status::unimplemented("nothing is to end"))
    }
}

#[tonic::async_trait]
impl LearnService for Clerk {
    async fn learn(
        &self,
        request: Request<v1::LearnRequest>,
    ) -> Result<Response<v1::LearnResponse>, Status> {
        let Some(v1::learn_request::Lesson::Call(call)) = request.into_inner().lesson else {
            return Err(Status::unimplemented("only calls are learnt"));
        };
        self.hear("learn", &call.call_id);
        match call.call_id.as_str() {
            "refused" => Err(Status::invalid_argument("no such call")),
            _ => Ok(Response::new(v1::LearnResponse::default())),
        }
    }
}
