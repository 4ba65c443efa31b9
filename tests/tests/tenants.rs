//! What one tenant can do to the others: nothing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::time::{Duration, Instant};

use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tfps_client::{
    Client, Code, Error,
    v1::{self, EntryAction, EntryKind, Role, Rule, RuleMode},
};
use tfps_proto::v1::admin_service_client::AdminServiceClient;
use tfps_tests::{
    Command, Server, eventually,
    scene::{
        CUBA, DOMAIN, ELSEWHERE, HOME_NUMBER, LONDON, SOMALIA, call, from, key, limits, policy,
        setting,
    },
};
use tonic::{Request, Status, transport::Channel};

/// An address that callers of several tenants share.
const OFFICE: &str = "203.0.113.20";

/// What somebody would have changed in a policy.
type Change<'c> = &'c dyn Fn(&mut v1::Policy);

async fn tenant(server: &Server, role: Role) -> Client {
    server.client_of(&server.token(role, DOMAIN).await).await
}

fn entry(kind: EntryKind, value: &str, action: EntryAction) -> v1::Entry {
    v1::Entry {
        kind: kind.into(),
        value: value.to_owned(),
        action: action.into(),
        domain: DOMAIN.to_owned(),
        ..v1::Entry::default()
    }
}

async fn put(client: &Client, entries: Vec<v1::Entry>) -> Result<v1::PutEntriesResponse, Error> {
    client.put_entries(v1::PutEntriesRequest { entries }).await
}

/// What is refused: the status code and `ErrorInfo.reason`, and what is said.
fn refused<T: std::fmt::Debug>(answer: Result<T, Error>) -> (Code, String, String) {
    let error = answer.unwrap_err();
    let rejection = error.rejection().unwrap();
    (
        rejection.code,
        rejection.reason.clone(),
        rejection.message.clone(),
    )
}

/// A client that opens streams and says nothing.
struct Silent {
    service: AdminServiceClient<Channel>,
    secret: String,
}

impl Silent {
    async fn new(server: &Server, secret: &str) -> Self {
        let channel = Channel::from_shared(server.url()).unwrap();
        Self {
            service: AdminServiceClient::new(channel.connect().await.unwrap()),
            secret: secret.to_owned(),
        }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let header = format!("Bearer {}", self.secret).parse().unwrap();
        request.metadata_mut().insert("authorization", header);
        request
    }

    /// An import whose first message never comes: its answer within a moment, or none.
    async fn import(&self) -> Option<Status> {
        let mut service = self.service.clone();
        let import = service.import_entries(self.request(tokio_stream::pending()));
        let answer = tokio::time::timeout(Duration::from_secs(3), import).await;
        answer.ok().map(|answer| answer.unwrap_err())
    }
}

#[tokio::test]
async fn who_may_not_import_is_told_before_he_sends_anything() {
    let server = Server::open().await;
    let secret = server.token(Role::ReadOnly, DOMAIN).await;
    let silent = Silent::new(&server, &secret).await;
    let status = silent.import().await.expect("an answer");
    assert_eq!(status.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_token_has_so_many_streams_and_requests_at_once_and_no_more() {
    let server = Server::open_with(
        "[requests]\nmax_streams_per_token = 3\nmax_in_flight_per_token = 2\nmax_in_flight_per_switch = 1000\n",
    )
    .await;
    let secret = server.token(Role::DomainAdmin, DOMAIN).await;
    let silent = Silent::new(&server, &secret).await;
    let watch = async || {
        let mut service = silent.service.clone();
        let request = silent.request(v1::WatchDecisionsRequest::default());
        service.watch_decisions(request).await
    };
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(watch().await.unwrap());
    }
    let status = watch().await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(
        status.message().contains("requests.max_streams_per_token"),
        "{status:?}"
    );
    // Others have their own.
    let other = tenant(&server, Role::DomainAdmin).await;
    drop(other.watch_decisions(Default::default()).await.unwrap());
    // Its unary requests are counted apart, and one that is over gives its place back.
    let client = server.client_of(&secret).await;
    client.list_accounts(Default::default()).await.unwrap();
    drop(open.pop());
    eventually("a place is given back", async || watch().await.ok()).await;

    // Requests of which only a beginning comes.
    let begun = async || {
        let channel = Channel::from_shared(server.url()).unwrap();
        let mut grpc = tonic::client::Grpc::new(channel.connect().await.unwrap());
        grpc.ready().await.unwrap();
        let path = "/tfps.v1.AdminService/GetStatus".parse().unwrap();
        let request = silent.request(tokio_stream::pending());
        let answer = grpc.streaming(request, path, tfps_tests::raw::Bytes);
        tokio::time::timeout(Duration::from_millis(700), answer).await
    };
    let (first, second, third, fourth) = tokio::join!(begun(), begun(), begun(), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.code(call("nobody", HOME_NUMBER)).await
    });
    let shed = [first, second, third].into_iter().filter_map(Result::ok);
    let shed: Vec<_> = shed
        .map(|answer| answer.map(drop).unwrap_err().code())
        .collect();
    assert_eq!(shed, [Code::ResourceExhausted]);
    assert_eq!(fourth, "V01", "others are served");
}

