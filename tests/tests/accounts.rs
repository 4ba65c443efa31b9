//! Accounts and policies, as an operator keeps them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::collections::BTreeSet;

use tfps_client::{
    Code, Error,
    v1::{self},
};
use tfps_tests::{
    Server,
    claims::names,
    scene::{CUBA, DOMAIN, HOME_NUMBER, LONDON, call, key, limits},
};

fn mask(paths: &[&str]) -> Option<prost_types::FieldMask> {
    Some(prost_types::FieldMask {
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
    })
}

async fn update(
    server: &Server,
    account: v1::Account,
    paths: &[&str],
) -> Result<v1::Account, Error> {
    let request = v1::UpdateAccountRequest {
        account: Some(account),
        update_mask: mask(paths),
    };
    let answer = server.admin().update_account(request).await;
    answer.map(|answer| answer.account.unwrap())
}

#[tokio::test]
async fn an_account_is_created_changed_and_deleted() {
    let server = Server::open().await;
    let created = server
        .account_with("alice", |account| {
            account.source_countries = vec!["FR".to_owned()];
            account.email_address = "alice@example.com".to_owned();
        })
        .await;
    assert_eq!(created.source_countries, ["FR"]);
    assert_eq!(created.destination_countries, ["US"], "the policy's");
    let twice = v1::CreateAccountRequest {
        account: Some(created.clone()),
    };
    let error = server.admin().create_account(twice).await.unwrap_err();
    assert_eq!(error.code(), Code::AlreadyExists);

    // Only what the mask names changes.
    let change = v1::Account {
        limits: Some(limits(7, 70)),
        source_countries: vec!["DE".to_owned()],
        email_address: "other@example.com".to_owned(),
        ..created.clone()
    };
    let changed = update(&server, change.clone(), &["limits.daily_quota"])
        .await
        .unwrap();
    assert_eq!(
        changed.limits,
        Some(v1::Limits {
            daily_quota: Some(70),
            ..created.limits.unwrap()
        })
    );
    assert_eq!(changed.source_countries, ["FR"]);
    assert_eq!(changed.email_address, "alice@example.com");
    assert_ne!(changed.etag, created.etag);
    // Of the limits, what is not set stays; what is named and not set is a mistake.
    let some = v1::Account {
        limits: Some(v1::Limits {
            concurrent_calls: Some(0),
            ..v1::Limits::default()
        }),
        etag: String::new(),
        ..created.clone()
    };
    let quota = update(&server, some.clone(), &["limits.daily_quota"]).await;
    names(quota, "account.limits.daily_quota");
    let changed = update(&server, some, &["limits"]).await.unwrap();
    assert_eq!(
        changed.limits,
        Some(v1::Limits {
            concurrent_calls: Some(0),
            daily_quota: Some(70),
            ..created.limits.unwrap()
        })
    );
    // The etag of before is stale now.
    let stale = update(&server, change.clone(), &["limits"])
        .await
        .unwrap_err();
    assert_eq!(stale.code(), Code::Aborted);
    let fresh = v1::Account {
        etag: changed.etag.clone(),
        ..change
    };
    let changed = update(&server, fresh, &["limits", "source_countries"])
        .await
        .unwrap();
    assert_eq!(
        (changed.limits, &changed.source_countries[..]),
        (Some(limits(7, 70)), &["DE".to_owned()][..])
    );
    let delete = |etag: &str| v1::DeleteAccountRequest {
        account: Some(key("alice")),
        etag: etag.to_owned(),
    };
    let stale = server.admin().delete_account(delete(&created.etag)).await;
    assert_eq!(stale.unwrap_err().code(), Code::Aborted);
    server
        .admin()
        .delete_account(delete(&changed.etag))
        .await
        .unwrap();
    let gone = server.admin().delete_account(delete("")).await;
    assert_eq!(gone.unwrap_err().code(), Code::NotFound);
    assert_eq!(server.code(call("alice", HOME_NUMBER)).await, "V01");
    // One of the same name starts anew.
    server.account("alice").await;
    assert_eq!(server.usage("alice").await, v1::AccountUsage::default());
}

