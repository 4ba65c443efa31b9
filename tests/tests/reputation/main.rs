//! AbuseIPDB and APIBAN, as they answer and as they fail.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

mod decisions;
mod faults;
mod kept;
mod quota;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::join_all;
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tfps_client::v1::{
    self, CheckRequest, EntryAction, EntryKind, OnUnavailable, SourceState, SourceStatus, Verdict,
};
use tfps_tests::{
    Command, Server, eventually,
    fake_reputation::{FakeAbuseIpdb, KEY, apiban, apiban_config, error, limited},
    fake_service::{FakeService, Reply},
    scene::{DOMAIN, HOME_NUMBER, call, from, neighbour},
};
use tokio::time::sleep;

/// An address that attacks, as AbuseIPDB knows.
const BAD: &str = "5.188.10.179";
/// One that APIBAN lists.
const BANNED: &str = "185.222.209.14";
/// One that nobody says anything against.
const GOOD: &str = "93.184.216.34";

/// A call of Alice from an address; no two repeat each other.
fn from_ip(ip: &str) -> CheckRequest {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed) % 10_000;
    CheckRequest {
        concurrent_calls: Some(1),
        ..from(ip, call("alice", &neighbour(HOME_NUMBER, number)))
    }
}

/// A server with Alice, whose calls may wait for long.
async fn server(config: &str) -> Server {
    server_waiting(10_000, config).await
}

async fn server_waiting(milliseconds: u64, config: &str) -> Server {
    let config =
        format!("requests.look_up_ms = {milliseconds}\n[log]\nlevel = \"trace\"\n{config}");
    let server = Command::default().config(config).http().start().await;
    server
        .policy(|policy| {
            policy.time_zone = tfps_tests::clock::zone_at_noon();
        })
        .await;
    server
        .account_with("alice", |account| {
            account.limits = Some(tfps_tests::scene::limits(100, 100_000));
        })
        .await;
    server
}

async fn sources(server: &Server) -> Vec<SourceStatus> {
    let status = server.admin().get_status(Default::default()).await;
    status.unwrap().sources
}

/// Where a source stands; `None`: it is off.
async fn source(server: &Server, name: &str) -> Option<SourceStatus> {
    let sources = sources(server).await;
    sources.into_iter().find(|source| source.name == name)
}

async fn state(server: &Server, name: &str) -> SourceState {
    source(server, name)
        .await
        .map_or(SourceState::Off, |source| source.state())
}

async fn reaches(server: &Server, name: &str, wanted: SourceState) -> SourceStatus {
    eventually(&format!("{name} is {wanted:?}"), || async move {
        source(server, name)
            .await
            .filter(|source| source.state() == wanted)
    })
    .await
}

async fn warnings(server: &Server) -> String {
    let status = server.admin().get_status(Default::default()).await;
    status.unwrap().warnings.join("\n")
}

async fn metric(server: &Server, line: &str) -> u64 {
    let text = server.http_get("/metrics").await;
    let value = text.lines().find_map(|other| {
        let value = other.strip_prefix(line)?.strip_prefix(' ')?;
        value.parse().ok()
    });
    value.unwrap_or(0)
}

async fn deny_unavailable(server: &Server) {
    server
        .policy(|policy| {
            let reputation = policy.reputation.get_or_insert_default();
            reputation.on_unavailable = OnUnavailable::Deny.into();
        })
        .await;
}

/// A server's database, while the server does not run or somebody else is at it.
async fn database(server: &Server) -> SqliteConnection {
    let file = server.data_dir().join("tfps.db");
    let options = SqliteConnectOptions::new().filename(file);
    SqliteConnection::connect_with(&options).await.unwrap()
}
