//! Fields that are too long, missing, or stand for nothing: refused by name, or R12.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use tfps_client::v1::{self, CheckRequest};
use tfps_tests::{
    Server,
    claims::names,
    garbage::GARBAGE,
    scene::{DOMAIN, HOME_NUMBER, call, key},
};

#[tokio::test]
async fn a_field_of_a_call_that_is_too_long_is_named() {
    let server = Server::open().await;
    server.account("alice").await;
    type Set = fn(&mut CheckRequest, String);
    let fields: [(&str, usize, Set); 8] = [
        ("account.username", 64, |call, text| {
            call.account.as_mut().unwrap().username = text;
        }),
        ("account.domain", 253, |call, text| {
            call.account.as_mut().unwrap().domain = text;
        }),
        ("dialed_number", 128, |call, text| call.dialed_number = text),
        ("caller_number", 64, |call, text| call.caller_number = text),
        ("user_agent", 256, |call, text| call.user_agent = text),
        ("call_id", 256, |call, text| call.call_id = text),
        ("forwarded_from", 256, |call, text| {
            call.forwarded_from = text;
        }),
        ("trunk", 64, |call, text| call.trunk = text),
    ];
    for (field, bound, set) in fields {
        let mut fits = call("alice", HOME_NUMBER);
        set(&mut fits, "1".repeat(bound));
        assert!(
            server.admin().check(fits).await.is_ok(),
            "{field} at its bound"
        );
        for length in [bound + 1, 60_000] {
            let mut asked = call("alice", HOME_NUMBER);
            set(&mut asked, "1".repeat(length));
            names(server.admin().check(asked).await, field);
        }
    }
    for missing in ["account.username", "account.domain", "dialed_number"] {
        let mut asked = call("alice", HOME_NUMBER);
        let account = asked.account.as_mut().unwrap();
        match missing {
            "account.username" => account.username.clear(),
            "account.domain" => account.domain.clear(),
            _ => asked.dialed_number.clear(),
        }
        names(server.admin().check(asked).await, missing);
    }
    let nobody = CheckRequest {
        account: None,
        ..call("", HOME_NUMBER)
    };
    names(server.admin().check(nobody).await, "account");
}

#[tokio::test]
async fn an_address_that_is_none_is_named() {
    let server = Server::open().await;
    for ip in [
        "256.1.1.1",
        "192.0.2.1:5060",
        "[::1]",
        "1.2.3",
        "::ffff:1.2.3.4.5",
        "x",
        " 192.0.2.1",
    ] {
        let asked = CheckRequest {
            source_ip: ip.to_owned(),
            ..call("alice", HOME_NUMBER)
        };
        names(server.admin().check(asked).await, "source_ip");
        let filter = v1::DecisionFilter {
            source_ip: ip.to_owned(),
            ..v1::DecisionFilter::default()
        };
        let request = v1::ListDecisionsRequest {
            filter: Some(filter),
            ..v1::ListDecisionsRequest::default()
        };
        names(
            server.admin().list_decisions(request).await,
            "filter.source_ip",
        );
    }
    // An IPv4 address in IPv6's clothes is that IPv4 address.
    let mapped = CheckRequest {
        source_ip: "::ffff:192.0.2.1".to_owned(),
        ..call("alice", HOME_NUMBER)
    };
    server.check(mapped).await;
    let recorded = server.decisions(Default::default()).await;
    assert_eq!(recorded[0].source_ip, "192.0.2.1");
}

#[tokio::test]
async fn what_only_an_attack_sends_is_r12_and_recorded_as_it_was() {
    let server = Server::open().await;
    server.account("alice").await;
    let mut asked = Vec::new();
    for garbage in GARBAGE {
        for field in 0..3 {
            let mut call = call("alice", HOME_NUMBER);
            match field {
                0 => call.account.as_mut().unwrap().username = garbage.to_owned(),
                1 => call.account.as_mut().unwrap().domain = garbage.to_owned(),
                _ => call.dialed_number = garbage.to_owned(),
            }
            asked.push(call);
        }
    }
    // Headers may hold quotes, but no control characters.
    for garbage in ["\0", "a\r\nb", "\u{1b}[2J"] {
        for field in 0..4 {
            let mut call = call("alice", HOME_NUMBER);
            match field {
                0 => call.user_agent = garbage.to_owned(),
                1 => call.call_id = garbage.to_owned(),
                2 => call.forwarded_from = garbage.to_owned(),
                _ => call.trunk = garbage.to_owned(),
            }
            asked.push(call);
        }
    }
    let count = asked.len();
    for call in asked {
        let decision = server.check(call.clone()).await;
        // Marks that messengers paste are separators; with nothing between them nothing is dialed.
        let expected = if call.dialed_number == "\u{202e}\u{feff}" {
            "R07"
        } else {
            "R12"
        };
        assert_eq!(decision.code, expected, "{call:?}");
    }
    let recorded = server.decisions(Default::default()).await;
    assert_eq!(recorded.len(), count);
    for decision in recorded {
        let account = decision.account.unwrap();
        for text in [
            account.username,
            account.domain,
            decision.dialed_number,
            decision.user_agent,
            decision.call_id,
            decision.forwarded_from,
            decision.trunk,
            decision.reason,
        ] {
            assert!(!text.chars().any(char::is_control), "{text:?}");
        }
    }
    let accounts = server
        .admin()
        .list_accounts(Default::default())
        .await
        .unwrap();
    assert_eq!(accounts.total_size, 1, "no table was dropped");
}

