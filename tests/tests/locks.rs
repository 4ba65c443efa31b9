//! Failed verifications: what they lock, for whom, for how long; and how many callers may onboard themselves.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use tfps_client::{
    Code,
    v1::{self, CheckRequest, LockKind},
};
use tfps_tests::{
    Server,
    claims::{denied, names, not_found, not_now},
    eventually,
    scene::{
        DOMAIN, ELSEWHERE, HOME_NUMBER, LONDON, SOMALIA, call, from, key, limits, neighbour,
        setting,
    },
    verification::wrong,
};

const OFFICE: &str = "203.0.113.20";
const ATTACKER: &str = "203.0.113.66";

/// The locks of all domains, what ends last first.
async fn locks(server: &Server) -> Vec<v1::Lock> {
    let request = v1::ListLocksRequest::default();
    let answer = server.admin().list_locks(request).await.unwrap();
    assert_eq!(answer.total_size, answer.locks.len() as u64);
    answer.locks
}

async fn warnings(server: &Server) -> String {
    let status = server.admin().get_status(Default::default()).await.unwrap();
    status.warnings.join("\n")
}

async fn metric(server: &Server, name: &str) -> u64 {
    let text = server.http_get("/metrics").await;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("{name} in {text}"))
        .trim()
        .parse()
        .unwrap()
}

async fn unlock(server: &Server, username: &str) -> Result<v1::UnlockResponse, tfps_client::Error> {
    let request = v1::UnlockRequest {
        account: Some(key(username)),
        ..v1::UnlockRequest::default()
    };
    server.admin().unlock(request).await
}

/// A call is made and its challenge failed; `false` where there is none to fail, or it can't be opened.
async fn fails(server: &Server, call: CheckRequest, digits: Option<&str>) -> bool {
    let username = call.account.as_ref().unwrap().username.clone();
    let Some(challenge) = server.check(call).await.challenge else {
        return false;
    };
    let Ok(opened) = server.start_verification(&username, &challenge).await else {
        return false;
    };
    let captcha = wrong(&opened.captcha_digits);
    let typed = digits.unwrap_or(&captcha);
    let answer = server.complete(&opened.verification_id, typed).await;
    let answer = answer.unwrap();
    assert!(!answer.passed, "{answer:?}");
    true
}

#[tokio::test]
async fn a_locked_phone_calls_home_and_where_it_may_and_nobody_renews_its_lock() {
    let server = Server::open().await;
    server
        .account_with("alice", |account| {
            account.destination_countries = vec!["US".to_owned(), "GB".to_owned()];
            account.limits = Some(limits(100, 2));
        })
        .await;
    let somalia = server.check(call("alice", SOMALIA)).await;
    assert_eq!(somalia.code, "V03");
    for _ in 0..4 {
        server.fail("alice", &somalia).await;
    }
    let until = server.usage("alice").await.locked_until;
    assert!(until.is_some());
    // What is open passes; what needs a proof, whatever it is, does not.
    assert_eq!(server.code(call("alice", HOME_NUMBER)).await, "A00");
    assert_eq!(server.code(call("alice", LONDON)).await, "A00");
    let refused = server.check(call("alice", SOMALIA)).await;
    denied(&refused, "R17");
    assert!(
        refused.reason.contains("V03")
            && refused
                .reason
                .contains("4 failed verifications lock the account"),
        "{}",
        refused.reason
    );
    denied(&server.check(call("alice", HOME_NUMBER)).await, "R17"); // the quota is used up
    // Whoever has the password calls on and on: there is nothing to fail, and the lock ends when it would have.
    for last in 0..10 {
        assert!(!fails(&server, call("alice", &neighbour(SOMALIA, last)), None).await);
    }
    not_now(
        server
            .start_verification("alice", somalia.challenge.as_ref().unwrap())
            .await,
        "LOCKED",
    );
    assert_eq!(server.usage("alice").await.locked_until, until);
    // The explanation tells which rule decided.
    let request = v1::ExplainCheckRequest {
        check: Some(call("alice", SOMALIA)),
    };
    let explained = server.admin().explain_check(request).await.unwrap();
    let decisive = explained.findings.iter().find(|finding| finding.decisive);
    assert_eq!(decisive.unwrap().rule, "failed-verifications");
    let request = v1::ExplainCheckRequest {
        check: Some(call("alice", "911")),
    };
    let explained = server.admin().explain_check(request).await.unwrap();
    assert_eq!(explained.decision.unwrap().code, "A00");
    unlock(&server, "alice").await.unwrap();
    assert_eq!(server.code(call("alice", SOMALIA)).await, "V03");
    not_found(unlock(&server, "alice").await);
}

