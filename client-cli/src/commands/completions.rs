//! `completions`

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::{
    arguments::Arguments,
    console::Console,
    failure::{Exit, Failure},
};

/// `completions`
#[derive(Debug, Args)]
#[command(after_help = "Example: tfpsctl completions bash > /etc/bash_completion.d/tfpsctl")]
pub struct CompletionsArgs {
    /// For which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Writes them; needs no server.
///
/// # Errors
///
/// When standard output can't be written.
pub fn run(args: &CompletionsArgs, console: &mut Console) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut Arguments::command(),
        "tfpsctl",
        &mut script,
    );
    console.write(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
