//! Limits that learn: an account may do what it does.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use jiff::{SignedDuration, ToSpan, tz::TimeZone};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tfps_client::v1;
use tfps_tests::{
    Server, clock,
    scene::{self, CUBA, DOMAIN, ELSEWHERE, HOME_NUMBER, SOMALIA, call},
    shell::Shell,
};

/// A mobile in Gambia.
const GAMBIA: &str = "+2207123456";

/// Puts a call of Alice's of so many days ago among what the database has; it lasts five minutes.
async fn called(database: &mut SqliteConnection, days_ago: i64, number: i64, e164: &str) {
    // From noon in UTC on: what is one day there and in New York is one whenever this runs.
    let today = clock::now().to_zoned(TimeZone::UTC).date();
    let noon = today.saturating_sub(days_ago.days()).at(12, 0, 0, 0);
    let at = TimeZone::UTC.to_timestamp(noon).unwrap() + SignedDuration::from_mins(2 * number);
    let call_id = format!("{days_ago}-{number}-{e164}");
    sqlx::query(
        "INSERT INTO decisions SELECT ?, ?, domain, username, dialed_number, ?, caller_number, source_ip, user_agent, NULL, ?, \
         forwarded_from, trunk, verdict, code, reason, purpose, challenge_id, challenge_expires_at, destination_country, \
         source_country, number_kind, 0, risk, monitored_verdict, monitored_code, monitored_reason, policy, latency_us, \
         source_asn FROM decisions WHERE username = 'alice' ORDER BY id DESC LIMIT 1",
    )
    // Ids sort by time: 44 bits of milliseconds stand first.
    .bind(format!("{:011x}{:013x}", at.as_millisecond(), number))
    .bind(at.as_millisecond())
    .bind(e164)
    .bind(&call_id)
    .execute(&mut *database)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO calls (domain, username, call_id, started_at, ended_at, duration_ms, slot_until) \
         VALUES ('example.com', 'alice', ?, ?, ?, 300000, 0)",
    )
    .bind(&call_id)
    .bind(at.as_millisecond())
    .bind((at + SignedDuration::from_mins(5)).as_millisecond())
    .execute(database)
    .await
    .unwrap();
}

/// A server that has known Alice for 30 days: ten calls a day, three at once; and 200 to a number on one of them.
async fn house() -> Server {
    let mut server = Server::open().await;
    let few = |account: &mut v1::Account| account.limits = Some(scene::limits(1, 5));
    server.account_with("alice", few).await;
    assert_eq!(server.code(call("alice", HOME_NUMBER)).await, "A00");
    server.terminate();
    server.ended().await;
    let path = server.data_dir().join("tfps.db");
    let options = SqliteConnectOptions::new().filename(path);
    let mut database = SqliteConnection::connect_with(&options).await.unwrap();
    for days_ago in 2..32 {
        for number in 0..10 {
            called(&mut database, days_ago, number, HOME_NUMBER).await;
        }
    }
    for number in 100..300 {
        called(&mut database, 7, number, "37128054190").await;
    }
    database.close().await.unwrap();
    server.restart().await;
    server
}

async fn limits(server: &Server) -> [u32; 2] {
    let limits = server.get("alice").await.limits.unwrap();
    [limits.concurrent_calls(), limits.daily_quota()]
}

