//! Measures what attacks get through on generated days, beside thresholds as switches have them.
#![allow(
    clippy::print_stdout,
    reason = "it is a measurement, which people read"
)]

use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use tfps_bench::{
    days::{
        Fraud, World,
        measure::{Scale, Setup, measure},
    },
    quick,
};

/// Measures what attacks get through on generated days.
#[derive(Debug, Parser)]
struct Arguments {
    /// Real fraud numbers, one a line, of which a part is known and attacks go to the others; made up where none is named
    #[arg(long, value_name = "FILE")]
    fraud: Option<PathBuf>,
    /// How many of a hundred of them are known
    #[arg(long, default_value_t = 80)]
    known: u64,
    /// Another seed gives other days
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let scale = if quick() {
        Scale {
            accounts: 200,
            history: 20,
            days: 7,
            attacks_a_day: 1,
        }
    } else {
        Scale {
            accounts: 2_000,
            history: 60,
            days: 28,
            attacks_a_day: 5,
        }
    };
    let fraud = match &arguments.fraud {
        None => Fraud::made_up(arguments.seed),
        Some(file) => {
            let name = file.display();
            let list =
                std::fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
            Fraud::read(&list, arguments.known, arguments.seed).with_context(|| name.to_string())?
        }
    };
    println!(
        "{scale:?}; {} known fraud numbers, attacks go to {} others\n",
        fraud.known.len(),
        fraud.fresh.len()
    );
    let world = World::new(arguments.seed, scale.accounts);
    for setup in Setup::ALL {
        println!(
            "## {}\n\n{}",
            setup.as_str(),
            measure(&world, &fraud, scale, setup)
        );
    }
    Ok(())
}