#[tokio::test]
async fn limits_that_are_not_given_are_the_policys() {
    let server = Server::open().await;
    let policy = server
        .policy(|policy| {
            policy.new_accounts.as_mut().unwrap().limits = Some(v1::Limits {
                concurrent_calls: Some(3),
                ..v1::Limits::default()
            });
        })
        .await;
    // Of a policy's limits, what is not given is the default.
    let new = v1::Limits {
        concurrent_calls: Some(3),
        concurrent_calls_off_hours: Some(1),
        daily_quota: Some(10),
        daily_quota_off_hours: Some(2),
    };
    assert_eq!(policy.new_accounts.unwrap().limits, Some(new));
    let given = v1::Limits {
        daily_quota: Some(20),
        daily_quota_off_hours: Some(0),
        ..v1::Limits::default()
    };
    let alice = server
        .account_with("alice", |account| account.limits = Some(given))
        .await;
    assert_eq!(
        alice.limits,
        Some(v1::Limits {
            daily_quota: Some(20),
            daily_quota_off_hours: Some(0),
            ..new
        })
    );
    let bob = server
        .account_with("bob", |account| account.limits = None)
        .await;
    assert_eq!(bob.limits, Some(new));
}

#[tokio::test]
async fn a_change_is_in_force_with_the_next_call() {
    let server = Server::open().await;
    let account = server.account("alice").await;
    assert_eq!(server.code(call("alice", LONDON)).await, "V03");
    let change = v1::Account {
        destination_countries: vec!["US".to_owned(), "GB".to_owned()],
        ..account
    };
    update(&server, change, &["destination_countries"])
        .await
        .unwrap();
    assert_eq!(server.code(call("alice", LONDON)).await, "A00");
}

#[tokio::test]
async fn accounts_are_paged_without_gaps() {
    let server = Server::open().await;
    let mut expected = BTreeSet::new();
    for number in 0..250 {
        // Names that sort and match unlike they look.
        let username = match number % 5 {
            0 => format!("user_{number}"),
            1 => format!("user%{number}").replace('%', "."),
            2 => format!("USER{number}"),
            3 => format!("{number}"),
            _ => format!("ünï{number}"),
        };
        server.account(&username).await;
        expected.insert(username);
    }
    for page_size in [0, 7, 100, 250, 5_000] {
        let mut seen = Vec::new();
        let mut request = v1::ListAccountsRequest {
            page_size,
            ..v1::ListAccountsRequest::default()
        };
        loop {
            let page = server.admin().list_accounts(request.clone()).await.unwrap();
            assert_eq!(page.total_size, 250);
            assert!(!page.accounts.is_empty());
            seen.extend(page.accounts.into_iter().map(|account| account.username));
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        assert_eq!(seen.len(), 250, "pages of {page_size}");
        assert!(seen.is_sorted(), "pages of {page_size}");
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), expected);
    }
    // A prefix is text, not a pattern.
    for (prefix, count) in [
        ("user_", 50),
        ("user", 100),
        ("%", 0),
        ("USER", 50),
        ("ünï", 50),
    ] {
        let request = v1::ListAccountsRequest {
            username_prefix: prefix.to_owned(),
            page_size: 1,
            ..v1::ListAccountsRequest::default()
        };
        let page = server.admin().list_accounts(request).await.unwrap();
        assert_eq!(page.total_size, count, "{prefix}");
    }
    let request = v1::ListAccountsRequest {
        blocked: Some(true),
        ..v1::ListAccountsRequest::default()
    };
    assert_eq!(
        server
            .admin()
            .list_accounts(request)
            .await
            .unwrap()
            .total_size,
        0
    );
}

