//! `agi://host/verify`: after a check that challenges, in the same call: the caller proves himself, the call is asked about
//! again, and the dialplan goes on with what that says.

use tracing::info;

use super::{
    Bridge, Call, REJECTED, check,
    prove::{self, Claim, Outcome},
};
use crate::{
    agi::{AgiError, Environment},
    channel::{self, Decision, Origin, Verified},
    voice::{Prompt, Voice},
};

/// One proof may lead to the next: an account that is onboarded, and then a country that is new to it.
const MOST_CHALLENGES: u32 = 3;

/// Verifies, and sets `TFPS_VERIFIED` and, where it was passed, `TFPS_VERDICT` and its siblings anew. Whoever does not prove
/// himself is hung up on.
///
/// # Errors
/// [`AgiError`]
pub(super) async fn run(
    bridge: &Bridge,
    call: &mut Call,
    environment: &Environment,
) -> Result<(), AgiError> {
    let [mut challenge] = call.evaluate(["${TFPS_CHALLENGE}"]).await?;
    call.answer().await?;
    for _ in 0..MOST_CHALLENGES {
        if challenge.is_empty() {
            info!("verify without a challenge: the dialplan asks check before it");
        }
        let outcome = proved(bridge, call, environment, &challenge).await?;
        if let Outcome::Not(result) = outcome {
            return failed(call, result).await;
        }
        let asked = super::attempt(bridge, call, environment, Origin::Caller).await?;
        let decision = check::decide(bridge, call, environment, asked).await?;
        match decision.challenge() {
            Some(next) => next.clone_into(&mut challenge),
            None => return go_on(bridge, call, environment, &decision).await,
        }
    }
    failed(call, Verified::Refused).await
}

async fn proved(
    bridge: &Bridge,
    call: &mut Call,
    environment: &Environment,
    challenge: &str,
) -> Result<Outcome, AgiError> {
    let mut voice = Voice::new(call, &bridge.prompts, language(environment));
    let claim = Claim {
        challenge: challenge.to_owned(),
        ..Claim::default()
    };
    if challenge.is_empty() {
        voice.tell(Prompt::NotPossible).await?;
        return Ok(Outcome::Not(Verified::Refused));
    }
    prove::run(bridge, &mut voice, &claim).await
}

/// What the second answer means for the caller.
async fn go_on(
    bridge: &Bridge,
    call: &mut Call,
    environment: &Environment,
    decision: &Decision,
) -> Result<(), AgiError> {
    let prompt = match decision.verdict() {
        "ALLOW" => Prompt::Connecting,
        "UNAVAILABLE" => Prompt::Unavailable,
        _ => Prompt::Denied,
    };
    let mut voice = Voice::new(call, &bridge.prompts, language(environment));
    voice.tell(prompt).await?;
    // Last, so that a call whose script breaks off before it has no proof.
    call.set_variables(&[("TFPS_VERIFIED", Verified::Passed.as_str())])
        .await
}

/// Tells the dialplan, and ends the call, unless only the servers are away: what then is the dialplan's to say.
pub(super) async fn failed(call: &mut Call, result: Verified) -> Result<(), AgiError> {
    call.set_variables(&[("TFPS_VERIFIED", result.as_str())])
        .await?;
    if result == Verified::Unavailable {
        return channel::unavailable(call, "no server takes the verification").await;
    }
    call.hang_up(REJECTED).await
}

/// The channel's language.
pub(super) fn language(environment: &Environment) -> &str {
    environment.get("language").unwrap_or_default()
}
