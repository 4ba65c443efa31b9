//! Who may ask for what belongs to all domains, or to none in particular: the other half of the matrix in `roles.rs`, whose rows
//! are each about one domain.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use prost::Message;
use tfps_client::{
    Code,
    v1::{self, Role},
};
use tfps_tests::{
    Server,
    raw::Wire,
    scene::{DOMAIN, ELSEWHERE, HOME_NUMBER, SOMALIA, blocked, call, decisions_of, policy},
};

/// What a token gets that is bound to a domain.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bound {
    /// What it asks belongs to all: refused.
    Refused,
    /// It gets, or changes, what is its own.
    Narrowed,
    /// What it asks is of `DOMAIN`.
    Own,
}
use Bound::{Narrowed, Own, Refused};

/// Roles that may: admin, domain-admin, switch, read-only.
type May = [bool; 4];
const DECIDE: May = [true, true, true, false];
const SEE: May = [true, true, false, true];
const CHANGE: May = [true, true, false, false];
const ANYONE: May = [true, true, true, true];

type Row = (&'static str, &'static str, May, Bound, fn() -> Vec<u8>);

const ROWS: &[Row] = &[
    ("CheckService/Check", "dry", ANYONE, Own, || {
        v1::CheckRequest {
            dry_run: true,
            ..call("alice", HOME_NUMBER)
        }
        .encode_to_vec()
    }),
    ("LearnService/Learn", "an outcome", CHANGE, Narrowed, || {
        let outcome = v1::Outcome {
            subject: Some(v1::outcome::Subject::Number(SOMALIA.to_owned())),
            kind: v1::OutcomeKind::ConfirmedFraud.into(),
            note: String::new(),
        };
        v1::LearnRequest {
            lesson: Some(v1::learn_request::Lesson::Outcome(outcome)),
        }
        .encode_to_vec()
    }),
    (
        "VerifyService/StartVerification",
        "a challenge",
        DECIDE,
        Narrowed,
        || {
            v1::StartVerificationRequest {
                challenge_id: "0".repeat(32),
                ..v1::StartVerificationRequest::default()
            }
            .encode_to_vec()
        },
    ),
    (
        "AdminService/ListAccounts",
        "of all",
        SEE,
        Narrowed,
        Vec::new,
    ),
    (
        "AdminService/ListPolicies",
        "of all",
        SEE,
        Narrowed,
        Vec::new,
    ),
    (
        "AdminService/GetPolicy",
        "a general one",
        SEE,
        Narrowed,
        || {
            v1::GetPolicyRequest {
                name: "default".to_owned(),
                domain: String::new(),
            }
            .encode_to_vec()
        },
    ),
    (
        "AdminService/PutPolicy",
        "a general one",
        CHANGE,
        Refused,
        || {
            v1::PutPolicyRequest {
                policy: Some(policy("general", "")),
            }
            .encode_to_vec()
        },
    ),
    (
        "AdminService/DeletePolicy",
        "a general one",
        CHANGE,
        Refused,
        || {
            v1::DeletePolicyRequest {
                name: "absent".to_owned(),
                ..v1::DeletePolicyRequest::default()
            }
            .encode_to_vec()
        },
    ),
    (
        "AdminService/ListEntries",
        "of all",
        SEE,
        Narrowed,
        Vec::new,
    ),
    (
        "AdminService/ListEntries",
        "general ones",
        SEE,
        Refused,
        || {
            v1::ListEntriesRequest {
                filter: general(),
                ..v1::ListEntriesRequest::default()
            }
            .encode_to_vec()
        },
    ),
    (
        "AdminService/PutEntries",
        "of no domain",
        CHANGE,
        Narrowed,
        || {
            v1::PutEntriesRequest {
                entries: vec![blocked("192.0.2.9", "")],
            }
            .encode_to_vec()
        },
    ),
    (
        "AdminService/DeleteEntries",
        "general ones",
        CHANGE,
        Refused,
        || v1::DeleteEntriesRequest { filter: general() }.encode_to_vec(),
    ),
    (
        "AdminService/ImportEntries",
        "of no domain",
        CHANGE,
        Narrowed,
        || {
            let header = v1::ImportHeader {
                kind: v1::EntryKind::Ip.into(),
                action: v1::EntryAction::Block.into(),
                ..v1::ImportHeader::default()
            };
            v1::ImportEntriesRequest {
                part: Some(v1::import_entries_request::Part::Header(header)),
            }
            .encode_to_vec()
        },
    ),
    (
        "AdminService/ListDecisions",
        "of all",
        SEE,
        Narrowed,
        Vec::new,
    ),
    ("AdminService/ListDecisions", "of one", SEE, Own, || {
        v1::ListDecisionsRequest {
            filter: decisions_of(DOMAIN),
            ..v1::ListDecisionsRequest::default()
        }
        .encode_to_vec()
    }),
    (
        "AdminService/WatchDecisions",
        "of all",
        SEE,
        Narrowed,
        Vec::new,
    ),
    (
        "AdminService/GetStatistics",
        "of all",
        SEE,
        Narrowed,
        Vec::new,
    ),
    ("AdminService/ListCalls", "of all", SEE, Narrowed, Vec::new),
    (
        "AdminService/EndCalls",
        "to a number",
        CHANGE,
        Narrowed,
        || {
            v1::EndCallsRequest {
                number: SOMALIA.to_owned(),
                ..v1::EndCallsRequest::default()
            }
            .encode_to_vec()
        },
    ),
    (
        "AdminService/ListTrainings",
        "of all",
        SEE,
        Narrowed,
        Vec::new,
    ),
];

