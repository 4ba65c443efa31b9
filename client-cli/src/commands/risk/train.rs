//! `risk train`

use std::{fs, path::PathBuf};

use clap::Args;
use tfps_engine::{
    number::E164,
    risk::training::{Figures, Ordinary, Training, train},
};

use super::numbers;
use crate::{
    commands::things,
    console::{Console, Format, Unit},
    failure::{Exit, Failure},
    output::{Facts, count},
};

/// `risk train`
#[derive(Debug, Args)]
#[command(
    after_help = "A file has a number a line in E.164, or is a CSV file of calls with a column e164, number or dialed.\n\n\
        Example: tfpsctl risk train --fraud fraud.txt --ordinary offices.txt --ordinary calls.csv --model risk-model.json"
)]
pub struct TrainArgs {
    /// Numbers that were fraud
    #[arg(long, value_name = "FILE")]
    fraud: PathBuf,
    /// Numbers that were not; once for each kind of traffic
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    ordinary: Vec<PathBuf>,
    /// Where the model is written
    #[arg(long, value_name = "OUT")]
    model: PathBuf,
    /// What chance starts from: the same numbers and the same seed give the same model
    #[arg(long, default_value_t = Training::default().seed)]
    seed: u64,
}

/// Trains a model and writes its file.
///
/// # Errors
///
/// When a file can't be read or written, has a line that is wrong, or too few numbers.
pub(super) fn run(args: &TrainArgs, console: &mut Console) -> Result<Exit, Failure> {
    let fraud = numbers::read(&args.fraud, console)?;
    let files: Vec<(String, Vec<E164>)> = args
        .ordinary
        .iter()
        .map(|path| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            Ok((name.into_owned(), numbers::read(path, console)?))
        })
        .collect::<Result<_, Failure>>()?;
    let ordinary: Vec<Ordinary<'_>> = files
        .iter()
        .map(|(name, numbers)| Ordinary { name, numbers })
        .collect();
    let both = fraud
        .iter()
        .filter(|number| {
            files
                .iter()
                .any(|(_, numbers)| numbers.binary_search(number).is_ok())
        })
        .count();
    if both > 0 {
        console.warn(&format!(
            "{} fraud and ordinary: what is learned of them contradicts itself",
            things(both as u64, "number is both", "numbers are both")
        ));
    }
    let training = Training {
        seed: args.seed,
        ..Training::default()
    };
    let bar = console.progress(Some(0), Unit::Steps);
    let trained = train(&fraud, &ordinary, &training, |step, of| {
        bar.set_length(of as u64);
        bar.set_position(step as u64);
    });
    bar.finish_and_clear();
    let model = trained.map_err(|error| Failure::usage(error.to_string()))?;
    let text = serde_json::to_string(&model).map_err(|error| Failure::usage(error.to_string()))?;
    fs::write(&args.model, text + "\n").map_err(|error| {
        Failure::usage(format!("cannot write {}: {error}", args.model.display()))
    })?;
    console.say(&format!("the model is in {}", args.model.display()));
    show(&model.figures, console)?;
    Ok(Exit::Done)
}

fn show(figures: &Figures, console: &mut Console) -> Result<(), Failure> {
    if console.format() != Format::Table {
        let json = serde_json::to_string_pretty(figures)
            .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        return console.write(&(json + "\n"));
    }
    let mut facts = Facts::default();
    facts.add("fraud", things(figures.fraud as u64, "number", "numbers"));
    for ordinary in &figures.ordinary {
        let recall = ordinary.recall_at_fpr;
        let percent = |part: f64| format!("{:.1} %", 100.0 * part);
        facts.add(
            &ordinary.name,
            format!(
                "{} numbers; of fraud that was kept back {} are told with 0.1 % false alarms, {} with 0.3 %, {} with 1 %",
                count(ordinary.numbers as u64),
                percent(recall.at_0_1_percent),
                percent(recall.at_0_3_percent),
                percent(recall.at_1_percent),
            ),
        );
    }
    facts.write(console)
}
