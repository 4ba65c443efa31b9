//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::{
    commands::{
        account, calls, check, completions, decisions, entries, explain, learn, list, locks,
        policy, risk, simulate, statistics, token, train, trainings, verify,
    },
    console::{Format, When},
    failure::EXIT_CODES,
};

/// Administers TFPS, which tells International Revenue Share Fraud from calls.
#[derive(Debug, Parser)]
#[command(name = "tfpsctl", version, after_long_help = EXIT_CODES, propagate_version = false)]
pub struct Arguments {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Where TFPS is: http://host:port, or https://host:port with TLS [env: TFPS_SERVER] [default: http://127.0.0.1:50051]
    #[arg(long, global = true, value_name = "URL")]
    pub server: Option<String>,
    /// The file that holds the token [env: TFPS_TOKEN_FILE, or TFPS_TOKEN for the token itself]
    ///
    /// Without any, and where the server is on this machine: ./var/admin.token, then /var/lib/tfps/admin.token.
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Settings in TOML: server, token_file, ca_file, client_cert_file, client_key_file, output, timeout
    ///
    /// Without it: ~/.config/tfps/tfpsctl.toml, then /etc/tfps/tfpsctl.toml.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Who must have signed the server's certificate (PEM); without it, who the system trusts
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub ca_file: Option<PathBuf>,
    /// The certificate to prove oneself with (PEM), for mTLS
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub client_cert: Option<PathBuf>,
    /// The private key of --client-cert (PEM)
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub client_key: Option<PathBuf>,
    /// How long a call to the server may take [default: 5]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<f64>,
    /// How data is written [default: table]
    #[arg(
        long,
        short,
        global = true,
        value_enum,
        value_name = "FORMAT",
        hide_possible_values = true
    )]
    #[arg(help = "How data is written: table, json or csv [default: table]")]
    pub output: Option<Format>,
    /// Does not ask before something is lost
    #[arg(long, short, global = true)]
    pub yes: bool,
    /// Writes data and errors only
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Whether to use colour; NO_COLOR turns it off as well
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value = "auto",
        hide_short_help = true
    )]
    pub color: When,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists accounts
    List(list::ListArgs),
    /// Shows an account
    Show(account::Who),
    /// Creates an account
    Create(account::CreateArgs),
    /// Changes an account
    Set(account::SetArgs),
    /// Removes an account
    Remove(account::Who),
    /// Sets an account's counters of the day to zero and ends a lock
    Reset(account::Who),
    /// Denies an account's calls (R16) until it is unblocked
    Block(account::BlockArgs),
    /// Takes a block back
    Unblock(account::Who),
    /// Lists who can't verify since too many verifications have failed (R17)
    Locks(locks::LocksArgs),
    /// Ends such a lock, of an account (known or not), source, trunk or policy's PIN
    Unlock(locks::UnlockArgs),
    /// Decides a call attempt, or a file of them
    Check(check::CheckArgs),
    /// Shows what every rule finds about a call attempt, as a dry run
    Explain(explain::ExplainArgs),
    /// Shows and changes policies
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Shows and changes the block and allow lists
    #[command(subcommand)]
    Entries(entries::EntriesCommand),
    /// Shows recorded decisions, newest first; with --follow, as they are made
    Decisions(decisions::DecisionsArgs),
    /// Goes through a challenge by hand, as a caller does in the IVR
    Verify(verify::VerifyArgs),
    /// Tells TFPS what became of a call, or what a decision turned out to be
    #[command(subcommand)]
    Learn(learn::LearnCommand),
    /// Shows the calls in progress, and ends them
    #[command(subcommand)]
    Calls(calls::CallsCommand),
    /// Finds out what accounts' limits should be by what they do
    Train(train::TrainArgs),
    /// Shows, applies and takes back what training found out
    #[command(subcommand)]
    Trainings(trainings::TrainingsCommand),
    /// Shows how the server is
    Status,
    /// Shows what was decided in a span of time
    Stats(statistics::StatsArgs),
    /// Shows, makes and revokes tokens
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Has the server take its configuration file anew
    Reload,
    /// Trains and judges the prediction; needs no server
    #[command(subcommand)]
    Risk(risk::RiskCommand),
    /// Makes calls of before again, under other policies; needs no server
    Simulate(simulate::SimulateArgs),
    /// Writes a shell's completions to standard output
    Completions(completions::CompletionsArgs),
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 86_400.0 => Ok(seconds),
        _ => Err("write a number of seconds, more than 0 and at most 86400".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_makes_sense() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_original_s_commands_are_typed_as_they_were() {
        for line in [
            "tfpsctl list",
            "tfpsctl remove alice example.com",
            "tfpsctl reset alice example.com",
        ] {
            Arguments::try_parse_from(line.split(' ')).unwrap();
        }
    }
}
