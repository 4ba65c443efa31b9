//! Fraud is stopped on the first call, to numbers that nobody has reported yet.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tfps_client::v1::{self, CheckRequest, Purpose};
use tfps_tests::{
    Command, Server, eventually,
    scene::{DOMAIN, ELSEWHERE, HOME_NUMBER, LONDON, SOMALIA, call, key, limits, setting},
};

/// A range of Latvia's that was made up, its last three digits open.
const RANGE: &str = "+37128054";
/// A number of it that nobody has reported.
const UNSEEN: &str = "+37128054190";

/// A server whose accounts may call Latvia and Great Britain as far as their countries go, and Alice.
async fn house() -> Server {
    let server = Server::open().await;
    server
        .policy(|policy| {
            policy.allowed_destination_countries = vec!["LV".to_owned(), "GB".to_owned()];
            policy.blocked_countries.clear();
        })
        .await;
    server
        .account_with("alice", |account| account.limits = Some(limits(50, 90)))
        .await;
    server
}

/// Lists numbers of the range as fraud, as an import of confirmed ones does.
async fn range_is_known(server: &Server, numbers: u32) {
    for number in 0..numbers {
        let number = format!("{RANGE}{:03}", 7 * number);
        server
            .list(v1::EntryKind::Number, &number, v1::EntryAction::Block)
            .await;
    }
}

async fn teach(server: &Server, number: &str, kind: v1::OutcomeKind) {
    let outcome = v1::Outcome {
        subject: Some(v1::outcome::Subject::Number(number.to_owned())),
        kind: kind.into(),
        note: String::new(),
    };
    server
        .admin()
        .learn(v1::LearnRequest {
            lesson: Some(v1::learn_request::Lesson::Outcome(outcome)),
        })
        .await
        .unwrap();
}

async fn score(server: &Server, number: &str) -> u32 {
    let dry = CheckRequest {
        dry_run: true,
        ..call("alice", number)
    };
    server.check(dry).await.risk.unwrap_or_default().score
}

#[tokio::test]
async fn a_range_is_caught_before_the_number_is() {
    let server = house().await;
    assert_eq!(server.code(call("alice", UNSEEN)).await, "A00");
    range_is_known(&server, 12).await;
    let decision = server.check(call("alice", UNSEEN)).await;
    assert!(
        ["V06", "R18"].contains(&decision.code.as_str()),
        "{decision:?}"
    );
    let risk = decision.risk.unwrap();
    assert!(risk.score >= 90, "{risk:?}");
    let range = risk
        .signals
        .iter()
        .find(|signal| signal.name == "range")
        .unwrap();
    assert_eq!(
        range.evidence,
        "shares 8 of 11 digits with 12 known fraud numbers"
    );
    assert!(range.weight > 0, "{risk:?}");
    assert!(
        decision.reason.contains(&range.evidence),
        "{}",
        decision.reason
    );
    assert!(
        decision
            .reason
            .starts_with(&format!("risk {} of 100: ", risk.score))
    );
    // Nobody else's calls suffer.
    assert_eq!(server.code(call("alice", LONDON)).await, "A00");
    assert_eq!(server.code(call("alice", HOME_NUMBER)).await, "A00");
    // What is recorded has the score too.
    let recorded = server.decisions(Default::default()).await;
    let recorded = recorded
        .iter()
        .find(|one| one.id == decision.decision_id)
        .unwrap();
    assert_eq!(recorded.risk_score, risk.score);
}