async fn database(server: &Server) -> SqliteConnection {
    let file = SqliteConnectOptions::new().filename(server.data_dir().join("tfps.db"));
    let file = file.busy_timeout(Duration::from_secs(30));
    SqliteConnection::connect_with(&file).await.unwrap()
}

/// Puts so many decisions of the domain's past into the database.
async fn past(server: &Server, count: u32) {
    server.account("alice").await;
    server.check(call("alice", HOME_NUMBER)).await;
    server.shipped().await;
    let mut database = database(server).await;
    let before = tfps_tests::clock::now() - jiff::SignedDuration::from_hours(24 * 30);
    sqlx::query(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) \
         INSERT INTO decisions SELECT ? || printf('%013x', i), ?, domain, username, dialed_number, e164, caller_number, source_ip, \
         user_agent, concurrent_calls, call_id, forwarded_from, trunk, verdict, code, reason, purpose, challenge_id, \
         challenge_expires_at, destination_country, source_country, number_kind, off_hours, risk, monitored_verdict, \
         monitored_code, monitored_reason, policy, latency_us, source_asn FROM n, (SELECT * FROM decisions LIMIT 1)",
    )
    .bind(count)
    .bind(format!("{:011x}", before.as_millisecond()))
    .bind(before.as_millisecond())
    .execute(&mut database)
    .await
    .unwrap();
}

/// A query that looks at every decision of the domain and finds none.
fn heavy() -> v1::ListDecisionsRequest {
    v1::ListDecisionsRequest {
        filter: Some(v1::DecisionFilter {
            number_prefix: "999".to_owned(),
            ..v1::DecisionFilter::default()
        }),
        ..v1::ListDecisionsRequest::default()
    }
}

