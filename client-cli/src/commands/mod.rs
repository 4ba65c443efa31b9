//! The commands, one file a group.

use tfps_client::v1::{AccountKey, ReloadRequest};

use crate::{
    arguments::Command,
    console::{Console, Format},
    failure::{Doing, Exit, Failure},
    output::{Facts, csv, json},
    reflection::{Described, dynamic},
    session::Session,
};

pub mod account;
pub mod calls;
pub mod check;
pub mod check_file;
pub mod completions;
pub mod decisions;
pub mod entries;
pub mod explain;
pub mod import;
pub mod learn;
pub mod list;
pub mod locks;
pub mod policy;
pub mod policy_edit;
pub mod properties;
pub mod risk;
pub mod simulate;
pub mod statistics;
pub mod status;
pub mod token;
pub mod train;
pub mod trainings;
pub mod verify;

/// Runs a command that needs the server.
///
/// # Errors
///
/// Whatever kept it from being done.
pub async fn run(command: Command, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match command {
        Command::List(args) => list::run(args, session).await,
        Command::Show(who) => account::show(who, session).await,
        Command::Create(args) => account::create(args, session).await,
        Command::Set(args) => account::set(args, session).await,
        Command::Remove(who) => account::remove(who, session).await,
        Command::Reset(who) => account::reset(who, session).await,
        Command::Block(args) => account::block(args, session).await,
        Command::Unblock(who) => account::unblock(who, session).await,
        Command::Locks(args) => locks::list(args, session).await,
        Command::Unlock(args) => locks::unlock(args, session).await,
        Command::Check(args) => check::run(args, session).await,
        Command::Explain(args) => explain::run(args, session).await,
        Command::Policy(command) => policy::run(command, session).await,
        Command::Entries(command) => entries::run(command, session).await,
        Command::Decisions(args) => decisions::run(args, session).await,
        Command::Verify(args) => verify::run(args, session).await,
        Command::Learn(command) => learn::run(command, session).await,
        Command::Calls(command) => calls::run(command, session).await,
        Command::Train(args) => train::run(args, session).await,
        Command::Trainings(command) => trainings::run(command, session).await,
        Command::Status => status::run(session).await,
        Command::Stats(args) => statistics::run(args, session).await,
        Command::Token(command) => token::run(command, session).await,
        Command::Reload => reload(session).await,
        Command::Completions(args) => completions::run(&args, session.console),
        Command::Risk(command) => risk::run(&command, session.console),
        Command::Simulate(args) => simulate::run(&args, session.console),
    }
}

async fn reload(session: &mut Session<'_>) -> Result<Exit, Failure> {
    let answer = session
        .client
        .reload(ReloadRequest {})
        .await
        .doing("the server keeps its configuration")?;
    let mut facts = Facts::default();
    facts
        .add_some("in force", answer.applied.join(", "))
        .add_some("need a restart", answer.needs_restart.join(", "));
    match (answer.applied.is_empty(), answer.needs_restart.is_empty()) {
        (true, true) => session.console.say("nothing changed in the configuration"),
        (_, true) => session.console.say("the new configuration is in force"),
        (_, false) => session
            .console
            .warn("some of the new configuration needs a restart of the server"),
    }
    one(&answer, &facts, session.console)
}

/// Writes one thing in the format that was asked for.
///
/// # Errors
///
/// When standard output can't be written.
pub(crate) fn one<M: Described>(
    message: &M,
    facts: &Facts,
    console: &mut Console,
) -> Result<Exit, Failure> {
    match console.format() {
        Format::Table if facts.is_empty() => {}
        Format::Table => facts.write(console)?,
        Format::Json => console.write(&json::pretty(&dynamic(message)))?,
        Format::Csv => {
            console.write(&csv::header(&M::message_descriptor()))?;
            console.write(&csv::row(&dynamic(message)))?;
        }
    }
    Ok(Exit::Done)
}

/// An account's name, as people write it.
pub(crate) fn name_of(key: Option<&AccountKey>) -> String {
    key.map(|key| format!("{}@{}", key.username, key.domain))
        .unwrap_or_default()
}

/// `number` of a `thing`, with its plural.
pub(crate) fn things(number: u64, thing: &str, things: &str) -> String {
    format!(
        "{} {}",
        crate::output::count(number),
        if number == 1 { thing } else { things }
    )
}