#[tokio::test]
async fn who_proves_himself_may_call_that_number_and_no_other() {
    let server = house().await;
    server
        .policy(|policy| {
            let risk = policy.risk.get_or_insert_default();
            (risk.challenge_score, risk.pin_score, risk.deny_score) = (60, 101, 101);
        })
        .await;
    server
        .account_with("bob", |account| account.limits = Some(limits(50, 90)))
        .await;
    range_is_known(&server, 12).await;
    let decision = server.check(call("alice", UNSEEN)).await;
    assert_eq!(decision.code, "V06", "{decision:?}");
    let challenge = decision.challenge.clone().unwrap();
    assert_eq!(challenge.purpose(), Purpose::Risk);
    let media_user = &decision.sip.as_ref().unwrap().media_user;
    assert_eq!(*media_user, format!("s{UNSEEN}"));
    let passed = server.verify("alice", &decision).await;
    assert_eq!(
        passed.change,
        format!("alice@{DOMAIN} may call {UNSEEN} whatever its risk for 1440 minutes")
    );
    assert_eq!(server.code(call("alice", UNSEEN)).await, "A00");
    assert_eq!(
        server.code(call("alice", &format!("{RANGE}191"))).await,
        "V06"
    );
    assert_eq!(server.code(call("bob", UNSEEN)).await, "V06");
}

#[tokio::test]
async fn what_is_confirmed_teaches_the_range_and_a_false_positive_takes_it_back() {
    let server = house().await;
    let before = score(&server, UNSEEN).await;
    let mut last = before;
    for number in ["101", "120", "143", "177"] {
        teach(
            &server,
            &format!("{RANGE}{number}"),
            v1::OutcomeKind::ConfirmedFraud,
        )
        .await;
    }
    let taught = score(&server, UNSEEN).await;
    assert!(taught > before + 20, "{before} {taught}");
    for number in ["101", "120", "143", "177"] {
        teach(
            &server,
            &format!("{RANGE}{number}"),
            v1::OutcomeKind::FalsePositive,
        )
        .await;
        last = score(&server, UNSEEN).await;
    }
    assert!(last <= before, "{last} {before}");
}

#[tokio::test]
async fn a_false_positive_speaks_for_its_number_and_a_little_for_its_range() {
    let mut server = house().await;
    range_is_known(&server, 12).await;
    let other = format!("{RANGE}333");
    let before = [score(&server, UNSEEN).await, score(&server, &other).await];
    assert!(before[0] >= 90 && before[1] >= 90, "{before:?}");
    for _ in 0..5 {
        teach(&server, UNSEEN, v1::OutcomeKind::FalsePositive).await;
    }
    let after = [score(&server, UNSEEN).await, score(&server, &other).await];
    assert!(after[0] < 90 && after[0] < after[1], "{before:?} {after:?}");
    assert!(
        after[1] <= before[1] && after[1] + 10 > before[1],
        "{before:?} {after:?}"
    );
    // It is known after a start.
    server.terminate();
    server.ended().await;
    server.restart().await;
    let again = [score(&server, UNSEEN).await, score(&server, &other).await];
    assert_eq!(again, after);
    teach(&server, UNSEEN, v1::OutcomeKind::ConfirmedFraud).await;
    assert_eq!(server.code(call("alice", UNSEEN)).await, "R03");
}

#[tokio::test]
async fn an_operator_sees_why_and_has_the_last_word() {
    let server = house().await;
    range_is_known(&server, 12).await;
    let explained = server
        .admin()
        .explain_check(v1::ExplainCheckRequest {
            check: Some(call("alice", UNSEEN)),
        })
        .await
        .unwrap();
    let finding = explained
        .findings
        .iter()
        .find(|finding| finding.rule == "risk")
        .unwrap();
    assert!(
        finding.detail.contains("shares 8 of 11 digits"),
        "{finding:?}"
    );
    assert!(finding.decisive, "{finding:?}");
    // Reported only, off, and on the allow list.
    let mode = async |mode| {
        server
            .policy(|policy| policy.rules = vec![setting(v1::Rule::Risk, mode)])
            .await;
    };
    mode(v1::RuleMode::Report).await;
    let reported = server.check(call("alice", UNSEEN)).await;
    assert_eq!(reported.code, "A00");
    assert!(["V06", "R18"].contains(&reported.monitored.unwrap().code.as_str()));
    mode(v1::RuleMode::Off).await;
    let off = server.check(call("alice", UNSEEN)).await;
    assert_eq!(
        (off.code.as_str(), off.monitored, off.risk),
        ("A00", None, None)
    );
    mode(v1::RuleMode::Enforce).await;
    assert_eq!(server.code(call("alice", UNSEEN)).await, "R18");
    server
        .list(v1::EntryKind::Number, UNSEEN, v1::EntryAction::Allow)
        .await;
    assert_eq!(server.code(call("alice", UNSEEN)).await, "A00");
}

