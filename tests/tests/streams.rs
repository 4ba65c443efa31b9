//! Streams: a fast client is held back by flow control and never thrown out; a token that holds no longer ends them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::{
    future::poll_fn,
    time::{Duration, Instant},
};

use h2::{
    RecvStream, SendStream,
    client::{Builder, SendRequest},
};
use prost::{Message, bytes::Bytes};
use tfps_client::{Client, Code, v1};
use tfps_tests::{
    Server, clock,
    http2::message,
    scene::{HOME_NUMBER, call},
};
use tokio::{net::TcpStream, time::timeout};

/// An HTTP/2 connection that takes answers as they come.
async fn connect(server: &Server, stream_window: u32) -> SendRequest<Bytes> {
    let tcp = TcpStream::connect(server.address()).await.unwrap();
    let (requests, connection) = Builder::new()
        .initial_window_size(stream_window)
        .initial_connection_window_size(16 << 20)
        .handshake(tcp)
        .await
        .unwrap();
    tokio::spawn(connection);
    requests
}

fn open(
    requests: &mut SendRequest<Bytes>,
    server: &Server,
    path: &str,
) -> (h2::client::ResponseFuture, SendStream<Bytes>) {
    let secret = std::fs::read_to_string(server.admin_token_path()).unwrap();
    open_as(requests, &secret, path)
}

