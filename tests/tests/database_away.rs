//! The database fails while calls come in: calls go on, the operator is told, and nothing is lost when it is back.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tfps_client::{
    Code,
    v1::{self, CallEvent, CheckRequest},
};
use tfps_tests::{
    Command, Server, clock, eventually,
    scene::{DOMAIN, HOME_NUMBER, LONDON, call, key, neighbour},
};

/// Somebody else at the server's database, in a process of his own.
struct Visitor(SqliteConnection);

impl Visitor {
    async fn of(server: &Server) -> Self {
        let file = server.data_dir().join("tfps.db");
        let options = SqliteConnectOptions::new().filename(file);
        Self(SqliteConnection::connect_with(&options).await.unwrap())
    }

    async fn does(&mut self, sql: &'static str) {
        sqlx::query(sql).execute(&mut self.0).await.unwrap();
    }
}

/// A server with HTTP, on which it is noon, and Alice.
async fn server_with_alice() -> Server {
    let server = Command::default().http().start().await;
    server
        .policy(|policy| policy.time_zone = clock::zone_at_noon())
        .await;
    server.account("alice").await;
    server
}

/// Makes calls, none of which waits for the database; the ids of their decisions.
async fn calls(server: &Server, numbers: std::ops::Range<u32>) -> Vec<String> {
    let mut ids = Vec::new();
    for number in numbers {
        let asked = CheckRequest {
            call_id: format!("call-{number}"),
            ..call("alice", &neighbour(HOME_NUMBER, number))
        };
        let started = Instant::now();
        let decision = server.check(asked).await;
        assert_eq!(decision.code, "A00");
        assert!(
            started.elapsed() < Duration::from_secs(4),
            "a call waited for the database"
        );
        ids.push(decision.decision_id);
    }
    ids
}

async fn journal(server: &Server) -> (v1::JournalStatus, Vec<String>) {
    let status = server.admin().get_status(Default::default()).await.unwrap();
    (status.journal.unwrap(), status.warnings)
}

/// Waits until the status and the metrics say that so many decisions wait, and why.
async fn said_to_wait(server: &Server, decisions: u64, why: &str) {
    let (journal, warnings) = eventually("the status says it", || async {
        let (journal, warnings) = journal(server).await;
        (!journal.error.is_empty() && journal.not_yet_shipped >= decisions)
            .then_some((journal, warnings))
    })
    .await;
    assert!(journal.error.contains(why), "{journal:?}");
    assert!(journal.lag.is_some() && journal.lost == 0, "{journal:?}");
    assert!(
        warnings
            .iter()
            .any(|warning| warning.contains("wait in the journal") && warning.contains(why)),
        "{warnings:?}"
    );
    let metrics = server.http_get("/metrics").await;
    let pending: u64 = metrics
        .lines()
        .find_map(|line| line.strip_prefix("tfps_journal_pending "))
        .expect("what waits is measured")
        .parse()
        .unwrap();
    assert!(pending >= decisions, "{pending}");
    // What it logs takes its own way here.
    eventually("the log says it", || async {
        let said = server.said().contains("can't be shipped to the database");
        said.then_some(())
    })
    .await;
}

/// Everything is in the database, and nobody complains any more.
async fn all_is_well(server: &Server, ids: &[String]) {
    server.shipped().await;
    let (journal, warnings) = journal(server).await;
    assert_eq!((journal.error.as_str(), journal.lost), ("", 0));
    assert!(
        !warnings.iter().any(|warning| warning.contains("journal")),
        "{warnings:?}"
    );
    let listed = server.decisions(Default::default()).await;
    let listed: Vec<_> = listed.into_iter().map(|decision| decision.id).collect();
    let found: HashSet<_> = listed.iter().collect();
    assert_eq!(found.len(), listed.len(), "none is there twice");
    assert!(ids.iter().all(|id| found.contains(id)), "none is lost");
}

