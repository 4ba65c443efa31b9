//! The client against a server of CheckService that does as each test says.
#![allow(missing_docs)]

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use tfps_client::{Client, Code, Config, Error, Retry, Tls, Token, v1};
use tfps_proto::v1::check_service_server::{CheckService, CheckServiceServer};
use tokio::{net::TcpListener, sync::mpsc, time::sleep};
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream};
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Certificate, Identity, Server, ServerTlsConfig, server::TcpIncoming},
};
use tonic_types::{ErrorDetails, StatusExt};

/// Decides by the dialed number: `busy` is UNAVAILABLE the first two times, `slow` takes a second, `bad` is wrong,
/// everything else is allowed. It takes the token `tfps_good`.
#[derive(Clone, Default)]
struct Switchboard {
    asked: Arc<AtomicU32>,
}

impl Switchboard {
    async fn decide(&self, check: v1::CheckRequest) -> Result<v1::CheckResponse, Status> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        match check.dialed_number.as_str() {
            "busy" if asked < 2 => return Err(Status::unavailable("starting")),
            "slow" => sleep(Duration::from_secs(1)).await,
            "bad" => {
                let details = ErrorDetails::with_bad_request_violation(
                    "dialed_number",
                    "at most 64 characters",
                );
                return Err(Status::with_error_details(
                    Code::InvalidArgument,
                    "the call is malformed",
                    details,
                ));
            }
            _ => {}
        }
        Ok(v1::CheckResponse {
            decision_id: check.dialed_number,
            code: "A00".to_owned(),
            ..Default::default()
        })
    }
}

#[tonic::async_trait]
impl CheckService for Switchboard {
    async fn check(
        &self,
        request: Request<v1::CheckRequest>,
    ) -> Result<Response<v1::CheckResponse>, Status> {
        let token = request
            .metadata()
            .get("authorization")
            .map(|value| value.as_bytes().to_vec());
        if token.as_deref() != Some(b"Bearer tfps_good") {
            return Err(Status::unauthenticated("no such token"));
        }
        assert!(
            request.metadata().contains_key("grpc-timeout"),
            "the deadline is sent"
        );
        Ok(Response::new(self.decide(request.into_inner()).await?))
    }

    type StreamChecksStream =
        Pin<Box<dyn Stream<Item = Result<v1::StreamChecksResponse, Status>> + Send>>;

