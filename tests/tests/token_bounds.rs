//! What the holder of one token can take: so many bytes, answers, connections and no more.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::time::Duration;

use futures::future::join_all;
use prost::Message;
use tfps_client::{Code, Rejection, v1};
use tfps_tests::{
    Command, Server, eventually,
    http2::{
        ATTACKER, DATA, END_HEADERS, END_STREAM, HEADERS, frame, headers, http2_from, is_closed,
        message, next_frame,
    },
    raw::Wire,
    scene::{DOMAIN, HOME_NUMBER, call},
};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, timeout},
};

const STATUS: &str = "/tfps.v1.AdminService/GetStatus";
const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const SOON: Duration = Duration::from_secs(5);

fn bearer(secret: &str) -> String {
    format!("Bearer {secret}")
}

/// A connection on which a token has been shown.
async fn shown(server: &Server, secret: &str, settings: &[(u16, u32)]) -> TcpStream {
    let mut stream = http2_from(ATTACKER, server.address(), settings)
        .await
        .unwrap();
    ask(&mut stream, 1, secret).await;
    stream
}

/// Asks for the status, as stream `id`.
async fn ask(stream: &mut TcpStream, id: u32, secret: &str) {
    let block = headers(STATUS, &[("authorization", &bearer(secret))]);
    let request = [
        frame(HEADERS, END_HEADERS, id, &block),
        frame(DATA, END_STREAM, id, &message(&[])),
    ];
    stream.write_all(&request.concat()).await.unwrap();
}

/// Whether stream `id` brings an answer with a message in it; none where the connection ends first.
async fn is_answered(stream: &mut TcpStream, id: u32) -> Option<bool> {
    while let Some(frame) = next_frame(stream, SOON).await {
        if frame.stream == id && frame.kind == DATA {
            return Some(true);
        }
        if frame.stream == id && frame.flags & END_STREAM != 0 {
            return Some(false);
        }
    }
    None
}

#[tokio::test]
async fn a_message_is_as_long_as_its_request_needs() {
    let server = Server::open().await;
    server.account("alice").await;
    let admin = std::fs::read_to_string(server.admin_token_path()).unwrap();
    let wire = Wire::to(&server, Some(admin.trim())).await;
    let long = |length: usize| {
        v1::CheckRequest {
            user_agent: "x".repeat(length),
            ..call("alice", HOME_NUMBER)
        }
        .encode_to_vec()
    };
    let code = async |path: &str, body: Vec<u8>| {
        let answer = wire.call(&format!("/tfps.v1.{path}"), vec![body]).await;
        answer.map_or_else(|status| status.code(), |_| Code::Ok)
    };
    let (check, learn) = ("CheckService/Check", "LearnService/Learn");
    assert_eq!(code(check, long(60 << 10)).await, Code::InvalidArgument);
    assert_eq!(code(check, long(65 << 10)).await, Code::OutOfRange);
    let streamed = v1::StreamChecksRequest {
        id: 1,
        check: Some(v1::CheckRequest {
            user_agent: "x".repeat(65 << 10),
            ..call("alice", HOME_NUMBER)
        }),
    };
    let stream = "CheckService/StreamChecks";
    assert_eq!(
        code(stream, streamed.encode_to_vec()).await,
        Code::OutOfRange
    );
    for path in [
        learn,
        "VerifyService/StartVerification",
        "VerifyService/CompleteVerification",
    ] {
        assert_eq!(
            code(path, vec![0; 65 << 10]).await,
            Code::OutOfRange,
            "{path}"
        );
    }
    let status = "AdminService/GetStatus";
    assert_eq!(code(status, vec![0; 257 << 10]).await, Code::OutOfRange);
    // Entries may be many.
    let entries = (0..10_000).map(|number| v1::Entry {
        kind: v1::EntryKind::Number.into(),
        value: format!("2526{number:05}"),
        action: v1::EntryAction::Block.into(),
        reason: "x".repeat(200),
        ..v1::Entry::default()
    });
    let entries = v1::PutEntriesRequest {
        entries: entries.collect(),
    };
    let entries = entries.encode_to_vec();
    assert!(entries.len() > 2 << 20);
    assert_eq!(code("AdminService/PutEntries", entries).await, Code::Ok);
}

