//! `check`

use std::path::PathBuf;

use clap::Args;
use tfps_client::v1::{
    AccountKey, CallUsage, CheckRequest, CheckResponse, NumberKind, Purpose, Verdict,
};

use super::{check_file, one};
use crate::{
    failure::{Doing, Exit, Failure},
    output::{Cell, Facts, Tone},
    reflection::choice,
    session::Session,
    time,
};

/// `check`
#[derive(Debug, Args)]
#[command(
    override_usage = "tfpsctl check [OPTIONS] <USERNAME> <DOMAIN> <NUMBER>\n       tfpsctl check [OPTIONS] --file <FILE>",
    after_help = "\
Exit codes: 0 allowed, 3 denied, 4 challenged; with --file: 0 when every line was decided.

The file is CSV. Its header names the columns in any order: username, domain, dialed (required), time, caller, \
source_ip, user_agent, concurrent_calls, call_id, duration. The time counts with --dry-run only; the duration is not \
looked at."
)]
pub struct CheckArgs {
    /// The user part of the account's SIP URI
    #[arg(required_unless_present = "file", requires = "domain")]
    username: Option<String>,
    /// The domain of the account's SIP URI
    #[arg(requires = "number")]
    domain: Option<String>,
    /// The number as it was dialed
    number: Option<String>,
    #[command(flatten)]
    call: CallArgs,
    /// Decides without counting, recording or challenging
    #[arg(long)]
    dry_run: bool,
    /// Decides the calls of a CSV file; `-` is standard input
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = [
            "username", "source_ip", "user_agent", "caller", "concurrent_calls", "call_id", "attempt_key",
            "forwarded_from", "trunk", "at",
        ]
    )]
    file: Option<PathBuf>,
}

/// What is known about a call attempt.
#[derive(Debug, Args)]
pub struct CallArgs {
    /// The address the caller's signalling came from
    #[arg(long, value_name = "IP")]
    source_ip: Option<std::net::IpAddr>,
    /// The User-Agent header of the INVITE
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    user_agent: String,
    /// The calling number
    #[arg(
        long,
        value_name = "NUMBER",
        default_value = "",
        hide_default_value = true
    )]
    caller: String,
    /// The account's calls in progress, this one included
    #[arg(long, value_name = "N")]
    concurrent_calls: Option<u32>,
    /// The Call-ID of the INVITE; asked again at once with all else the same, a call counts once
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    call_id: String,
    /// The switch's own key of the attempt
    #[arg(
        long,
        value_name = "KEY",
        default_value = "",
        hide_default_value = true
    )]
    attempt_key: String,
    /// The forwarding party (Diversion)
    #[arg(
        long,
        value_name = "NUMBER",
        default_value = "",
        hide_default_value = true
    )]
    forwarded_from: String,
    /// The trunk the call came over
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    trunk: String,
    /// Decides as if it were this time, as in 2026-06-08T23:30+02:00; with a dry run only
    #[arg(long, value_name = "TIME", value_parser = time::instant)]
    at: Option<jiff::Timestamp>,
}

impl CallArgs {
    /// The request that says all this.
    pub fn request(
        self,
        account: AccountKey,
        dialed_number: String,
        dry_run: bool,
    ) -> CheckRequest {
        CheckRequest {
            account: Some(account),
            dialed_number,
            caller_number: self.caller,
            source_ip: self
                .source_ip
                .map(|address| address.to_string())
                .unwrap_or_default(),
            user_agent: self.user_agent,
            concurrent_calls: self.concurrent_calls,
            call_id: self.call_id,
            attempt_key: self.attempt_key,
            forwarded_from: self.forwarded_from,
            trunk: self.trunk,
            dry_run,
            at: self.at.map(time::message),
        }
    }
}

/// Decides one call attempt, or a file of them.
///
/// # Errors
///
/// When what is given is wrong, or the server does not answer. A call that is fraud is no error.
pub async fn run(args: CheckArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let CheckArgs {
        username,
        domain,
        number,
        call,
        dry_run,
        file,
    } = args;
    if let Some(file) = file {
        return check_file::run(&file, dry_run, session).await;
    }
    if call.at.is_some() && !dry_run {
        return Err(Failure::usage(
            "--at needs --dry-run: a call that counts is decided as of now",
        ));
    }
    let account = AccountKey {
        username: username.unwrap_or_default(),
        domain: domain.unwrap_or_default(),
    };
    let request = call.request(account, number.unwrap_or_default(), dry_run);
    let doing = format!("cannot check the call to {}", request.dialed_number);
    let decision = session.client.check(request.clone()).await.doing(doing)?;
    one(&decision, &facts(&decision, &request), session.console)?;
    Ok(exit(decision.verdict()))
}

