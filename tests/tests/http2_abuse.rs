//! What somebody without a token does with connections and HTTP/2: others are answered meanwhile, and memory stays bounded.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::{
    future::poll_fn,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use futures::future::join_all;
use h2::SendStream;
use prost::bytes::Bytes;
use tfps_client::Code;
use tfps_tests::{
    Command, Server,
    certificates::Certificates,
    eventually,
    http2::{
        ATTACKER, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM,
        SETTINGS, connect_from, frame, headers, http2_from, is_closed, message, next_frame,
    },
    scene::{HOME_NUMBER, call},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::OwnedWriteHalf,
    time::{sleep, timeout},
};

const HEALTH: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const CHECK: &str = "/tfps.v1.CheckService/Check";
const FOR_EVER: (&str, &str) = ("grpc-timeout", "99999999H");
/// What the machine of a test may be busy with something else.
const SLOWEST: Duration = Duration::from_secs(2);
const MIB: u64 = 1 << 20;

/// Checks on a connection that there is and on new ones: each is answered, and soon.
async fn honest_clients_are_answered(server: &Server) {
    for number in 0..20 {
        let began = Instant::now();
        let client = if number % 4 == 0 {
            server.another_connection().await
        } else {
            server.admin().clone()
        };
        let answer = client.check(call("alice", HOME_NUMBER)).await;
        assert!(answer.is_ok(), "{answer:?}");
        assert!(began.elapsed() < SLOWEST, "{:?}", began.elapsed());
    }
}

async fn health_is_answered(server: &Server) -> bool {
    let channel = tonic::transport::Channel::from_shared(server.url())
        .unwrap()
        .connect()
        .await
        .unwrap();
    tonic_health::pb::health_client::HealthClient::new(channel)
        .check(tonic_health::pb::HealthCheckRequest::default())
        .await
        .is_ok()
}

/// Requests whose messages never come.
async fn half_requests(server: &Server, path: &str, streams: u32, body: &[u8]) -> OwnedWriteHalf {
    let stream = http2_from(ATTACKER, server.address(), &[]).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    tokio::spawn(async move {
        let mut bytes = [0; 4_096];
        while reader.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
    });
    let block = headers(path, &[FOR_EVER]);
    for number in 0..streams {
        let id = 2 * number + 1;
        let mut bytes = frame(HEADERS, END_HEADERS, id, &block);
        if !body.is_empty() {
            bytes.extend(frame(DATA, 0, id, body));
        }
        if writer.write_all(&bytes).await.is_err() {
            break;
        }
    }
    writer
}

