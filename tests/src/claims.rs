//! What tests claim again and again.

use tfps_client::{
    Code,
    v1::{CheckResponse, Purpose, Verdict},
};

/// The call was denied with this code.
///
/// # Panics
/// When it was not.
#[track_caller]
pub fn denied(decision: &CheckResponse, code: &str) {
    assert_eq!(decision.code, code, "{decision:?}");
    assert_eq!(decision.verdict(), Verdict::Deny);
    assert_eq!(decision.sip.as_ref().expect("a SIP answer").status, 603);
    assert!(!decision.reason.is_empty() && decision.challenge.is_none());
}

/// The call was challenged with this code and purpose.
///
/// # Panics
/// When it was not.
#[track_caller]
pub fn challenged(decision: &CheckResponse, code: &str, purpose: Purpose) {
    assert_eq!(decision.code, code, "{decision:?}");
    assert_eq!(decision.verdict(), Verdict::Challenge);
    let challenge = decision.challenge.as_ref().expect("a challenge");
    assert_eq!(challenge.purpose(), purpose);
    assert!(!challenge.id.is_empty() && challenge.expires_at.is_some());
    assert_eq!(decision.sip.as_ref().expect("a SIP answer").status, 0);
}

/// The server refused, and its BadRequest names the field.
///
/// # Panics
/// When it did not.
#[track_caller]
pub fn names<T: std::fmt::Debug>(answer: Result<T, tfps_client::Error>, field: &str) {
    let error = answer.expect_err(field);
    let rejection = error.rejection().expect("the server's own words");
    assert_eq!(
        rejection.code,
        Code::InvalidArgument,
        "{field}: {rejection:?}"
    );
    let named: Vec<_> = rejection
        .violations
        .iter()
        .map(|violation| violation.field.as_str())
        .collect();
    assert_eq!(named, [field], "{rejection:?}");
}

/// How the server refused: the code and `ErrorInfo.reason`.
#[track_caller]
fn refusal<T: std::fmt::Debug>(answer: Result<T, tfps_client::Error>) -> (Code, String) {
    let error = answer.expect_err("a refusal");
    let rejection = error.rejection().expect("the server's own words");
    (rejection.code, rejection.reason.clone())
}

/// There is no such thing.
///
/// # Panics
/// When the server knows one, or says something else.
#[track_caller]
pub fn not_found<T: std::fmt::Debug>(answer: Result<T, tfps_client::Error>) {
    assert_eq!(refusal(answer), (Code::NotFound, "NOT_FOUND".to_owned()));
}

/// The server refused as things are, for this reason.
///
/// # Panics
/// When it did not.
#[track_caller]
pub fn not_now<T: std::fmt::Debug>(answer: Result<T, tfps_client::Error>, reason: &str) {
    assert_eq!(
        refusal(answer),
        (Code::FailedPrecondition, reason.to_owned())
    );
}
