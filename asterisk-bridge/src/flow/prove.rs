//! The caller proves to be the account's human: captcha or PIN, as the policy says.

use tfps_client::{
    Client, Code, Error,
    v1::{
        AccountKey, CaptchaKind, CompleteVerificationRequest, CompleteVerificationResponse,
        Purpose, StartVerificationRequest, StartVerificationResponse, VerificationMethod,
    },
};
use tracing::{info, warn};

use super::{Bridge, limits};
use crate::{
    agi::AgiError,
    channel::Verified,
    telemetry::VerificationLabel,
    voice::{MOST_DIGITS, Prompt, Voice},
};

/// What is to be proved.
#[derive(Clone, Debug, Default)]
pub(super) struct Claim {
    /// The challenge that Check issued; empty: the newest of the account and purpose.
    pub(super) challenge: String,
    /// Whose it is; none where the challenge tells.
    pub(super) account: Option<AccountKey>,
    /// What it is about; unspecified where the challenge tells.
    pub(super) purpose: Purpose,
}

/// A proof that was given.
#[derive(Clone, Debug)]
pub(super) struct Proof {
    /// Whose.
    pub(super) account: AccountKey,
    /// The number that was dialed when the challenge was issued.
    pub(super) dialed: String,
}

/// What came of a verification.
pub(super) enum Outcome {
    Proved(Proof),
    Not(Verified),
}

/// What one attempt came to.
enum Attempt {
    Passed(Box<CompleteVerificationResponse>),
    Wrong(u32),
    Over(Verified),
}

/// Runs the whole verification: why, digits, what has changed, and the limits that a caller may choose.
///
/// # Errors
/// [`AgiError`]: where he hangs up, nothing is left behind.
pub(super) async fn run(
    bridge: &Bridge,
    voice: &mut Voice<'_>,
    claim: &Claim,
) -> Result<Outcome, AgiError> {
    let outcome = attempts(bridge, voice, claim).await;
    let (purpose, result) = match &outcome {
        Ok((purpose, Outcome::Proved(_))) => (*purpose, Verified::Passed),
        Ok((purpose, Outcome::Not(result))) => (*purpose, *result),
        Err(AgiError::HungUp) => (claim.purpose, Verified::HungUp),
        Err(_) => (claim.purpose, Verified::Unavailable),
    };
    let label = VerificationLabel {
        purpose: purpose_name(purpose),
        result: result.as_str(),
    };
    bridge.metrics.verifications.get_or_create(&label).inc();
    outcome.map(|(_, outcome)| outcome)
}

async fn attempts(
    bridge: &Bridge,
    voice: &mut Voice<'_>,
    claim: &Claim,
) -> Result<(Purpose, Outcome), AgiError> {
    let mut purpose = claim.purpose;
    for number in 1..=bridge.config.ivr.attempts {
        let (client, opened) = match begin(bridge, claim).await {
            Ok(begun) => begun,
            Err(result) => return over(voice, purpose, result).await,
        };
        purpose = opened.purpose();
        if number == 1 {
            voice.say(Prompt::why(purpose)).await?;
        }
        match attempt(&client, voice, &opened).await? {
            Attempt::Passed(completed) => {
                let account = opened.account.clone().unwrap_or_default();
                info!(
                    account = format!("{}@{}", account.username, account.domain),
                    change = completed.change,
                    "a caller has proved himself"
                );
                passed(&client, voice, &opened, &completed).await?;
                let proof = Proof {
                    account,
                    dialed: opened.dialed_number.clone(),
                };
                return Ok((purpose, Outcome::Proved(proof)));
            }
            Attempt::Wrong(left) => {
                voice.tell(Prompt::Wrong).await?;
                if number < bridge.config.ivr.attempts {
                    voice.tell_number(Prompt::AttemptsLeft, left).await?;
                }
            }
            Attempt::Over(result) => return over(voice, purpose, result).await,
        }
    }
    voice.tell(Prompt::Goodbye).await?;
    Ok((purpose, Outcome::Not(Verified::Failed)))
}

async fn over(
    voice: &mut Voice<'_>,
    purpose: Purpose,
    result: Verified,
) -> Result<(Purpose, Outcome), AgiError> {
    let prompt = match result {
        Verified::Locked => Prompt::Locked,
        Verified::Unavailable => Prompt::Unavailable,
        _ => Prompt::NotPossible,
    };
    voice.tell(prompt).await?;
    Ok((purpose, Outcome::Not(result)))
}

