//! `agi://host/ivr`: calls that a SIP front relays. The extension says what for (`o`, `i`, `d`, `q`, `n`, `s`, then a country and
//! the number), the header `X-TFPS-Challenge` says which challenge.

use tfps_client::v1::{AccountKey, Purpose};
use tracing::info;

use super::{
    Bridge, Call, NORMAL, REJECTED, TEMPORARY, check,
    prove::{self, Claim, Outcome, Proof},
    verify::language,
};
use crate::{
    agi::{AgiError, Environment},
    channel::{Origin, Verified},
    config::AfterVerification,
    voice::{Prompt, Voice},
};

/// Verifies, and ends the call, or goes on with it where the configuration says so.
///
/// # Errors
/// [`AgiError`]
pub(super) async fn run(
    bridge: &Bridge,
    call: &mut Call,
    environment: &Environment,
) -> Result<(), AgiError> {
    let claim = claim(call, environment).await?;
    call.answer().await?;
    let mut voice = Voice::new(call, &bridge.prompts, language(environment));
    let outcome = match claim {
        Some(claim) => prove::run(bridge, &mut voice, &claim).await?,
        None => {
            info!(
                extension = environment.get("extension"),
                "a call to the IVR that no front relayed"
            );
            voice.tell(Prompt::NotPossible).await?;
            Outcome::Not(Verified::Refused)
        }
    };
    match outcome {
        Outcome::Not(result) => {
            call.set_variables(&[("TFPS_VERIFIED", result.as_str())])
                .await?;
            let cause = match result {
                Verified::Unavailable => TEMPORARY,
                _ => REJECTED,
            };
            call.hang_up(cause).await
        }
        Outcome::Proved(proof) => {
            let passed = Verified::Passed.as_str();
            call.set_variables(&[("TFPS_VERIFIED", passed)]).await?;
            match bridge.config.after_verification {
                AfterVerification::Redial => redial(bridge, call, environment).await,
                AfterVerification::Continue => go_on(bridge, call, environment, proof).await,
            }
        }
    }
}

async fn redial(
    bridge: &Bridge,
    call: &mut Call,
    environment: &Environment,
) -> Result<(), AgiError> {
    let mut voice = Voice::new(call, &bridge.prompts, language(environment));
    voice.tell(Prompt::Redial).await?;
    voice.tell(Prompt::Goodbye).await?;
    call.hang_up(NORMAL).await
}

/// Asks about the call anew, since the challenge was but one rule, and leaves it to the dialplan to dial.
async fn go_on(
    bridge: &Bridge,
    call: &mut Call,
    environment: &Environment,
    proof: Proof,
) -> Result<(), AgiError> {
    let mut asked = super::attempt(bridge, call, environment, Origin::Front).await?;
    asked.account = Some(proof.account);
    asked.dialed_number.clone_from(&proof.dialed);
    let decision = check::decide(bridge, call, environment, asked).await?;
    let allowed = decision.verdict() == "ALLOW";
    call.set_variables(&[("TFPS_NUMBER", &proof.dialed)])
        .await?;
    let mut voice = Voice::new(call, &bridge.prompts, language(environment));
    if allowed {
        return voice.tell(Prompt::Connecting).await;
    }
    voice.tell(Prompt::Redial).await?;
    call.hang_up(NORMAL).await
}

/// What a relayed call is to prove; none where it was not relayed by a front. A dialplan that loses the header tells the
/// account instead.
async fn claim(call: &mut Call, environment: &Environment) -> Result<Option<Claim>, AgiError> {
    let header = match environment.get("type") {
        Some("PJSIP") => "${PJSIP_HEADER(read,X-TFPS-Challenge)}",
        Some("SIP") => "${SIP_HEADER(X-TFPS-Challenge)}",
        _ => "",
    };
    let [set, header, username, domain] = call
        .evaluate([
            "${TFPS_CHALLENGE}",
            header,
            "${TFPS_USERNAME}",
            "${TFPS_DOMAIN}",
        ])
        .await?;
    let challenge = if set.is_empty() { header } else { set };
    let purpose = environment.get("extension").and_then(purpose);
    let account =
        (challenge.is_empty() && !username.is_empty()).then_some(AccountKey { username, domain });
    Ok(match purpose {
        Some(purpose) if !challenge.is_empty() || account.is_some() => Some(Claim {
            challenge,
            account,
            purpose,
        }),
        _ => None,
    })
}

/// What an extension is entered for.
fn purpose(extension: &str) -> Option<Purpose> {
    Some(match extension.chars().next()? {
        'o' => Purpose::Onboarding,
        'i' => Purpose::SourceCountry,
        'd' => Purpose::DestinationCountry,
        'q' => Purpose::Quota,
        'n' => Purpose::QuotaOffHours,
        's' => Purpose::Risk,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_tells_what_for() {
        for (extension, expected) in [
            ("o442079460123", Some(Purpose::Onboarding)),
            ("iFR0033123456789", Some(Purpose::SourceCountry)),
            ("dCU53712345", Some(Purpose::DestinationCountry)),
            ("q+442079460123", Some(Purpose::Quota)),
            ("n44", Some(Purpose::QuotaOffHours)),
            ("s44", Some(Purpose::Risk)),
            ("442079460123", None),
            ("", None),
        ] {
            assert_eq!(purpose(extension), expected, "{extension}");
        }
    }
}