#[tokio::test]
async fn an_account_is_trained_and_it_is_taken_back() {
    let mut server = house().await;
    let given = limits(&server).await;
    let said = Shell::new(&server).run("train alice example.com --dry-run");
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains(" > "), "{said:?}");
    assert!(
        said.err.contains("daily quota 5 to 15"),
        "with the fraud in it: {said:?}"
    );
    assert_eq!(limits(&server).await, given, "it was a dry run");
    let said = Shell::new(&server).run("trainings list");
    assert!(said.err.contains("no trainings"), "{said:?}");

    // Two hundred calls turn out to have been fraud: nothing is learned from them.
    let said = Shell::new(&server).run("learn fraud 37128054190");
    assert_eq!(said.code, 0, "{said:?}");
    let said = Shell::new(&server).run("train");
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.err.contains("1 suggested to change"), "{said:?}");
    let suggested = Shell::new(&server).json("trainings list --state suggested");
    let training = &suggested[0];
    let id = training["id"].as_str().unwrap();
    let reasons = training["reasons"].to_string();
    assert!(
        reasons.contains("30 days") || reasons.contains("31 days"),
        "{reasons}"
    );
    assert_eq!(limits(&server).await, given, "it was only suggested");

    let said = Shell::new(&server).run(&format!("trainings apply {id}"));
    assert_eq!(said.code, 0, "{said:?}");
    let [at_once, quota] = limits(&server).await;
    assert!((3..=4).contains(&at_once), "{reasons}");
    assert!((10..=15).contains(&quota), "{reasons}");
    let said = Shell::new(&server).run(&format!("trainings apply {id}"));
    assert_eq!(said.code, 8, "{said:?}");

    // What was changed is known after a start, and can be taken back.
    server.terminate();
    server.ended().await;
    server.restart().await;
    assert_eq!(limits(&server).await, [at_once, quota]);
    let said = Shell::new(&server).run(&format!("trainings revert {id}"));
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(limits(&server).await, given);
    let trainings = Shell::new(&server).json("trainings list");
    assert_eq!(trainings[0]["state"], "TRAINING_STATE_REVERTED");
    let said = Shell::new(&server).run("trainings revert nothing");
    assert_eq!(said.code, 5, "{said:?}");
}

#[tokio::test]
async fn who_may_not_change_accounts_may_see_what_would_come_out() {
    let server = Server::open().await;
    server.account("alice").await;
    let secret = server.token(v1::Role::ReadOnly, "").await;
    let read_only = server.client_of(&secret).await;
    let train = |dry_run| v1::TrainAccountsRequest {
        dry_run,
        ..v1::TrainAccountsRequest::default()
    };
    let mut answers = read_only.train_accounts(train(true)).await.unwrap();
    let last = answers.next().await.unwrap().unwrap();
    assert_eq!((last.done, last.total, last.too_young), (1, 1, 1));
    assert!(answers.next().await.unwrap().is_none());
    let refused = read_only.train_accounts(train(false)).await.err().unwrap();
    assert_eq!(refused.code(), tfps_client::Code::PermissionDenied);
    let secret = server.token(v1::Role::DomainAdmin, ELSEWHERE).await;
    let elsewhere = server.client_of(&secret).await;
    let mut answers = elsewhere.train_accounts(train(false)).await.unwrap();
    let last = answers.next().await.unwrap().unwrap();
    assert_eq!(last.total, 0, "it has no account");
    let of_alice = v1::TrainAccountsRequest {
        username: "alice".to_owned(),
        domain: DOMAIN.to_owned(),
        ..v1::TrainAccountsRequest::default()
    };
    let refused = elsewhere.train_accounts(of_alice).await.err().unwrap();
    assert_eq!(refused.code(), tfps_client::Code::PermissionDenied);
}

