//! Writes days of calls that nobody made, with the known attacks in them: for `tfpsctl simulate`, and for tests.

use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use jiff::civil::{Date, date};
use tfps_bench::days::{Fraud, Span, World, write};

/// Writes days of calls that nobody made, with the known attacks in them: calls.csv, history.csv, accounts.json and known.txt.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where the files go
    folder: PathBuf,
    /// How many accounts call
    #[arg(long, default_value_t = 200)]
    accounts: usize,
    /// The first day
    #[arg(long, default_value_t = date(2026, 6, 8))]
    from: Date,
    /// How many days
    #[arg(long, default_value_t = 1)]
    days: i32,
    /// How many days before them, of ordinary calls alone
    #[arg(long, default_value_t = 30)]
    history: i32,
    /// How many attacks of each of seven kinds begin a day
    #[arg(long, default_value_t = 1)]
    attacks: u64,
    /// Another seed gives other days
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let world = World::new(arguments.seed, arguments.accounts);
    let span = Span {
        from: arguments.from,
        days: arguments.days,
        history: arguments.history,
        attacks_a_day: arguments.attacks,
    };
    let fraud = Fraud::made_up(arguments.seed);
    write(&arguments.folder, &world, &fraud, span)
        .with_context(|| format!("cannot write into {}", arguments.folder.display()))
}
