//! `calls list` `end`

use clap::{ArgGroup, Args, Subcommand};
use tfps_client::v1::{AccountKey, EndCallsRequest, ListCallsRequest, OpenCall};

use super::name_of;
use crate::{
    failure::{Doing, Exit, Failure},
    output::{Column, Listing, Tone},
    session::Session,
    time,
};

/// `calls`
#[derive(Debug, Subcommand)]
pub enum CallsCommand {
    /// Lists the calls in progress, as switches told them
    List(ListArgs),
    /// Orders calls in progress to end; the bridges end them
    End(EndArgs),
}

/// `calls list`
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only this domain
    #[arg(long, default_value = "", hide_default_value = true)]
    domain: String,
    /// Only of this user
    #[arg(long, default_value = "", hide_default_value = true)]
    username: String,
}

/// `calls end`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").args(["username", "number"]).required(true).multiple(true))]
pub struct EndArgs {
    /// Whose calls
    #[arg(requires = "domain")]
    username: Option<String>,
    /// Its domain
    domain: Option<String>,
    /// Only those with this Call-ID, of which there may be several
    #[arg(long, requires = "username", conflicts_with_all = ["number", "decision"])]
    call_id: Option<String>,
    /// Only the one that this decision allowed
    #[arg(
        long,
        value_name = "ID",
        requires = "username",
        conflicts_with = "number"
    )]
    decision: Option<String>,
    /// Calls to this number, in E.164
    #[arg(long)]
    number: Option<String>,
    /// Why, for who wonders later
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

/// How many are fetched at once.
const PAGE: u32 = 1000;

const COLUMNS: [Column<OpenCall>; 8] = [
    Column::text("ACCOUNT", |call| name_of(call.account.as_ref()).into()),
    Column::text("NUMBER", |call| {
        if call.emergency {
            "emergency".into()
        } else {
            call.e164.as_str().into()
        }
    }),
    Column::text("ANSWERED", |call| {
        time::show(call.answered_at.as_ref()).into()
    }),
    Column::number("PRICE", |call| {
        if call.price_is_estimated {
            format!("{} (estimate)", call.price).into()
        } else {
            call.price.as_str().into()
        }
    }),
    Column::number("COST TODAY", |call| {
        if call.charged {
            call.cost_today.as_str().into()
        } else {
            "".into()
        }
    }),
    Column::text("TO END", |call| match &call.hang_up {
        Some(order) => {
            crate::output::Cell::toned(format!("{}: {}", order.code, order.reason), Tone::Caution)
        }
        None => "".into(),
    }),
    Column::text("DECISION", |call| call.decision_id.as_str().into()),
    Column::text("CALL-ID", |call| call.call_id.as_str().into()),
];

/// Runs a command of the group.
///
/// # Errors
///
/// Whatever kept it from being done.
pub async fn run(command: CallsCommand, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match command {
        CallsCommand::List(args) => list(args, session).await,
        CallsCommand::End(args) => end(args, session).await,
    }
}

async fn list(args: ListArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let mut listing = Listing::new(&COLUMNS, session.console);
    let mut request = ListCallsRequest {
        page_size: PAGE,
        domain: args.domain,
        username: args.username,
        ..Default::default()
    };
    loop {
        let page = session
            .client
            .list_calls(request.clone())
            .await
            .doing("cannot list the calls in progress")?;
        listing.page(&page.calls, session.console)?;
        let is_waiting = page.calls.iter().any(|call| call.hang_up.is_some());
        if is_waiting && page.listeners == 0 {
            warn(session);
        }
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    listing.finish("no calls in progress", session.console)?;
    Ok(Exit::Done)
}

async fn end(args: EndArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let account = args.username.zip(args.domain);
    let which = match (&account, &args.number) {
        (Some((username, domain)), None) => format!("the calls of {username} {domain}"),
        (None, number) => format!("the calls to {}", number.as_deref().unwrap_or_default()),
        (Some((username, domain)), Some(number)) => {
            format!("the calls of {username} {domain} to {number}")
        }
    };
    session.console.confirm(&format!("end {which}")).await?;
    let request = EndCallsRequest {
        account: account.map(|(username, domain)| AccountKey { username, domain }),
        call_id: args.call_id.unwrap_or_default(),
        decision_id: args.decision.unwrap_or_default(),
        number: args.number.unwrap_or_default(),
        reason: args.reason,
    };
    let answer = session
        .client
        .end_calls(request)
        .await
        .doing(format!("cannot end {which}"))?;
    let mut listing = Listing::new(&COLUMNS, session.console);
    listing.page(&answer.calls, session.console)?;
    if !answer.calls.is_empty() && answer.listeners == 0 {
        warn(session);
    }
    listing.finish("no such call is in progress", session.console)?;
    Ok(Exit::Done)
}

fn warn(session: &mut Session<'_>) {
    session.console.warn(
        "nobody listens for calls that are to end: no bridge is connected, or it is not told how to end calls",
    );
}
