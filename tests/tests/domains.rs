//! What one who is bound to a domain sees and changes of others: nothing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use tfps_client::{
    Client, Code,
    v1::{self, Role, Rule, RuleMode},
};
use tfps_tests::{
    Server,
    scene::{
        DOMAIN, ELSEWHERE, HOME_NUMBER, LONDON, SOMALIA, blocked, call, decisions_of, policy,
        setting,
    },
};

/// Two domains with the same things in each.
async fn two_domains() -> (Server, Client) {
    let server = Server::open().await;
    for domain in [DOMAIN, ELSEWHERE] {
        server
            .account_with("alice", |account| account.domain = domain.to_owned())
            .await;
        server.put_policy(policy("strict", domain)).await;
        let request = v1::PutEntriesRequest {
            entries: vec![blocked("192.0.2.7", domain)],
        };
        server.admin().put_entries(request).await.unwrap();
        let mut asked = call("alice", HOME_NUMBER);
        asked.account.as_mut().unwrap().domain = domain.to_owned();
        assert_eq!(server.code(asked).await, "A00");
    }
    let request = v1::PutEntriesRequest {
        entries: vec![blocked("192.0.2.8", "")],
    };
    server.admin().put_entries(request).await.unwrap();
    let secret = server.token(Role::DomainAdmin, DOMAIN).await;
    let client = server.client_of(&secret).await;
    (server, client)
}

#[tokio::test]
async fn a_domain_admin_sees_its_domain() {
    let (_server, client) = two_domains().await;
    let accounts = client.list_accounts(Default::default()).await.unwrap();
    assert_eq!((accounts.accounts.len(), accounts.total_size), (1, 1));
    assert_eq!(accounts.accounts[0].domain, DOMAIN);
    let decisions = client.list_decisions(Default::default()).await.unwrap();
    assert_eq!(decisions.decisions.len(), 1);
    assert_eq!(
        decisions.decisions[0].account.as_ref().unwrap().domain,
        DOMAIN
    );
    let entries = client.list_entries(Default::default()).await.unwrap();
    assert!(
        entries.entries.iter().all(|entry| entry.domain == DOMAIN),
        "{entries:?}"
    );
    assert_eq!((entries.entries.len(), entries.total_size), (1, 1));
    // The general policies are what its accounts may be under.
    let policies = client.list_policies(Default::default()).await.unwrap();
    let seen: Vec<_> = policies
        .policies
        .iter()
        .map(|policy| (policy.domain.as_str(), policy.name.as_str()))
        .collect();
    assert_eq!(seen, [("", "default"), (DOMAIN, "strict")]);
    let statistics = client.get_statistics(Default::default()).await.unwrap();
    assert_eq!((statistics.total, statistics.allowed), (1, 1));
    let status = client.get_status(Default::default()).await.unwrap();
    assert_eq!(
        (status.accounts, status.policies, status.entries),
        (1, 2, 1)
    );
    assert_eq!((status.decisions, status.journal), (0, None));
}

#[tokio::test]
async fn a_domain_admin_watches_its_domain() {
    let (server, client) = two_domains().await;
    let mut watch = client.watch_decisions(Default::default()).await.unwrap();
    for (domain, caller) in [
        (ELSEWHERE, "1"),
        (DOMAIN, "2"),
        (ELSEWHERE, "3"),
        (DOMAIN, "4"),
    ] {
        let mut asked = call("alice", HOME_NUMBER);
        asked.account.as_mut().unwrap().domain = domain.to_owned();
        asked.caller_number = caller.to_owned();
        server.check(asked).await;
    }
    for caller in ["2", "4"] {
        let seen = watch.next().await.unwrap().decision.unwrap();
        assert_eq!(seen.caller_number, caller);
    }
}