#[tokio::test]
async fn policies_are_put_and_deleted() {
    let server = Server::open().await;
    let strict = v1::Policy {
        name: "strict".to_owned(),
        description: "no way out".to_owned(),
        blocked_countries: vec!["GB".to_owned()],
        ..v1::Policy::default()
    };
    let put = server.put_policy(strict).await;
    assert_eq!(
        put.time_zone, "America/New_York",
        "what is not set has its default"
    );
    let get = |name: &str| v1::GetPolicyRequest {
        name: name.to_owned(),
        domain: String::new(),
    };
    let got = server.admin().get_policy(get("strict")).await.unwrap();
    assert_eq!(got.policy.as_ref().unwrap().etag, put.etag);
    let put = got.policy.unwrap();
    // A policy that was got can be put as it is: nothing is lost on the way.
    let again = server.put_policy(put.clone()).await;
    assert_eq!(
        v1::Policy {
            etag: put.etag.clone(),
            update_time: put.update_time,
            ..again.clone()
        },
        put
    );
    let stale = v1::PutPolicyRequest {
        policy: Some(put.clone()),
    };
    let error = server.admin().put_policy(stale).await.unwrap_err();
    assert_eq!(error.code(), Code::Aborted);

    server
        .account_with("alice", |account| account.policy = "strict".to_owned())
        .await;
    assert_eq!(server.code(call("alice", LONDON)).await, "R06");
    let delete = |name: &str| v1::DeletePolicyRequest {
        name: name.to_owned(),
        ..v1::DeletePolicyRequest::default()
    };
    for name in ["default", "strict"] {
        let error = server
            .admin()
            .delete_policy(delete(name))
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::FailedPrecondition, "{name}");
    }
    let mut account = server.get("alice").await;
    account.policy.clear();
    update(&server, account, &["policy"]).await.unwrap();
    assert_eq!(server.code(call("alice", LONDON)).await, "V03");
    server
        .admin()
        .delete_policy(delete("strict"))
        .await
        .unwrap();
    let gone = server.admin().get_policy(get("strict")).await;
    assert_eq!(gone.unwrap_err().code(), Code::NotFound);
    let listed = server
        .admin()
        .list_policies(Default::default())
        .await
        .unwrap();
    assert_eq!(listed.policies.len(), 1);
    // An account can't name a policy that is not there.
    let mut account = server.get("alice").await;
    account.policy = "strict".to_owned();
    let error = update(&server, account, &["policy"]).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_domains_default_goes_before_the_general_one() {
    let server = Server::open().await;
    server.account("alice").await;
    let mut policy = server.policy(|_| {}).await;
    policy.domain = DOMAIN.to_owned();
    policy.etag.clear();
    policy.blocked_countries = vec!["GB".to_owned()];
    server.put_policy(policy).await;
    assert_eq!(server.code(call("alice", LONDON)).await, "R06");
    assert_eq!(server.code(call("alice", CUBA)).await, "V03");
    let mut elsewhere = call("nobody", CUBA);
    elsewhere.account.as_mut().unwrap().domain = "other.example".to_owned();
    assert_eq!(server.code(elsewhere).await, "R06");
}

#[tokio::test]
async fn what_is_answered_is_what_is_kept() {
    let server = Server::open().await;
    let account = server.account("alice").await;
    assert_eq!(server.get("alice").await, account);
    let put = server
        .policy(|policy| policy.description = "new".to_owned())
        .await;
    let request = v1::GetPolicyRequest {
        name: "default".to_owned(),
        domain: String::new(),
    };
    let got = server.admin().get_policy(request).await.unwrap();
    assert_eq!(got.policy, Some(put));
}

#[tokio::test]
async fn whoever_gets_a_deleted_accounts_name_gets_nothing_of_what_it_used() {
    // So slow that the decisions wait in the journal.
    let mut server = Server::open_with("[journal]\nship_per_second = 1\n").await;
    server.account("alice").await;
    for _ in 0..3 {
        assert_eq!(server.code(call("alice", HOME_NUMBER)).await, "A00");
    }
    assert_eq!(server.usage("alice").await.calls_today, 3);
    let request = v1::DeleteAccountRequest {
        account: Some(key("alice")),
        ..v1::DeleteAccountRequest::default()
    };
    server.admin().delete_account(request).await.unwrap();
    server.account("alice").await;
    assert_eq!(server.usage("alice").await.calls_today, 0);
    assert_eq!(server.code(call("alice", HOME_NUMBER)).await, "A00");
    server.kill9();
    server.restart().await;
    assert_eq!(server.usage("alice").await.calls_today, 1);
}
