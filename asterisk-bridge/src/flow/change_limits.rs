//! `agi://host/change-limits`: a caller comes back to say how many calls he needs, and proves himself first.

use tfps_client::v1::Purpose;

use super::{
    Bridge, Call, NORMAL,
    prove::{self, Claim, Outcome},
    verify::{failed, language},
};
use crate::{
    agi::{AgiError, Environment},
    channel::{self, Verified},
    voice::{Prompt, Voice},
};

/// Verifies, asks, learns, and ends the call.
///
/// # Errors
/// [`AgiError`]
pub(super) async fn run(
    bridge: &Bridge,
    call: &mut Call,
    environment: &Environment,
) -> Result<(), AgiError> {
    let account = channel::account(call, environment, &bridge.config.default_domain).await?;
    call.answer().await?;
    let claim = Claim {
        account: Some(account),
        purpose: Purpose::Limits,
        ..Claim::default()
    };
    let mut voice = Voice::new(call, &bridge.prompts, language(environment));
    match prove::run(bridge, &mut voice, &claim).await? {
        Outcome::Not(result) => failed(call, result).await,
        Outcome::Proved(_) => {
            voice.tell(Prompt::Goodbye).await?;
            call.set_variables(&[("TFPS_VERIFIED", Verified::Passed.as_str())])
                .await?;
            call.hang_up(NORMAL).await
        }
    }
}