#[tokio::test]
async fn a_domain_admin_changes_its_domain_alone() {
    let (server, client) = two_domains().await;
    let denied = Code::PermissionDenied;
    // What belongs to all is not its own.
    let general = v1::PutPolicyRequest {
        policy: Some(policy("default", "")),
    };
    assert_eq!(client.put_policy(general).await.unwrap_err().code(), denied);
    let general = v1::PutEntriesRequest {
        entries: vec![
            blocked("192.0.2.9", DOMAIN),
            blocked("192.0.2.9", ELSEWHERE),
        ],
    };
    assert_eq!(
        client.put_entries(general).await.unwrap_err().code(),
        denied
    );
    let filter = v1::EntryFilter {
        value: "192.0.2.9".to_owned(),
        ..v1::EntryFilter::default()
    };
    let request = v1::ListEntriesRequest {
        filter: Some(filter),
        ..v1::ListEntriesRequest::default()
    };
    let entries = server.admin().list_entries(request).await.unwrap();
    assert!(entries.entries.is_empty(), "all or none");
    // A filter without a domain deletes its own entries and no other's.
    let filter = v1::EntryFilter {
        kind: v1::EntryKind::Ip.into(),
        ..v1::EntryFilter::default()
    };
    let request = v1::DeleteEntriesRequest {
        filter: Some(filter.clone()),
    };
    assert_eq!(client.delete_entries(request).await.unwrap().deleted, 1);
    let request = v1::ListEntriesRequest {
        filter: Some(filter),
        ..v1::ListEntriesRequest::default()
    };
    let left = server.admin().list_entries(request).await.unwrap();
    assert_eq!(left.total_size, 2);
    // Another domain's policy is none of its accounts'.
    let mut account = server.get("alice").await;
    account.policy = "lenient".to_owned();
    server.put_policy(policy("lenient", ELSEWHERE)).await;
    let request = v1::UpdateAccountRequest {
        account: Some(account),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["policy".to_owned()],
        }),
    };
    let error = client.update_account(request).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn an_outcome_is_the_domains_that_taught_it() {
    let (server, client) = two_domains().await;
    let learn = |subject| v1::LearnRequest {
        lesson: Some(v1::learn_request::Lesson::Outcome(v1::Outcome {
            subject: Some(subject),
            kind: v1::OutcomeKind::ConfirmedFraud.into(),
            note: String::new(),
        })),
    };
    let theirs = server
        .decisions(decisions_of(ELSEWHERE).unwrap())
        .await
        .remove(0);
    let error = client
        .learn(learn(v1::outcome::Subject::DecisionId(theirs.id)))
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    let learned = client
        .learn(learn(v1::outcome::Subject::Number(HOME_NUMBER.to_owned())))
        .await;
    assert_eq!(learned.unwrap().changes.len(), 1);
    for (domain, code) in [(DOMAIN, "R03"), (ELSEWHERE, "A00")] {
        let mut asked = call("alice", HOME_NUMBER);
        asked.account.as_mut().unwrap().domain = domain.to_owned();
        assert_eq!(server.code(asked).await, code, "{domain}");
    }
    // A switch and one who only sees teach no outcomes.
    for role in [Role::Switch, Role::ReadOnly] {
        let client = server.client_of(&server.token(role, "").await).await;
        let subject = v1::outcome::Subject::Number(SOMALIA.to_owned());
        let error = client.learn(learn(subject)).await.unwrap_err();
        assert_eq!(error.code(), Code::PermissionDenied);
    }
}

#[tokio::test]
async fn a_verification_is_its_domains() {
    let (server, _) = two_domains().await;
    let decision = server.check(call("alice", LONDON)).await;
    let opened = server
        .start_verification("alice", decision.challenge.as_ref().unwrap())
        .await
        .unwrap();
    for role in [Role::DomainAdmin, Role::Switch] {
        let other = server.client_of(&server.token(role, ELSEWHERE).await).await;
        let error = tfps_tests::verification::complete(
            &other,
            &opened.verification_id,
            &opened.captcha_digits,
        )
        .await
        .unwrap_err();
        assert!(
            matches!(error.code(), Code::PermissionDenied | Code::NotFound),
            "{error:?}"
        );
    }
    assert_eq!(server.code(call("alice", LONDON)).await, "V03");
}

#[tokio::test]
async fn a_bound_token_checks_its_domain_alone() {
    let (server, client) = two_domains().await;
    let secret = server.token(Role::Switch, DOMAIN).await;
    let switch = server.client_of(&secret).await;
    let mut theirs = call("alice", HOME_NUMBER);
    theirs.account.as_mut().unwrap().domain = ELSEWHERE.to_owned();
    for client in [&client, &switch] {
        let stream = client.stream_checks(4);
        let refused = stream.check(theirs.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
        // Its own go on, upper case or not.
        let mut own = call("alice", HOME_NUMBER);
        own.account.as_mut().unwrap().domain = "EXAMPLE.com".to_owned();
        assert_eq!(stream.check(own).await.unwrap().code, "A00");
        let dry = v1::CheckRequest {
            dry_run: true,
            ..theirs.clone()
        };
        assert_eq!(
            client.check(dry).await.unwrap_err().code(),
            Code::PermissionDenied
        );
    }
    // A rule that would deny is no way around it either.
    server
        .policy(|policy| policy.rules = vec![setting(Rule::UnknownAccount, RuleMode::Enforce)])
        .await;
    let mut tampered = theirs;
    tampered.account.as_mut().unwrap().username = "x' OR '1'='1".to_owned();
    assert_eq!(
        switch.check(tampered).await.unwrap_err().code(),
        Code::PermissionDenied
    );
}
