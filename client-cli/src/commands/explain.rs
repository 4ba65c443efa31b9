//! `explain`

use clap::Args;
use tfps_client::v1::{
    AccountKey, ExplainCheckRequest, ExplainCheckResponse, FindingOutcome, RuleFinding,
};

use super::{check, check::CallArgs};
use crate::{
    console::Format,
    failure::{Doing, Exit, Failure},
    output::{Cell, Column, Facts, Listing, Rows, Tone},
    reflection::choice,
    session::Session,
};

/// `explain`
#[derive(Debug, Args)]
#[command(
    after_help = "Nothing is counted, recorded or challenged. The exit code tells whether it could be explained, \
                        not what was decided."
)]
pub struct ExplainArgs {
    /// The user part of the account's SIP URI
    username: String,
    /// The domain of the account's SIP URI
    domain: String,
    /// The number as it was dialed
    number: String,
    #[command(flatten)]
    call: CallArgs,
}

const COLUMNS: [Column<RuleFinding>; 6] = [
    Column::text("", |finding| {
        if finding.decisive {
            ">".into()
        } else {
            "".into()
        }
    }),
    Column::text("RULE", |finding| finding.rule.as_str().into()),
    Column::text("MODE", |finding| finding.mode.as_str().into()),
    Column::text("FINDING", |finding| {
        let name = choice::<FindingOutcome>(finding.outcome);
        match finding.outcome() {
            FindingOutcome::Bit if finding.decisive => Cell::toned(name, Tone::Bad),
            FindingOutcome::Bit => Cell::toned(name, Tone::Caution),
            _ => name.into(),
        }
    }),
    Column::text("CODE", |finding| finding.code.as_str().into()),
    Column::text("DETAIL", |finding| finding.detail.as_str().into()),
];

/// Shows what every rule finds, then the decision.
///
/// # Errors
///
/// When what is given is wrong, or the server does not answer.
pub async fn run(args: ExplainArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let ExplainArgs {
        username,
        domain,
        number,
        call,
    } = args;
    let check = call.request(AccountKey { username, domain }, number, true);
    let request = ExplainCheckRequest {
        check: Some(check.clone()),
    };
    let doing = format!("cannot explain the call to {}", check.dialed_number);
    let explained = session.client.explain_check(request).await.doing(doing)?;
    let console = &mut *session.console;
    match console.format() {
        Format::Table => {
            Rows::new(&COLUMNS, &[], console).write(&explained.findings, console)?;
            console.write("\n")?;
            let mut facts = about(&explained);
            facts.extend(check::facts(
                &explained.decision.unwrap_or_default(),
                &check,
            ));
            facts.write(console)?;
        }
        Format::Json => {
            super::one(&explained, &Facts::default(), console)?;
        }
        Format::Csv => {
            let mut listing = Listing::new(&COLUMNS, console);
            listing.page(&explained.findings, console)?;
            listing.finish("no rules", console)?;
        }
    }
    Ok(Exit::Done)
}

fn about(explained: &ExplainCheckResponse) -> Facts {
    let mut facts = Facts::default();
    facts
        .add(
            "account",
            if explained.account_known {
                "known"
            } else {
                "not known"
            },
        )
        .add("policy", explained.policy.as_str())
        .add("read as", explained.reading.join("; "));
    facts
}
