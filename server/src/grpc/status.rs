//! Errors become gRPC statuses: here and nowhere else.

use std::{collections::HashMap, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::{
    admin::{AdminError, RejectedLine, line_field},
    auth::{Counted, Refusal},
    check::CheckError,
    learn::LearnError,
    store::StoreError,
    verify::VerifyError,
};

const DOMAIN: &str = "tfps.v1";

/// A field is wrong: INVALID_ARGUMENT that names it.
pub(super) fn invalid(field: impl Into<String>, problem: impl std::fmt::Display) -> Status {
    let (field, problem) = (field.into(), shortened(&problem.to_string()));
    let mut details = info("INVALID_FIELD", [("field", field.clone())]);
    details.set_bad_request(vec![FieldViolation::new(field.clone(), problem.clone())]);
    Status::with_error_details(
        Code::InvalidArgument,
        format!("{field}: {problem}"),
        details,
    )
}

/// Lines of an import are wrong: INVALID_ARGUMENT that names each of them.
fn invalid_lines(lines: &[RejectedLine], message: &AdminError) -> Status {
    let violations: Vec<_> = lines
        .iter()
        .map(|line| FieldViolation::new(line_field(line.line), shortened(&line.why)))
        .collect();
    let first = violations
        .first()
        .map(|violation| violation.field.clone())
        .unwrap_or_default();
    let mut details = info("INVALID_FIELD", [("field", first)]);
    details.set_bad_request(violations);
    let message = shortened(&message.to_string());
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// An error travels in headers, which are bounded: of what it quotes, a beginning is enough.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 400;
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST).chain(['…']).collect()
}

/// A field that must be given is not.
pub(super) fn missing(field: &str) -> Status {
    invalid(field, "must be given")
}

/// No token, or none that is known.
pub(super) fn unauthenticated(why: &str) -> Status {
    Status::with_error_details(
        Code::Unauthenticated,
        format!(
            "{why}; send `authorization: Bearer TOKEN` with a token of `tfpsctl token create`, or the one in \
             admin.token in the server's data directory"
        ),
        info("TOKEN_UNKNOWN", []),
    )
}

/// The token of a stream was revoked meanwhile.
pub(super) fn token_revoked(name: &str) -> Status {
    Status::with_error_details(
        Code::Unauthenticated,
        format!("the token `{name}` was revoked: the stream ends"),
        info("TOKEN_REVOKED", []),
    )
}

/// The token of a stream has expired meanwhile.
pub(super) fn token_expired(name: &str) -> Status {
    Status::with_error_details(
        Code::Unauthenticated,
        format!("the token `{name}` has expired: the stream ends"),
        info("TOKEN_EXPIRED", []),
    )
}

/// Too much is being answered without a token.
pub(super) fn too_many_open(limit: usize) -> Status {
    let mut details = info("TOO_MANY_OPEN_REQUESTS", [("limit", limit.to_string())]);
    details.set_retry_info(Some(Duration::from_secs(1)));
    Status::with_error_details(
        Code::ResourceExhausted,
        format!(
            "too many requests for health or reflection are open; {limit} of this kind are answered to one address at once"
        ),
        details,
    )
}

/// Nobody knows where the request came from, which can't be.
pub(super) fn without_connection() -> Status {
    Status::internal("the request came on no connection")
}

/// The message of a request has not arrived in time.
pub(crate) fn late_message(patience: Duration) -> Status {
    Status::with_error_details(
        Code::DeadlineExceeded,
        format!(
            "nothing of the request's message arrived for {} s",
            patience.as_secs()
        ),
        info("MESSAGE_LATE", []),
    )
}

/// Too many requests are being answered.
pub(super) fn overloaded(limit: usize) -> Status {
    let mut details = info(
        "TOO_MANY_REQUESTS_IN_FLIGHT",
        [("limit", limit.to_string())],
    );
    details.set_retry_info(Some(Duration::from_millis(100)));
    Status::with_error_details(
        Code::ResourceExhausted,
        format!("{limit} requests are being answered (requests.max_in_flight); try again"),
        details,
    )
}

/// A token has as much going on as it may.
pub(super) fn over_budget(name: &str, counted: Counted, most: usize, key: &str) -> Status {
    let (what, reason) = match counted {
        Counted::Request => ("requests in flight", "TOKEN_REQUESTS_IN_FLIGHT"),
        Counted::Stream => ("streams open", "TOKEN_STREAMS_OPEN"),
        Counted::Bulk => ("changes of entries going on", "TOKEN_CHANGES_GOING_ON"),
        Counted::Connection => ("connections", "TOKEN_CONNECTIONS"),
    };
    let mut details = info(reason, [("limit", most.to_string())]);
    details.set_retry_info(Some(Duration::from_millis(100)));
    Status::with_error_details(
        Code::ResourceExhausted,
        format!(
            "the token `{name}` has {most} {what}, which is the most that it may have ({key}); wait for answers, or give each \
             client a token of its own"
        ),
        details,
    )
}

/// The deadline has passed.
pub(super) fn late(deadline: Duration) -> Status {
    Status::with_error_details(
        Code::DeadlineExceeded,
        format!("not answered within {} ms", deadline.as_millis()),
        info("DEADLINE", []),
    )
}

/// The server stops.
pub(super) fn stopping() -> Status {
    Status::with_error_details(
        Code::Unavailable,
        "the server stops; connect again",
        info("STOPPING", []),
    )
}