/// What a verdict ends the command with.
fn exit(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Allow => Exit::Done,
        Verdict::Deny => Exit::Denied,
        Verdict::Challenge => Exit::Challenged,
        Verdict::Unspecified => Exit::Failed,
    }
}

/// A verdict and its code.
pub(super) fn verdict(verdict: Verdict, code: &str) -> Cell {
    let tone = match verdict {
        Verdict::Allow => Tone::Good,
        Verdict::Challenge => Tone::Caution,
        Verdict::Deny | Verdict::Unspecified => Tone::Bad,
    };
    Cell::toned(
        format!("{} {code}", choice::<Verdict>(verdict.into())),
        tone,
    )
}

/// A decision, a line each thing that is known.
pub(super) fn facts(decision: &CheckResponse, request: &CheckRequest) -> Facts {
    let mut facts = Facts::default();
    facts
        .add("verdict", verdict(decision.verdict(), &decision.code))
        .add("reason", decision.reason.as_str());
    if let Some(instead) = &decision.monitored {
        let Cell { text, .. } = verdict(instead.verdict(), &instead.code);
        facts.add(
            "would have been",
            Cell::toned(format!("{text}, {}", instead.reason), Tone::Caution),
        );
    }
    facts
        .add("number", number(&request.dialed_number, decision))
        .add_some(
            "source",
            match (request.source_ip.as_str(), decision.source_country.as_str()) {
                ("", country) => country.to_owned(),
                (address, "") => address.to_owned(),
                (address, country) => format!("{address}, {country}"),
            },
        );
    facts.add(
        "hours",
        if decision.off_hours {
            "off hours"
        } else {
            "business hours"
        },
    );
    if let Some(usage) = decision
        .usage
        .filter(|usage| *usage != CallUsage::default())
    {
        facts.add(
            "usage",
            format!(
                "{} of {} calls at once, {} of {} calls today",
                usage.concurrent_calls,
                usage.concurrent_limit,
                usage.calls_today,
                usage.daily_quota
            ),
        );
    }
    if let Some(risk) = &decision.risk {
        let signals: Vec<_> = risk
            .signals
            .iter()
            .map(|signal| format!("{:+} {} ({})", signal.weight, signal.name, signal.evidence))
            .collect();
        let signals = if signals.is_empty() {
            String::new()
        } else {
            format!(": {}", signals.join(", "))
        };
        facts.add("risk", format!("{} of 100{signals}", risk.score));
    }
    if let Some(challenge) = &decision.challenge {
        let until = time::show(challenge.expires_at.as_ref());
        let purpose = choice::<Purpose>(challenge.purpose);
        let purpose = [purpose.as_str(), challenge.country.as_str()].join(" ");
        facts.add(
            "challenge",
            format!("{}, {}, until {until}", challenge.id, purpose.trim_end()),
        );
    }
    if let Some(sip) = &decision.sip {
        let mut answer = Vec::new();
        if sip.status != 0 {
            answer.push(sip.status.to_string());
        }
        if !sip.contact_user.is_empty() {
            answer.push(format!("Contact user {}", sip.contact_user));
        }
        if !sip.media_user.is_empty() {
            answer.push(format!("relay to the media server as {}", sip.media_user));
        }
        facts.add_some("SIP answer", answer.join(", "));
    }
    facts.add_some("decision", decision.decision_id.as_str());
    facts
}

fn number(dialed: &str, decision: &CheckResponse) -> String {
    let mut parts = vec![dialed.to_owned()];
    let e164 = format!("+{}", decision.e164);
    if !decision.e164.is_empty() && e164 != dialed {
        parts.push(e164);
    }
    parts.extend(
        [&decision.destination_country]
            .into_iter()
            .filter(|country| !country.is_empty())
            .cloned(),
    );
    parts.extend(Some(choice::<NumberKind>(decision.number_kind)).filter(|kind| !kind.is_empty()));
    parts.join(", ")
}