    /// Answers each request in a task of its own, so in any order; `hang up` ends the stream.
    async fn stream_checks(
        &self,
        request: Request<Streaming<v1::StreamChecksRequest>>,
    ) -> Result<Response<Self::StreamChecksStream>, Status> {
        let (answers, receiver) = mpsc::channel(64);
        let mut requests = request.into_inner();
        let this = self.clone();
        tokio::spawn(async move {
            while let Some(Ok(v1::StreamChecksRequest {
                id,
                check: Some(check),
            })) = requests.next().await
            {
                if check.dialed_number == "hang up" {
                    let _ = answers.send(Err(Status::unavailable("draining"))).await;
                    return;
                }
                let (this, answers) = (this.clone(), answers.clone());
                tokio::spawn(async move {
                    // Later requests are answered first.
                    sleep(Duration::from_millis(200_u64.saturating_sub(id))).await;
                    let result = match this.decide(check).await {
                        Ok(decision) => v1::stream_checks_response::Result::Decision(decision),
                        Err(status) => {
                            v1::stream_checks_response::Result::Error(check_error(&status))
                        }
                    };
                    let _ = answers
                        .send(Ok(v1::StreamChecksResponse {
                            id,
                            result: Some(result),
                        }))
                        .await;
                });
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
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

fn check_error(status: &Status) -> v1::CheckError {
    prost::Message::decode(status.details()).unwrap_or_else(|_| v1::CheckError {
        code: status.code() as i32,
        message: status.message().to_owned(),
        ..Default::default()
    })
}

async fn serve(service: Switchboard, tls: Option<ServerTlsConfig>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let mut server = Server::builder();
    if let Some(tls) = tls {
        server = server.tls_config(tls).expect("the certificates are good");
    }
    let router = server.add_service(CheckServiceServer::new(service));
    tokio::spawn(async move {
        router
            .serve_with_incoming(TcpIncoming::from(listener))
            .await
    });
    address
}

fn config(address: SocketAddr) -> Config {
    Config::new(format!("http://{address}")).token(Token::secret("tfps_good"))
}

fn dialed(number: &str) -> v1::CheckRequest {
    v1::CheckRequest {
        dialed_number: number.to_owned(),
        call_id: format!("{number}@test"),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_check_that_counts_once_is_tried_again() {
    let service = Switchboard::default();
    let client = Client::connect(config(serve(service.clone(), None).await))
        .await
        .unwrap();
    assert_eq!(client.check(dialed("busy")).await.unwrap().code, "A00");
    assert_eq!(service.asked.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_check_without_a_call_id_is_not() {
    let service = Switchboard::default();
    let client = Client::connect(config(serve(service.clone(), None).await))
        .await
        .unwrap();
    let anonymous = v1::CheckRequest {
        call_id: String::new(),
        ..dialed("busy")
    };
    assert_eq!(
        client.check(anonymous).await.unwrap_err().code(),
        Code::Unavailable
    );
    assert_eq!(service.asked.load(Ordering::SeqCst), 1);

    let once = config(serve(Switchboard::default(), None).await).retry(Retry::NEVER);
    let client = Client::connect(once).await.unwrap();
    assert_eq!(
        client.check(dialed("busy")).await.unwrap_err().code(),
        Code::Unavailable,
        "attempts are bounded"
    );
}

#[tokio::test]
async fn what_the_server_rejects_comes_with_its_fields_and_once() {
    let service = Switchboard::default();
    let client = Client::connect(config(serve(service.clone(), None).await))
        .await
        .unwrap();
    let error = client.check(dialed("bad")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the call is malformed; dialed_number: at most 64 characters"
    );
    assert_eq!(service.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_deadline_ends_a_call() {
    let limit = Duration::from_millis(150);
    let client = Client::connect(config(serve(Switchboard::default(), None).await))
        .await
        .unwrap();
    let started = Instant::now();
    let error = client
        .with_deadline(Some(limit))
        .check(dialed("slow"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Deadline { limit: told } if told == limit),
        "{error:?}"
    );
    assert!(started.elapsed() < Duration::from_millis(900));
}

#[tokio::test]
async fn nobody_there_is_said_with_the_address() {
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let eager = Client::connect(config(address)).await.unwrap_err();
    let lazy = Client::connect_lazy(config(address))
        .unwrap()
        .check(dialed("1"))
        .await
        .unwrap_err();
    for error in [eager, lazy] {
        assert!(matches!(error, Error::Connection { .. }), "{error:?}");
        let text = error.to_string();
        assert!(
            text.starts_with(&format!(
                "cannot reach http://{address}: Connection refused"
            )),
            "{text}"
        );
        assert_eq!(error.code(), Code::Unavailable);
    }
}

#[tokio::test]
async fn a_new_token_in_the_file_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("switch.token");
    std::fs::write(&path, "tfps_old").unwrap();
    let address = serve(Switchboard::default(), None).await;
    let config = Config::new(format!("http://{address}")).token(Token::file(&path));
    let client = Client::connect(config).await.unwrap();

    assert_eq!(
        client.check(dialed("1")).await.unwrap_err().code(),
        Code::Unauthenticated
    );
    std::fs::write(&path, "tfps_good").unwrap();
    assert_eq!(client.check(dialed("1")).await.unwrap().code, "A00");
}

#[tokio::test]
async fn several_servers_share_the_calls() {
    let (one, two) = (Switchboard::default(), Switchboard::default());
    let config = config(serve(one.clone(), None).await)
        .also(format!("http://{}", serve(two.clone(), None).await));
    let client = Client::connect(config).await.unwrap();
    for number in 0..50 {
        client.check(dialed(&number.to_string())).await.unwrap();
    }
    let [one, two] = [one, two].map(|service| service.asked.load(Ordering::SeqCst));
    assert_eq!(one + two, 50);
    assert!(one > 0 && two > 0, "{one} and {two}");
}

#[tokio::test]
async fn stream_answers_find_their_requests() {
    let client = Client::connect(config(serve(Switchboard::default(), None).await))
        .await
        .unwrap();
    let stream = client.stream_checks(16);
    let checks: Vec<_> = (0..100)
        .map(|number| {
            let stream = stream.clone();
            tokio::spawn(async move { (number, stream.check(dialed(&number.to_string())).await) })
        })
        .collect();
    for check in checks {
        let (number, answer) = check.await.unwrap();
        assert_eq!(answer.unwrap().decision_id, number.to_string());
    }

    let error = stream.check(dialed("bad")).await.unwrap_err();
    assert_eq!(
        error.rejection().unwrap().violations[0].field,
        "dialed_number",
        "details come over a stream too"
    );
    assert_eq!(
        stream.check(dialed("1")).await.unwrap().code,
        "A00",
        "one bad request leaves the stream as it is"
    );
}

#[tokio::test]
async fn a_stream_that_ends_tells_everybody_who_waits() {
    let client = Client::connect(config(serve(Switchboard::default(), None).await))
        .await
        .unwrap();
    let stream = client.stream_checks(16);
    let waiting = tokio::spawn({
        let stream = stream.clone();
        async move { stream.check(dialed("slow")).await }
    });
    sleep(Duration::from_millis(50)).await;
    assert_eq!(
        stream
            .check(dialed("hang up"))
            .await
            .unwrap_err()
            .to_string(),
        "draining"
    );
    assert_eq!(waiting.await.unwrap().unwrap_err().to_string(), "draining");
    assert!(stream.is_broken());
    assert_eq!(
        stream.check(dialed("1")).await.unwrap_err().code(),
        Code::Unavailable
    );
}

#[tokio::test]
async fn a_full_window_waits_and_a_deadline_frees_its_place() {
    let client = Client::connect(config(serve(Switchboard::default(), None).await))
        .await
        .unwrap();
    let stream = client
        .with_deadline(Some(Duration::from_millis(300)))
        .stream_checks(1);
    let slow = stream.check(dialed("slow"));
    let fast = stream.check(dialed("1"));
    let (slow, fast) = tokio::join!(slow, fast);
    assert!(matches!(slow, Err(Error::Deadline { .. })), "{slow:?}");
    assert_eq!(fast.unwrap().decision_id, "1");
}

#[tokio::test]
async fn mutual_tls() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let server = rcgen::generate_simple_self_signed(vec!["tfps.test".to_owned()]).unwrap();
    let phone = rcgen::generate_simple_self_signed(vec!["switch.test".to_owned()]).unwrap();
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(
            server.cert.pem(),
            server.signing_key.serialize_pem(),
        ))
        .client_ca_root(Certificate::from_pem(phone.cert.pem()));
    let address = serve(Switchboard::default(), Some(tls)).await;
    let secure = Config::new(format!("https://{address}")).token(Token::secret("tfps_good"));
    let mut files = Tls {
        ca_file: Some(file("ca.pem", &server.cert.pem())),
        client_cert_file: Some(file("client.pem", &phone.cert.pem())),
        client_key_file: Some(file("client.key", &phone.signing_key.serialize_pem())),
        domain: Some("tfps.test".to_owned()),
    };

    let client = Client::connect(secure.clone().tls(files.clone()))
        .await
        .unwrap();
    assert_eq!(client.check(dialed("1")).await.unwrap().code, "A00");

    files.ca_file = None;
    let untrusted = Client::connect(secure.tls(files)).await.unwrap_err();
    assert!(
        untrusted.to_string().contains("invalid peer certificate"),
        "{untrusted}"
    );
}