#[tokio::test]
async fn half_requests_take_nobodys_place() {
    let server = Server::open().await;
    server.account("alice").await;
    for path in [HEALTH, CHECK] {
        let _held = join_all((0..3).map(|_| half_requests(&server, path, 4_096, &[]))).await;
        sleep(Duration::from_secs(1)).await;
        honest_clients_are_answered(&server).await;
    }
    let status = server.admin().get_status(Default::default()).await.unwrap();
    assert!(status.requests_in_flight < 10, "{status:?}");
    eventually("health is answered to the same address", || async {
        health_is_answered(&server).await.then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_half_request_with_a_token_ends() {
    let server = Server::open().await;
    let secret = std::fs::read_to_string(server.admin_token_path()).unwrap();
    let bearer = format!("Bearer {}", secret.trim());
    let mut stream = http2_from(ATTACKER, server.address(), &[]).await.unwrap();
    let block = headers(CHECK, &[FOR_EVER, ("authorization", &bearer)]);
    let request = frame(HEADERS, END_HEADERS, 1, &block);
    stream.write_all(&request).await.unwrap();
    let began = Instant::now();
    loop {
        let frame = next_frame(&mut stream, Duration::from_secs(20)).await;
        let frame = frame.expect("an answer");
        if frame.kind == HEADERS && frame.stream == 1 {
            assert_eq!(frame.flags & END_STREAM, END_STREAM);
            break;
        }
    }
    assert!(began.elapsed() > Duration::from_secs(3));
    let status = server.admin().get_status(Default::default()).await.unwrap();
    assert_eq!(status.requests_in_flight, 1);
}

#[tokio::test]
async fn open_reflection_streams_take_no_memory() {
    let server = Server::open().await;
    server.account("alice").await;
    honest_clients_are_answered(&server).await;
    let before = server.memory();
    // Messages of 4 MB, of which a part comes, as the window has room.
    let mut halves = Vec::new();
    for _ in 0..20 {
        halves.push(half_messages(server.address(), 10, 400 << 10).await);
    }
    // And streams that ask and read nothing.
    let ask = message(b"\x22\x19tfps.v1.AdminService/Watch");
    let mut deaf = Vec::new();
    for _ in 0..20 {
        let mut stream = http2_from(ATTACKER, server.address(), &[(4, 0)])
            .await
            .unwrap();
        for number in 0..10 {
            let id = 2 * number + 1;
            let open = frame(HEADERS, END_HEADERS, id, &headers(REFLECTION, &[]));
            stream.write_all(&open).await.unwrap();
            for _ in 0..100 {
                if stream.write_all(&frame(DATA, 0, id, &ask)).await.is_err() {
                    break;
                }
            }
        }
        deaf.push(stream);
    }
    sleep(Duration::from_secs(1)).await;
    honest_clients_are_answered(&server).await;
    let grown = server.memory().saturating_sub(before);
    assert!(grown < 48 * MIB, "{} MiB", grown / MIB);
    // Idle streams end, and there is room again.
    eventually("reflection is answered to the same address", || async {
        reflection_is_answered(&server).await.then_some(())
    })
    .await;
}

/// A connection with reflection streams, on each of which so much of a message has come.
async fn half_messages(server: SocketAddr, streams: usize, bytes: usize) -> Vec<SendStream<Bytes>> {
    let tcp = connect_from(ATTACKER, server).await.unwrap();
    let (mut requests, connection) = h2::client::handshake(tcp).await.unwrap();
    tokio::spawn(connection);
    let mut held = Vec::new();
    for _ in 0..streams {
        let request = http::Request::post(format!("http://tfps{REFLECTION}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .unwrap();
        let Ok((_, mut stream)) = requests.send_request(request, false) else {
            break;
        };
        let mut part = [&[0, 0, 0x3f, 0xff, 0xff][..], &[0x22; 16_000]].concat();
        for _ in 0..bytes.div_ceil(16_000) {
            stream.reserve_capacity(part.len());
            while stream.capacity() < part.len() {
                let room = poll_fn(|context| stream.poll_capacity(context));
                if !matches!(timeout(SLOWEST, room).await, Ok(Some(Ok(_)))) {
                    break;
                }
            }
            if stream.capacity() < part.len()
                || stream.send_data(part.clone().into(), false).is_err()
            {
                break;
            }
            part = vec![0x22; 16_000];
        }
        held.push(stream);
    }
    held
}

async fn reflection_is_answered(server: &Server) -> bool {
    let mut stream = http2_from(ATTACKER, server.address(), &[]).await.unwrap();
    let request = [
        frame(HEADERS, END_HEADERS, 1, &headers(REFLECTION, &[])),
        frame(DATA, END_STREAM, 1, &message(&[0x3a, 1, b'*'])),
    ]
    .concat();
    stream.write_all(&request).await.unwrap();
    while let Some(frame) = next_frame(&mut stream, Duration::from_secs(5)).await {
        if frame.stream == 1 && frame.kind == DATA {
            return true;
        }
        if frame.stream == 1 && frame.flags & END_STREAM != 0 {
            return false;
        }
    }
    false
}

#[tokio::test]
async fn an_idle_reflection_stream_ends_and_a_watch_does_not() {
    let server = Server::open().await;
    let mut stream = http2_from(ATTACKER, server.address(), &[]).await.unwrap();
    let open = [
        frame(HEADERS, END_HEADERS, 1, &headers(REFLECTION, &[])),
        frame(HEADERS, END_HEADERS, 3, &headers(WATCH, &[])),
        frame(DATA, END_STREAM, 3, &message(&[])),
    ]
    .concat();
    stream.write_all(&open).await.unwrap();
    let mut ended = Vec::new();
    while let Some(frame) = next_frame(&mut stream, Duration::from_secs(16)).await {
        if frame.flags & END_STREAM != 0 && frame.stream != 0 {
            ended.push(frame.stream);
        }
        if ended == [1] {
            break;
        }
    }
    assert_eq!(ended, [1]);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_who_watches_health() {
    let mut server = Server::open().await;
    let mut stream = http2_from(ATTACKER, server.address(), &[]).await.unwrap();
    let watch = [
        frame(HEADERS, END_HEADERS, 1, &headers(WATCH, &[])),
        frame(DATA, END_STREAM, 1, &message(&[])),
    ]
    .concat();
    stream.write_all(&watch).await.unwrap();
    while let Some(frame) = next_frame(&mut stream, Duration::from_secs(5)).await {
        if frame.kind == DATA {
            break;
        }
    }
    let began = Instant::now();
    server.terminate();
    assert!(server.ended().await.success());
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn silent_connections_leave_room_and_are_closed() {
    let server = Command::default()
        .config("[connections]\nhandshake_ms = 3000\n")
        .open_files(512)
        .start()
        .await;
    assert!(server.said().contains("LimitNOFILE"), "{}", server.said());
    let mut silent = Vec::new();
    for _ in 0..1_024 {
        silent.push(connect_from(ATTACKER, server.address()).await.unwrap());
    }
    sleep(Duration::from_millis(200)).await;
    let before = server.computed();
    honest_clients_are_answered(&server).await;
    sleep(Duration::from_secs(1)).await;
    let computed = server.computed() - before;
    assert!(computed < Duration::from_millis(900), "{computed:?}");
    assert!(server.said().contains("too many connections"));
    // The last had a place, and lose it in time.
    let last = silent.last_mut().unwrap();
    assert!(is_closed(last, Duration::from_secs(10)).await);
}

#[tokio::test]
async fn accepting_rests_where_there_is_no_descriptor() {
    let server = Server::open().await;
    server.account("alice").await;
    let limit = |files: u32| {
        let limited = std::process::Command::new("prlimit")
            .args(["--pid", &server.pid().to_string()])
            .arg(format!("--nofile={files}:20000"))
            .status();
        assert!(limited.unwrap().success());
    };
    let used = std::fs::read_dir(format!("/proc/{}/fd", server.pid()))
        .unwrap()
        .count();
    limit(u32::try_from(used).unwrap());
    let mut waiting = Vec::new();
    for _ in 0..8 {
        waiting.push(connect_from(ATTACKER, server.address()).await.unwrap());
    }
    sleep(Duration::from_millis(300)).await;
    let before = server.computed();
    sleep(Duration::from_secs(2)).await;
    let computed = server.computed() - before;
    assert!(computed < Duration::from_millis(800), "{computed:?}");
    assert!(server.said().contains("no connection can be accepted"));
    // A connection that there is goes on.
    assert!(
        server
            .admin()
            .check(call("alice", HOME_NUMBER))
            .await
            .is_ok()
    );
    limit(20_000);
    honest_clients_are_answered(&server).await;
}

#[tokio::test]
async fn half_tls_handshakes_end() {
    let certificates = Certificates::new();
    let config = format!(
        "[tls]\ncert_file = {:?}\nkey_file = {:?}\n[connections]\nhandshake_ms = 2000\n",
        certificates.certificate(),
        certificates.key()
    );
    let tls = tfps_client::Tls {
        ca_file: Some(certificates.authority()),
        ..tfps_client::Tls::default()
    };
    let server = Command::default().config(config).tls(tls).start().await;
    let mut half = Vec::new();
    for _ in 0..300 {
        let mut stream = connect_from(ATTACKER, server.address()).await.unwrap();
        // The beginning of a ClientHello.
        stream
            .write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1])
            .await
            .unwrap();
        half.push(stream);
    }
    honest_clients_are_answered(&server).await;
    for stream in &mut half {
        assert!(is_closed(stream, Duration::from_secs(10)).await);
    }
}

#[tokio::test]
async fn what_is_not_http2_is_closed_at_once() {
    let server = Server::open().await;
    let mut stream = connect_from(ATTACKER, server.address()).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: tfps\r\n\r\n")
        .await
        .unwrap();
    assert!(is_closed(&mut stream, Duration::from_secs(2)).await);
}

#[tokio::test]
async fn one_address_may_have_so_many_connections_and_leaves_others_theirs() {
    let server = Command::default()
        .config("[connections]\nmax_per_peer = 40\nmax_unauthenticated_per_peer = 20\n")
        .http()
        .start()
        .await;
    let other = Ipv4Addr::new(127, 0, 0, 67);
    let mut quiet = http2_from(other, server.address(), &[]).await.unwrap();
    let mut many = Vec::new();
    for _ in 0..60 {
        many.push(http2_from(ATTACKER, server.address(), &[]).await.unwrap());
    }
    assert!(is_closed(&mut many[0], Duration::from_secs(5)).await);
    assert!(!is_closed(&mut many[59], Duration::from_millis(100)).await);
    assert!(!is_closed(&mut quiet, Duration::from_millis(100)).await);
    honest_clients_are_answered(&server).await;
    let metrics = server.http_get("/metrics").await;
    for line in [
        "tfps_connections_cut_total 40",
        "tfps_connections_unauthenticated{listener=\"listen\"} 21",
    ] {
        assert!(
            metrics.lines().any(|have| have == line),
            "{line}\n{metrics}"
        );
    }
}

#[tokio::test]
async fn a_connection_without_a_valid_token_asks_only_so_often() {
    let server = Server::open().await;
    let mut stream = http2_from(ATTACKER, server.address(), &[]).await.unwrap();
    let block = headers(CHECK, &[("authorization", "Bearer tfps_guess")]);
    // As many as a client may have open, so that the server has read all before it has sent an answer.
    let requests = (0..1_000).map(|number| {
        let id = 2 * number + 1;
        let asked = frame(HEADERS, END_HEADERS, id, &block);
        [asked, frame(DATA, END_STREAM, id, &message(&[]))].concat()
    });
    let requests = requests.collect::<Vec<_>>().concat();
    stream.write_all(&requests).await.unwrap();
    let mut answered = 0;
    while let Some(frame) = next_frame(&mut stream, Duration::from_secs(5)).await {
        answered += u32::from(frame.kind == HEADERS);
    }
    // They are told why; those after them are not answered.
    assert!((64..256).contains(&answered), "{answered}");
    assert_eq!(
        stream.read(&mut [0]).await.unwrap_or_default(),
        0,
        "it is closed"
    );
    // Who has a token asks on, however often another request of theirs was refused.
    let client = server.client_of("tfps_guess").await;
    let refused = client.check(call("alice", HOME_NUMBER)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    honest_clients_are_answered(&server).await;
}

/// One thing that is done to a connection, again and again, as long as the server takes it.
type Abuse = fn(u32) -> Vec<u8>;

/// Its name, the settings that it begins with, and what is done.
type Named = (&'static str, &'static [(u16, u32)], Abuse);

#[tokio::test]
async fn abused_connections_hinder_nobody() {
    let abuses: [Named; 9] = [
        ("settings alone", &[], |_| Vec::new()),
        ("half headers", &[], |round| {
            if round == 0 {
                frame(HEADERS, 0, 1, &headers(CHECK, &[]))
            } else {
                Vec::new()
            }
        }),
        ("a flood of CONTINUATION", &[], |round| {
            let part = [0, 1, b'x', 1, b'y'].repeat(100);
            if round == 0 {
                frame(HEADERS, 0, 1, &headers(CHECK, &[]))
            } else {
                frame(CONTINUATION, 0, 1, &part)
            }
        }),
        ("rapid resets", &[], |round| {
            let id = 2 * round + 1;
            [
                frame(HEADERS, END_HEADERS, id, &headers(HEALTH, &[])),
                frame(RST_STREAM, 0, id, &8_u32.to_be_bytes()),
            ]
            .concat()
        }),
        ("a flood of SETTINGS", &[], |_| {
            frame(SETTINGS, 0, 0, &[]).repeat(100)
        }),
        ("a flood of PING", &[], |_| {
            frame(PING, 0, 0, &[7; 8]).repeat(100)
        }),
        ("empty DATA", &[], |round| {
            if round == 0 {
                frame(HEADERS, END_HEADERS, 1, &headers(REFLECTION, &[]))
            } else {
                frame(DATA, 0, 1, &[]).repeat(100)
            }
        }),
        ("a zero window", &[(4, 0)], |round| {
            let id = 2 * round + 1;
            [
                frame(HEADERS, END_HEADERS, id, &headers(HEALTH, &[])),
                frame(DATA, END_STREAM, id, &message(&[])),
            ]
            .concat()
        }),
        ("huge headers", &[], |round| {
            let huge = "x".repeat(15_000);
            let block = headers(HEALTH, &[("huge", &huge), ("more", &huge)]);
            let (first, rest) = block.split_at(16_000);
            let id = 2 * round + 1;
            [
                frame(HEADERS, 0, id, first),
                frame(CONTINUATION, END_HEADERS, id, rest),
            ]
            .concat()
        }),
    ];
    let server = Server::open().await;
    server.account("alice").await;
    honest_clients_are_answered(&server).await;
    let before = server.memory();
    let address = server.address();
    for (name, settings, abuse) in abuses {
        let attacks: Vec<_> = (0..20)
            .map(|_| tokio::spawn(attack(address, settings, abuse)))
            .collect();
        sleep(Duration::from_millis(200)).await;
        honest_clients_are_answered(&server).await;
        let grown = server.memory().saturating_sub(before);
        assert!(grown < 256 * MIB, "{name}: {} MiB", grown / MIB);
        for attack in attacks {
            attack.abort();
        }
    }
    assert!(!server.said().contains("panicked"));
}

/// Abuses a connection, and makes another when it is closed, reading nothing at all.
async fn attack(server: SocketAddr, settings: &[(u16, u32)], abuse: Abuse) {
    loop {
        let Ok(mut stream) = http2_from(ATTACKER, server, settings).await else {
            return;
        };
        for round in 0.. {
            let bytes = abuse(round);
            if bytes.is_empty() {
                sleep(Duration::from_millis(20)).await;
            }
            if stream.write_all(&bytes).await.is_err() {
                break;
            }
        }
    }
}

#[tokio::test]
async fn small_messages_that_nobody_reads_end_with_goaway_at_the_latest() {
    // What a stranger sends on streams that nobody answers is refused, not kept.
    let server = Server::open().await;
    let mut stream = http2_from(ATTACKER, server.address(), &[]).await.unwrap();
    let open = frame(HEADERS, END_HEADERS, 1, &headers(REFLECTION, &[]));
    stream.write_all(&open).await.unwrap();
    for _ in 0..20_000 {
        if stream.write_all(&frame(DATA, 0, 1, &[])).await.is_err() {
            break;
        }
    }
    let mut last = 0;
    while let Some(frame) = next_frame(&mut stream, Duration::from_secs(2)).await {
        last = frame.kind;
    }
    assert_eq!(last, GOAWAY);
    honest_clients_are_answered(&server).await;
}

#[tokio::test]
async fn slow_http_clients_leave_room() {
    let server = Command::default().http().start().await;
    let mut slow = Vec::new();
    for number in 0..200 {
        let mut stream = connect_from(ATTACKER, server.http_address()).await.unwrap();
        if number % 2 == 0 {
            let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHo").await;
        }
        slow.push(stream);
    }
    assert_eq!(server.http_get("/livez").await, "ok\n");
    assert!(
        server
            .http_get("/metrics")
            .await
            .contains("tfps_connections_cut")
    );
    assert!(is_closed(&mut slow[0], Duration::from_secs(5)).await);
}
