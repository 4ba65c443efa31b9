//! `entries list` `add` `remove`

use std::time::Duration;

use clap::{Args, Subcommand};
use tfps_client::v1::{
    DeleteEntriesRequest, Entry, EntryAction, EntryFilter, EntryKind, ListEntriesRequest,
    PutEntriesRequest,
};

use super::{import, one, things};
use crate::{
    failure::{Doing, Exit, Failure},
    output::{Cell, Column, Facts, Listing, Tone},
    reflection::{choice, choices},
    session::Session,
    time::{self, Moment},
};

/// How many entries are fetched at once.
const PAGE: u32 = 1000;
/// How long to wait at least while a large list goes.
const LARGE: Duration = Duration::from_secs(120);

/// `entries`
#[derive(Debug, Subcommand)]
pub enum EntriesCommand {
    /// Lists entries
    List(ListArgs),
    /// Adds an entry, or replaces it
    Add(AddArgs),
    /// Removes entries by value, or all that came from a source
    Remove(RemoveArgs),
    /// Imports a file with an entry a line, all or nothing
    Import(import::ImportArgs),
}

/// `entries list`
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only entries of this kind
    #[arg(long, value_parser = choices::<EntryKind>())]
    kind: Option<EntryKind>,
    /// Only entries that do this
    #[arg(long, value_parser = choices::<EntryAction>())]
    action: Option<EntryAction>,
    /// Only this domain's; an empty one stands for entries that hold for all
    #[arg(long)]
    domain: Option<String>,
    /// Only entries that came from this source
    #[arg(long, default_value = "", hide_default_value = true)]
    source: String,
    /// Only entries that this address, number or user agent would match
    #[arg(
        long,
        value_name = "VALUE",
        requires = "kind",
        default_value = "",
        hide_default_value = true
    )]
    matching: String,
}

/// `entries add`
#[derive(Debug, Args)]
pub struct AddArgs {
    /// What it lists
    #[arg(value_parser = choices::<EntryKind>())]
    kind: EntryKind,
    /// The address or CIDR, the E.164 number or prefix, or the regular expression on the user agent
    value: String,
    /// What it does
    #[arg(long, value_parser = choices::<EntryAction>())]
    action: EntryAction,
    /// Why, for who wonders later
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    /// Where it comes from [default: operator]
    #[arg(long, default_value = "", hide_default_value = true)]
    source: String,
    /// The domain it holds for; without it, all
    #[arg(long, default_value = "", hide_default_value = true)]
    domain: String,
    /// When it goes by itself: a span as in 7d, or a time
    #[arg(long, value_name = "WHEN")]
    expires: Option<Moment>,
}

/// `entries remove`
#[derive(Debug, Args)]
#[command(
    override_usage = "tfpsctl entries remove [OPTIONS] <KIND> <VALUE>\n       \
                            tfpsctl entries remove [OPTIONS] --source <SOURCE> [KIND]"
)]
pub struct RemoveArgs {
    /// What it lists
    #[arg(value_parser = choices::<EntryKind>(), required_unless_present = "source")]
    kind: Option<EntryKind>,
    /// Its value
    #[arg(required_unless_present = "source")]
    value: Option<String>,
    /// All that came from this source
    #[arg(long)]
    source: Option<String>,
    /// Only entries that do this
    #[arg(long, value_parser = choices::<EntryAction>())]
    action: Option<EntryAction>,
    /// Only this domain's; an empty one stands for entries that hold for all
    #[arg(long)]
    domain: Option<String>,
}

const COLUMNS: [Column<Entry>; 7] = [
    Column::text("KIND", |entry| choice::<EntryKind>(entry.kind).into()),
    Column::text("VALUE", |entry| entry.value.as_str().into()),
    Column::text("ACTION", |entry| {
        let tone = if entry.action() == EntryAction::Allow {
            Tone::Good
        } else {
            Tone::Bad
        };
        Cell::toned(choice::<EntryAction>(entry.action), tone)
    }),
    Column::text("DOMAIN", |entry| entry.domain.as_str().into()),
    Column::text("SOURCE", |entry| entry.source.as_str().into()),
    Column::text("EXPIRES", |entry| {
        time::show(entry.expires_at.as_ref()).into()
    }),
    Column::text("REASON", |entry| entry.reason.as_str().into()),
];

