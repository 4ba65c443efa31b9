//! `list`

use clap::Args;
use tfps_client::v1::{Account, Limits, ListAccountsRequest};

use crate::{
    failure::{Doing, Exit, Failure},
    output::{Cell, Column, Listing, Tone},
    session::Session,
    time,
};

/// How many accounts are fetched at once.
const PAGE: u32 = 1000;

/// `list`
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only this domain
    #[arg(long)]
    domain: Option<String>,
    /// Only usernames that start with this
    #[arg(long)]
    prefix: Option<String>,
    /// Only accounts that are blocked
    #[arg(long)]
    blocked: bool,
}

const COLUMNS: [Column<Account>; 8] = [
    Column::text("USERNAME", |account| account.username.as_str().into()),
    Column::text("DOMAIN", |account| account.domain.as_str().into()),
    Column::text("CREATED", |account| {
        time::show_day(account.create_time.as_ref()).into()
    }),
    Column::number("CALLS", |account| {
        limits(account, |of| {
            (of.concurrent_calls(), of.concurrent_calls_off_hours())
        })
    }),
    Column::number("QUOTA", |account| {
        limits(account, |of| (of.daily_quota(), of.daily_quota_off_hours()))
    }),
    Column::text("SOURCES", |account| {
        account.source_countries.join(",").into()
    }),
    Column::text("DESTINATIONS", |account| {
        account.destination_countries.join(",").into()
    }),
    Column::text("", |account| {
        if account.blocked {
            Cell::toned("blocked", Tone::Bad)
        } else {
            "".into()
        }
    }),
];

/// Lists accounts page by page, so that a million of them need no memory.
///
/// # Errors
///
/// When the server does not answer, or standard output can't be written.
pub async fn run(args: ListArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let mut listing = Listing::new(&COLUMNS, session.console);
    let mut request = ListAccountsRequest {
        page_size: PAGE,
        domain: args.domain.unwrap_or_default(),
        username_prefix: args.prefix.unwrap_or_default(),
        blocked: args.blocked.then_some(true),
        ..Default::default()
    };
    loop {
        let page = session
            .client
            .list_accounts(request.clone())
            .await
            .doing("cannot list the accounts")?;
        listing.page(&page.accounts, session.console)?;
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    listing.finish("no accounts", session.console)?;
    Ok(Exit::Done)
}

/// Business and off hours: `2/0`.
fn limits(account: &Account, pair: fn(&Limits) -> (u32, u32)) -> Cell {
    let (business, off) = pair(&account.limits.unwrap_or_default());
    format!("{business}/{off}").into()
}
