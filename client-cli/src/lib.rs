//! The operator's tool, as a library for its own tests: the binary is [`run`].

use std::ffi::OsString;

use clap::Parser;
use jiff::Timestamp;

pub use self::failure::{Exit, Failure};
use self::{arguments::Arguments, console::Console, session::Session};

pub mod arguments;
pub mod attempts;
pub mod codes;
pub mod commands;
pub mod config;
pub mod connection;
pub mod console;
pub mod country;
pub mod document;
pub mod failure;
pub mod output;
pub mod reflection;
pub mod session;
pub mod terminal;
pub mod time;

/// Does what the command line says; everything, errors included, is said when it returns.
pub async fn run(command_line: impl IntoIterator<Item = OsString>) -> Exit {
    let arguments = match Arguments::try_parse_from(command_line) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help goes to stdout, an error to stderr; who does not listen misses it.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            };
        }
    };
    let mut console = Console::new(&arguments.global);
    let done = act(arguments, &mut console).await;
    let flushed = console.flush();
    match done.and_then(|exit| flushed.map(|()| exit)) {
        Ok(exit) => exit,
        Err(failure) => {
            console.fail(&failure);
            failure.exit
        }
    }
}

async fn act(arguments: Arguments, console: &mut Console) -> Result<Exit, Failure> {
    let Arguments { global, command } = arguments;
    if let arguments::Command::Completions(args) = command {
        return commands::completions::run(&args, console);
    }
    let settings = config::Settings::resolve(&global)?;
    console.set_format(settings.output);
    match command {
        arguments::Command::Risk(command) => return commands::risk::run(&command, console),
        arguments::Command::Simulate(args) => return commands::simulate::run(&args, console),
        _ => {}
    }
    let client = connection::connect(&settings, console).await?;
    let mut session = Session {
        client,
        console,
        now: now(),
    };
    commands::run(command, &mut session).await
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that asks the clock"
)]
fn now() -> Timestamp {
    Timestamp::now()
}
