//! Who may call which RPC, for every RPC that there is.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::collections::BTreeSet;

use prost::Message;
use tfps_client::{
    Code,
    v1::{self, Role},
};
use tfps_tests::{
    Server,
    raw::Wire,
    scene::{DOMAIN, ELSEWHERE, HOME_NUMBER, blocked, call, decisions_of, policy},
};

/// An RPC: who may call it, and what one who is bound to another domain gets.
struct Row {
    method: &'static str,
    request: fn(number: usize) -> Vec<u8>,
    /// admin, domain-admin, switch, read-only.
    may: [bool; 4],
    elsewhere: Elsewhere,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Elsewhere {
    /// What it asks is another domain's: refused.
    Refused,
    /// It asks about no domain: it gets what is its own.
    Narrowed,
}
use Elsewhere::{Narrowed, Refused};

const DECIDE: [bool; 4] = [true, true, true, false];
const SEE: [bool; 4] = [true, true, false, true];
const CHANGE: [bool; 4] = [true, true, false, false];
const OPERATE: [bool; 4] = [true, false, false, false];
/// Checks: for real by those who decide, dry by those who see too.
const ANYONE: [bool; 4] = [true, true, true, true];

const ROWS: &[Row] = &[
    row("CheckService/Check", DECIDE, Refused, |_| {
        call("alice", HOME_NUMBER).encode_to_vec()
    }),
    // Refusals are each request's own, inside the stream.
    row("CheckService/StreamChecks", ANYONE, Narrowed, |_| {
        v1::StreamChecksRequest {
            id: 1,
            check: Some(call("alice", HOME_NUMBER)),
        }
        .encode_to_vec()
    }),
    row("CheckService/WatchHangUps", DECIDE, Narrowed, |_| {
        Vec::new()
    }),
    row("LearnService/Learn", DECIDE, Refused, |_| {
        let call = v1::CallProgress {
            account: alice(),
            call_id: "1".to_owned(),
            event: v1::CallEvent::Ended.into(),
            ..v1::CallProgress::default()
        };
        v1::LearnRequest {
            lesson: Some(v1::learn_request::Lesson::Call(call)),
        }
        .encode_to_vec()
    }),
    row("VerifyService/StartVerification", DECIDE, Refused, |_| {
        v1::StartVerificationRequest {
            account: alice(),
            purpose: v1::Purpose::DestinationCountry.into(),
            ..v1::StartVerificationRequest::default()
        }
        .encode_to_vec()
    }),
    // Whose verification it is, is known when it is found; see `a_verification_is_its_domains`.
    row(
        "VerifyService/CompleteVerification",
        DECIDE,
        Narrowed,
        |_| {
            v1::CompleteVerificationRequest {
                verification_id: "0123".to_owned(),
                digits: "1".to_owned(),
            }
            .encode_to_vec()
        },
    ),
    row("AdminService/ListAccounts", SEE, Refused, |_| {
        v1::ListAccountsRequest {
            domain: DOMAIN.to_owned(),
            ..v1::ListAccountsRequest::default()
        }
        .encode_to_vec()
    }),
    row("AdminService/GetAccount", SEE, Refused, |_| {
        v1::GetAccountRequest { account: alice() }.encode_to_vec()
    }),
    row("AdminService/CreateAccount", CHANGE, Refused, |number| {
        let account = v1::Account {
            username: format!("new{number}"),
            domain: DOMAIN.to_owned(),
            ..v1::Account::default()
        };
        v1::CreateAccountRequest {
            account: Some(account),
        }
        .encode_to_vec()
    }),
    row("AdminService/UpdateAccount", CHANGE, Refused, |_| {
        let account = v1::Account {
            username: "alice".to_owned(),
            domain: DOMAIN.to_owned(),
            email_address: "alice@example.com".to_owned(),
            ..v1::Account::default()
        };
        v1::UpdateAccountRequest {
            account: Some(account),
            update_mask: Some(prost_types::FieldMask {
                paths: vec!["email_address".to_owned()],
            }),
        }
        .encode_to_vec()
    }),
    row("AdminService/DeleteAccount", CHANGE, Refused, |number| {
        let account = Some(v1::AccountKey {
            username: format!("gone{number}"),
            domain: DOMAIN.to_owned(),
        });
        v1::DeleteAccountRequest {
            account,
            etag: String::new(),
        }
        .encode_to_vec()
    }),
    row("AdminService/ResetUsage", CHANGE, Refused, |_| {
        v1::ResetUsageRequest { account: alice() }.encode_to_vec()
    }),
    row("AdminService/BlockAccount", CHANGE, Refused, |_| {
        v1::BlockAccountRequest {
            account: alice(),
            reason: String::new(),
        }
        .encode_to_vec()
    }),
    row("AdminService/UnblockAccount", CHANGE, Refused, |_| {
        v1::UnblockAccountRequest { account: alice() }.encode_to_vec()
    }),
    row("AdminService/ListLocks", SEE, Refused, |_| {
        v1::ListLocksRequest {
            domain: DOMAIN.to_owned(),
            ..v1::ListLocksRequest::default()
        }
        .encode_to_vec()
    }),
    row("AdminService/Unlock", CHANGE, Refused, |_| {
        v1::UnlockRequest {
            account: alice(),
            ..v1::UnlockRequest::default()
        }
        .encode_to_vec()
    }),
    row("AdminService/ListPolicies", SEE, Refused, |_| {
        v1::ListPoliciesRequest {
            domain: Some(DOMAIN.to_owned()),
            ..v1::ListPoliciesRequest::default()
        }
        .encode_to_vec()
    }),
    row("AdminService/GetPolicy", SEE, Refused, |_| {
        v1::GetPolicyRequest {
            name: "strict".to_owned(),
            domain: DOMAIN.to_owned(),
        }
        .encode_to_vec()
    }),
    row("AdminService/PutPolicy", CHANGE, Refused, |_| {
        v1::PutPolicyRequest {
            policy: Some(policy("strict", DOMAIN)),
        }
        .encode_to_vec()
    }),
    row("AdminService/DeletePolicy", CHANGE, Refused, |_| {
        v1::DeletePolicyRequest {
            name: "absent".to_owned(),
            domain: DOMAIN.to_owned(),
            etag: String::new(),
        }
        .encode_to_vec()
    }),
    row("AdminService/ListEntries", SEE, Refused, |_| {
        v1::ListEntriesRequest {
            filter: Some(entries_of(DOMAIN)),
            ..v1::ListEntriesRequest::default()
        }
        .encode_to_vec()
    }),
    row("AdminService/PutEntries", CHANGE, Refused, |_| {
        v1::PutEntriesRequest {
            entries: vec![blocked("192.0.2.7", DOMAIN)],
        }
        .encode_to_vec()
    }),
    row("AdminService/DeleteEntries", CHANGE, Refused, |_| {
        v1::DeleteEntriesRequest {
            filter: Some(entries_of(DOMAIN)),
        }
        .encode_to_vec()
    }),
    row("AdminService/ImportEntries", CHANGE, Refused, |_| {
        v1::ImportEntriesRequest {
            part: Some(v1::import_entries_request::Part::Header(v1::ImportHeader {
                kind: v1::EntryKind::Ip.into(),
                action: v1::EntryAction::Block.into(),
                domain: DOMAIN.to_owned(),
                ..v1::ImportHeader::default()
            })),
        }
        .encode_to_vec()
    }),
    row("AdminService/ListDecisions", SEE, Refused, |_| {
        v1::ListDecisionsRequest {
            filter: decisions_of(DOMAIN),
            ..v1::ListDecisionsRequest::default()
        }
        .encode_to_vec()
    }),
    row("AdminService/WatchDecisions", SEE, Refused, |_| {
        v1::WatchDecisionsRequest {
            filter: decisions_of(DOMAIN),
        }
        .encode_to_vec()
    }),
    row("AdminService/ExplainCheck", SEE, Refused, |_| {
        v1::ExplainCheckRequest {
            check: Some(call("alice", HOME_NUMBER)),
        }
        .encode_to_vec()
    }),
    row("AdminService/ListCalls", SEE, Refused, |_| {
        v1::ListCallsRequest {
            domain: DOMAIN.to_owned(),
            ..v1::ListCallsRequest::default()
        }
        .encode_to_vec()
    }),
    row("AdminService/EndCalls", CHANGE, Refused, |_| {
        v1::EndCallsRequest {
            account: alice(),
            ..v1::EndCallsRequest::default()
        }
        .encode_to_vec()
    }),
    row("AdminService/TrainAccounts", CHANGE, Refused, |_| {
        v1::TrainAccountsRequest {
            domain: DOMAIN.to_owned(),
            ..v1::TrainAccountsRequest::default()
        }
        .encode_to_vec()
    }),
    row("AdminService/ListTrainings", SEE, Refused, |_| {
        v1::ListTrainingsRequest {
            domain: DOMAIN.to_owned(),
            ..v1::ListTrainingsRequest::default()
        }
        .encode_to_vec()
    }),
    row("AdminService/ApplyTraining", CHANGE, Narrowed, |_| {
        let id = "absent".to_owned();
        v1::ApplyTrainingRequest { id }.encode_to_vec()
    }),
    row("AdminService/RevertTraining", CHANGE, Narrowed, |_| {
        let id = "absent".to_owned();
        v1::RevertTrainingRequest { id }.encode_to_vec()
    }),
    row("AdminService/GetStatus", SEE, Narrowed, |_| Vec::new()),
    row("AdminService/GetStatistics", SEE, Refused, |_| {
        v1::GetStatisticsRequest {
            domain: DOMAIN.to_owned(),
            ..v1::GetStatisticsRequest::default()
        }
        .encode_to_vec()
    }),
    row("AdminService/ListTokens", OPERATE, Refused, |_| Vec::new()),
    row("AdminService/CreateToken", OPERATE, Refused, |_| {
        let token = v1::Token {
            name: "another".to_owned(),
            role: Role::Switch.into(),
            ..v1::Token::default()
        };
        v1::CreateTokenRequest { token: Some(token) }.encode_to_vec()
    }),
    row("AdminService/RevokeToken", OPERATE, Refused, |_| {
        v1::RevokeTokenRequest {
            id: "absent".to_owned(),
        }
        .encode_to_vec()
    }),
    row("AdminService/Reload", OPERATE, Refused, |_| Vec::new()),
];

const fn row(
    method: &'static str,
    may: [bool; 4],
    elsewhere: Elsewhere,
    request: fn(usize) -> Vec<u8>,
) -> Row {
    Row {
        method,
        request,
        may,
        elsewhere,
    }
}

fn alice() -> Option<v1::AccountKey> {
    Some(tfps_tests::scene::key("alice"))
}

fn entries_of(domain: &str) -> v1::EntryFilter {
    v1::EntryFilter {
        domain: Some(domain.to_owned()),
        ..v1::EntryFilter::default()
    }
}

#[test]
fn every_rpc_has_a_row() {
    let pool = prost_reflect::DescriptorPool::decode(tfps_proto::FILE_DESCRIPTOR_SET).unwrap();
    let served: BTreeSet<String> = pool
        .services()
        .filter(|service| service.package_name() == "tfps.v1")
        .flat_map(|service| {
            service
                .methods()
                .map(|method| format!("{}/{}", service.name(), method.name()))
                .collect::<Vec<_>>()
        })
        .collect();
    let told: BTreeSet<String> = ROWS.iter().map(|row| row.method.to_owned()).collect();
    assert_eq!(served, told);
    assert_eq!(ROWS.len(), told.len());
}

#[tokio::test]
async fn each_role_may_what_it_is_for() {
    let server = Server::open().await;
    server.account("alice").await;
    server.put_policy(policy("strict", DOMAIN)).await;
    let stranger = Wire::to(&server, None).await;
    let forger = Wire::to(
        &server,
        Some("tfps_0000000000000000000000000000000000000000000"),
    )
    .await;
    let roles = [Role::Admin, Role::DomainAdmin, Role::Switch, Role::ReadOnly];
    let mut bearers = Vec::new();
    for role in roles {
        for domain in [DOMAIN, ELSEWHERE, ""] {
            if (role == Role::Admin) == domain.is_empty()
                || domain.is_empty() && role != Role::DomainAdmin
            {
                let secret = server.token(role, domain).await;
                bearers.push((role, domain, Wire::to(&server, Some(&secret)).await));
            }
        }
    }
    // One admin; the others bound to either domain; switch and read-only also bound to none.
    assert_eq!(bearers.len(), 9);
    let mut number = 0;
    for row in ROWS {
        let path = format!("/tfps.v1.{}", row.method);
        for nobody in [&stranger, &forger] {
            let answer = nobody.call(&path, vec![(row.request)(0)]).await;
            assert_eq!(
                answer.map_err(|status| status.code()),
                Err(Code::Unauthenticated),
                "{}",
                row.method
            );
        }
        for (role, domain, wire) in &bearers {
            number += 1;
            let answer = wire.call(&path, vec![(row.request)(number)]).await;
            let refused = matches!(&answer, Err(status) if status.code() == Code::PermissionDenied);
            let place = roles.iter().position(|other| other == role).unwrap();
            let may = row.may[place] && (*domain != ELSEWHERE || row.elsewhere == Narrowed);
            assert_eq!(
                !refused,
                may,
                "{} by {} of {domain:?}: {answer:?}",
                row.method,
                role.as_str_name()
            );
            if let Err(status) = answer {
                assert!(
                    matches!(
                        status.code(),
                        Code::PermissionDenied | Code::NotFound | Code::FailedPrecondition
                    ),
                    "{}: {status:?}",
                    row.method
                );
            }
        }
    }
}

#[tokio::test]
async fn a_dry_run_is_for_those_who_see_too() {
    let server = Server::open().await;
    server.account("alice").await;
    let dry = v1::CheckRequest {
        dry_run: true,
        ..call("alice", HOME_NUMBER)
    };
    for role in [Role::Switch, Role::ReadOnly] {
        let client = server.client_of(&server.token(role, "").await).await;
        assert_eq!(client.check(dry.clone()).await.unwrap().code, "A00");
    }
    let read_only = server
        .client_of(&server.token(Role::ReadOnly, "").await)
        .await;
    let stream = read_only.stream_checks(4);
    assert_eq!(stream.check(dry).await.unwrap().code, "A00");
    let real = stream.check(call("alice", HOME_NUMBER)).await;
    assert_eq!(real.unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(server.usage("alice").await.calls_today, 0);
}