/// Opens the verification at the server that issued the challenge: it alone knows it, and who is here knows only the id.
///
/// # Errors
/// Why no server opens one.
async fn begin(
    bridge: &Bridge,
    claim: &Claim,
) -> Result<(Client, Box<StartVerificationResponse>), Verified> {
    let mut result = None;
    for client in bridge.instances.clients(&claim.challenge).await {
        let request = StartVerificationRequest {
            challenge_id: claim.challenge.clone(),
            account: claim.account.clone(),
            purpose: claim.purpose.into(),
        };
        let error = match client.start_verification(request).await {
            Ok(opened) => return Ok((client, Box::new(opened))),
            Err(error) => error,
        };
        let refusal = not_begun(&error);
        match refusal {
            Verified::Unavailable => warn!(%error, "a server takes no verification"),
            _ => info!(%error, "a verification is not possible"),
        }
        if refusal == Verified::Locked {
            return Err(refusal);
        }
        // One that does not answer may be the one that knows the challenge.
        if result != Some(Verified::Unavailable) {
            result = Some(refusal);
        }
    }
    Err(result.unwrap_or_else(|| {
        warn!("no server answers: a verification can't begin");
        Verified::Unavailable
    }))
}

async fn attempt(
    client: &Client,
    voice: &mut Voice<'_>,
    opened: &StartVerificationResponse,
) -> Result<Attempt, AgiError> {
    let digits = typed(voice, opened).await?;
    let request = CompleteVerificationRequest {
        verification_id: opened.verification_id.clone(),
        digits,
    };
    let completed = match client.complete_verification(request).await {
        Ok(completed) => completed,
        Err(error) => {
            let result = not_begun(&error);
            match result {
                Verified::Unavailable => warn!(%error, "a server judges no verification"),
                _ => info!(%error, "a verification was not judged"),
            }
            return Ok(Attempt::Over(result));
        }
    };
    Ok(if completed.passed {
        Attempt::Passed(Box::new(completed))
    } else if completed.locked_until.is_some() {
        Attempt::Over(Verified::Locked)
    } else {
        Attempt::Wrong(completed.attempts_left)
    })
}

/// What a caller types: asked once more where he typed nothing.
async fn typed(
    voice: &mut Voice<'_>,
    opened: &StartVerificationResponse,
) -> Result<String, AgiError> {
    let captcha = opened.method() == VerificationMethod::Captcha;
    for again in [false, true] {
        if again {
            voice.tell(Prompt::NothingTyped).await?;
        }
        let digits = match (captcha, opened.captcha(), &*opened.addends) {
            (true, CaptchaKind::Arithmetic, [first, second]) => {
                let most = u8::try_from(opened.digit_count).unwrap_or(MOST_DIGITS);
                voice.sum(*first, *second, most).await?
            }
            (true, CaptchaKind::DigitsAmongWords, _) => {
                let most = u8::try_from(opened.digit_count).unwrap_or(MOST_DIGITS);
                voice.among_words(&opened.spoken, most).await?
            }
            (true, ..) => {
                voice.say(Prompt::CaptchaListen).await?;
                voice.captcha(&opened.captcha_digits).await?
            }
            (false, ..) => voice.ask_whole(Prompt::PinType).await?,
        };
        if !digits.is_empty() {
            return Ok(digits);
        }
    }
    Ok(String::new())
}

/// Tells what has changed, and asks for what the caller may choose.
async fn passed(
    client: &Client,
    voice: &mut Voice<'_>,
    opened: &StartVerificationResponse,
    completed: &CompleteVerificationResponse,
) -> Result<(), AgiError> {
    voice.tell(Prompt::Right).await?;
    let purpose = opened.purpose();
    // A second change for the same challenge is none: another call was faster.
    if let Some(done) = Prompt::done(purpose) {
        let limits = completed
            .account
            .as_ref()
            .and_then(|account| account.limits);
        let today = Some(completed.daily_quota).filter(|quota| *quota > 0);
        let quota = match purpose {
            _ if today.is_some() => today,
            Purpose::Quota => limits.and_then(|limits| limits.daily_quota),
            Purpose::QuotaOffHours => limits.and_then(|limits| limits.daily_quota_off_hours),
            _ => None,
        };
        match quota {
            Some(quota) => voice.tell_number(done, quota).await?,
            None => voice.tell(done).await?,
        }
    }
    match &completed.limits_asked {
        Some(most) => limits::ask(client, voice, opened, most).await,
        None => Ok(()),
    }
}

/// Why there is no verification, for the caller.
fn not_begun(error: &Error) -> Verified {
    let reason = match error {
        Error::Status(rejection) => &*rejection.reason,
        _ => "",
    };
    match error.code() {
        Code::FailedPrecondition if reason == "LOCKED" => Verified::Locked,
        Code::FailedPrecondition | Code::NotFound | Code::InvalidArgument => Verified::Refused,
        _ => Verified::Unavailable,
    }
}

fn purpose_name(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Unspecified => "unknown",
        Purpose::Onboarding => "onboarding",
        Purpose::SourceCountry => "source-country",
        Purpose::DestinationCountry => "destination-country",
        Purpose::Quota => "quota",
        Purpose::QuotaOffHours => "quota-off-hours",
        Purpose::Risk => "risk",
        Purpose::Limits => "limits",
    }
}
