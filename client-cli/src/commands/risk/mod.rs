//! `risk`

use clap::Subcommand;

use crate::{
    console::Console,
    failure::{Exit, Failure},
};

mod circumstances;
mod curve_plot;
mod evaluate;
pub(super) mod model;
pub(super) mod numbers;
mod train;

/// `risk`
#[derive(Debug, Subcommand)]
pub enum RiskCommand {
    /// Learns from numbers, and from calls, that were fraud and such that were not
    Train(train::TrainArgs),
    /// Says how well a model tells fraud from the ordinary
    Evaluate(evaluate::EvaluateArgs),
}

/// Does it; needs no server.
///
/// # Errors
///
/// When a file can't be read or written, or has a line that is wrong.
pub fn run(command: &RiskCommand, console: &mut Console) -> Result<Exit, Failure> {
    match command {
        RiskCommand::Train(args) => train::run(args, console),
        RiskCommand::Evaluate(args) => evaluate::run(args, console),
    }
}
