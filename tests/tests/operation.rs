//! A server in operation: tokens, status, health, metrics, load and deadlines.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::time::Duration;

use futures::future::join_all;
use tfps_client::{Code, v1};
use tfps_tests::{
    Command, Server, clock, eventually,
    scene::{DOMAIN, HOME_NUMBER, LONDON, call},
};

#[tokio::test]
async fn a_token_serves_until_it_is_revoked_or_expires() {
    let server = Server::open().await;
    let create = async |name: &str, expires_at| {
        let token = v1::Token {
            name: name.to_owned(),
            role: v1::Role::Switch.into(),
            expires_at,
            ..v1::Token::default()
        };
        let request = v1::CreateTokenRequest { token: Some(token) };
        server.admin().create_token(request).await
    };
    let made = create("pbx", None).await.unwrap();
    let switch = server.client_of(&made.secret).await;
    assert!(switch.check(call("alice", HOME_NUMBER)).await.is_ok());
    let listed = server
        .admin()
        .list_tokens(Default::default())
        .await
        .unwrap();
    assert_eq!(listed.tokens.len(), 2);
    let token = made.token.unwrap();
    assert!(listed.tokens.iter().any(|listed| listed.id == token.id));
    assert!(!format!("{listed:?}").contains(&made.secret));
    assert!(!server.said().contains(&made.secret));
    let revoke = |id: &str| v1::RevokeTokenRequest { id: id.to_owned() };
    server
        .admin()
        .revoke_token(revoke(&token.id))
        .await
        .unwrap();
    let refused = switch.check(call("alice", HOME_NUMBER)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let gone = server.admin().revoke_token(revoke(&token.id)).await;
    assert_eq!(gone.unwrap_err().code(), Code::NotFound);
    // Nobody saws off the branch he sits on.
    let own = listed
        .tokens
        .iter()
        .find(|other| other.id != token.id)
        .unwrap();
    let refused = server.admin().revoke_token(revoke(&own.id)).await;
    assert_eq!(refused.unwrap_err().code(), Code::FailedPrecondition);

    let past = clock::now() - jiff::SignedDuration::from_secs(1);
    let error = create("late", Some(clock::timestamp(past)))
        .await
        .unwrap_err();
    assert_eq!(
        error.rejection().unwrap().violations[0].field,
        "token.expires_at"
    );
    let soon = clock::now() + jiff::SignedDuration::from_secs(2);
    let fleeting = create("fleeting", Some(clock::timestamp(soon)))
        .await
        .unwrap();
    let client = server.client_of(&fleeting.secret).await;
    assert!(client.check(call("alice", HOME_NUMBER)).await.is_ok());
    let client = &client;
    eventually("the token expires", || async move {
        let answer = client.check(call("alice", HOME_NUMBER)).await;
        answer
            .is_err_and(|error| error.code() == Code::Unauthenticated)
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn status_tells_how_the_server_is() {
    let server = Server::open().await;
    server.account("alice").await;
    server.check(call("alice", HOME_NUMBER)).await;
    server.check(call("alice", LONDON)).await;
    let status = server.admin().get_status(Default::default()).await.unwrap();
    assert!(status.serving && !status.version.is_empty() && status.memory_bytes > 1 << 20);
    let database = status.database.unwrap();
    assert_eq!(
        (database.kind.as_str(), database.reachable),
        ("sqlite", true)
    );
    assert_eq!(
        (status.accounts, status.policies, status.decisions),
        (1, 1, 2)
    );
    assert_eq!(
        (status.pending_challenges, status.calls_in_progress),
        (1, 1)
    );
    assert!(status.entries > 10, "the scanners that the original knew");
    let journal = status.journal.unwrap();
    assert!(journal.bytes > 0 && journal.lost == 0 && journal.error.is_empty());
    assert!(status.warnings.is_empty(), "{:?}", status.warnings);
}

#[tokio::test]
async fn health_and_reflection_answer_anybody() {
    use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let server = Command::default().http().start().await;
    let channel = tonic::transport::Channel::from_shared(server.url())
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel.clone());
    for service in ["", "tfps.v1.CheckService", "tfps.v1.AdminService"] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let answer = health.check(request).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = ServerReflectionClient::new(channel)
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(listed)) = answer.message_response else {
        panic!("{answer:?}");
    };
    let names: Vec<_> = listed
        .service
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    for name in [
        "tfps.v1.CheckService",
        "tfps.v1.LearnService",
        "grpc.health.v1.Health",
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert_eq!(server.http_get("/livez").await, "ok\n");
    assert_eq!(server.http_get("/readyz").await, "ok\n");
}

#[tokio::test]
async fn metrics_count_decisions_by_code() {
    let server = Command::default().http().start().await;
    server.account("alice").await;
    for _ in 0..3 {
        server.check(call("alice", "21012345678")).await;
    }
    server.check(call("nobody", HOME_NUMBER)).await;
    let metrics = server.http_get("/metrics").await;
    for line in [
        "tfps_decisions_total{code=\"R07\"} 3",
        "tfps_decisions_total{code=\"V01\"} 1",
        "tfps_decisions_total{code=\"A00\"} 0",
        "tfps_accounts 1",
        "tfps_journal_lost 0",
    ] {
        assert!(
            metrics.lines().any(|have| have == line),
            "{line} is not in\n{metrics}"
        );
    }
}

#[tokio::test]
async fn a_server_that_rests_has_nothing_in_flight() {
    let server = Command::default().http().start().await;
    join_all((0..50).map(|_| server.check(call("nobody", HOME_NUMBER)))).await;
    let server = &server;
    eventually("nothing is in flight", || async move {
        let metrics = server.http_get("/metrics").await;
        metrics
            .lines()
            .any(|line| line == "tfps_requests_in_flight 0")
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn more_than_can_be_answered_is_shed() {
    let server = Server::with("[requests]\nmax_in_flight = 1\n").await;
    // An import whose lines do not come holds the only place; one that finds it taken is shed itself.
    let open = async || {
        let (parts, waiting) = tokio::sync::mpsc::channel(1);
        let header = v1::ImportHeader {
            kind: v1::EntryKind::Ip.into(),
            action: v1::EntryAction::Block.into(),
            ..v1::ImportHeader::default()
        };
        let part = Some(v1::import_entries_request::Part::Header(header));
        parts.send(v1::ImportEntriesRequest { part }).await.unwrap();
        let mut service = server.another_connection().await.admin_service();
        let parts_sent = tokio_stream::wrappers::ReceiverStream::new(waiting);
        (
            parts,
            tokio::spawn(async move { service.import_entries(parts_sent).await }),
        )
    };
    let (mut parts, mut import) = open().await;
    let error = loop {
        if let Err(error) = server.admin().get_status(Default::default()).await {
            break error;
        }
        if import.is_finished() {
            (parts, import) = open().await;
        }
    };
    let rejection = error.rejection().unwrap();
    assert_eq!(rejection.code, Code::ResourceExhausted);
    assert!(
        rejection
            .retry_after
            .is_some_and(|pause| pause > Duration::ZERO)
    );
    drop(parts);
    assert!(import.await.unwrap().is_ok());
    eventually("the place is free again", || async {
        server.admin().get_status(Default::default()).await.ok()
    })
    .await;
}

#[tokio::test]
async fn a_deadline_is_kept() {
    let server = Server::open_with("[requests]\ndefault_deadline_ms = 1\n").await;
    server.account("alice").await;
    let in_time = server
        .admin()
        .with_deadline(Some(Duration::from_secs(30)))
        .check(call("alice", HOME_NUMBER))
        .await;
    assert_eq!(in_time.unwrap().code, "A00");
    // A millisecond is too short for the hash of a PIN. Without a deadline of its own a request has the server's.
    let account = v1::Account {
        username: "bob".to_owned(),
        domain: DOMAIN.to_owned(),
        pin: "284713".to_owned(),
        ..v1::Account::default()
    };
    let request = v1::CreateAccountRequest {
        account: Some(account),
    };
    let late = server.admin().admin_service().create_account(request).await;
    let rejection = tfps_client::Rejection::from(&late.unwrap_err());
    assert_eq!(
        (rejection.code, rejection.reason.as_str()),
        (Code::DeadlineExceeded, "DEADLINE")
    );
    assert_eq!(server.code(call("alice", HOME_NUMBER)).await, "A00");
}

#[tokio::test]
async fn at_debug_the_log_tells_each_request_in_plain_words_and_no_librarys_business() {
    let server = Server::with("[log]\nlevel = \"debug\"\n").await;
    let refused = server.admin().check(call("alice", "")).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let said = &server;
    let line = eventually("the request is logged", || async move {
        said.said()
            .lines()
            .find(|line| line.contains("dialed_number"))
            .map(str::to_owned)
    })
    .await;
    assert!(line.contains("InvalidArgument"), "{line}");
    assert!(line.contains("dialed_number: must be given"), "{line}");
    assert!(line.contains("CheckService/Check"), "{line}");
    let said = server.said();
    assert!(!said.contains("h2::"), "{said}");
}

#[tokio::test]
async fn a_stop_leaves_the_database_in_one_file_and_the_journal_at_its_length() {
    let mut server = Server::with("").await;
    server
        .admin()
        .check(call("alice", HOME_NUMBER))
        .await
        .unwrap();
    server.terminate();
    assert!(server.ended().await.success());
    let dir = server.data_dir();
    let wal = std::fs::metadata(dir.join("tfps.db-wal")).map_or(0, |file| file.len());
    assert_eq!(wal, 0, "the write-ahead log is in the database");
    for file in std::fs::read_dir(dir.join("journal")).unwrap() {
        let length = file.unwrap().metadata().unwrap().len();
        assert!(length < 10_000, "{length}");
    }
}
