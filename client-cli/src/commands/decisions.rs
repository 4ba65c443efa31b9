//! `decisions`

use std::{net::IpAddr, time::Duration};

use clap::Args;
use tfps_client::{
    Code,
    v1::{Decision, DecisionFilter, ListDecisionsRequest, Verdict, WatchDecisionsResponse},
};
use tokio::time::sleep;

use super::{check::verdict, name_of, things};
use crate::{
    failure::{Doing, Exit, Failure},
    output::{Cell, Column, Listing},
    reflection::choices,
    session::Session,
    time::{self, Moment},
};

/// How many decisions are fetched at once.
const PAGE: u32 = 500;
/// The first pause before a lost stream is opened again; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// `decisions`
#[derive(Debug, Args)]
pub struct DecisionsArgs {
    /// Only accounts of this domain
    #[arg(long, default_value = "", hide_default_value = true)]
    domain: String,
    /// Only accounts of this name
    #[arg(long, default_value = "", hide_default_value = true)]
    username: String,
    /// Only these codes, as in R06,V03
    #[arg(long = "code", value_name = "CODE", value_delimiter = ',', value_parser = code)]
    codes: Vec<String>,
    /// Only this verdict
    #[arg(long, value_parser = choices::<Verdict>())]
    verdict: Option<Verdict>,
    /// Only calls from this address
    #[arg(long, value_name = "IP")]
    source_ip: Option<IpAddr>,
    /// Only calls to numbers that begin so, in E.164
    #[arg(long, value_name = "PREFIX", value_parser = prefix)]
    number: Option<String>,
    /// Only calls to this country
    #[arg(
        long,
        value_name = "CODE",
        default_value = "",
        hide_default_value = true
    )]
    country: String,
    /// Only the call of this Call-ID
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    call_id: String,
    /// Only this decision
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    id: String,
    /// Only decisions since then: a span back as in 2h, or a time
    #[arg(long, value_name = "WHEN", conflicts_with = "follow")]
    since: Option<Moment>,
    /// Only decisions before then
    #[arg(long, value_name = "WHEN", conflicts_with = "follow")]
    until: Option<Moment>,
    /// How many at the most; 0: all
    #[arg(
        long,
        value_name = "N",
        default_value_t = 50,
        conflicts_with = "follow"
    )]
    limit: u64,
    /// Shows decisions as they are made, until it is stopped
    #[arg(long, short)]
    follow: bool,
}

const COLUMNS: [Column<Decision>; 7] = [
    Column::text("TIME", |decision| time::show(decision.time.as_ref()).into()),
    Column::text("ACCOUNT", |decision| {
        name_of(decision.account.as_ref()).into()
    }),
    Column::text("NUMBER", |decision| number(decision).into()),
    Column::wide("SOURCE", 90, |decision| source(decision).into()),
    Column::text("DECISION", decided),
    Column::wide("USER AGENT", 150, |decision| {
        decision.user_agent.as_str().into()
    }),
    Column::wide("REASON", 110, |decision| decision.reason.as_str().into()),
];

/// The address, its country and its autonomous system, as far as they are known.
fn source(decision: &Decision) -> String {
    let mut source = format!("{} {}", decision.source_ip, decision.source_country);
    if decision.source_asn != 0 {
        source += &format!(" AS{}", decision.source_asn);
    }
    source.trim().to_owned()
}

/// How wide the columns start when decisions come one by one.
const WIDTHS: [u16; 5] = [22, 24, 18, 20, 17];

/// Shows recorded decisions, or follows those that are made.
///
/// # Errors
///
/// When the server does not answer. A stream that is followed is opened again for as long as it takes.
pub async fn run(args: DecisionsArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let moment = |name: &str, moment: Option<Moment>| {
        moment
            .map(|moment| moment.ago(session.now).map(time::message))
            .transpose()
            .map_err(|error| Failure::usage(format!("{name}: {error}")))
    };
    let filter = DecisionFilter {
        since: moment("--since", args.since)?,
        until: moment("--until", args.until)?,
        domain: args.domain,
        username: args.username,
        codes: args.codes,
        verdict: args.verdict.map_or(0, Into::into),
        source_ip: args
            .source_ip
            .map(|address| address.to_string())
            .unwrap_or_default(),
        number_prefix: args.number.unwrap_or_default(),
        destination_country: args.country.to_uppercase(),
        call_id: args.call_id,
        decision_id: args.id,
    };
    if args.follow {
        follow(filter, session).await
    } else {
        list(filter, args.limit, session).await
    }
}