#[tokio::test]
async fn entries_come_from_who_may_change_them_and_four_at_a_time() {
    let server = Server::open().await;
    let half = async |stream: &mut TcpStream, id: u32, secret: &str| {
        let path = "/tfps.v1.AdminService/PutEntries";
        let block = headers(path, &[("authorization", &bearer(secret))]);
        // Sixteen million bytes are to come.
        let part = [0, 0, 0xff, 0xff, 0xff, 1];
        let request = [
            frame(HEADERS, END_HEADERS, id, &block),
            frame(DATA, 0, id, &part),
        ];
        stream.write_all(&request.concat()).await.unwrap();
    };
    let refused = async |stream: &mut TcpStream, id: u32| {
        let began = Instant::now();
        let answered = timeout(Duration::from_secs(2), is_answered(stream, id)).await;
        answered == Ok(Some(false)) && began.elapsed() < Duration::from_secs(2)
    };
    let reader = server.token(v1::Role::ReadOnly, DOMAIN).await;
    let mut stream = http2_from(ATTACKER, server.address(), &[]).await.unwrap();
    half(&mut stream, 1, &reader).await;
    assert!(refused(&mut stream, 1).await);
    let tenant = server.token(v1::Role::DomainAdmin, DOMAIN).await;
    let mut stream = http2_from(ATTACKER, server.address(), &[]).await.unwrap();
    for number in 0..4 {
        half(&mut stream, 2 * number + 1, &tenant).await;
    }
    half(&mut stream, 9, &tenant).await;
    assert!(refused(&mut stream, 9).await);
    server
        .list(v1::EntryKind::Ip, "192.0.2.1", v1::EntryAction::Block)
        .await;
}