#[tokio::test]
async fn a_lock_that_another_process_holds_stops_no_call() {
    let mut server = server_with_alice().await;
    let (_, challenge) = server.challenged("alice", LONDON).await;
    let mut ids = calls(&server, 0..20).await;
    let mut visitor = Visitor::of(&server).await;
    visitor.does("BEGIN IMMEDIATE").await;
    ids.extend(calls(&server, 20..60).await);
    server
        .progress("alice", "call-59", CallEvent::Started)
        .await;
    said_to_wait(&server, 40, "locked").await;
    // What can't be kept is not done by half.
    let bob = v1::CreateAccountRequest {
        account: Some(v1::Account {
            username: "bob".to_owned(),
            domain: DOMAIN.to_owned(),
            ..v1::Account::default()
        }),
    };
    let (created, opened) = tokio::join!(
        server.admin().create_account(bob.clone()),
        server.start_verification("alice", &challenge)
    );
    assert_eq!(created.unwrap_err().code(), Code::Unavailable);
    assert_eq!(opened.unwrap_err().code(), Code::Unavailable);
    ids.extend(calls(&server, 60..70).await);

    visitor.does("COMMIT").await;
    all_is_well(&server, &ids).await;
    let asked = v1::GetAccountRequest {
        account: Some(key("bob")),
    };
    let absent = server.admin().get_account(asked).await;
    assert_eq!(absent.unwrap_err().code(), Code::NotFound);
    server.admin().create_account(bob).await.unwrap();
    let opened = server.start_verification("alice", &challenge).await;
    let opened = opened.unwrap();
    assert_eq!(opened.attempts_left, 4);
    assert_eq!(server.usage("alice").await.calls_today, 70);
    server.kill9();
    server.restart().await;
    assert_eq!(server.usage("alice").await.calls_today, 70);
}

#[tokio::test]
async fn a_database_that_refuses_is_mended_and_gets_everything() {
    let server = server_with_alice().await;
    let mut ids = calls(&server, 0..20).await;
    server.shipped().await;
    let mut visitor = Visitor::of(&server).await;
    visitor
        .does("ALTER TABLE decisions RENAME TO misplaced")
        .await;
    ids.extend(calls(&server, 20..40).await);
    said_to_wait(&server, 20, "no such table").await;
    // The rest of it goes on.
    server.account("bob").await;
    ids.extend(calls(&server, 40..50).await);
    assert_eq!(server.usage("alice").await.calls_today, 50);
    visitor
        .does("ALTER TABLE misplaced RENAME TO decisions")
        .await;
    all_is_well(&server, &ids).await;
    assert_eq!(server.usage("alice").await.calls_today, 50);
}

#[tokio::test]
async fn a_database_that_can_not_be_read_is_told_as_not_reachable() {
    let server = server_with_alice().await;
    let mut ids = calls(&server, 0..10).await;
    server.shipped().await;
    let database = async || {
        let status = server.admin().get_status(Default::default()).await.unwrap();
        status.database.unwrap()
    };
    assert!(database().await.reachable);
    let mut visitor = Visitor::of(&server).await;
    visitor
        .does("ALTER TABLE journal_position RENAME TO misplaced")
        .await;
    let away = database().await;
    assert!(!away.reachable && !away.error.is_empty(), "{away:?}");
    ids.extend(calls(&server, 10..20).await);
    visitor
        .does("ALTER TABLE misplaced RENAME TO journal_position")
        .await;
    assert!(database().await.reachable);
    all_is_well(&server, &ids).await;
}

#[tokio::test]
async fn what_waited_when_the_server_was_killed_is_shipped_after_its_start() {
    let mut server = server_with_alice().await;
    let mut ids = calls(&server, 0..10).await;
    let mut visitor = Visitor::of(&server).await;
    visitor.does("BEGIN IMMEDIATE").await;
    ids.extend(calls(&server, 10..40).await);
    server.kill9();
    visitor.does("COMMIT").await;
    server.restart().await;
    assert_eq!(server.usage("alice").await.calls_today, 40);
    ids.extend(calls(&server, 40..50).await);
    all_is_well(&server, &ids).await;
    assert_eq!(server.usage("alice").await.calls_today, 50);
}
