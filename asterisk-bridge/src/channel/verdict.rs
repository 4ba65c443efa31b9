//! The variables that a dialplan goes by.

use tfps_client::v1::{AccountKey, CheckRequest, CheckResponse, Verdict};

use crate::{agi::AgiError, flow::Call};

/// What Check came to.
#[derive(Clone, Debug)]
pub(crate) enum Decision {
    /// A server decided.
    Made(Box<CheckResponse>),
    /// A server found the question wrong: a caller must not pass by what he writes, so it is a denial (R12).
    Refused(String),
    /// No server decided, and why: the dialplan says what becomes of the call.
    Unavailable(String),
    /// No server decided, and where the call goes says what becomes of it: an emergency call passes (A99), an expensive one does not
    /// (R99).
    Fallback {
        /// Whether the call passes.
        passes: bool,
        /// Why.
        why: String,
    },
}

impl Decision {
    pub(crate) fn verdict(&self) -> &'static str {
        match self {
            Self::Made(made) => match made.verdict() {
                Verdict::Allow => "ALLOW",
                Verdict::Challenge => "CHALLENGE",
                Verdict::Deny | Verdict::Unspecified => "DENY",
            },
            Self::Refused(_) | Self::Fallback { passes: false, .. } => "DENY",
            Self::Fallback { passes: true, .. } => "ALLOW",
            Self::Unavailable(_) => "UNAVAILABLE",
        }
    }

    /// The challenge that waits for the caller.
    pub(crate) fn challenge(&self) -> Option<&str> {
        match self {
            Self::Made(made) if made.verdict() == Verdict::Challenge => {
                made.challenge.as_ref().map(|challenge| &*challenge.id)
            }
            _ => None,
        }
    }
}

/// How a verification ended, as TFPS_VERIFIED tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verified {
    /// What the challenge was about has changed.
    Passed,
    /// Wrong digits, or none.
    Failed,
    /// Wrong too often: the account is locked.
    Locked,
    /// There is nothing to verify, or no more.
    Refused,
    /// No server could be asked.
    Unavailable,
    /// The caller hung up before it was decided.
    HungUp,
}

impl Verified {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "PASSED",
            Self::Failed => "FAILED",
            Self::Locked => "LOCKED",
            Self::Refused => "REFUSED",
            Self::Unavailable => "UNAVAILABLE",
            Self::HungUp => "HANGUP",
        }
    }
}

/// Tells what was decided about a call, and as whose call it was decided.
///
/// # Errors
/// [`AgiError`]
pub(crate) async fn tell(
    call: &mut Call,
    asked: &CheckRequest,
    decision: &Decision,
) -> Result<(), AgiError> {
    let none = CheckResponse::default();
    let (made, code, reason) = match decision {
        Decision::Made(made) => (&**made, &*made.code, &*made.reason),
        Decision::Refused(why) => (&none, "R12", &**why),
        Decision::Unavailable(why) => (&none, "", &**why),
        Decision::Fallback { passes, why } => (&none, if *passes { "A99" } else { "R99" }, &**why),
    };
    let nobody = AccountKey::default();
    let account = asked.account.as_ref().unwrap_or(&nobody);
    call.set_variables(&[
        ("TFPS_VERDICT", decision.verdict()),
        ("TFPS_CODE", code),
        ("TFPS_REASON", reason),
        ("TFPS_CHALLENGE", decision.challenge().unwrap_or_default()),
        ("TFPS_DECISION", &made.decision_id),
        ("TFPS_COUNTRY", &made.destination_country),
        ("TFPS_USERNAME", &account.username),
        ("TFPS_DOMAIN", &account.domain),
        ("TFPS_CALL_ID", &asked.call_id),
    ])
    .await
}

/// Tells that a call is denied (R12), because what its caller wrote makes it unreadable.
///
/// # Errors
/// [`AgiError`]
pub(crate) async fn refused(call: &mut Call, why: &str) -> Result<(), AgiError> {
    call.settle().await?;
    undecided(call, "DENY", "R12", why).await
}

/// Tells that nothing was decided, where not even the question could be read.
///
/// # Errors
/// [`AgiError`]
pub(crate) async fn unavailable(call: &mut Call, why: &str) -> Result<(), AgiError> {
    undecided(call, "UNAVAILABLE", "", why).await
}

async fn undecided(call: &mut Call, verdict: &str, code: &str, why: &str) -> Result<(), AgiError> {
    call.set_variables(&[
        ("TFPS_VERDICT", verdict),
        ("TFPS_CODE", code),
        ("TFPS_REASON", why),
        ("TFPS_CHALLENGE", ""),
        ("TFPS_DECISION", ""),
        ("TFPS_COUNTRY", ""),
    ])
    .await
}