#[tokio::test]
async fn answers_that_nobody_reads_count_and_end_their_connection() {
    let server = Server::open_with("[requests]\nmax_in_flight_per_token = 3\n").await;
    let secret = server.token(v1::Role::ReadOnly, DOMAIN).await;
    // No answer has room.
    let mut deaf = shown(&server, &secret, &[(4, 0)]).await;
    ask(&mut deaf, 3, &secret).await;
    ask(&mut deaf, 5, &secret).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    for number in [0, 1] {
        let mut other = shown(&server, &secret, &[]).await;
        assert_eq!(is_answered(&mut other, 1).await, Some(false), "{number}");
    }
    assert!(server.admin().get_status(Default::default()).await.is_ok());
    assert!(is_closed(&mut deaf, Duration::from_secs(45)).await);
    eventually("they count no more", async || {
        let mut other = shown(&server, &secret, &[]).await;
        (is_answered(&mut other, 1).await == Some(true)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_answer_in_pieces_is_read_whole() {
    let server = Server::open().await;
    let name = |number: usize| format!("{number:0>200}");
    let entries = (0..1_000).map(|number| v1::Entry {
        kind: v1::EntryKind::Number.into(),
        value: format!("2526{number:05}"),
        action: v1::EntryAction::Block.into(),
        reason: name(number),
        ..v1::Entry::default()
    });
    let entries = v1::PutEntriesRequest {
        entries: entries.collect(),
    };
    server.admin().put_entries(entries).await.unwrap();
    let request = v1::ListEntriesRequest {
        page_size: 1_000,
        ..v1::ListEntriesRequest::default()
    };
    let listed = server.admin().list_entries(request).await.unwrap().entries;
    let reasons = listed.into_iter().map(|entry| entry.reason);
    assert!(reasons.eq((0..1_000).map(name)));
}

#[tokio::test]
async fn a_token_has_so_many_connections_and_none_once_it_is_revoked() {
    let server = Command::default()
        .config("[connections]\nmax_per_token = 3\n")
        .http()
        .start()
        .await;
    let token = v1::Token {
        name: "reader".to_owned(),
        role: v1::Role::ReadOnly.into(),
        ..v1::Token::default()
    };
    let made = server
        .admin()
        .create_token(v1::CreateTokenRequest { token: Some(token) })
        .await
        .unwrap();
    let mut own = Vec::new();
    for _ in 0..3 {
        own.push(server.client_of(&made.secret).await);
    }
    let all = join_all(
        own.iter()
            .map(|client| client.get_status(Default::default())),
    );
    assert!(all.await.iter().all(Result::is_ok));
    let other = server.client_of(&made.secret).await;
    let error = other.get_status(Default::default()).await.unwrap_err();
    let rejection: &Rejection = error.rejection().unwrap();
    assert_eq!(
        (rejection.code, rejection.reason.as_str()),
        (Code::ResourceExhausted, "TOKEN_CONNECTIONS")
    );
    assert!(rejection.message.contains("connections.max_per_token"));
    drop(other);
    assert!(own[0].get_status(Default::default()).await.is_ok());
    let line = "tfps_connections_unauthenticated{listener=\"listen\"} ";
    let unauthenticated = async |wanted: usize| {
        let metrics = server.http_get("/metrics").await;
        let have = metrics.lines().find_map(|have| have.strip_prefix(line));
        (have == Some(&wanted.to_string())).then_some(())
    };
    eventually("all have a token", async || unauthenticated(0).await).await;
    let id = made.token.unwrap().id;
    let revoke = v1::RevokeTokenRequest { id };
    server.admin().revoke_token(revoke).await.unwrap();
    eventually("they have none", async || unauthenticated(3).await).await;
}

#[tokio::test]
async fn authenticated_connections_have_bounds_of_their_own() {
    let server =
        Server::open_with("[connections]\nmax = 8\nmax_per_peer = 4\nmax_unauthenticated = 2\n")
            .await;
    let secret = std::fs::read_to_string(server.admin_token_path()).unwrap();
    let secret = secret.trim();
    let mut known = Vec::new();
    for _ in 0..4 {
        let mut stream = shown(&server, secret, &[]).await;
        assert_eq!(is_answered(&mut stream, 1).await, Some(true));
        known.push(stream);
    }
    // Its address has as many as it may, all of them with a token.
    let mut fifth = http2_from(ATTACKER, server.address(), &[]).await.unwrap();
    assert!(is_closed(&mut fifth, SOON).await);
    // Three others, and the honest one: the server is full.
    let mut others = Vec::new();
    for _ in 0..3 {
        let client = server.another_connection().await;
        client.check(call("alice", HOME_NUMBER)).await.unwrap();
        others.push(client);
    }
    let another = std::net::Ipv4Addr::new(127, 0, 0, 67);
    let mut ninth = http2_from(another, server.address(), &[]).await.unwrap();
    assert!(is_closed(&mut ninth, SOON).await);
    assert!(!is_closed(&mut known[0], Duration::from_millis(100)).await);
    for client in &others {
        client.check(call("alice", HOME_NUMBER)).await.unwrap();
    }
}

#[tokio::test]
async fn reflection_is_bounded_over_all_connections_with_a_token() {
    let server = Server::open().await;
    let secret = std::fs::read_to_string(server.admin_token_path()).unwrap();
    let secret = secret.trim();
    let mut held = Vec::new();
    for _ in 0..33 {
        let mut stream = shown(&server, secret, &[]).await;
        assert_eq!(is_answered(&mut stream, 1).await, Some(true));
        for number in 1..=8 {
            let open = frame(
                HEADERS,
                END_HEADERS,
                2 * number + 1,
                &headers(REFLECTION, &[]),
            );
            stream.write_all(&open).await.unwrap();
        }
        held.push(stream);
    }
    // The last one's are refused: 256 are open.
    assert_eq!(is_answered(held.last_mut().unwrap(), 3).await, Some(false));
    assert!(
        server
            .admin()
            .check(call("alice", HOME_NUMBER))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_switch_of_one_domain_leaves_others_their_places() {
    let server = Server::open_with("[requests]\nmax_in_flight_per_bound_switch = 1\n").await;
    let bound = server.token(v1::Role::Switch, DOMAIN).await;
    let mut stream = http2_from(ATTACKER, server.address(), &[]).await.unwrap();
    let block = headers(
        "/tfps.v1.CheckService/Check",
        &[("authorization", &bearer(&bound))],
    );
    stream
        .write_all(&frame(HEADERS, END_HEADERS, 1, &block))
        .await
        .unwrap();
    eventually("it has one in flight", async || {
        let metrics = server.http_get("/metrics").await;
        let mut lines = metrics.lines();
        lines
            .any(|line| line == "tfps_requests_in_flight 1")
            .then_some(())
    })
    .await;
    let client = server.client_of(&bound).await;
    let refused = client.check(call("alice", HOME_NUMBER)).await.unwrap_err();
    let rejection = refused.rejection().unwrap();
    let key = "requests.max_in_flight_per_bound_switch";
    assert!(rejection.message.contains(key), "{rejection:?}");
    let unbound = server.token(v1::Role::Switch, "").await;
    let unbound = server.client_of(&unbound).await;
    assert!(unbound.check(call("alice", HOME_NUMBER)).await.is_ok());
}

#[tokio::test]
async fn a_clients_deadline_is_cut_to_the_servers() {
    let server = Server::open_with("[requests]\nmax_deadline_ms = 400\n").await;
    let secret = std::fs::read_to_string(server.admin_token_path()).unwrap();
    let block = headers(
        STATUS,
        &[
            ("authorization", &bearer(secret.trim())),
            ("grpc-timeout", "99999999H"),
        ],
    );
    let mut stream = http2_from(ATTACKER, server.address(), &[]).await.unwrap();
    let began = Instant::now();
    stream
        .write_all(&frame(HEADERS, END_HEADERS, 1, &block))
        .await
        .unwrap();
    assert_eq!(is_answered(&mut stream, 1).await, Some(false));
    let took = began.elapsed();
    assert!((300..4_000).contains(&took.as_millis()), "{took:?}");
}

#[tokio::test]
async fn headers_that_do_not_end_end_their_connection() {
    let server = Server::open().await;
    let mut stream = http2_from(ATTACKER, server.address(), &[]).await.unwrap();
    let half = frame(HEADERS, 0, 1, &headers(STATUS, &[]));
    stream.write_all(&half).await.unwrap();
    assert!(is_closed(&mut stream, Duration::from_secs(60)).await);
}
