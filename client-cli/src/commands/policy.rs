//! `policy list` `show` `put` `set` `delete`

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use tfps_client::{
    Code,
    v1::{
        DeletePolicyRequest, GetPolicyRequest, ListPoliciesRequest, Policy, PutPolicyRequest,
        ResponseMode, VerificationMethod,
    },
};

use super::{one, policy_edit};
use crate::{
    console::Format,
    document,
    failure::{Doing, Exit, Failure},
    output::{Cell, Column, Facts, Listing, Tone, visible},
    reflection::choice,
    session::Session,
    time,
};

/// `policy`
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Lists policies
    List(ListArgs),
    /// Shows a policy as a TOML document
    Show(Which),
    /// Creates or replaces a policy from a TOML or JSON document
    Put(PutArgs),
    /// Changes some keys of a policy
    Set(SetArgs),
    /// Opens a policy in $VISUAL or $EDITOR and puts it back
    Edit(Which),
    /// Deletes a policy that no account names
    Delete(Which),
}

/// `policy list`
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only this domain's; an empty one stands for general policies
    #[arg(long)]
    domain: Option<String>,
}

/// Which policy.
#[derive(Debug, Args)]
pub struct Which {
    /// Its name
    pub name: String,
    /// The domain it belongs to; without it, a general policy
    #[arg(long, default_value = "", hide_default_value = true)]
    pub domain: String,
}

/// As people write it.
impl std::fmt::Display for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", title(&self.name, &self.domain))
    }
}

/// `policy put`
#[derive(Debug, Args)]
pub struct PutArgs {
    /// The document; `-` is standard input
    file: PathBuf,
    /// The domain it belongs to, instead of the document's
    #[arg(long)]
    domain: Option<String>,
}

/// `policy set`
#[derive(Debug, Args)]
#[command(
    after_help = "Example: tfpsctl policy set default blocked_countries=CU,LV verification.max_failures=4 \
                        --rule destination-country=challenge"
)]
pub struct SetArgs {
    #[command(flatten)]
    which: Which,
    /// Keys of the document, dotted, and their values; lists with commas
    #[arg(value_name = "KEY=VALUE", value_parser = pair, required_unless_present = "rules")]
    keys: Vec<(String, String)>,
    /// A rule's mode, as in destination-country=enforce
    #[arg(long = "rule", value_name = "NAME=MODE", value_parser = pair)]
    rules: Vec<(String, String)>,
}

const COLUMNS: [Column<Policy>; 7] = [
    Column::text("NAME", |policy| policy.name.as_str().into()),
    Column::text("DOMAIN", |policy| policy.domain.as_str().into()),
    Column::text("", |policy| {
        if policy.monitor {
            Cell::toned("monitors", Tone::Caution)
        } else {
            "".into()
        }
    }),
    Column::text("ANSWERS", |policy| {
        choice::<ResponseMode>(policy.response_mode).into()
    }),
    Column::text("VERIFICATION", |policy| {
        choice::<VerificationMethod>(
            policy
                .verification
                .as_ref()
                .map_or(0, |verification| verification.method),
        )
        .into()
    }),
    Column::text("TIME ZONE", |policy| policy.time_zone.as_str().into()),
    Column::wide("DESCRIPTION", 100, |policy| {
        policy.description.as_str().into()
    }),
];

/// Runs a command of the group.
///
/// # Errors
///
/// Whatever kept it from being done.
pub async fn run(command: PolicyCommand, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match command {
        PolicyCommand::List(args) => list(args, session).await,
        PolicyCommand::Show(which) => show(&which, session).await,
        PolicyCommand::Put(args) => put(args, session).await,
        PolicyCommand::Set(args) => set(args, session).await,
        PolicyCommand::Edit(which) => policy_edit::run(&which, session).await,
        PolicyCommand::Delete(which) => delete(which, session).await,
    }
}