#[tokio::test]
async fn numbers_that_stand_for_nothing_are_named() {
    let server = Server::open().await;
    let admin = server.admin();
    let entry = v1::Entry {
        kind: 99,
        action: 1,
        value: "1".to_owned(),
        ..v1::Entry::default()
    };
    let put = |entry| v1::PutEntriesRequest {
        entries: vec![entry],
    };
    names(
        admin.put_entries(put(entry.clone())).await,
        "entries[0].kind",
    );
    let entry = v1::Entry {
        kind: 1,
        action: -1,
        ..entry
    };
    names(admin.put_entries(put(entry)).await, "entries[0].action");
    let policy = |change: fn(&mut v1::Policy)| {
        let mut policy = v1::Policy {
            name: "odd".to_owned(),
            ..v1::Policy::default()
        };
        change(&mut policy);
        v1::PutPolicyRequest {
            policy: Some(policy),
        }
    };
    type Change = fn(&mut v1::Policy);
    let odd: [(&str, Change); 5] = [
        ("policy.response_mode", |policy| policy.response_mode = 9),
        ("policy.rules.rule", |policy| {
            policy.rules = vec![v1::RuleSetting { rule: 99, mode: 1 }];
        }),
        ("policy.rules.mode", |policy| {
            policy.rules = vec![v1::RuleSetting { rule: 1, mode: 9 }];
        }),
        ("policy.time_zone", |policy| {
            policy.time_zone = "Mars/Olympus".to_owned();
        }),
        ("policy.verification.captcha_digits", |policy| {
            policy.verification = Some(v1::Verification {
                captcha_digits: u32::MAX,
                ..v1::Verification::default()
            });
        }),
    ];
    for (field, change) in odd {
        names(admin.put_policy(policy(change)).await, field);
    }
    let start = v1::StartVerificationRequest {
        account: Some(key("alice")),
        purpose: 77,
        ..v1::StartVerificationRequest::default()
    };
    names(admin.start_verification(start).await, "purpose");
    let token = v1::Token {
        name: "odd".to_owned(),
        role: 77,
        ..v1::Token::default()
    };
    let request = v1::CreateTokenRequest { token: Some(token) };
    names(admin.create_token(request).await, "token.role");
}

#[tokio::test]
async fn a_verdict_that_stands_for_nothing_is_named() {
    let server = Server::open().await;
    let admin = server.admin();
    let filter = v1::DecisionFilter {
        verdict: 77,
        ..v1::DecisionFilter::default()
    };
    let request = v1::ListDecisionsRequest {
        filter: Some(filter),
        ..v1::ListDecisionsRequest::default()
    };
    names(admin.list_decisions(request).await, "filter.verdict");
}

#[tokio::test]
async fn page_tokens_and_masks_that_are_none_are_named() {
    let server = Server::open().await;
    let admin = server.admin();
    server.account("alice").await;
    for token in [
        "x",
        "AAAA",
        "////",
        "\0",
        &"A".repeat(5_000),
        "ZXhhbXBsZS5jb20",
    ] {
        let request = v1::ListAccountsRequest {
            page_token: token.to_owned(),
            ..v1::ListAccountsRequest::default()
        };
        names(admin.list_accounts(request).await, "page_token");
        let request = v1::ListEntriesRequest {
            page_token: token.to_owned(),
            ..v1::ListEntriesRequest::default()
        };
        names(admin.list_entries(request).await, "page_token");
    }
    for paths in [
        vec![],
        vec!["username"],
        vec!["limits.nothing"],
        vec!["policy", "etag"],
    ] {
        let request = v1::UpdateAccountRequest {
            account: Some(v1::Account {
                username: "alice".to_owned(),
                domain: DOMAIN.to_owned(),
                ..v1::Account::default()
            }),
            update_mask: Some(prost_types::FieldMask {
                paths: paths.into_iter().map(str::to_owned).collect(),
            }),
        };
        names(admin.update_account(request).await, "update_mask");
    }
}
