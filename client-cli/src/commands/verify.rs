//! `verify`

use clap::{ArgGroup, Args};
use tfps_client::{
    Error,
    v1::{
        CaptchaKind, CompleteVerificationRequest, CompleteVerificationResponse, Purpose,
        StartVerificationRequest, StartVerificationResponse, VerificationMethod,
    },
};

use super::{account::Who, name_of, one};
use crate::{
    failure::{Doing, Exit, Failure},
    output::{Cell, Facts, Tone},
    reflection::{choice, choices},
    session::Session,
    time,
};

/// `verify`
#[derive(Debug, Args)]
#[command(
    override_usage = "tfpsctl verify [OPTIONS] <USERNAME> <DOMAIN> --purpose <PURPOSE>\n       tfpsctl verify [OPTIONS] --challenge <ID>",
    after_help = "Exit codes: 0 passed, 1 not passed.",
    group = ArgGroup::new("which").args(["challenge", "purpose"]).required(true).multiple(true)
)]
pub struct VerifyArgs {
    /// The user part of the account's SIP URI; the challenge's id names the account as well
    #[arg(required_unless_present = "challenge", requires = "domain")]
    username: Option<String>,
    /// The domain of the account's SIP URI
    domain: Option<String>,
    /// The challenge's id, as `check` told it
    #[arg(long, value_name = "ID")]
    challenge: Option<String>,
    /// What the challenge is about; without its id, the newest one about this is taken
    #[arg(long, value_parser = choices::<Purpose>())]
    purpose: Option<Purpose>,
    /// The digits to type, instead of asking for them
    #[arg(long, value_parser = digits)]
    digits: Option<String>,
}

/// Opens a verification, has the digits typed, and says what changed.
///
/// # Errors
///
/// When no challenge is pending, or the server does not answer.
pub async fn run(args: VerifyArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let VerifyArgs {
        username,
        domain,
        challenge,
        purpose,
        digits,
    } = args;
    let who = username
        .zip(domain)
        .map(|(username, domain)| Who { username, domain });
    let challenge = challenge.unwrap_or_default();
    let doing = match &who {
        Some(who) => format!("cannot verify {who}"),
        None => format!("cannot verify by the challenge {challenge}"),
    };
    let request = StartVerificationRequest {
        challenge_id: challenge,
        account: who.map(|who| who.key()),
        purpose: purpose.map_or(0, Into::into),
    };
    let started = session
        .client
        .start_verification(request)
        .await
        .map_err(|error| suggest_check(Failure::call(&doing, &error), &error))?;
    session.console.say(&told(&started));
    let digits = match digits {
        Some(digits) => digits,
        None if started.method() == VerificationMethod::Captcha => {
            session.console.ask(&heard(&started)).await?
        }
        None => {
            session
                .console
                .ask_unseen("the caller types the PIN:")
                .await?
        }
    };
    let request = CompleteVerificationRequest {
        verification_id: started.verification_id.clone(),
        digits,
    };
    let completed = session
        .client
        .complete_verification(request)
        .await
        .doing(&doing)?;
    one(&completed, &facts(&completed), session.console)?;
    if completed.limits_asked.is_some() {
        session.console.say(&format!(
            "`tfpsctl learn limits` takes them within ten minutes, with --verification {}",
            started.verification_id
        ));
    }
    Ok(if completed.passed {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// Where a challenge that waits comes from.
fn suggest_check(failure: Failure, error: &Error) -> Failure {
    let reason = error.rejection().map(|rejection| rejection.reason.as_str());
    match (failure.exit, reason) {
        (Exit::NotFound, _) => failure.hint(
            "give --challenge the id that `tfpsctl check` told, or leave it out and give --purpose: the newest is taken",
        ),
        (_, Some("NO_CHALLENGE" | "CHALLENGE_OVER")) => {
            failure.hint("`tfpsctl check` (not a dry run) of a call that is challenged issues another")
        }
        _ => failure,
    }
}

/// What the challenge is about.
fn told(started: &StartVerificationResponse) -> String {
    let what = [choice::<Purpose>(started.purpose), started.country.clone()].join(" ");
    let call = if started.dialed_number.is_empty() {
        String::new()
    } else {
        format!(", for the call to {}", started.dialed_number)
    };
    format!(
        "challenge of {}: {}{call}, until {}",
        name_of(started.account.as_ref()),
        what.trim_end(),
        time::show(started.expires_at.as_ref())
    )
}

/// The captcha that the caller hears, and is to type.
fn heard(started: &StartVerificationResponse) -> String {
    if let (CaptchaKind::Arithmetic, [first, second]) = (started.captcha(), &*started.addends) {
        return format!("the caller hears {first} and {second}, and types the sum:");
    }
    if started.captcha() == CaptchaKind::DigitsAmongWords {
        let spoken = started.spoken.iter().map(|spoken| match spoken.typed {
            true => spoken.digit.to_string(),
            false => format!("not {}", spoken.digit),
        });
        let spoken = spoken.collect::<Vec<_>>().join(", ");
        return format!("the caller hears {spoken}, and types what is not excepted:");
    }
    let spoken: Vec<_> = started.captcha_digits.chars().map(String::from).collect();
    format!("the caller hears {} and types:", spoken.join(" "))
}

fn facts(completed: &CompleteVerificationResponse) -> Facts {
    let mut facts = Facts::default();
    if completed.passed {
        facts.add("verification", Cell::toned("passed", Tone::Good));
        facts.add(
            "change",
            if completed.change.is_empty() {
                "none"
            } else {
                &completed.change
            },
        );
        if let Some(asked) = &completed.limits_asked {
            let most = format!(
                "up to {} calls at once, {} a day",
                asked.max_concurrent_calls, asked.max_daily_quota
            );
            facts.add("limits asked", most);
        }
        return facts;
    }
    facts.add("verification", Cell::toned("not passed", Tone::Bad));
    if completed.locked_until.is_some() {
        let until = format!(
            "until {} (R17)",
            time::show(completed.locked_until.as_ref())
        );
        facts.add("locked", Cell::toned(until, Tone::Bad));
    } else {
        facts.add("attempts left", completed.attempts_left.to_string());
    }
    facts
}

fn digits(text: &str) -> Result<String, String> {
    if text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err("write at most 16 digits".to_owned())
    }
}
