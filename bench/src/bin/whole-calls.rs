//! Measures what attacks get through on generated days, beside thresholds as switches have them.
#![allow(
    clippy::print_stdout,
    reason = "it is a measurement, which people read"
)]

use std::{fs, path::PathBuf, sync::Arc};

use anyhow::Context;
use clap::Parser;
use tfps_bench::{
    days::{
        Fraud, World,
        measure::{Scale, Setup, measure},
    },
    quick,
};
use tfps_engine::risk::RiskModel;

/// Measures what attacks get through on generated days.
#[derive(Debug, Parser)]
struct Arguments {
    /// Real fraud numbers, one a line, of which a part is known and attacks go to the others; made up where none is named
    #[arg(long, value_name = "FILE")]
    fraud: Option<PathBuf>,
    /// How many of a hundred of them are known
    #[arg(long, default_value_t = 80)]
    known: u64,
    /// Writes the known ones, to train a model that knows no others, and measures nothing
    #[arg(long, value_name = "FILE")]
    write_known: Option<PathBuf>,
    /// The model of the prediction; the built-in one where none is named
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
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
            let list = fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
            Fraud::read(&list, arguments.known, arguments.seed).with_context(|| name.to_string())?
        }
    };
    println!(
        "{scale:?}; {} known fraud numbers, attacks go to {} others\n",
        fraud.known.len(),
        fraud.fresh.len()
    );
    if let Some(file) = &arguments.write_known {
        let known: String = fraud
            .known
            .iter()
            .map(|number| format!("{number}\n"))
            .collect();
        fs::write(file, known).with_context(|| format!("cannot write {}", file.display()))?;
        return Ok(());
    }
    let model = Arc::new(match &arguments.model {
        None => RiskModel::built_in(),
        Some(file) => {
            let name = file.display();
            let text = fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
            RiskModel::read(&text).with_context(|| name.to_string())?
        }
    });
    let world = World::new(arguments.seed, scale.accounts);
    for setup in Setup::ALL {
        println!(
            "## {}\n\n{}",
            setup.as_str(),
            measure(&world, &fraud, &model, scale, setup)
        );
    }
    Ok(())
}