fn info<const N: usize>(reason: &str, metadata: [(&str, String); N]) -> ErrorDetails {
    let metadata: HashMap<String, String> =
        metadata.map(|(key, value)| (key.to_owned(), value)).into();
    ErrorDetails::with_error_info(reason, DOMAIN, metadata)
}

fn plain(code: Code, reason: &str, message: &dyn std::fmt::Display) -> Status {
    Status::with_error_details(code, shortened(&message.to_string()), info(reason, []))
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let reason = match &refusal {
            Refusal::Role { .. } => "ROLE",
            Refusal::Domain { .. } => "DOMAIN",
        };
        plain(Code::PermissionDenied, reason, &refusal)
    }
}

impl From<StoreError> for Status {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => plain(Code::NotFound, "NOT_FOUND", &error),
            StoreError::AlreadyExists => plain(Code::AlreadyExists, "ALREADY_EXISTS", &error),
            StoreError::Conflict => plain(Code::Aborted, "CHANGED_MEANWHILE", &error),
            StoreError::Busy => plain(Code::ResourceExhausted, "TOO_MANY_QUERIES", &error),
            StoreError::TooLong => plain(Code::ResourceExhausted, "QUERY_TOO_LONG", &error),
            StoreError::Unavailable(why) => {
                tracing::error!(why, "the database fails");
                plain(
                    Code::Unavailable,
                    "DATABASE_UNAVAILABLE",
                    &"the database does not answer; nothing was changed. Calls are decided from memory meanwhile",
                )
            }
        }
    }
}

impl From<CheckError> for Status {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::Field(error) => invalid(error.field, error.problem),
            CheckError::Refused(refusal) => refusal.into(),
        }
    }
}

impl From<AdminError> for Status {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Field { field, problem } => invalid(field, problem),
            AdminError::Lines { ref first, .. } => invalid_lines(first, &error),
            AdminError::NotFound(_) => plain(Code::NotFound, "NOT_FOUND", &error),
            AdminError::AlreadyExists(_) => plain(Code::AlreadyExists, "ALREADY_EXISTS", &error),
            AdminError::Changed(_) => plain(Code::Aborted, "CHANGED_MEANWHILE", &error),
            AdminError::Precondition(_) => plain(Code::FailedPrecondition, "PRECONDITION", &error),
            AdminError::Refused(refusal) => refusal.into(),
            AdminError::Full(_) => plain(Code::ResourceExhausted, "DOMAIN_FULL", &error),
            AdminError::Bounded { ref field, .. } => {
                let details = info("BOUNDED_BY_OPERATOR", [("field", field.clone())]);
                let message = shortened(&error.to_string());
                Status::with_error_details(Code::PermissionDenied, message, details)
            }
            AdminError::Store(error) => error.into(),
        }
    }
}

impl From<LearnError> for Status {
    fn from(error: LearnError) -> Self {
        match error {
            LearnError::Field(error) => invalid(error.field, error.problem),
            LearnError::NoneLeft { field, .. } => invalid(field, error),
            LearnError::NotFound(_) => plain(Code::NotFound, "NOT_FOUND", &error),
            LearnError::Precondition(_) => plain(Code::FailedPrecondition, "PRECONDITION", &error),
            LearnError::Refused(refusal) => refusal.into(),
            LearnError::Full(_) => plain(Code::ResourceExhausted, "FULL", &error),
            LearnError::Journal(_) => plain(Code::Unavailable, "JOURNAL_UNAVAILABLE", &error),
            LearnError::Store(error) => error.into(),
        }
    }
}

impl From<VerifyError> for Status {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::NoChallenge { .. } => {
                plain(Code::FailedPrecondition, "NO_CHALLENGE", &error)
            }
            VerifyError::ChallengeOver(_) => {
                plain(Code::FailedPrecondition, "CHALLENGE_OVER", &error)
            }
            VerifyError::OtherChallenge { .. } => {
                plain(Code::FailedPrecondition, "OTHER_CHALLENGE", &error)
            }
            VerifyError::LimitsNotAsked(_) => {
                plain(Code::FailedPrecondition, "LIMITS_NOT_ASKED", &error)
            }
            VerifyError::Blocked(_) => plain(Code::FailedPrecondition, "ACCOUNT_BLOCKED", &error),
            VerifyError::Locked { .. } => plain(Code::FailedPrecondition, "LOCKED", &error),
            VerifyError::Withheld { .. } => plain(Code::FailedPrecondition, "WITHHELD", &error),
            VerifyError::UsedUp(_) => plain(Code::FailedPrecondition, "CHALLENGE_USED_UP", &error),
            VerifyError::Full(_) => plain(Code::FailedPrecondition, "TOO_MANY_ONBOARDED", &error),
            VerifyError::NoPin(_) | VerifyError::NoPinOfUnknown(_) => {
                plain(Code::FailedPrecondition, "NO_PIN", &error)
            }
            VerifyError::NoVerification(_) => {
                plain(Code::FailedPrecondition, "NO_VERIFICATION", &error)
            }
            VerifyError::Over(_) => plain(Code::FailedPrecondition, "VERIFICATION_OVER", &error),
            VerifyError::UnknownChallenge(_)
            | VerifyError::UnknownAccount(_)
            | VerifyError::Unknown(_) => plain(Code::NotFound, "NOT_FOUND", &error),
            VerifyError::Refused(refusal) => refusal.into(),
            VerifyError::Store(error) => error.into(),
            VerifyError::Hash(_) => plain(Code::Unavailable, "HASHING", &error),
        }
    }
}