#[tokio::test]
async fn a_tenants_heavy_queries_keep_no_caller_and_no_operator_waiting() {
    let server = Server::open().await;
    past(&server, 300_000).await;
    let reader = tenant(&server, Role::ReadOnly).await;
    let started = Instant::now();
    reader.list_decisions(heavy()).await.unwrap();
    let one = started.elapsed();
    let queries: Vec<_> = (0..60)
        .map(|_| {
            let reader = reader.clone();
            tokio::spawn(async move { drop(reader.list_decisions(heavy()).await) })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    for caller in ["bob", "carol", "dave"] {
        let decision = server.check(call(caller, HOME_NUMBER)).await;
        let started = Instant::now();
        let opened = server
            .start_verification(caller, decision.challenge.as_ref().unwrap())
            .await
            .unwrap();
        server
            .complete(&opened.verification_id, &opened.captcha_digits)
            .await
            .unwrap();
        server
            .admin()
            .list_accounts(Default::default())
            .await
            .unwrap();
        let took = started.elapsed();
        assert!(
            took < Duration::from_secs(2),
            "{took:?}, a query takes {one:?}"
        );
    }
    assert!(
        queries.iter().any(|query| !query.is_finished()),
        "they were too few to tell"
    );
}

#[tokio::test]
async fn a_query_that_takes_too_long_says_what_to_ask_for() {
    let server = Server::open_with("[requests]\nquery_ms = 100\n").await;
    past(&server, 1_500_000).await;
    let (code, reason, message) = refused(server.admin().list_decisions(heavy()).await);
    assert_eq!(
        (code, reason.as_str()),
        (Code::ResourceExhausted, "QUERY_TOO_LONG")
    );
    assert!(
        message.contains("requests.query_ms") && message.contains("since"),
        "{message}"
    );
}

/// Short, and tens of thousands of states.
const COSTLY: &str = r"(?:\w{1,60}x){1,20}";

#[tokio::test]
async fn a_pattern_that_would_cost_every_call_is_refused() {
    let server = Server::open().await;
    let client = tenant(&server, Role::DomainAdmin).await;
    let pattern = |value: &str| entry(EntryKind::UserAgent, value, EntryAction::Block);
    let (code, _, message) = refused(put(&client, vec![pattern("^sipp"), pattern(COSTLY)]).await);
    assert_eq!(code, Code::InvalidArgument);
    assert!(
        message.contains("entries[1].value") && message.contains("too much"),
        "{message}"
    );
    // Each of these is asked on every call: only so many are taken, together or one by one.
    let short = |number: usize| pattern(&format!("^.{{{}}}[0-9]$", number + 1));
    let (code, _, message) = refused(put(&client, (0..33).map(short).collect()).await);
    assert_eq!(code, Code::InvalidArgument);
    assert!(
        message.contains("^.{33}[0-9]$") && message.contains("longer text"),
        "{message}"
    );
    put(&client, (0..32).map(short).collect()).await.unwrap();
    let (code, ..) = refused(put(&client, vec![short(32)]).await);
    assert_eq!(code, Code::InvalidArgument);
    put(&client, vec![pattern("^scanner.*[0-9]$")])
        .await
        .unwrap();
}

/// Legal, and costly to read.
fn legal(number: usize) -> v1::Entry {
    let pattern = format!("scanner-{number}[ /].{{1,8}}[a-m]{{1,8}}x");
    entry(EntryKind::UserAgent, &pattern, EntryAction::Block)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn costly_patterns_keep_no_call_waiting() {
    let server = Server::open().await;
    server.account("alice").await;
    // A domain has no room for them, which is told before they are read.
    let client = tenant(&server, Role::DomainAdmin).await;
    let began = Instant::now();
    let (code, reason, message) = refused(put(&client, (0..10_000).map(legal).collect()).await);
    assert_eq!(
        (code, reason.as_str()),
        (Code::ResourceExhausted, "DOMAIN_FULL")
    );
    assert!(message.contains("domains.max_patterns"), "{message}");
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    // The same one, again and again, is one.
    put(&client, vec![legal(0); 10_000]).await.unwrap();
    // An operator's are read while calls are decided.
    let putting: Vec<_> = (0..4)
        .map(|part| {
            let admin = server.admin().clone();
            tokio::spawn(async move {
                // They are for all domains.
                let general = |number| v1::Entry {
                    domain: String::new(),
                    ..legal(number)
                };
                let entries = (part * 1_000..part * 1_000 + 100).map(general).collect();
                let mut request = Request::new(v1::PutEntriesRequest { entries });
                request.set_timeout(Duration::from_secs(60));
                admin.admin_service().put_entries(request).await.map(drop)
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut took = Vec::new();
    while !putting.iter().all(tokio::task::JoinHandle::is_finished) {
        let began = Instant::now();
        server.check(call("alice", HOME_NUMBER)).await;
        took.push(began.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for put in putting {
        put.await.unwrap().unwrap();
    }
    assert!(took.len() > 10, "they were too few to tell: {}", took.len());
    took.sort_unstable();
    let median = took[took.len() / 2];
    assert!(
        median < Duration::from_millis(100),
        "{median:?} of {}",
        took.len()
    );
    // Who asks what an agent matches asks what is there, and only their own.
    let reader = tenant(&server, Role::ReadOnly).await;
    let began = Instant::now();
    let request = v1::ListEntriesRequest {
        filter: Some(v1::EntryFilter {
            kind: EntryKind::UserAgent.into(),
            matching: "scanner-0 and abx".to_owned(),
            ..v1::EntryFilter::default()
        }),
        ..v1::ListEntriesRequest::default()
    };
    let listed = reader.list_entries(request.clone()).await.unwrap().entries;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].domain, DOMAIN);
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(
        server
            .admin()
            .list_entries(request)
            .await
            .unwrap()
            .entries
            .len(),
        2
    );
}

fn header(kind: EntryKind, skip_invalid: bool) -> v1::ImportEntriesRequest {
    let header = v1::ImportHeader {
        kind: kind.into(),
        action: EntryAction::Block.into(),
        domain: DOMAIN.to_owned(),
        skip_invalid,
        ..v1::ImportHeader::default()
    };
    v1::ImportEntriesRequest {
        part: Some(v1::import_entries_request::Part::Header(header)),
    }
}

fn lines(lines: Vec<String>) -> v1::ImportEntriesRequest {
    let lines = v1::ImportLines {
        first_line: 1,
        lines,
    };
    v1::ImportEntriesRequest {
        part: Some(v1::import_entries_request::Part::Lines(lines)),
    }
}

#[tokio::test]
async fn an_import_ends_when_too_much_of_it_is_wrong_or_the_same() {
    let server = Server::open_with(
        "[domains]
max_entries = 1000
max_patterns = 5
",
    )
    .await;
    let client = tenant(&server, Role::DomainAdmin).await;
    let import = async |kind, all: Vec<String>| {
        let parts = [header(kind, true), lines(all)];
        let mut service = client.admin_service();
        let answer = service.import_entries(tokio_stream::iter(parts)).await;
        answer
            .map(drop)
            .map_err(|status| status.message().to_owned())
    };
    let wrong = import(EntryKind::Ip, vec!["no address".to_owned(); 1_001]).await;
    assert!(wrong.unwrap_err().contains("as are 1000 others"));
    let same = import(EntryKind::Ip, vec!["192.0.2.1".to_owned(); 2_001]).await;
    assert!(same.unwrap_err().contains("one more than 2000"));
    let pattern = |number: usize| format!("scanner-{number}");
    let many = import(EntryKind::UserAgent, (0..6).map(pattern).collect()).await;
    assert!(many.unwrap_err().contains("one more than the 5"));
    import(EntryKind::UserAgent, (0..5).map(pattern).collect())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_domain_imports_one_list_at_a_time() {
    let server = Server::open().await;
    let client = tenant(&server, Role::DomainAdmin).await;
    let open = |client: &Client| {
        let (parts, received) = tokio::sync::mpsc::channel(4);
        parts.try_send(header(EntryKind::Ip, false)).unwrap();
        let mut service = client.admin_service();
        let received = tokio_stream::wrappers::ReceiverStream::new(received);
        let import = tokio::spawn(async move { service.import_entries(received).await.map(drop) });
        (parts, import)
    };
    let (first, importing) = open(&client);
    first
        .send(lines(vec!["192.0.2.1".to_owned()]))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (second, waiting) = open(&client);
    second
        .send(lines(vec!["192.0.2.2".to_owned()]))
        .await
        .unwrap();
    drop(second);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!waiting.is_finished());
    // Another domain does not wait.
    let other = server.token(Role::DomainAdmin, ELSEWHERE).await;
    let other = server.client_of(&other).await;
    let elsewhere = v1::ImportEntriesRequest {
        part: Some(v1::import_entries_request::Part::Header(v1::ImportHeader {
            kind: EntryKind::Ip.into(),
            action: EntryAction::Block.into(),
            ..v1::ImportHeader::default()
        })),
    };
    let parts = [elsewhere, lines(vec!["192.0.2.3".to_owned()])];
    let mut service = other.admin_service();
    service
        .import_entries(tokio_stream::iter(parts))
        .await
        .unwrap();
    drop(first);
    importing.await.unwrap().unwrap();
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_costly_pattern_of_before_is_not_asked_and_is_warned_of() {
    let mut server = Server::open().await;
    server.account("alice").await;
    let mut connection = database(&server).await;
    for pattern in [COSTLY, "^bad"] {
        sqlx::query(
            "INSERT INTO entries (kind, domain, value, source, action, reason, listed_at, created_at) \
             VALUES ('user-agent', ?, ?, 'operator', 'block', '', 0, 0)",
        )
        .bind(DOMAIN)
        .bind(pattern)
        .execute(&mut connection)
        .await
        .unwrap();
    }
    connection.close().await.unwrap();
    server.kill9();
    server.restart().await;
    let agent = |agent: &str| v1::CheckRequest {
        user_agent: agent.to_owned(),
        ..call("alice", HOME_NUMBER)
    };
    assert_eq!(server.code(agent("bad phone")).await, "R01");
    assert_eq!(server.code(agent("axxxxxx")).await, "A00");
    let warned = async || {
        let status = server.admin().get_status(Default::default()).await.unwrap();
        status
            .warnings
            .iter()
            .any(|warning| warning.contains("matches nothing"))
    };
    assert!(warned().await);
    assert!(server.said().contains("matches nothing"));
    // It is listed, and can be deleted.
    let filter = v1::EntryFilter {
        kind: EntryKind::UserAgent.into(),
        value: COSTLY.to_owned(),
        ..v1::EntryFilter::default()
    };
    let request = v1::DeleteEntriesRequest {
        filter: Some(filter),
    };
    assert_eq!(
        server
            .admin()
            .delete_entries(request)
            .await
            .unwrap()
            .deleted,
        1
    );
    assert!(!warned().await);
}

#[tokio::test]
async fn a_domain_has_so_much_and_no_more() {
    let server = Server::open_with(
        "[domains]\nmax_accounts = 2\nmax_entries = 5\nmax_patterns = 2\nmax_policies = 1\n",
    )
    .await;
    let client = tenant(&server, Role::DomainAdmin).await;
    let full = (Code::ResourceExhausted, "DOMAIN_FULL".to_owned());
    let told = |(code, reason, message): (Code, String, String), key: &str| {
        assert!(message.contains(key), "{message}");
        (code, reason)
    };
    let address = |number: usize| {
        entry(
            EntryKind::Ip,
            &format!("192.0.2.{number}"),
            EntryAction::Block,
        )
    };
    let pattern = |text: &str| entry(EntryKind::UserAgent, text, EntryAction::Block);
    // Entries: all or none, again and again the same, and whatever way they come.
    let answer = refused(put(&client, (0..6).map(address).collect()).await);
    assert_eq!(told(answer, "domains.max_entries"), full);
    put(&client, (0..5).map(address).collect()).await.unwrap();
    put(&client, (0..5).map(address).collect()).await.unwrap();
    assert_eq!(
        told(
            refused(put(&client, vec![address(5)]).await),
            "domains.max_entries"
        ),
        full
    );
    let learned = v1::Outcome {
        subject: Some(v1::outcome::Subject::Number(SOMALIA.to_owned())),
        kind: v1::OutcomeKind::ConfirmedFraud.into(),
        note: String::new(),
    };
    let lesson = v1::learn_request::Lesson::Outcome(learned);
    let request = v1::LearnRequest {
        lesson: Some(lesson),
    };
    let (code, _, message) = refused(client.learn(request).await);
    assert_eq!(code, Code::ResourceExhausted);
    assert!(message.contains("domains.max_entries"), "{message}");
    // An operator is not held to it, and what is above it can be made less, not more.
    let all = v1::PutEntriesRequest {
        entries: (5..9).map(address).collect(),
    };
    server.admin().put_entries(all).await.unwrap();
    let delete = |value: String| v1::DeleteEntriesRequest {
        filter: Some(v1::EntryFilter {
            value,
            kind: EntryKind::Ip.into(),
            ..v1::EntryFilter::default()
        }),
    };
    for number in 0..8 {
        let request = delete(format!("192.0.2.{number}"));
        assert_eq!(client.delete_entries(request).await.unwrap().deleted, 1);
    }
    put(&client, vec![pattern("^sipp"), pattern("^sipvicious")])
        .await
        .unwrap();
    assert_eq!(
        told(
            refused(put(&client, vec![pattern("^evil")]).await),
            "domains.max_patterns"
        ),
        full
    );
    // Accounts.
    let account = |username: &str| v1::CreateAccountRequest {
        account: Some(v1::Account {
            username: username.to_owned(),
            domain: DOMAIN.to_owned(),
            ..v1::Account::default()
        }),
    };
    for username in ["alice", "bob"] {
        client.create_account(account(username)).await.unwrap();
    }
    let answer = refused(client.create_account(account("carol")).await);
    assert_eq!(told(answer, "domains.max_accounts"), full);
    server
        .admin()
        .create_account(account("carol"))
        .await
        .unwrap();
    // Policies.
    let request = v1::GetPolicyRequest {
        name: "default".to_owned(),
        domain: String::new(),
    };
    let general = server
        .admin()
        .get_policy(request)
        .await
        .unwrap()
        .policy
        .unwrap();
    let of = |name: &str, domain: &str| v1::PutPolicyRequest {
        policy: Some(v1::Policy {
            blocked_countries: general.blocked_countries.clone(),
            ..policy(name, domain)
        }),
    };
    let put_policy = |name: &str| of(name, DOMAIN);
    client.put_policy(put_policy("day")).await.unwrap();
    client.put_policy(put_policy("day")).await.unwrap();
    let answer = refused(client.put_policy(put_policy("night")).await);
    assert_eq!(told(answer, "domains.max_policies"), full);
    // The other domain has its own.
    let other = server
        .client_of(&server.token(Role::DomainAdmin, ELSEWHERE).await)
        .await;
    other.put_policy(of("day", ELSEWHERE)).await.unwrap();
}

#[tokio::test]
async fn what_has_expired_takes_no_room() {
    let server = Server::open_with("[domains]\nmax_entries = 2\n").await;
    let client = tenant(&server, Role::DomainAdmin).await;
    let address = |number: usize, seconds: Option<i64>| v1::Entry {
        expires_at: seconds.map(|seconds| prost_types::Timestamp {
            seconds: (tfps_tests::clock::now() + jiff::SignedDuration::from_secs(seconds))
                .as_second(),
            nanos: 0,
        }),
        ..entry(
            EntryKind::Ip,
            &format!("192.0.2.{number}"),
            EntryAction::Block,
        )
    };
    put(&client, vec![address(1, Some(2)), address(2, Some(2))])
        .await
        .unwrap();
    assert!(put(&client, vec![address(3, None)]).await.is_err());
    eventually("they expire", async || {
        put(&client, vec![address(3, None)]).await.ok()
    })
    .await;
}

#[tokio::test]
async fn a_domain_admin_may_tighten_its_policies_and_not_loosen_them() {
    let server = Server::open().await;
    server
        .policy(|policy| {
            policy.exposure = Some(v1::Caps {
                daily_international_minutes: Some(60),
                ..v1::Caps::default()
            });
        })
        .await;
    let client = tenant(&server, Role::DomainAdmin).await;
    let put = async |client: &Client, change: Change<'_>| {
        let request = v1::GetPolicyRequest {
            name: "default".to_owned(),
            domain: String::new(),
        };
        let mut policy = client.get_policy(request).await.unwrap().policy.unwrap();
        (policy.name, policy.domain) = ("own".to_owned(), DOMAIN.to_owned());
        policy.etag = String::new();
        change(&mut policy);
        let request = v1::PutPolicyRequest {
            policy: Some(policy),
        };
        client.put_policy(request).await
    };
    put(&client, &|policy| {
        policy.rules = vec![setting(Rule::DestinationCountry, RuleMode::Enforce)];
        policy.blocked_countries.push("SO".to_owned());
        policy.exposure = Some(v1::Caps {
            daily_international_minutes: Some(30),
            ..v1::Caps::default()
        });
    })
    .await
    .unwrap();
    let bounded: [(&str, Change<'_>); 9] = [
        ("policy.monitor", &|policy| policy.monitor = true),
        ("policy.rules", &|policy| {
            policy.rules = vec![setting(Rule::Risk, RuleMode::Off)];
        }),
        ("policy.rules", &|policy| {
            policy.rules = vec![setting(Rule::BlockedCountry, RuleMode::Report)];
        }),
        ("policy.blocked_countries", &|policy| {
            policy.blocked_countries.clear();
        }),
        ("policy.dial_plan", &|policy| {
            policy.dial_plan.as_mut().unwrap().home_country = "SO".to_owned();
        }),
        ("policy.dial_plan", &|policy| {
            policy.dial_plan.as_mut().unwrap().emergency_numbers = vec!["90900".to_owned()];
        }),
        ("policy.exposure.daily_international_minutes", &|policy| {
            policy.exposure = Some(v1::Caps::default());
        }),
        ("policy.risk.deny_score", &|policy| {
            policy.risk.as_mut().unwrap().deny_score = 101;
        }),
        ("policy.new_accounts.maximum.daily_quota", &|policy| {
            let new_accounts = policy.new_accounts.as_mut().unwrap();
            new_accounts.maximum.as_mut().unwrap().daily_quota = Some(100_000);
        }),
    ];
    for (field, change) in bounded {
        let (code, reason, message) = refused(put(&client, change).await);
        assert_eq!(
            (code, reason.as_str()),
            (Code::PermissionDenied, "BOUNDED_BY_OPERATOR"),
            "{field}"
        );
        assert!(
            message.contains(field) && message.contains("bounding_policy"),
            "{message}"
        );
    }
    // What the operator has set for the domain may stay so, and no more.
    let loosened = |policy: &mut v1::Policy| policy.monitor = true;
    put(server.admin(), &loosened).await.unwrap();
    put(&client, &|policy| {
        loosened(policy);
        policy.description = "watched for a week".to_owned();
    })
    .await
    .unwrap();
    let (_, _, message) = refused(
        put(&client, &|policy| {
            loosened(policy);
            policy.risk.as_mut().unwrap().challenge_score = 101;
        })
        .await,
    );
    assert!(message.contains("policy.risk.challenge_score"), "{message}");
}

#[tokio::test]
async fn a_domain_admins_accounts_and_allow_entries_are_bounded_too() {
    let server = Server::open().await;
    server
        .put_policy(v1::Policy {
            monitor: true,
            ..policy("lenient", "")
        })
        .await;
    server.account("alice").await;
    let client = tenant(&server, Role::DomainAdmin).await;
    let update = async |client: &Client, path: &str, change: &dyn Fn(&mut v1::Account)| {
        let request = v1::GetAccountRequest {
            account: Some(key("alice")),
        };
        let mut account = client.get_account(request).await.unwrap().account.unwrap();
        change(&mut account);
        let request = v1::UpdateAccountRequest {
            account: Some(account),
            update_mask: Some(prost_types::FieldMask {
                paths: vec![path.to_owned()],
            }),
        };
        client.update_account(request).await
    };
    // The operator gave it a hundred calls at once and a thousand a day: fewer are possible, and not more than the policy's maximum again.
    update(&client, "limits", &|account| {
        account.limits = Some(limits(100, 999));
    })
    .await
    .unwrap();
    let (code, _, message) = refused(
        update(&client, "limits", &|account| {
            account.limits = Some(limits(100, 1_000));
        })
        .await,
    );
    assert_eq!(code, Code::PermissionDenied);
    assert!(message.contains("account.limits.daily_quota"), "{message}");
    update(&client, "limits", &|account| {
        account.limits = Some(limits(5, 99));
    })
    .await
    .unwrap();
    let account = v1::Account {
        username: "bob".to_owned(),
        domain: DOMAIN.to_owned(),
        limits: Some(limits(1_000, 99)),
        ..v1::Account::default()
    };
    let request = v1::CreateAccountRequest {
        account: Some(account),
    };
    let (code, ..) = refused(client.create_account(request.clone()).await);
    assert_eq!(code, Code::PermissionDenied);
    // A general policy that protects less is no way around it.
    let lenient = |account: &mut v1::Account| account.policy = "lenient".to_owned();
    let (code, _, message) = refused(update(&client, "policy", &lenient).await);
    assert_eq!(code, Code::PermissionDenied);
    assert!(
        message.contains("lenient") && message.contains("monitor"),
        "{message}"
    );
    update(server.admin(), "policy", &lenient).await.unwrap();
    // Nor are entries that allow a country, or half the net.
    let allow = |kind, value: &str| vec![entry(kind, value, EntryAction::Allow)];
    for wide in [
        allow(EntryKind::Number, "252"),
        allow(EntryKind::Number, "25261234"),
        // The operator blocks the country.
        allow(EntryKind::Number, CUBA),
        allow(EntryKind::Ip, "198.0.0.0/8"),
        allow(EntryKind::Ip, "2001:db8::/32"),
    ] {
        let (code, _, message) = refused(put(&client, wide.clone()).await);
        assert_eq!(code, Code::PermissionDenied);
        assert!(message.contains("entries[0].value"), "{message}");
        put(server.admin(), wide).await.unwrap();
    }
    put(&client, allow(EntryKind::Number, SOMALIA))
        .await
        .unwrap();
    put(&client, allow(EntryKind::Ip, "198.51.100.7"))
        .await
        .unwrap();
    put(
        &client,
        vec![entry(EntryKind::Number, "371", EntryAction::Block)],
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn a_domain_admin_resets_no_cap() {
    let mut server = Server::open().await;
    server
        .policy(|policy| {
            policy.exposure = Some(v1::Caps {
                daily_international_minutes: Some(6),
                assumed_minutes: Some(5),
                ..v1::Caps::default()
            });
        })
        .await;
    server
        .account_with("alice", |account| {
            account.destination_countries = vec!["GB".to_owned()];
        })
        .await;
    let client = tenant(&server, Role::DomainAdmin).await;
    let abroad = |number: u32| v1::CheckRequest {
        call_id: format!("call-{number}"),
        ..call("alice", LONDON)
    };
    let reset = async |client: &Client| {
        let request = v1::ResetUsageRequest {
            account: Some(key("alice")),
        };
        client.reset_usage(request).await.unwrap();
    };
    assert_eq!(server.code(abroad(1)).await, "A00");
    assert_eq!(server.code(abroad(2)).await, "A00");
    assert_eq!(server.code(abroad(3)).await, "R21");
    reset(&client).await;
    assert_eq!(server.usage("alice").await.calls_today, 0);
    assert_eq!(server.code(abroad(4)).await, "R21");
    // Nor does a restart, before or after what was counted is in the database.
    for _ in 0..2 {
        server.kill9();
        server.restart().await;
        assert_eq!(server.usage("alice").await.calls_today, 0);
        assert_eq!(server.code(abroad(5)).await, "R21");
        server.shipped().await;
    }
    reset(server.admin()).await;
    assert_eq!(server.code(abroad(6)).await, "A00");
}

#[tokio::test]
async fn a_domain_admin_falls_back_on_nothing_weaker() {
    let server = Server::open_with("[domain_admins]\nbounding_policy = \"strict\"\n").await;
    let strict = |policy: &mut v1::Policy, name: &str, domain: &str| {
        (policy.name, policy.domain) = (name.to_owned(), domain.to_owned());
        policy.etag = String::new();
        policy.blocked_countries.push("SO".to_owned());
    };
    let request = v1::GetPolicyRequest {
        name: "default".to_owned(),
        domain: String::new(),
    };
    let general = server
        .admin()
        .get_policy(request)
        .await
        .unwrap()
        .policy
        .unwrap();
    for (name, domain) in [("strict", ""), ("own", DOMAIN), ("default", DOMAIN)] {
        let mut policy = general.clone();
        strict(&mut policy, name, domain);
        server.put_policy(policy).await;
    }
    server
        .account_with("alice", |account| account.policy = "own".to_owned())
        .await;
    let client = tenant(&server, Role::DomainAdmin).await;
    let unname = async || {
        let account = v1::Account {
            username: "alice".to_owned(),
            domain: DOMAIN.to_owned(),
            ..v1::Account::default()
        };
        let request = v1::UpdateAccountRequest {
            account: Some(account),
            update_mask: Some(prost_types::FieldMask {
                paths: vec!["policy".to_owned()],
            }),
        };
        client.update_account(request).await
    };
    let delete = async |client: &Client| {
        let request = v1::DeletePolicyRequest {
            name: "default".to_owned(),
            domain: DOMAIN.to_owned(),
            ..v1::DeletePolicyRequest::default()
        };
        client.delete_policy(request).await
    };
    let bounded = (Code::PermissionDenied, "BOUNDED_BY_OPERATOR".to_owned());
    let (code, reason, message) = refused(delete(&client).await);
    assert_eq!((code, reason), bounded);
    assert!(message.contains("blocked_countries"), "{message}");
    delete(server.admin()).await.unwrap();
    // Now the general one would count.
    let (code, reason, message) = refused(unname().await);
    assert_eq!((code, reason), bounded);
    assert!(message.contains("blocked_countries"), "{message}");
    let mut policy = general.clone();
    strict(&mut policy, "default", DOMAIN);
    server.put_policy(policy).await;
    unname().await.unwrap();
}

#[tokio::test]
async fn an_operator_may_let_domain_admins_set_anything() {
    let server = Server::open_with("[domain_admins]\nbounding_policy = \"\"\n").await;
    let client = tenant(&server, Role::DomainAdmin).await;
    let request = v1::PutPolicyRequest {
        policy: Some(v1::Policy {
            monitor: true,
            ..policy("own", DOMAIN)
        }),
    };
    client.put_policy(request).await.unwrap();
}

#[tokio::test]
async fn a_switch_starts_so_many_calls_of_an_account_and_no_more() {
    let server = Server::open().await;
    server.account("alice").await;
    server.account("bob").await;
    let switch = tenant(&server, Role::Switch).await;
    let event = async |username: &str, number: usize, event: v1::CallEvent| {
        let call = v1::CallProgress {
            account: Some(key(username)),
            call_id: format!("call-{number}"),
            event: event.into(),
            ..v1::CallProgress::default()
        };
        let request = v1::LearnRequest {
            lesson: Some(v1::learn_request::Lesson::Call(call)),
        };
        switch.learn(request).await
    };
    for number in 0..4_096 {
        event("alice", number, v1::CallEvent::Started)
            .await
            .unwrap();
    }
    let (code, _, message) = refused(event("alice", 4_096, v1::CallEvent::Started).await);
    assert_eq!(code, Code::ResourceExhausted);
    assert!(message.contains("alice"), "{message}");
    event("alice", 0, v1::CallEvent::Answered).await.unwrap();
    event("bob", 0, v1::CallEvent::Started).await.unwrap();
    event("alice", 0, v1::CallEvent::Ended).await.unwrap();
    event("alice", 4_096, v1::CallEvent::Started).await.unwrap();
}

/// A pipe that nobody writes to.
fn pipe(folder: &std::path::Path) -> String {
    let path = folder.join("pipe");
    let made = std::process::Command::new("mkfifo")
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());
    path.display().to_string()
}

#[tokio::test]
async fn a_pipe_or_an_endless_device_is_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = pipe(folder.path());
    for endless in [pipe.as_str(), "/dev/zero"] {
        let config = format!(
            "[[list]]\nname = \"endless\"\nfile = \"{endless}\"\nkind = \"ip\"\n[geo]\ncountry_file = \"{endless}\"\n"
        );
        let server = Server::open_with(&config).await;
        eventually("both are told of", async || {
            let status = server.admin().get_status(Default::default()).await.unwrap();
            let told = |name: &str| {
                let source = status
                    .sources
                    .iter()
                    .find(|source| source.name.contains(name));
                source.is_some_and(|source| source.error.contains("no regular file"))
            };
            (told("endless") && told("country")).then_some(())
        })
        .await;
        for key in ["exposure]\nrates_file", "risk]\nmodel_file"] {
            let config = format!("[{key} = \"{endless}\"\n");
            let refused = Command::default()
                .config(config)
                .try_start()
                .await
                .err()
                .unwrap();
            assert!(refused.said.contains("no regular file"), "{}", refused.said);
        }
    }
}

#[tokio::test]
async fn what_a_tenants_switch_says_of_a_source_is_none_of_the_others_business() {
    let server = Server::open().await;
    server
        .policy(|policy| {
            let flood = policy.flood.get_or_insert_default();
            (flood.requests_per_second, flood.burst) = (Some(1), 5);
        })
        .await;
    server.account("alice").await;
    let elsewhere = |username: &str| {
        let account = Some(v1::AccountKey {
            username: username.to_owned(),
            domain: ELSEWHERE.to_owned(),
        });
        let call = from(OFFICE, call(username, HOME_NUMBER));
        v1::CheckRequest { account, ..call }
    };
    server
        .account_with("bob", |account| account.domain = ELSEWHERE.to_owned())
        .await;
    // Through its own switch, of accounts that there are and of others.
    let switch = tenant(&server, Role::Switch).await;
    for username in ["alice", "nobody"] {
        let mut last = String::new();
        for _ in 0..20 {
            let check = from(OFFICE, call(username, HOME_NUMBER));
            last = switch.check(check).await.unwrap().code;
        }
        assert_eq!(last, "R19", "{username}");
    }
    assert_eq!(server.code(elsewhere("bob")).await, "A00");
    assert_eq!(server.code(elsewhere("newcomer")).await, "V01");
    // Accounts that nobody knows, in domains that nobody has, are one flood of their source.
    let mut refused = 0;
    for number in 0..50 {
        let account = Some(v1::AccountKey {
            username: "nobody".to_owned(),
            domain: format!("d{number}.example"),
        });
        let check = v1::CheckRequest {
            account,
            ..elsewhere("nobody")
        };
        refused += usize::from(server.code(check).await == "R19");
    }
    assert!(refused >= 40, "{refused}");
    assert_eq!(server.code(elsewhere("bob")).await, "A00");
}