/// Entries that hold for every domain.
fn general() -> Option<v1::EntryFilter> {
    Some(v1::EntryFilter {
        domain: Some(String::new()),
        ..v1::EntryFilter::default()
    })
}

#[tokio::test]
async fn each_token_gets_what_belongs_to_all_or_its_own_or_nothing() {
    let server = Server::open().await;
    server.account("alice").await;
    let mut bearers = Vec::new();
    for (place, role) in [Role::Admin, Role::DomainAdmin, Role::Switch, Role::ReadOnly]
        .into_iter()
        .enumerate()
    {
        for domain in ["", DOMAIN, ELSEWHERE] {
            let exists = match role {
                Role::Admin => domain.is_empty(),
                Role::DomainAdmin => !domain.is_empty(),
                _ => true,
            };
            if exists {
                let secret = server.token(role, domain).await;
                bearers.push((place, domain, Wire::to(&server, Some(&secret)).await));
            }
        }
    }
    let nobodies = [
        None,
        Some("tfps_0000000000000000000000000000000000000000000"),
    ];
    for (method, what, may, bound, request) in ROWS {
        let path = format!("/tfps.v1.{method}");
        for secret in nobodies {
            let wire = Wire::to(&server, secret).await;
            let answer = wire.call(&path, vec![request()]).await;
            let code = answer.map_err(|status| status.code());
            assert_eq!(code, Err(Code::Unauthenticated), "{method}, {what}");
        }
        for (place, domain, wire) in &bearers {
            let answer = wire.call(&path, vec![request()]).await;
            let refused = matches!(&answer, Err(status) if status.code() == Code::PermissionDenied);
            let within = match bound {
                Refused => domain.is_empty(),
                Narrowed => true,
                Own => *domain != ELSEWHERE,
            };
            let expected = may[*place] && within;
            assert_eq!(
                !refused, expected,
                "{method}, {what}, by {place} of {domain:?}: {answer:?}"
            );
            if let Err(status) = answer {
                let code = status.code();
                let is_told = matches!(
                    code,
                    Code::PermissionDenied | Code::NotFound | Code::FailedPrecondition
                );
                assert!(is_told, "{method}, {what}: {status:?}");
            }
        }
    }
}