#[tokio::test]
async fn a_home_number_that_costs_more_is_predicted_and_no_other() {
    let server = house().await;
    let risk = async |number: &str| server.check(call("alice", number)).await.risk;
    assert_eq!(risk(HOME_NUMBER).await, None);
    assert!(risk("+19002345678").await.is_some());
}

#[tokio::test]
async fn a_model_that_is_none_keeps_the_server_from_starting() {
    for (file, why) in [
        (
            "/nowhere/model.json",
            "risk.model_file: /nowhere/model.json can't be read",
        ),
        (
            "/etc/hostname",
            "risk.model_file: /etc/hostname is no risk model",
        ),
    ] {
        let config = format!("[risk]\nmodel_file = \"{file}\"\n");
        let refused = Command::default()
            .config(config)
            .try_start()
            .await
            .err()
            .unwrap();
        assert!(refused.said.contains(why), "{}", refused.said);
    }
}

/// Puts a call of Alice's to London of so many days ago among the decisions that the database has.
async fn called_london(database: &mut sqlx::SqliteConnection, days_ago: i64) {
    let at = tfps_tests::clock::now() - jiff::SignedDuration::from_hours(24 * days_ago);
    sqlx::query(
        "INSERT INTO decisions SELECT ?, ?, domain, username, dialed_number, e164, caller_number, '192.0.2.7', \
         'Yealink SIP-T46S 66.85.0.5', concurrent_calls, call_id, forwarded_from, trunk, verdict, code, reason, purpose, \
         challenge_id, challenge_expires_at, destination_country, source_country, number_kind, off_hours, risk, \
         monitored_verdict, monitored_code, monitored_reason, policy, latency_us, source_asn FROM decisions \
         WHERE username = 'alice' ORDER BY id DESC LIMIT 1",
    )
    // Ids sort by time: 44 bits of milliseconds stand first.
    .bind(format!("{:011x}{:013x}", at.as_millisecond(), days_ago))
    .bind(at.as_millisecond())
    .execute(database)
    .await
    .unwrap();
}

#[tokio::test]
async fn what_an_account_usually_does_is_known_again_after_a_start() {
    let mut server = house().await;
    assert_eq!(server.code(call("alice", LONDON)).await, "A00");
    let stolen = CheckRequest {
        dry_run: true,
        source_ip: "198.51.100.9".to_owned(),
        user_agent: "MicroSIP/3.21.3".to_owned(),
        ..call("alice", UNSEEN)
    };
    let novelty = |decision: v1::CheckResponse| {
        let signals = decision.risk.unwrap_or_default().signals;
        let novelty = signals.into_iter().find(|signal| signal.name == "novelty");
        novelty.map(|signal| signal.evidence)
    };
    // To who has just come nothing is new.
    assert_eq!(novelty(server.check(stolen.clone()).await), None);
    server.terminate();
    server.ended().await;
    let path = server.data_dir().join("tfps.db");
    let mut database = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path))
        .await
        .unwrap();
    for days_ago in 5..40 {
        called_london(&mut database, days_ago).await;
    }
    database.close().await.unwrap();
    server.restart().await;
    let told = eventually("it is known what Alice does", async || {
        novelty(server.check(stolen.clone()).await)
    })
    .await;
    for words in [
        "not called this country before",
        "a network that is new",
        "a user agent that is new",
    ] {
        assert!(told.contains(words), "{told}");
    }
    // Her own telephone is none.
    let own = CheckRequest {
        source_ip: "192.0.2.99".to_owned(),
        user_agent: "Yealink SIP-T46S 66.86.0.15".to_owned(),
        ..stolen
    };
    let told = novelty(server.check(own.clone()).await).unwrap();
    assert!(
        !told.contains("network") && !told.contains("agent"),
        "{told}"
    );

    // Somebody else tries the range for moments.
    server.account("bob").await;
    let test = CheckRequest {
        call_id: "test".to_owned(),
        concurrent_calls: Some(1),
        ..call("bob", UNSEEN)
    };
    assert_eq!(server.code(test).await, "A00");
    server.progress("bob", "test", v1::CallEvent::Started).await;
    let ended = v1::CallProgress {
        account: Some(key("bob")),
        call_id: "test".to_owned(),
        event: v1::CallEvent::Ended.into(),
        duration: Some(prost_types::Duration {
            seconds: 6,
            nanos: 0,
        }),
        ..v1::CallProgress::default()
    };
    let lesson = Some(v1::learn_request::Lesson::Call(ended));
    server
        .admin()
        .learn(v1::LearnRequest { lesson })
        .await
        .unwrap();
    let warned = server.check(own).await.risk.unwrap();
    let campaign = warned
        .signals
        .iter()
        .find(|signal| signal.name == "campaign");
    let evidence = &campaign.unwrap().evidence;
    assert!(
        evidence.contains("another account has called the range for moments"),
        "{evidence}"
    );
}