fn open_as(
    requests: &mut SendRequest<Bytes>,
    secret: &str,
    path: &str,
) -> (h2::client::ResponseFuture, SendStream<Bytes>) {
    let request = http::Request::post(format!("http://tfps{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", format!("Bearer {}", secret.trim()))
        .body(())
        .unwrap();
    requests.send_request(request, false).unwrap()
}

/// A Check of some 64 bytes, as a client writes it that does not gather messages: a DATA frame each.
fn small_check(id: u64) -> Bytes {
    let request = v1::StreamChecksRequest {
        id,
        check: Some(v1::CheckRequest {
            call_id: format!("{id:08}@192.0.2.1"),
            ..call("alice", HOME_NUMBER)
        }),
    };
    message(&request.encode_to_vec()).into()
}

/// Sends a message as soon as the window has room for it; whether it had any within `patience`.
async fn send(stream: &mut SendStream<Bytes>, bytes: Bytes, patience: Duration) -> bool {
    stream.reserve_capacity(bytes.len());
    while stream.capacity() < bytes.len() {
        match timeout(patience, poll_fn(|context| stream.poll_capacity(context))).await {
            Err(_) => return false,
            Ok(room) => {
                room.expect("the stream is open")
                    .expect("the connection is up");
            }
        }
    }
    stream
        .send_data(bytes, false)
        .expect("the connection is up");
    true
}

/// The messages of an answer, of which there are `wanted`.
async fn answers(mut body: RecvStream, wanted: usize) -> Vec<v1::StreamChecksResponse> {
    let mut bytes = Vec::new();
    let mut all = Vec::new();
    let mut read = 0;
    while all.len() < wanted {
        let data = body.data().await.expect("more answers").expect("no GOAWAY");
        body.flow_control().release_capacity(data.len()).unwrap();
        bytes.extend_from_slice(&data);
        while let Some(head) = bytes.get(read..read + 5) {
            let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
            let Some(one) = bytes.get(read + 5..read + 5 + length) else {
                break;
            };
            all.push(v1::StreamChecksResponse::decode(one).unwrap());
            read += 5 + length;
        }
        bytes.drain(..read);
        read = 0;
    }
    all
}

async fn unary(requests: &mut SendRequest<Bytes>, server: &Server) -> http::StatusCode {
    let check = call("bob", HOME_NUMBER).encode_to_vec();
    let (response, mut sending) = open(requests, server, "/tfps.v1.CheckService/Check");
    sending.send_data(message(&check).into(), true).unwrap();
    let mut response = response.await.expect("no GOAWAY").into_body();
    let mut status = http::StatusCode::NO_CONTENT;
    while let Some(data) = response.data().await {
        data.expect("no GOAWAY");
        status = http::StatusCode::OK;
    }
    status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_small_checks_is_answered_whole() {
    const CHECKS: usize = 30_000;
    let server = Server::open().await;
    server.account("alice").await;
    let mut requests = connect(&server, 1 << 20).await;
    let (response, mut sending) =
        open(&mut requests, &server, "/tfps.v1.CheckService/StreamChecks");
    let sender = tokio::spawn(async move {
        for id in 0..CHECKS {
            assert!(
                send(
                    &mut sending,
                    small_check(id as u64),
                    Duration::from_secs(60)
                )
                .await
            );
        }
        sending.send_data(Bytes::new(), true).unwrap();
    });
    let receiver = tokio::spawn(async move {
        answers(response.await.expect("no GOAWAY").into_body(), CHECKS).await
    });
    // Another request on the same connection lives.
    while !receiver.is_finished() {
        assert_eq!(unary(&mut requests, &server).await, http::StatusCode::OK);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    sender.await.unwrap();
    let mut ids: Vec<_> = receiver
        .await
        .unwrap()
        .into_iter()
        .map(|answer| answer.id)
        .collect();
    ids.sort_unstable();
    assert!(ids.into_iter().eq(0..CHECKS as u64));
}

#[tokio::test]
async fn a_client_that_reads_no_answers_is_held_back() {
    let server = Server::open().await;
    server.account("alice").await;
    // No answer has room; ten streams of a connection are as full as they get.
    let mut requests = connect(&server, 0).await;
    let mut streams = Vec::new();
    for _ in 0..10 {
        let (response, mut sending) =
            open(&mut requests, &server, "/tfps.v1.CheckService/StreamChecks");
        let mut sent = 0;
        while send(&mut sending, small_check(sent), Duration::from_millis(500)).await {
            sent += 1;
            assert!(sent < 10_000, "nothing holds the client back");
        }
        assert!(sent > 100, "{sent}");
        streams.push((response, sending));
    }
    let mut others = connect(&server, 1 << 16).await;
    assert_eq!(unary(&mut others, &server).await, http::StatusCode::OK);
    // The connection is up: what asks for no window is answered on it.
    let (response, mut sending) = open(&mut requests, &server, "/tfps.v1.CheckService/Nothing");
    sending.send_data(Bytes::new(), true).unwrap();
    assert!(response.await.expect("no GOAWAY").status().is_success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trainings_that_nobody_reads_take_no_place_and_end_with_their_token() {
    let server = Server::open().await;
    let accounts = (0..1_900).map(|number| {
        let account = v1::Account {
            username: format!("user-{number}"),
            domain: tfps_tests::scene::DOMAIN.to_owned(),
            ..v1::Account::default()
        };
        let account = Some(account);
        server
            .admin()
            .create_account(v1::CreateAccountRequest { account })
    });
    let made: Vec<_> = futures::StreamExt::collect(futures::StreamExt::buffer_unordered(
        futures::stream::iter(accounts),
        50,
    ))
    .await;
    assert!(made.iter().all(Result::is_ok));
    let (id, client, secret) = token(&server, None).await;
    // Nothing of their answers has room.
    let mut requests = connect(&server, 0).await;
    let mut unread = Vec::new();
    for _ in 0..2 {
        let path = "/tfps.v1.AdminService/TrainAccounts";
        let (response, mut sending) = open_as(&mut requests, &secret, path);
        let train = v1::TrainAccountsRequest {
            dry_run: true,
            ..v1::TrainAccountsRequest::default()
        };
        let train = message(&train.encode_to_vec());
        sending.send_data(train.into(), true).unwrap();
        unread.push(response.await.unwrap());
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    for _ in 0..3 {
        let listed = client.list_accounts(Default::default());
        let listed = timeout(Duration::from_secs(3), listed).await;
        assert_eq!(listed.expect("an answer").unwrap().accounts.len(), 100);
    }
    // One that is read, and whose token is revoked before it is through.
    let train = v1::TrainAccountsRequest {
        dry_run: true,
        ..v1::TrainAccountsRequest::default()
    };
    let mut service = client.admin_service();
    let mut training = service.train_accounts(train).await.unwrap().into_inner();
    let revoke = v1::RevokeTokenRequest { id };
    server.admin().revoke_token(revoke).await.unwrap();
    let ends = async {
        loop {
            match training.message().await {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(status) => return Some(status),
            }
        }
    };
    let ended = timeout(Duration::from_secs(2), ends).await;
    are_refused(vec![ended.expect("it ends").unwrap()], "TOKEN_REVOKED");
}

struct Streams {
    checks: tonic::Streaming<v1::StreamChecksResponse>,
    _asked: tokio::sync::mpsc::Sender<v1::StreamChecksRequest>,
    hang_ups: tonic::Streaming<v1::WatchHangUpsResponse>,
    decisions: tonic::Streaming<v1::WatchDecisionsResponse>,
    import: tokio::task::JoinHandle<Result<(), tonic::Status>>,
    _parts: tokio::sync::mpsc::Sender<v1::ImportEntriesRequest>,
}

impl Streams {
    async fn open(client: &Client) -> Self {
        let (asked, asks) = tokio::sync::mpsc::channel(4);
        asked
            .send(v1::StreamChecksRequest {
                id: 1,
                check: Some(call("alice", HOME_NUMBER)),
            })
            .await
            .unwrap();
        let asks = tokio_stream::wrappers::ReceiverStream::new(asks);
        let mut service = client.check_service();
        let mut checks = service.stream_checks(asks).await.unwrap().into_inner();
        assert!(checks.message().await.unwrap().is_some());
        let hang_ups = service
            .watch_hang_ups(v1::WatchHangUpsRequest::default())
            .await
            .unwrap()
            .into_inner();
        let mut admin = client.admin_service();
        let decisions = admin
            .watch_decisions(v1::WatchDecisionsRequest::default())
            .await
            .unwrap()
            .into_inner();
        let (parts, lines) = tokio::sync::mpsc::channel(4);
        let header = v1::ImportHeader {
            kind: v1::EntryKind::Ip.into(),
            action: v1::EntryAction::Block.into(),
            ..v1::ImportHeader::default()
        };
        let part = Some(v1::import_entries_request::Part::Header(header));
        parts.send(v1::ImportEntriesRequest { part }).await.unwrap();
        let lines = tokio_stream::wrappers::ReceiverStream::new(lines);
        let import = tokio::spawn(async move { admin.import_entries(lines).await.map(drop) });
        Self {
            checks,
            _asked: asked,
            hang_ups,
            decisions,
            import,
            _parts: parts,
        }
    }

    /// How each of them ends within `patience`.
    async fn end(mut self, patience: Duration) -> Vec<tonic::Status> {
        let all = async {
            let decisions = loop {
                // A decision may still be on its way.
                if let Err(status) = self.decisions.message().await {
                    break status;
                }
            };
            vec![
                self.checks.message().await.unwrap_err(),
                self.hang_ups.message().await.unwrap_err(),
                decisions,
                self.import.await.unwrap().unwrap_err(),
            ]
        };
        timeout(patience, all).await.expect("all streams end")
    }
}

async fn token(
    server: &Server,
    expires_at: Option<prost_types::Timestamp>,
) -> (String, Client, String) {
    let token = v1::Token {
        name: "pbx".to_owned(),
        role: v1::Role::DomainAdmin.into(),
        domain: tfps_tests::scene::DOMAIN.to_owned(),
        expires_at,
        ..v1::Token::default()
    };
    let request = v1::CreateTokenRequest { token: Some(token) };
    let made = server.admin().create_token(request).await.unwrap();
    let client = server.client_of(&made.secret).await;
    (made.token.unwrap().id, client, made.secret)
}

fn are_refused(ends: Vec<tonic::Status>, reason: &str) {
    for status in ends {
        let rejection = tfps_client::Rejection::from(&status);
        assert_eq!(
            (rejection.code, rejection.reason.as_str()),
            (Code::Unauthenticated, reason),
            "{status:?}"
        );
    }
}

#[tokio::test]
async fn streams_end_when_their_token_is_revoked_and_no_others() {
    let server = Server::open().await;
    server.account("alice").await;
    let (id, client, _) = token(&server, None).await;
    let (_, other, _) = token(&server, None).await;
    let (streams, mut others) = (Streams::open(&client).await, Streams::open(&other).await);
    let revoke = v1::RevokeTokenRequest { id };
    server.admin().revoke_token(revoke).await.unwrap();
    are_refused(streams.end(Duration::from_secs(1)).await, "TOKEN_REVOKED");
    let ended = timeout(Duration::from_millis(300), others.hang_ups.message()).await;
    assert!(ended.is_err(), "{ended:?}");
}

#[tokio::test]
async fn streams_end_when_their_token_expires() {
    let server = Server::open().await;
    server.account("alice").await;
    let soon = clock::now() + jiff::SignedDuration::from_secs(4);
    let (_, client, _) = token(&server, Some(clock::timestamp(soon))).await;
    let streams = Streams::open(&client).await;
    let began = Instant::now();
    are_refused(streams.end(Duration::from_secs(6)).await, "TOKEN_EXPIRED");
    assert!(began.elapsed() < Duration::from_millis(5_500));
    let refused = client.check(call("alice", HOME_NUMBER)).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);
}
