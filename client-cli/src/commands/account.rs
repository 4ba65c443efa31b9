//! `show` `create` `set` `remove` `reset` `block` `unblock`

use clap::Args;
use tfps_client::{
    Code,
    v1::{
        Account, AccountKey, AccountUsage, BlockAccountRequest, CreateAccountRequest,
        DeleteAccountRequest, GetAccountRequest, ResetUsageRequest, UnblockAccountRequest,
        UpdateAccountRequest,
    },
};

use super::{
    one,
    properties::{Changes, Properties},
};
use crate::{
    console::Format,
    failure::{Doing, Exit, Failure},
    output::{Cell, Facts, Tone, count},
    session::Session,
    time,
};

/// Which account.
#[derive(Debug, Args)]
pub struct Who {
    /// The user part of its SIP URI
    pub username: String,
    /// The domain of its SIP URI
    pub domain: String,
}

impl Who {
    /// The key of the account.
    pub fn key(&self) -> AccountKey {
        AccountKey {
            username: self.username.clone(),
            domain: self.domain.clone(),
        }
    }
}

/// As people write it.
impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.username, self.domain)
    }
}

/// `create`
#[derive(Debug, Args)]
pub struct CreateArgs {
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    properties: Properties,
}

/// `set`
#[derive(Debug, Args)]
pub struct SetArgs {
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    properties: Properties,
    /// Takes its PIN away; the policy's holds then, where it has one
    #[arg(long, conflicts_with = "pin_file")]
    no_pin: bool,
}