/// Puts a call to Paris of an account, of so many days ago, among the decisions that the database has.
async fn called_paris(database: &mut SqliteConnection, account: (&str, &str), days_ago: i64) {
    let at = tfps_tests::clock::now() - jiff::SignedDuration::from_hours(24 * days_ago);
    let (username, domain) = account;
    sqlx::query(
        "INSERT INTO decisions SELECT ?, ?, ?, ?, dialed_number, e164, caller_number, source_ip, \
         'Yealink SIP-T46S 66.85.0.5', concurrent_calls, call_id, forwarded_from, trunk, verdict, code, reason, purpose, \
         challenge_id, challenge_expires_at, destination_country, source_country, number_kind, off_hours, risk, \
         monitored_verdict, monitored_code, monitored_reason, policy, latency_us, source_asn FROM decisions \
         WHERE e164 = '33142345678' ORDER BY id DESC LIMIT 1",
    )
    // Ids sort by time: 44 bits of milliseconds stand first.
    .bind(format!("{:011x}{username:0>13.13}", at.as_millisecond()))
    .bind(at.as_millisecond())
    .bind(domain)
    .bind(username)
    .execute(database)
    .await
    .unwrap();
}

const TENANTS: [&str; 6] = [
    "mallory1", "mallory2", "mallory3", "mallory4", "mallory5", "mallory6",
];

/// A domain of a third tenant.
const THIRD: &str = "third.example";

/// A server that has known Alice, and six accounts of each of three domains, for 40 days.
async fn three_domains() -> Server {
    let mut server = house().await;
    server
        .policy(|policy| policy.allowed_destination_countries.push("FR".to_owned()))
        .await;
    for domain in [DOMAIN, ELSEWHERE, THIRD] {
        for name in TENANTS {
            let to = |account: &mut v1::Account| account.domain = domain.to_owned();
            server.account_with(name, to).await;
        }
    }
    assert_eq!(server.code(call("alice", "33142345678")).await, "A00");
    server.shipped().await;
    server.terminate();
    server.ended().await;
    let path = server.data_dir().join("tfps.db");
    let mut database = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path))
        .await
        .unwrap();
    for days_ago in [5, 20, 40] {
        called_paris(&mut database, ("alice", DOMAIN), days_ago).await;
    }
    for name in TENANTS {
        for (days_ago, domain) in [(38, DOMAIN), (37, ELSEWHERE), (36, THIRD)] {
            called_paris(&mut database, (name, domain), days_ago).await;
        }
    }
    database.close().await.unwrap();
    server.restart().await;
    eventually("it is known what accounts do", async || {
        server
            .said()
            .contains("it is known what accounts usually do")
            .then_some(())
    })
    .await;
    server
}