async fn list(
    filter: DecisionFilter,
    limit: u64,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let mut listing = Listing::new(&COLUMNS, session.console);
    let mut left = if limit == 0 { u64::MAX } else { limit };
    let mut request = ListDecisionsRequest {
        filter: Some(filter),
        ..Default::default()
    };
    let mut not_yet_listed = 0;
    loop {
        request.page_size = PAGE.min(u32::try_from(left).unwrap_or(PAGE));
        let mut page = session
            .client
            .list_decisions(request.clone())
            .await
            .doing("cannot list the decisions")?;
        page.decisions
            .truncate(usize::try_from(left).unwrap_or(usize::MAX));
        left -= page.decisions.len() as u64;
        not_yet_listed = page.not_yet_listed.max(not_yet_listed);
        listing.page(&page.decisions, session.console)?;
        if page.next_page_token.is_empty() || left == 0 {
            break;
        }
        request.page_token = page.next_page_token;
    }
    listing.finish("no decisions", session.console)?;
    if not_yet_listed > 0 {
        let number = things(
            not_yet_listed,
            "recorded decision is",
            "recorded decisions are",
        );
        session.console.warn(&format!(
            "{number} not yet in the database, and so not in this list"
        ));
    }
    Ok(Exit::Done)
}

async fn follow(filter: DecisionFilter, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let mut listing = Listing::endless(&COLUMNS, &WIDTHS, session.console);
    let mut pause = FIRST_PAUSE;
    let mut lost = false;
    loop {
        let ended = match session.client.watch_decisions(filter.clone()).await {
            Err(error) => error,
            Ok(mut watch) => {
                if std::mem::take(&mut lost) {
                    session
                        .console
                        .say("following again; decisions that were made meanwhile are not shown");
                }
                loop {
                    match watch.next().await {
                        Ok(answer) => {
                            pause = FIRST_PAUSE;
                            show(&answer, &mut listing, session)?;
                        }
                        Err(error) => break error,
                    }
                }
            }
        };
        if ended.code() != Code::Unavailable {
            return Err(Failure::call("cannot follow the decisions", &ended));
        }
        if !std::mem::replace(&mut lost, true) {
            session
                .console
                .warn(&format!("{ended}; trying again until it works"));
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn show(
    answer: &WatchDecisionsResponse,
    listing: &mut Listing<Decision>,
    session: &mut Session<'_>,
) -> Result<(), Failure> {
    if answer.skipped > 0 {
        let number = things(answer.skipped, "decision was", "decisions were");
        session.console.warn(&format!(
            "{number} skipped: more were made than could be shown"
        ));
    }
    listing.page(answer.decision.as_slice(), session.console)
}

fn number(decision: &Decision) -> String {
    let number = if decision.e164.is_empty() {
        decision.dialed_number.clone()
    } else {
        format!("+{}", decision.e164)
    };
    format!("{number} {}", decision.destination_country)
        .trim_end()
        .to_owned()
}

/// The verdict and code; in parentheses what it would have been.
fn decided(decision: &Decision) -> Cell {
    let mut cell = verdict(decision.verdict(), &decision.code);
    if let Some(instead) = &decision.monitored {
        cell.text.push_str(&format!(" ({})", instead.code));
    }
    cell
}

fn code(text: &str) -> Result<String, String> {
    let code = text.trim().to_uppercase();
    if crate::codes::meaning(&code).is_empty() {
        return Err("the codes are A00, R01 to R21 and V01 to V06".to_owned());
    }
    Ok(code)
}

fn prefix(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(digits.to_owned())
    } else {
        Err("write the first digits of an E.164 number, as in 25261".to_owned())
    }
}
