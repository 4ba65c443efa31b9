//! `locks` `unlock`

use clap::{ArgGroup, Args};
use tfps_client::v1::{AccountKey, ListLocksRequest, Lock, LockKind, UnlockRequest};

use super::things;
use crate::{
    failure::{Doing, Exit, Failure},
    output::{Column, Listing, count},
    reflection::choice,
    session::Session,
    time,
};

/// `locks`
#[derive(Debug, Args)]
pub struct LocksArgs {
    /// Only this domain
    #[arg(long, default_value = "", hide_default_value = true)]
    domain: String,
}

/// `unlock`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").args(["username", "source", "trunk", "policy_pin"]).required(true))]
pub struct UnlockArgs {
    /// The user part of the account's SIP URI, known or not
    #[arg(requires = "its_domain")]
    username: Option<String>,
    /// The account's domain
    #[arg(value_name = "DOMAIN")]
    its_domain: Option<String>,
    /// An address, or a network as `locks` shows it
    #[arg(long, requires = "domain")]
    source: Option<String>,
    /// A trunk
    #[arg(long, requires = "domain")]
    trunk: Option<String>,
    /// The policy whose PIN is locked
    #[arg(long, requires = "domain", value_name = "POLICY")]
    policy_pin: Option<String>,
    /// For accounts of which domain; with --source, --trunk and --policy-pin
    #[arg(long, conflicts_with = "username")]
    domain: Option<String>,
}

const COLUMNS: [Column<Lock>; 7] = [
    Column::text("LOCKED", |lock| choice::<LockKind>(lock.kind).into()),
    Column::text("WHICH", |lock| which(lock).into()),
    Column::text("ACCOUNTS", |lock| accounts(lock).into()),
    Column::number("FAILURES", |lock| count(lock.failures.into()).into()),
    Column::text("SINCE", |lock| time::show(lock.since.as_ref()).into()),
    Column::text("UNTIL", |lock| time::show(lock.until.as_ref()).into()),
    Column::text("FROM", |lock| from(lock).into()),
];

/// The account; the network, trunk or policy.
fn which(lock: &Lock) -> String {
    match lock.kind() {
        LockKind::Account => format!("{}@{}", lock.username, lock.domain),
        LockKind::Source => lock.source.clone(),
        LockKind::Trunk => lock.trunk.clone(),
        LockKind::PolicyPin => lock.policy.clone(),
        LockKind::Unspecified => String::new(),
    }
}

/// Whose verifications are concerned.
fn accounts(lock: &Lock) -> String {
    let known = if lock.known { "known" } else { "unknown" };
    match lock.kind() {
        LockKind::Account => known.to_owned(),
        LockKind::PolicyPin => lock.domain.clone(),
        _ => format!("{known}, {}", lock.domain),
    }
}

/// Where an account's last failure came from.
fn from(lock: &Lock) -> &str {
    match lock.kind() {
        LockKind::Account => &lock.source,
        _ => "",
    }
}

/// Lists what failed verifications have locked.
///
/// # Errors
///
/// When the server does not answer, or standard output can't be written.
pub async fn list(args: LocksArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let request = ListLocksRequest {
        domain: args.domain,
        max_size: 10_000,
    };
    let answer = session.client.list_locks(request).await;
    let answer = answer.doing("cannot list the locks")?;
    let mut listing = Listing::new(&COLUMNS, session.console);
    listing.page(&answer.locks, session.console)?;
    listing.finish("nothing is locked", session.console)?;
    let more = answer.total_size.saturating_sub(answer.locks.len() as u64);
    if more > 0 {
        let more = things(more, "more lock is", "more locks are");
        session.console.warn(&format!("{more} not shown"));
    }
    Ok(Exit::Done)
}

/// Ends locks. The failures that led to them are forgotten.
///
/// # Errors
///
/// When nothing has failed, or the server does not answer.
pub async fn unlock(args: UnlockArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let UnlockArgs {
        username,
        its_domain,
        source,
        trunk,
        policy_pin,
        domain,
    } = args;
    let request = UnlockRequest {
        account: username.map(|username| AccountKey {
            username,
            domain: its_domain.unwrap_or_default(),
        }),
        domain: domain.unwrap_or_default(),
        source: source.unwrap_or_default(),
        trunk: trunk.unwrap_or_default(),
        policy: policy_pin.unwrap_or_default(),
    };
    let what = named(&request);
    let answer = session.client.unlock(request).await;
    answer.doing(format!("cannot unlock {what}"))?;
    session.console.say(&format!(
        "unlocked {what}: failed verifications count from zero"
    ));
    Ok(Exit::Done)
}

fn named(request: &UnlockRequest) -> String {
    match &request.account {
        Some(account) => format!("{}@{}", account.username, account.domain),
        None => {
            let which = [
                ("source", &request.source),
                ("trunk", &request.trunk),
                ("the PIN of policy", &request.policy),
            ]
            .into_iter()
            .find(|(_, name)| !name.is_empty());
            let which = which.map_or_else(String::new, |(what, name)| format!("{what} {name}"));
            format!("{which} for {}", request.domain)
        }
    }
}