#[tokio::test]
async fn a_rule_that_only_reports_lets_the_challenge_out() {
    let server = Server::open().await;
    server.account("alice").await;
    let somalia = server.check(call("alice", SOMALIA)).await;
    for _ in 0..4 {
        server.fail("alice", &somalia).await;
    }
    let mode = async |mode| {
        server
            .policy(|policy| {
                policy.rules = vec![setting(v1::Rule::FailedVerifications, mode)];
            })
            .await;
        server.check(call("alice", SOMALIA)).await
    };
    let reported = mode(v1::RuleMode::Report).await;
    assert_eq!(reported.code, "V03");
    assert_eq!(reported.monitored.unwrap().code, "R17");
    let off = mode(v1::RuleMode::Off).await;
    assert_eq!((off.code.as_str(), off.monitored), ("V03", None));
    server.policy(|policy| policy.monitor = true).await;
    let monitored = mode(v1::RuleMode::Enforce).await;
    assert_eq!(monitored.code, "A00");
    assert_eq!(monitored.monitored.unwrap().code, "R17");
}

#[tokio::test]
async fn an_unknown_account_that_is_locked_is_listed_and_unlocked() {
    let mut server = Server::open().await;
    for _ in 0..4 {
        assert!(fails(&server, from(OFFICE, call("newcomer", HOME_NUMBER)), None).await);
    }
    denied(&server.check(call("newcomer", HOME_NUMBER)).await, "R17");
    let listed = locks(&server).await;
    let [lock] = listed.as_slice() else {
        panic!("{listed:?}");
    };
    assert_eq!(lock.kind(), LockKind::Account);
    assert_eq!(
        (
            lock.username.as_str(),
            lock.domain.as_str(),
            lock.source.as_str()
        ),
        ("newcomer", DOMAIN, OFFICE)
    );
    assert!(!lock.known && lock.failures == 4 && lock.since.is_some() && lock.until.is_some());
    assert_eq!(metric(&server, "tfps_locked{kind=\"account\"}").await, 1);
    // It outlives the server.
    server.kill9();
    server.restart().await;
    assert_eq!(locks(&server).await.len(), 1);
    // Whoever is bound to another domain neither sees nor ends it.
    let elsewhere = server.token(v1::Role::DomainAdmin, ELSEWHERE).await;
    let elsewhere = server.client_of(&elsewhere).await;
    let seen = elsewhere.list_locks(v1::ListLocksRequest::default()).await;
    assert_eq!(seen.unwrap().total_size, 0);
    let request = v1::UnlockRequest {
        account: Some(key("newcomer")),
        ..v1::UnlockRequest::default()
    };
    let refused = elsewhere.unlock(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    unlock(&server, "newcomer").await.unwrap();
    assert_eq!(locks(&server).await, []);
    server.onboard("newcomer").await;
}

#[tokio::test]
async fn each_further_lock_lasts_longer() {
    let server = Server::with_verification(|verification| {
        verification.max_failures = Some(0);
        verification.lock_seconds = 1;
        verification.longest_lock_seconds = Some(3);
    })
    .await;
    server.account("alice").await;
    let lasts = async || {
        eventually("the lock is over", || async {
            let over = server.usage("alice").await.locked_until.is_none();
            over.then_some(())
        })
        .await;
        assert!(fails(&server, call("alice", LONDON), None).await);
        let lock = locks(&server).await.remove(0);
        lock.until.unwrap().seconds - lock.since.unwrap().seconds
    };
    assert_eq!([lasts().await, lasts().await, lasts().await], [1, 2, 3]);
}

#[tokio::test]
async fn a_policys_pin_opens_no_account_that_anybody_can_invent() {
    let server = Server::with_verification(|verification| {
        verification.method = v1::VerificationMethod::Pin.into();
        verification.pin = "602845".to_owned();
    })
    .await;
    for username in ["invented1", "invented2"] {
        let refused = server.check(call(username, HOME_NUMBER)).await;
        denied(&refused, "R20");
        assert!(refused.reason.contains("PIN"), "{}", refused.reason);
    }
    // Nor anything else of an unknown account that the policy lets pass.
    server
        .policy(|policy| {
            policy.rules = vec![setting(v1::Rule::UnknownAccount, v1::RuleMode::Off)];
        })
        .await;
    denied(&server.check(call("invented3", LONDON)).await, "R06");
    // A challenge of before by captcha, opened when the policy asks for PINs.
    server
        .policy(|policy| {
            policy.rules.clear();
            policy.verification.as_mut().unwrap().method = v1::VerificationMethod::Captcha.into();
        })
        .await;
    let (_, challenge) = server.challenged("invented4", HOME_NUMBER).await;
    server
        .policy(|policy| {
            policy.verification.as_mut().unwrap().method = v1::VerificationMethod::Pin.into();
        })
        .await;
    not_now(
        server.start_verification("invented4", &challenge).await,
        "NO_PIN",
    );
}

#[tokio::test]
async fn a_policys_pin_is_not_guessed_over_many_accounts_and_sources() {
    let server = Server::with_verification(|verification| {
        verification.method = v1::VerificationMethod::Pin.into();
        verification.pin = "602845".to_owned();
        verification.max_pin_failures = Some(10);
    })
    .await;
    server
        .account_with("own", |account| account.pin = "284713".to_owned())
        .await;
    for username in ["alice", "bob"] {
        server.account(username).await;
    }
    // The office knows the PIN.
    let (_, challenge) = {
        let decision = server.check(from(OFFICE, call("alice", LONDON))).await;
        let challenge = decision.challenge.clone().unwrap();
        (decision, challenge)
    };
    let opened = server
        .start_verification("alice", &challenge)
        .await
        .unwrap();
    let passed = server.complete(&opened.verification_id, "602845").await;
    assert!(passed.unwrap().passed);
    let mut guessed = 0;
    for number in 0..30 {
        let username = format!("stolen{number}");
        server.account(&username).await;
        let source = format!("198.51.100.{number}");
        let digits = format!("60{number:04}");
        guessed += u32::from(
            fails(
                &server,
                from(&source, call(&username, LONDON)),
                Some(&digits),
            )
            .await,
        );
    }
    assert_eq!(guessed, 11);
    let listed = locks(&server).await;
    assert_eq!(listed[0].kind(), LockKind::PolicyPin);
    assert_eq!(
        (listed[0].policy.as_str(), listed[0].domain.as_str()),
        ("default", DOMAIN)
    );
    let warned = warnings(&server).await;
    assert!(warned.contains("the PIN of policy default"), "{warned}");
    assert_eq!(metric(&server, "tfps_locked{kind=\"pin\"}").await, 1);
    let said = server.said();
    assert!(said.contains("the PIN of policy default"), "{said}");
    // Who calls from where it was typed right goes on; so does who has a PIN of his own.
    for (username, source, pin) in [("bob", OFFICE, "602845"), ("own", ATTACKER, "284713")] {
        let challenge = server.check(from(source, call(username, LONDON))).await;
        let challenge = challenge.challenge.unwrap();
        let opened = server
            .start_verification(username, &challenge)
            .await
            .unwrap();
        let passed = server.complete(&opened.verification_id, pin).await;
        assert!(passed.unwrap().passed, "{username}");
    }
    let unlock = v1::UnlockRequest {
        policy: "default".to_owned(),
        domain: DOMAIN.to_owned(),
        ..v1::UnlockRequest::default()
    };
    server.admin().unlock(unlock).await.unwrap();
    assert!(fails(&server, call("stolen20", LONDON), Some("601111")).await);
}

#[tokio::test]
async fn a_source_that_fails_over_many_accounts_is_locked_alone() {
    let server = Server::with_verification(|verification| {
        verification.max_failures_per_source = Some(8);
        verification.max_failures_per_trunk = Some(20);
    })
    .await;
    server.account("alice").await;
    // One /64 is one source.
    let mut failed = 0;
    for number in 0..40 {
        let source = format!("2001:db8:0:1::{number:x}");
        let invented = format!("invented{number}");
        failed +=
            u32::from(fails(&server, from(&source, call(&invented, HOME_NUMBER)), None).await);
    }
    assert_eq!(failed, 9);
    let there = |username: &str, dialed: &str| from("2001:db8:0:1::ffff", call(username, dialed));
    denied(&server.check(there("newcomer", HOME_NUMBER)).await, "R17");
    // What strangers did there is not laid to a known account, and nothing at all to who calls from elsewhere.
    assert_eq!(server.code(there("alice", LONDON)).await, "V03");
    assert_eq!(
        server
            .code(from(OFFICE, call("newcomer", HOME_NUMBER)))
            .await,
        "V01"
    );
    let listed = locks(&server).await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(
        (listed[0].kind(), listed[0].source.as_str(), listed[0].known),
        (LockKind::Source, "2001:db8:0:1::/64", false)
    );
    let warned = warnings(&server).await;
    assert!(warned.contains("2001:db8:0:1::/64"), "{warned}");
    assert_eq!(metric(&server, "tfps_locked{kind=\"source\"}").await, 1);
    // From many sources over one trunk.
    let over = |number: u32, trunk: &str| CheckRequest {
        trunk: trunk.to_owned(),
        ..from(
            &format!("198.51.100.{number}"),
            call(&format!("other{number}"), HOME_NUMBER),
        )
    };
    let mut failed = 0;
    for number in 0..30 {
        failed += u32::from(fails(&server, over(number, "carrier"), None).await);
    }
    assert_eq!(failed, 21);
    denied(&server.check(over(100, "carrier")).await, "R17");
    assert_eq!(server.code(over(101, "other")).await, "V01");
    let unlock = |source: &str| v1::UnlockRequest {
        source: source.to_owned(),
        domain: DOMAIN.to_owned(),
        ..v1::UnlockRequest::default()
    };
    names(server.admin().unlock(unlock("nowhere")).await, "source");
    not_found(server.admin().unlock(unlock(OFFICE)).await);
    let listed = "2001:db8:0:1::/64";
    server.admin().unlock(unlock(listed)).await.unwrap();
    assert_eq!(server.code(there("newcomer", HOME_NUMBER)).await, "V01");
}

#[tokio::test]
async fn pins_that_anybody_tries_first_are_refused_and_old_ones_go_on() {
    let server = Server::open().await;
    let create = async |username: &str, pin: &str| {
        let account = v1::Account {
            username: username.to_owned(),
            domain: DOMAIN.to_owned(),
            pin: pin.to_owned(),
            ..v1::Account::default()
        };
        let request = v1::CreateAccountRequest {
            account: Some(account),
        };
        server.admin().create_account(request).await
    };
    for (username, pin) in [
        ("alice", "4711"),
        ("alice", "111111"),
        ("alice", "123456"),
        ("alice", "654321"),
        ("alice", "121212"),
        ("+442079460123", "460123"),
    ] {
        names(create(username, pin).await, "account.pin");
    }
    let mut policy = server.policy(|_| {}).await;
    for pin in ["4711", "111111", "987654"] {
        policy.verification.as_mut().unwrap().pin = pin.to_owned();
        let request = v1::PutPolicyRequest {
            policy: Some(policy.clone()),
        };
        let refused = server.admin().put_policy(request).await;
        names(refused, "policy.verification.pin");
    }
    // A shorter one of before still serves.
    server
        .policy(|policy| {
            let verification = policy.verification.as_mut().unwrap();
            verification.method = v1::VerificationMethod::Pin.into();
            verification.min_pin_digits = Some(4);
        })
        .await;
    create("alice", "4711").await.unwrap();
    server
        .policy(|policy| policy.verification.as_mut().unwrap().min_pin_digits = Some(6))
        .await;
    let (_, challenge) = server.challenged("alice", LONDON).await;
    let opened = server
        .start_verification("alice", &challenge)
        .await
        .unwrap();
    let passed = server.complete(&opened.verification_id, "4711").await;
    assert!(passed.unwrap().passed);
}

#[tokio::test]
async fn one_bot_onboards_no_more_accounts_than_an_office() {
    let server = Server::with_verification(|verification| {
        verification.onboardings_per_source = Some(5);
        verification.onboardings_per_trunk = Some(8);
        verification.onboardings_per_domain = Some(10);
    })
    .await;
    let onboard = async |source: &str, trunk: &str, username: &str| {
        let call = CheckRequest {
            trunk: trunk.to_owned(),
            ..from(source, call(username, HOME_NUMBER))
        };
        let decision = server.check(call).await;
        if decision.code == "V01" {
            server.verify(username, &decision).await;
        }
        decision
    };
    // Challenges that waited before the bound was reached do not get by it.
    let mut waiting = Vec::new();
    for number in 0..3 {
        let username = format!("early{number}");
        let decision = server
            .check(from("2001:db8::1", call(&username, HOME_NUMBER)))
            .await;
        waiting.push((username, decision.challenge.unwrap()));
    }
    for number in 0..20 {
        let source = format!("2001:db8::{number:x}");
        let decision = onboard(&source, "carrier", &format!("bot{number}")).await;
        assert_eq!(decision.code, if number < 5 { "V01" } else { "R20" });
        if number >= 5 {
            assert!(
                decision
                    .reason
                    .contains("from 2001:db8::/64 within an hour"),
                "{}",
                decision.reason
            );
            assert!(decision.reason.contains("onboardings_per_source"));
        }
    }
    for (username, challenge) in &waiting {
        not_now(
            server.start_verification(username, challenge).await,
            "TOO_MANY_ONBOARDED",
        );
    }
    let warned = warnings(&server).await;
    assert!(
        warned.contains("2001:db8::/64") && warned.contains("R20"),
        "{warned}"
    );
    assert!(
        server
            .said()
            .contains("more unknown accounts are denied (R20)")
    );
    assert_eq!(metric(&server, "tfps_onboardings_total").await, 5);
    assert_eq!(metric(&server, "tfps_onboardings_full").await, 1);
    // Over the trunk, then in the domain, from wherever.
    for (number, code) in [(1, "V01"), (2, "V01"), (3, "V01"), (4, "R20")] {
        let source = format!("198.51.100.{number}");
        let decision = onboard(&source, "carrier", &format!("more{number}")).await;
        assert_eq!(decision.code, code, "{number}");
    }
    for (number, code) in [(5, "V01"), (6, "V01"), (7, "R20")] {
        let source = format!("198.51.100.{number}");
        let decision = onboard(&source, "", &format!("more{number}")).await;
        assert_eq!(decision.code, code, "{number}");
    }
    // Known accounts call on, and another domain's newcomers are not concerned.
    assert_eq!(
        server
            .code(from("2001:db8::1", call("bot0", HOME_NUMBER)))
            .await,
        "A00"
    );
    let elsewhere = CheckRequest {
        account: Some(v1::AccountKey {
            username: "newcomer".to_owned(),
            domain: ELSEWHERE.to_owned(),
        }),
        ..from("2001:db8::1", call("", HOME_NUMBER))
    };
    assert_eq!(server.code(elsewhere).await, "V01");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verifications_at_once_onboard_no_more() {
    let server = Server::with_verification(|verification| {
        verification.onboardings_per_source = Some(3);
    })
    .await;
    let mut opened = Vec::new();
    for number in 0..12 {
        let username = format!("bot{number}");
        let decision = server
            .check(from(ATTACKER, call(&username, HOME_NUMBER)))
            .await;
        let challenge = decision.challenge.unwrap();
        opened.push(
            server
                .start_verification(&username, &challenge)
                .await
                .unwrap(),
        );
    }
    let typed = opened
        .iter()
        .map(|opened| server.complete(&opened.verification_id, &opened.captcha_digits));
    let answers = futures::future::join_all(typed).await;
    let passed = answers
        .iter()
        .filter(|answer| answer.as_ref().is_ok_and(|answer| answer.passed));
    assert_eq!(passed.count(), 3);
    // Nobody failed.
    assert_eq!(locks(&server).await, []);
}

#[tokio::test]
async fn an_office_rolls_out_fifty_phones_by_the_defaults() {
    let server = Server::open().await;
    for number in 0..50 {
        let username = format!("phone{number}");
        let decision = server
            .check(from(OFFICE, call(&username, HOME_NUMBER)))
            .await;
        server.verify(&username, &decision).await;
    }
    let next = server
        .check(from(OFFICE, call("phone50", HOME_NUMBER)))
        .await;
    denied(&next, "R20");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_displace_no_challenge_of_a_known_account_nor_of_who_is_in_the_ivr() {
    let server = Server::open_with("[watch]\ncapacity = 1000\n").await;
    server.account("alice").await;
    let (_, of_alice) = server.challenged("alice", LONDON).await;
    let decision = server
        .check(from(OFFICE, call("newcomer", HOME_NUMBER)))
        .await;
    let of_newcomer = decision.challenge.unwrap();
    let opened = server
        .start_verification("newcomer", &of_newcomer)
        .await
        .unwrap();
    // From ever other networks, then all from one.
    let source = |number: u32| match number {
        0..2_000 => format!("198.18.{}.{}", number / 250, number % 250),
        _ => format!("2001:db8::{number:x}"),
    };
    for numbers in (0..3_000_u32).collect::<Vec<_>>().chunks(100) {
        let calls = numbers.iter().map(|number| {
            server.check(from(
                &source(*number),
                call(&format!("stranger{number}"), HOME_NUMBER),
            ))
        });
        futures::future::join_all(calls).await;
    }
    let status = server.admin().get_status(Default::default()).await.unwrap();
    assert!(
        status.pending_challenges <= 1_000,
        "{}",
        status.pending_challenges
    );
    let passed = server
        .complete(&opened.verification_id, &opened.captcha_digits)
        .await;
    assert!(passed.unwrap().passed);
    let without_id = v1::Challenge {
        id: String::new(),
        ..of_alice
    };
    let opened = server
        .start_verification("alice", &without_id)
        .await
        .unwrap();
    let passed = server
        .complete(&opened.verification_id, &opened.captcha_digits)
        .await;
    assert!(passed.unwrap().passed);
}

#[tokio::test]
async fn one_bot_that_invents_domains_onboards_four_times_as_many() {
    let server = Server::with_verification(|verification| {
        verification.onboardings_per_source = Some(2);
    })
    .await;
    let mut codes = Vec::new();
    for number in 0..10 {
        let call = CheckRequest {
            account: Some(v1::AccountKey {
                username: "bot".to_owned(),
                domain: format!("d{number}.example"),
            }),
            ..from(ATTACKER, call("", HOME_NUMBER))
        };
        let decision = server.check(call).await;
        if let Some(challenge) = &decision.challenge {
            let request = v1::StartVerificationRequest {
                challenge_id: challenge.id.clone(),
                ..v1::StartVerificationRequest::default()
            };
            let opened = server.admin().start_verification(request).await.unwrap();
            let digits = &opened.captcha_digits;
            let passed = server.complete(&opened.verification_id, digits).await;
            assert!(passed.unwrap().passed);
        } else {
            assert!(
                decision
                    .reason
                    .contains("8 accounts of all domains were onboarded"),
                "{}",
                decision.reason
            );
        }
        codes.push(decision.code);
    }
    assert_eq!(codes[..8], ["V01"; 8]);
    assert_eq!(codes[8..], ["R20"; 2]);
}

#[tokio::test]
async fn accounts_that_a_bot_has_just_onboarded_lock_no_known_account_out() {
    let mut server = Server::with_verification(|verification| {
        verification.max_failures_per_source = Some(8);
    })
    .await;
    server.account("alice").await;
    let there = |username: &str, dialed: &str| from(OFFICE, call(username, dialed));
    for number in 0..6 {
        let username = format!("bot{number}");
        let decision = server.check(there(&username, HOME_NUMBER)).await;
        server.verify(&username, &decision).await;
    }
    // What is known of them outlives the server.
    server.kill9();
    server.restart().await;
    let mut failed = 0;
    for number in 0..24 {
        let username = format!("bot{}", number % 6);
        failed += u32::from(fails(&server, there(&username, LONDON), None).await);
    }
    assert_eq!(failed, 9);
    let listed = locks(&server).await;
    let of_source = |lock: &&v1::Lock| lock.kind() == LockKind::Source;
    let of_source: Vec<_> = listed.iter().filter(of_source).collect();
    assert_eq!(of_source.len(), 1, "{listed:?}");
    assert!(!of_source[0].known);
    denied(&server.check(there("bot5", LONDON)).await, "R17");
    assert_eq!(server.code(there("alice", LONDON)).await, "V03");

    // The locks of sources end with the server, those of accounts do not.
    for _ in 0..4 {
        fails(&server, call("alice", LONDON), None).await;
    }
    server.kill9();
    server.restart().await;
    let listed = locks(&server).await;
    assert!(listed.iter().all(|lock| lock.kind() == LockKind::Account));
    denied(&server.check(call("alice", LONDON)).await, "R17");
    assert_eq!(server.code(there("newcomer", HOME_NUMBER)).await, "V01");
}

#[tokio::test]
async fn where_all_calls_come_from_one_address_it_is_no_way_around_a_locked_pin() {
    let server = Server::with_verification(|verification| {
        verification.method = v1::VerificationMethod::Pin.into();
        verification.pin = "602845".to_owned();
        verification.max_pin_failures = Some(10);
        verification.max_failures_per_source = Some(0);
    })
    .await;
    server.account("alice").await;
    let decision = server.check(from(OFFICE, call("alice", LONDON))).await;
    let challenge = decision.challenge.unwrap();
    let opened = server
        .start_verification("alice", &challenge)
        .await
        .unwrap();
    let passed = server.complete(&opened.verification_id, "602845").await;
    assert!(passed.unwrap().passed);
    let mut guessed = 0;
    for number in 0..30 {
        let username = format!("stolen{number}");
        server.account(&username).await;
        let call = from(OFFICE, call(&username, LONDON));
        guessed += u32::from(fails(&server, call, Some(&format!("60{number:04}"))).await);
        if number == 4 {
            let warned = warnings(&server).await;
            assert!(
                warned.contains("the PIN of policy default for accounts of example.com was typed wrong 5 times within 24 h"),
                "{warned}"
            );
        }
    }
    assert_eq!(guessed, 11);
    // What is borne is borne within a day, and so is the lock.
    let lock = locks(&server).await.remove(0);
    assert_eq!(lock.kind(), LockKind::PolicyPin);
    assert_eq!(
        lock.until.unwrap().seconds - lock.since.unwrap().seconds,
        86_400
    );
}

#[tokio::test]
async fn one_source_has_a_hundred_challenges_that_wait_and_as_many_that_are_opened() {
    let server = Server::open().await;
    server
        .policy(|policy| policy.flood.get_or_insert_default().requests_per_second = Some(0))
        .await;
    let decision = server
        .check(from(OFFICE, call("honest", HOME_NUMBER)))
        .await;
    let honest = decision.challenge.clone().unwrap();
    let opened = server.start_verification("honest", &honest).await.unwrap();
    for number in 0..250 {
        let username = format!("stranger{number}");
        let decision = server
            .check(from(ATTACKER, call(&username, HOME_NUMBER)))
            .await;
        // It is opened, and the caller hangs up.
        if number < 150 {
            let challenge = decision.challenge.unwrap();
            server
                .start_verification(&username, &challenge)
                .await
                .unwrap();
        }
    }
    let status = server.admin().get_status(Default::default()).await.unwrap();
    assert_eq!(status.pending_challenges, 201);
    let passed = server
        .complete(&opened.verification_id, &opened.captcha_digits)
        .await;
    assert!(passed.unwrap().passed);
}