/// Six accounts of a domain call numbers of London's, each for six seconds and from a network of its own.
async fn test_calls(server: &Server, domain: &str, networks: &str) {
    for (place, name) in TENANTS.into_iter().enumerate() {
        let account = Some(v1::AccountKey {
            username: name.to_owned(),
            domain: domain.to_owned(),
        });
        let call_id = format!("{name}@{domain}");
        let attempt = CheckRequest {
            account: account.clone(),
            call_id: call_id.clone(),
            source_ip: format!("{networks}.{place}.1"),
            ..call(name, &format!("4420794601{:02}", 10 * place))
        };
        server.check(attempt).await;
        let ended = v1::CallProgress {
            account,
            call_id,
            event: v1::CallEvent::Ended.into(),
            duration: Some(prost_types::Duration {
                seconds: 6,
                nanos: 0,
            }),
            ..v1::CallProgress::default()
        };
        let lesson = Some(v1::learn_request::Lesson::Call(ended));
        server
            .admin()
            .learn(v1::LearnRequest { lesson })
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn what_one_domain_s_accounts_do_stops_nobody_else_s_calls() {
    let server = three_domains().await;
    let before = score(&server, LONDON).await;
    assert!(before < 70, "{before}");
    test_calls(&server, ELSEWHERE, "198.51").await;
    let dry = CheckRequest {
        dry_run: true,
        ..call("alice", LONDON)
    };
    let decision = server.check(dry).await;
    let risk = decision.risk.clone().unwrap();
    assert_eq!(decision.code, "A00", "{decision:?}");
    assert!((before..90).contains(&risk.score), "{before} {risk:?}");
    let campaign = risk.signals.iter().find(|signal| signal.name == "campaign");
    let evidence = &campaign.unwrap().evidence;
    assert!(
        evidence.contains("another domain has turned to its range"),
        "{evidence}"
    );
    assert_eq!(server.code(call("alice", LONDON)).await, "A00");

    // Nor does what a domain's admin says of its numbers.
    let secret = server.token(v1::Role::DomainAdmin, ELSEWHERE).await;
    let admin = server.client_of(&secret).await;
    let after = score(&server, LONDON).await;
    for kind in [
        v1::OutcomeKind::ConfirmedFraud,
        v1::OutcomeKind::FalsePositive,
    ] {
        for last in 0..12 {
            let number = format!("4420794601{:02}", 7 * last);
            let outcome = v1::Outcome {
                subject: Some(v1::outcome::Subject::Number(number)),
                kind: kind.into(),
                note: String::new(),
            };
            let lesson = Some(v1::learn_request::Lesson::Outcome(outcome));
            admin.learn(v1::LearnRequest { lesson }).await.unwrap();
        }
        assert_eq!(score(&server, LONDON).await, after, "{kind:?}");
    }

    // Of one's own domain it counts in full.
    test_calls(&server, DOMAIN, "198.51").await;
    let decision = server.check(call("alice", LONDON)).await;
    assert!(
        ["V06", "R18"].contains(&decision.code.as_str()),
        "{decision:?}"
    );
}

#[tokio::test]
async fn what_several_domains_accounts_do_asks_for_a_human_where_one_can_be_asked_and_denies_nothing()
 {
    let server = three_domains().await;
    test_calls(&server, ELSEWHERE, "198.51").await;
    test_calls(&server, THIRD, "198.18").await;
    // Not even where only a PIN of its own would do, which Alice has not.
    let decision = server.check(call("alice", LONDON)).await;
    assert_eq!(decision.code, "V06", "{decision:?}");
    let score = decision.risk.as_ref().unwrap().score;
    assert!((90..95).contains(&score), "{score}");
    server.verify("alice", &decision).await;
    // And not where no human is asked any more today.
    server
        .policy(|policy| {
            let verification = policy.verification.as_mut().unwrap();
            verification.max_passed_per_day = Some(1);
        })
        .await;
    let decision = server.check(call("alice", "442079460155")).await;
    assert_eq!(decision.code, "A00", "{decision:?}");
    // Nor where she has failed too often.
    server
        .policy(|policy| {
            let verification = policy.verification.as_mut().unwrap();
            verification.max_passed_per_day = Some(0);
        })
        .await;
    let challenged = server.check(call("alice", SOMALIA)).await;
    for _ in 0..4 {
        server.fail("alice", &challenged).await;
    }
    assert_eq!(server.code(call("alice", SOMALIA)).await, "R17");
    let decision = server.check(call("alice", "442079460165")).await;
    assert_eq!(decision.code, "A00", "{decision:?}");
}