/// Runs a command of the group.
///
/// # Errors
///
/// Whatever kept it from being done.
pub async fn run(command: EntriesCommand, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match command {
        EntriesCommand::List(args) => list(args, session).await,
        EntriesCommand::Add(args) => add(args, session).await,
        EntriesCommand::Remove(args) => remove(args, session).await,
        EntriesCommand::Import(args) => import::run(args, session).await,
    }
}

async fn list(args: ListArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let filter = EntryFilter {
        kind: args.kind.map_or(0, Into::into),
        action: args.action.map_or(0, Into::into),
        domain: args.domain,
        source: args.source,
        matching: args.matching,
        ..Default::default()
    };
    let mut listing = Listing::new(&COLUMNS, session.console);
    let mut request = ListEntriesRequest {
        page_size: PAGE,
        filter: Some(filter),
        ..Default::default()
    };
    loop {
        let page = session
            .client
            .list_entries(request.clone())
            .await
            .doing("cannot list the entries")?;
        listing.page(&page.entries, session.console)?;
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    listing.finish("no entries", session.console)?;
    Ok(Exit::Done)
}

async fn add(args: AddArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let entry = Entry {
        kind: args.kind.into(),
        value: args.value,
        action: args.action.into(),
        domain: args.domain,
        reason: args.reason,
        source: args.source,
        expires_at: expiry(args.expires, session)?,
        ..Default::default()
    };
    let what = format!("{} {}", choice::<EntryKind>(entry.kind), entry.value);
    let request = PutEntriesRequest {
        entries: vec![entry],
    };
    let answer = session
        .client
        .put_entries(request)
        .await
        .doing(format!("cannot add {what}"))?;
    session.console.say(&format!(
        "{} {what}",
        if answer.replaced > 0 {
            "replaced"
        } else {
            "added"
        }
    ));
    one(&answer, &Facts::default(), session.console)
}

async fn remove(args: RemoveArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let filter = EntryFilter {
        kind: args.kind.map_or(0, Into::into),
        action: args.action.map_or(0, Into::into),
        value: args.value.unwrap_or_default(),
        domain: args.domain,
        source: args.source.unwrap_or_default(),
        ..Default::default()
    };
    if filter.value.is_empty() && filter.source.is_empty() {
        return Err(Failure::usage(
            "neither a value nor a source is given: that would remove them all",
        ));
    }
    let request = ListEntriesRequest {
        page_size: 1,
        filter: Some(filter.clone()),
        ..Default::default()
    };
    let found = session
        .client
        .list_entries(request)
        .await
        .doing("cannot look for the entries")?;
    if found.entries.is_empty() {
        return Err(Failure::new(Exit::NotFound, "no entry matches")
            .hint("`tfpsctl entries list --kind KIND --matching VALUE` shows those that an address, number or user agent matches"));
    }
    let number = things(found.total_size.max(1), "entry", "entries");
    let question = match (&filter.value, &filter.source) {
        (value, source) if value.is_empty() => format!("remove {number} that came from {source}"),
        (value, _) => format!("remove {number} of value {value}"),
    };
    session.console.confirm(&question).await?;
    let request = DeleteEntriesRequest {
        filter: Some(filter),
    };
    let patience = session
        .client
        .deadline()
        .map(|deadline| deadline.max(LARGE));
    let answer = session
        .client
        .with_deadline(patience)
        .delete_entries(request)
        .await
        .doing("cannot remove the entries")?;
    session.console.say(&format!(
        "removed {}",
        things(answer.deleted, "entry", "entries")
    ));
    one(&answer, &Facts::default(), session.console)
}

/// When an entry or token goes by itself.
pub(super) fn expiry(
    expires: Option<Moment>,
    session: &Session<'_>,
) -> Result<Option<prost_types::Timestamp>, Failure> {
    let Some(expires) = expires else {
        return Ok(None);
    };
    let at = expires
        .ahead(session.now)
        .map_err(|error| Failure::usage(format!("--expires: {error}")))?;
    if at <= session.now {
        return Err(Failure::usage(format!("--expires: {at} is past")));
    }
    Ok(Some(time::message(at)))
}