/// `block`
#[derive(Debug, Args)]
pub struct BlockArgs {
    #[command(flatten)]
    who: Who,
    /// Why, for who wonders later
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

/// Shows an account.
///
/// # Errors
///
/// When there is none, or the server does not answer.
pub async fn show(who: Who, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let account = get(&who, session).await?;
    one(&account, &facts(&account), session.console)
}

/// Creates an account; what is not given is the policy's for new accounts.
///
/// # Errors
///
/// When it exists, or a value is wrong.
pub async fn create(args: CreateArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let CreateArgs { who, properties } = args;
    if properties.change_countries() {
        return Err(Failure::usage("a new account has no countries to add to or remove from").hint(
            "write the whole list, as in --source-countries US,GB; without it, the policy's for new accounts hold",
        ));
    }
    let doing = format!("cannot create {who}");
    let Changes { account, .. } = properties.changes(&who, &Account::default())?;
    let request = CreateAccountRequest {
        account: Some(account),
    };
    let account = session
        .client
        .create_account(request)
        .await
        .doing(doing)?
        .account
        .unwrap_or_default();
    session.console.say(&format!("created {who}"));
    one(&account, &facts(&account), session.console)
}

/// Changes what is given about an account, and nothing else.
///
/// # Errors
///
/// When there is none, a value is wrong, or nothing is given.
pub async fn set(args: SetArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let SetArgs {
        who,
        properties,
        no_pin,
    } = args;
    let doing = format!("cannot change {who}");
    let mut attempts = 2;
    let account = loop {
        // A list can be added to only as it is: it is read first, and must not have changed when it is written.
        let present = if properties.change_countries() {
            get(&who, session).await?
        } else {
            Account::default()
        };
        let Changes { account, mut paths } = properties.changes(&who, &present)?;
        if no_pin {
            // None is given with it, so that there is none.
            paths.push("pin".to_owned());
        }
        if paths.is_empty() {
            return Err(Failure::usage(format!("nothing to change about {who}"))
                .hint("`tfpsctl set --help` shows what can be changed"));
        }
        attempts -= 1;
        match update(account, paths, session).await {
            Err(error) if error.code() == Code::Aborted && attempts > 0 => {}
            other => break other.doing(&doing)?,
        }
    };
    session.console.say(&format!("changed {who}"));
    one(&account, &facts(&account), session.console)
}

/// Removes an account.
///
/// # Errors
///
/// When there is none, or the answer is no.
pub async fn remove(who: Who, session: &mut Session<'_>) -> Result<Exit, Failure> {
    session.console.confirm(&format!("remove {who}")).await?;
    let request = DeleteAccountRequest {
        account: Some(who.key()),
        etag: String::new(),
    };
    session
        .client
        .delete_account(request)
        .await
        .doing(format!("cannot remove {who}"))
        .map_err(suggest_list)?;
    session.console.say(&format!("removed {who}"));
    Ok(Exit::Done)
}

/// Sets an account's counters to zero. Nothing is lost that is missed, so it does not ask.
///
/// # Errors
///
/// When there is none, or the server does not answer.
pub async fn reset(who: Who, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let request = ResetUsageRequest {
        account: Some(who.key()),
    };
    let answer = session
        .client
        .reset_usage(request)
        .await
        .doing(format!("cannot reset {who}"))
        .map_err(suggest_list)?;
    session.console.say(&format!(
        "reset {who}: quotas and failed verifications count from zero"
    ));
    brief(answer.account, session)
}

/// Blocks an account.
///
/// # Errors
///
/// When there is none, or the server does not answer.
pub async fn block(args: BlockArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let BlockArgs { who, reason } = args;
    let request = BlockAccountRequest {
        account: Some(who.key()),
        reason,
    };
    let answer = session
        .client
        .block_account(request)
        .await
        .doing(format!("cannot block {who}"))
        .map_err(suggest_list)?;
    session
        .console
        .say(&format!("blocked {who}: its calls are denied (R16)"));
    brief(answer.account, session)
}

/// Takes a block back.
///
/// # Errors
///
/// When there is none, or the server does not answer.
pub async fn unblock(who: Who, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let request = UnblockAccountRequest {
        account: Some(who.key()),
    };
    let answer = session
        .client
        .unblock_account(request)
        .await
        .doing(format!("cannot unblock {who}"))
        .map_err(suggest_list)?;
    session.console.say(&format!("unblocked {who}"));
    brief(answer.account, session)
}

async fn get(who: &Who, session: &Session<'_>) -> Result<Account, Failure> {
    let request = GetAccountRequest {
        account: Some(who.key()),
    };
    let answer = session
        .client
        .get_account(request)
        .await
        .doing(format!("cannot show {who}"))
        .map_err(suggest_list)?;
    Ok(answer.account.unwrap_or_default())
}

async fn update(
    account: Account,
    paths: Vec<String>,
    session: &Session<'_>,
) -> Result<Account, tfps_client::Error> {
    let update_mask = Some(prost_types::FieldMask { paths });
    let request = UpdateAccountRequest {
        account: Some(account),
        update_mask,
    };
    Ok(session
        .client
        .update_account(request)
        .await?
        .account
        .unwrap_or_default())
}

/// An account that says no more than which it is.
pub(super) fn named(who: &Who) -> Account {
    let AccountKey { username, domain } = who.key();
    Account {
        username,
        domain,
        ..Default::default()
    }
}

/// For a program, the account after the change; a person was told in words.
fn brief(account: Option<Account>, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match session.console.format() {
        Format::Table => Ok(Exit::Done),
        _ => one(
            &account.unwrap_or_default(),
            &Facts::default(),
            session.console,
        ),
    }
}

fn suggest_list(failure: Failure) -> Failure {
    if failure.exit == Exit::NotFound {
        failure.hint("`tfpsctl list` shows the accounts")
    } else {
        failure
    }
}

fn facts(account: &Account) -> Facts {
    let limits = account.limits.unwrap_or_default();
    let usage = account.usage.clone().unwrap_or_default();
    let mut facts = Facts::default();
    facts.add(
        "account",
        format!("{}@{}", account.username, account.domain),
    );
    if account.blocked {
        let why = if account.block_reason.is_empty() {
            String::new()
        } else {
            format!(": {}", account.block_reason)
        };
        facts.add("blocked", Cell::toned(format!("yes{why}"), Tone::Bad));
    }
    if usage.locked_until.is_some() {
        let until = format!(
            "until {} after failed verifications (R17)",
            time::show(usage.locked_until.as_ref())
        );
        facts.add("locked", Cell::toned(until, Tone::Bad));
    }
    facts
        .add(
            "concurrent calls",
            format!(
                "{}, off hours {}; now {}",
                limits.concurrent_calls(),
                limits.concurrent_calls_off_hours(),
                usage.concurrent_calls
            ),
        )
        .add(
            "daily quota",
            format!(
                "{}{}, off hours {}{}; today {} and {}",
                count(limits.daily_quota().into()),
                raised(usage.quota_raised_today),
                count(limits.daily_quota_off_hours().into()),
                raised(usage.quota_off_hours_raised_today),
                count(usage.calls_today.into()),
                count(usage.calls_today_off_hours.into())
            ),
        )
        .add_some("exposure", exposure(&usage))
        .add("source countries", or_none(&account.source_countries))
        .add(
            "destination countries",
            or_none(&account.destination_countries),
        );
    for grant in &account.grants {
        let direction = if grant.source {
            "source"
        } else {
            "destination"
        };
        let calls = grant
            .calls_left
            .map(|calls| format!(", {calls} more calls"))
            .unwrap_or_default();
        let until = time::show(grant.expires_at.as_ref());
        facts.add(
            "opened for a while",
            format!("{direction} {}, until {until}{calls}", grant.country),
        );
    }
    facts
        .add(
            "policy",
            if account.policy.is_empty() {
                "default"
            } else {
                &account.policy
            },
        )
        .add_some("email", account.email_address.as_str())
        .add("PIN", if account.has_pin { "set" } else { "none" });
    if usage.verifications_passed_today > 0 {
        facts.add(
            "verifications passed",
            format!("{} today", usage.verifications_passed_today),
        );
    }
    if usage.failed_verifications > 0 {
        facts.add(
            "failed verifications",
            Cell::toned(usage.failed_verifications.to_string(), Tone::Caution),
        );
    }
    facts
        .add_some("created", time::show(account.create_time.as_ref()))
        .add_some("changed", time::show(account.update_time.as_ref()));
    facts
}

/// By how much a quota is raised for today.
fn raised(calls: u32) -> String {
    if calls == 0 {
        return String::new();
    }
    format!(" and {calls} for today")
}

fn or_none(countries: &[String]) -> String {
    if countries.is_empty() {
        "none".to_owned()
    } else {
        countries.join(", ")
    }
}

/// What the day's calls have come to, where the policy caps that.
fn exposure(usage: &AccountUsage) -> String {
    if usage.cost_today.is_empty() {
        return String::new();
    }
    let minutes = usage.international_seconds_today / 60;
    let estimate = if usage.cost_is_estimated {
        " (an estimate)"
    } else {
        ""
    };
    format!(
        "cost {}{estimate} today, {minutes} minutes abroad",
        usage.cost_today
    )
}