async fn list(args: ListArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let mut listing = Listing::new(&COLUMNS, session.console);
    let mut request = ListPoliciesRequest {
        domain: args.domain,
        ..Default::default()
    };
    loop {
        let page = session
            .client
            .list_policies(request.clone())
            .await
            .doing("cannot list the policies")?;
        listing.page(&page.policies, session.console)?;
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    listing.finish("no policies", session.console)?;
    Ok(Exit::Done)
}

async fn show(which: &Which, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let policy = get(which, session).await?;
    if session.console.format() != Format::Table {
        return one(&policy, &Facts::default(), session.console);
    }
    let mut comments = String::new();
    let changed = time::show(policy.update_time.as_ref());
    if !changed.is_empty() {
        comments.push_str(&format!("# changed {changed}\n"));
    }
    if policy
        .verification
        .as_ref()
        .is_some_and(|verification| verification.has_pin)
    {
        comments.push_str("# it has a PIN, which is not shown\n");
    }
    for notice in &policy.notices {
        comments.push_str(&format!("# notice: {}\n", visible(notice)));
    }
    session.console.write(&(comments + &shown(&policy)))?;
    Ok(Exit::Done)
}

async fn put(args: PutArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let PutArgs { file, domain } = args;
    let (text, name) = read(&file)?;
    let mut policy = document::parse(&text)
        .map_err(|error| Failure::usage(format!("cannot take {name}: {error}")))?;
    if let Some(domain) = domain {
        policy.domain = domain;
    }
    let title = title(&policy.name, &policy.domain);
    let guarded = !policy.etag.is_empty();
    let stored = send(policy, session).await.doing(format!("cannot put {title}")).map_err(|failure| {
        if failure.exit == Exit::Conflict && guarded {
            failure.hint("it changed after this document was taken; without `etag` in it, the document replaces it")
        } else {
            failure
        }
    })?;
    session.console.say(&format!("put {title}"));
    told(&stored, session)
}

async fn set(args: SetArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let SetArgs { which, keys, rules } = args;
    let mut attempts = 2;
    let stored = loop {
        let mut policy = get(&which, session).await?;
        for (key, value) in &keys {
            document::set(&mut policy, key, value)
                .map_err(|error| Failure::usage(error.to_string()))?;
        }
        for (rule, mode) in &rules {
            document::set_rule(&mut policy, rule, mode)
                .map_err(|error| Failure::usage(error.to_string()))?;
        }
        attempts -= 1;
        match send(policy, session).await {
            Err(error) if error.code() == Code::Aborted && attempts > 0 => {}
            other => break other.doing(format!("cannot change {which}"))?,
        }
    };
    session.console.say(&format!("changed {which}"));
    told(&stored, session)
}

async fn delete(which: Which, session: &mut Session<'_>) -> Result<Exit, Failure> {
    session.console.confirm(&format!("delete {which}")).await?;
    let request = DeletePolicyRequest {
        name: which.name.clone(),
        domain: which.domain.clone(),
        etag: String::new(),
    };
    session
        .client
        .delete_policy(request)
        .await
        .doing(format!("cannot delete {which}"))
        .map_err(suggest_list)?;
    session.console.say(&format!("deleted {which}"));
    Ok(Exit::Done)
}

/// A policy, with its etag.
pub(super) async fn get(which: &Which, session: &Session<'_>) -> Result<Policy, Failure> {
    let request = GetPolicyRequest {
        name: which.name.clone(),
        domain: which.domain.clone(),
    };
    let answer = session
        .client
        .get_policy(request)
        .await
        .doing(format!("cannot show {which}"))
        .map_err(suggest_list)?;
    Ok(answer.policy.unwrap_or_default())
}

/// Puts a policy; an etag in it must still be the current one.
pub(super) async fn send(
    policy: Policy,
    session: &Session<'_>,
) -> Result<Policy, tfps_client::Error> {
    let request = PutPolicyRequest {
        policy: Some(policy),
    };
    Ok(session
        .client
        .put_policy(request)
        .await?
        .policy
        .unwrap_or_default())
}

/// What the server has to say about a policy that was stored; for a program, the policy.
pub(super) fn told(stored: &Policy, session: &mut Session<'_>) -> Result<Exit, Failure> {
    for notice in &stored.notices {
        session.console.warn(notice);
    }
    match session.console.format() {
        Format::Table => Ok(Exit::Done),
        _ => one(stored, &Facts::default(), session.console),
    }
}

fn read(file: &Path) -> Result<(String, String), Failure> {
    let (text, name) = if file == Path::new("-") {
        let mut text = String::new();
        (
            io::stdin().read_to_string(&mut text).map(|_| text),
            "standard input".to_owned(),
        )
    } else {
        (fs::read_to_string(file), file.display().to_string())
    };
    match text {
        Ok(text) => Ok((text, name)),
        Err(error) => Err(Failure::usage(format!("cannot read {name}: {error}"))),
    }
}

/// The document for a terminal: what steers in it is escaped the TOML way, and so means the same.
fn shown(policy: &Policy) -> String {
    let mut text = String::new();
    for c in document::to_toml(policy).chars() {
        if c != '\n' && crate::output::is_steering(c) {
            text.push_str(&format!("\\U{:08x}", c as u32));
        } else {
            text.push(c);
        }
    }
    text
}

fn title(name: &str, domain: &str) -> String {
    if domain.is_empty() {
        format!("policy {name}")
    } else {
        format!("policy {name} of {domain}")
    }
}

fn suggest_list(failure: Failure) -> Failure {
    if failure.exit == Exit::NotFound {
        failure.hint("`tfpsctl policy list` shows the policies; --domain names the domain that one belongs to")
    } else {
        failure
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("write KEY=VALUE".to_owned()),
    }
}