/// A server whose policy has monitored a call a day of Alice's to each of four numbers, for 17 days.
async fn monitored(numbers: [&str; 4]) -> Server {
    let mut server = Server::open().await;
    server.policy(|policy| policy.monitor = true).await;
    let few = |account: &mut v1::Account| account.limits = Some(scene::limits(5, 20));
    server.account_with("alice", few).await;
    for number in numbers {
        assert_eq!(server.code(call("alice", number)).await, "A00");
    }
    server.shipped().await;
    server.terminate();
    server.ended().await;
    let path = server.data_dir().join("tfps.db");
    let options = SqliteConnectOptions::new().filename(path);
    let mut database = SqliteConnection::connect_with(&options).await.unwrap();
    // A call a day to each of them, as each was decided today.
    for days_ago in 1..18 {
        let ago = 86_400_000 * days_ago;
        sqlx::query(
            "INSERT INTO decisions SELECT printf('%011x', decided_at - ?) || substr(id, 12), decided_at - ?, domain, username, \
             dialed_number, e164, caller_number, source_ip, user_agent, concurrent_calls, call_id, forwarded_from, trunk, verdict, \
             code, reason, purpose, challenge_id, challenge_expires_at, destination_country, source_country, number_kind, off_hours, \
             risk, monitored_verdict, monitored_code, monitored_reason, policy, latency_us, source_asn FROM decisions \
             WHERE username = 'alice' ORDER BY id DESC LIMIT 4",
        )
        .bind(ago)
        .bind(ago)
        .execute(&mut database)
        .await
        .unwrap();
        // The next ones are made of today's again.
        sqlx::query("UPDATE decisions SET username = 'of-before' WHERE decided_at < (SELECT max(decided_at) FROM decisions) - 80000000")
            .execute(&mut database)
            .await
            .unwrap();
    }
    sqlx::query("UPDATE decisions SET username = 'alice'")
        .execute(&mut database)
        .await
        .unwrap();
    database.close().await.unwrap();
    server.restart().await;
    server
}

/// A fixed line in France.
const FRANCE: &str = "33142345678";
/// A fixed line in Germany.
const GERMANY: &str = "4930123456";

#[tokio::test]
async fn no_training_opens_a_country_of_high_risk_or_one_that_is_blocked() {
    let server = monitored([SOMALIA, GAMBIA, CUBA, FRANCE]).await;
    let said = Shell::new(&server).run("train --apply");
    assert_eq!(said.code, 0, "{said:?}");
    for words in [
        "alice@example.com: destination country SO is not opened (17 calls on 17 days): it is of high risk",
        "alice@example.com: destination country GM is not opened (17 calls on 17 days): it is of high risk",
    ] {
        assert!(said.err.contains(words), "{words}: {said:?}");
    }
    let mut countries = server.get("alice").await.destination_countries;
    countries.sort();
    assert_eq!(countries, ["FR", "US"]);
    let trainings = Shell::new(&server).json("trainings list");
    assert_eq!(trainings[0]["state"], "TRAINING_STATE_APPLIED");
    let left_out = trainings[0]["left_out"].to_string();
    assert!(
        left_out.contains("SO is not opened") && left_out.contains("GM is not opened"),
        "{trainings}"
    );
    assert!(
        !trainings[0]["reasons"].to_string().contains("SO"),
        "{trainings}"
    );

    // Once there is nothing more to change, it is still told what is left out.
    assert_eq!(Shell::new(&server).run("train --apply").code, 0);
    let said = Shell::new(&server).run("train");
    assert!(
        said.err.contains("SO is not opened") && said.err.contains("1 fit"),
        "{said:?}"
    );
}

#[tokio::test]
async fn what_was_suggested_is_asked_again_before_it_is_put_in_force() {
    let server = monitored([FRANCE, GERMANY, CUBA, GAMBIA]).await;
    let said = Shell::new(&server).run("train");
    assert_eq!(said.code, 0, "{said:?}");
    let suggested = Shell::new(&server).json("trainings list --state suggested");
    let reasons = suggested[0]["reasons"].to_string();
    assert!(
        reasons.contains("FR is opened") && reasons.contains("DE is opened"),
        "{reasons}"
    );
    let id = suggested[0]["id"].as_str().unwrap();
    server
        .policy(|policy| policy.blocked_countries.push("FR".to_owned()))
        .await;
    let said = Shell::new(&server).run(&format!("trainings apply {id}"));
    assert_eq!(said.code, 0, "{said:?}");
    let mut countries = server.get("alice").await.destination_countries;
    countries.sort();
    assert_eq!(countries, ["DE", "US"]);
    let applied = Shell::new(&server).json("trainings list --state applied");
    let (reasons, left_out) = (
        applied[0]["reasons"].to_string(),
        applied[0]["left_out"].to_string(),
    );
    assert!(!reasons.contains("FR is opened"), "{reasons}");
    assert!(
        left_out.contains("FR is not opened any more: the policy blocks it"),
        "{left_out}"
    );
}
