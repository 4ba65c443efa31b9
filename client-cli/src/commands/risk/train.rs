//! `risk train`

use std::{fs, path::PathBuf};

use clap::{ArgGroup, Args};
use serde::Serialize;
use tfps_engine::{
    number::E164,
    risk::{
        ModelFile, RiskModel, Worth,
        training::{CallFigures, Figures, Ordinary, Training, train},
    },
};

use super::{circumstances, numbers};
use crate::{
    commands::things,
    console::{Console, Format, Unit},
    failure::{Exit, Failure},
    output::{Column, Facts, Rows, count},
};

/// `risk train`
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("teachers").args(["fraud", "calls"]).multiple(true).required(true),
    after_help = "A file of numbers has one a line in E.164, or is a CSV file of calls with a column e164, number or dialed. \
        Calls (--calls) have the columns of `simulate`; who is not marked as fraud is ordinary. What --fraud and --ordinary teach is what \
        numbers are worth; without them it is as in the model that comes with this version. What --calls teach is what the circumstances \
        of a call are worth; without them it is by judgement.\n\n\
        Example: tfpsctl risk train --fraud fraud.txt --ordinary offices.txt --ordinary calls.csv --model risk-model.json\n         \
        tfpsctl risk train --calls last-quarter.csv --known fraud.txt --model risk-model.json"
)]
pub struct TrainArgs {
    /// Numbers that were fraud
    #[arg(long, value_name = "FILE", requires = "ordinary")]
    fraud: Option<PathBuf>,
    /// Numbers that were not; once for each kind of traffic
    #[arg(long, value_name = "FILE", requires = "fraud", num_args = 1..)]
    ordinary: Vec<PathBuf>,
    /// Calls of some weeks, with a column fraud
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(super) calls: Vec<PathBuf>,
    /// The policy by whose dial plan and hours the calls are read [default: an untouched installation's]
    #[arg(long, value_name = "FILE", requires = "calls")]
    pub(super) policy: Option<PathBuf>,
    /// Numbers that were known as fraud when the calls were made; those of --fraud are known too
    #[arg(long, value_name = "FILE", requires = "calls")]
    known: Option<PathBuf>,
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
/// When a file can't be read or written, has a line that is wrong, or too few numbers or calls.
pub(super) fn run(args: &TrainArgs, console: &mut Console) -> Result<Exit, Failure> {
    let read = |file: &Option<PathBuf>, console: &mut Console| match file {
        Some(file) => numbers::read(file, console),
        None => Ok(Vec::new()),
    };
    let fraud = read(&args.fraud, console)?;
    let known = [read(&args.known, console)?, fraud.clone()].concat();
    // What is wrong with the calls is told before the numbers take their time.
    let calls = circumstances::read(args)?;
    let mut model = if fraud.is_empty() {
        ModelFile::built_in()
    } else {
        by_numbers(&fraud, args, console)?
    };
    if let Some(calls) = calls {
        let by_numbers = RiskModel::try_from(model.clone())
            .map_err(|error| Failure::usage(format!("the model {error}")))?;
        let (worth, figures) = circumstances::learn(calls, by_numbers, &known, console)?;
        model.circumstances = worth;
        model.figures.calls = Some(figures);
    }
    let text = serde_json::to_string(&model).map_err(|error| Failure::usage(error.to_string()))?;
    fs::write(&args.model, text + "\n").map_err(|error| {
        Failure::usage(format!("cannot write {}: {error}", args.model.display()))
    })?;
    console.say(&format!("the model is in {}", args.model.display()));
    show(&model, console)?;
    Ok(Exit::Done)
}

/// A model that numbers have trained.
fn by_numbers(
    fraud: &[E164],
    args: &TrainArgs,
    console: &mut Console,
) -> Result<ModelFile, Failure> {
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
    let trained = train(fraud, &ordinary, &training, |step, of| {
        bar.set_length(of as u64);
        bar.set_position(step as u64);
    });
    bar.finish_and_clear();
    trained.map_err(|error| Failure::usage(error.to_string()))
}

/// What came of it, for machines.
#[derive(Serialize)]
struct Trained<'a> {
    #[serde(flatten)]
    figures: &'a Figures,
    circumstances: &'a Worth,
}

/// What an indicator is worth.
struct Learned {
    indicator: &'static str,
    judged: f32,
    learned: f32,
}

const WORTH: [Column<Learned>; 3] = [
    Column::text("CIRCUMSTANCE", |row| row.indicator.into()),
    Column::number("BY JUDGEMENT", |row| format!("{:.2}", row.judged).into()),
    Column::number("AS LEARNED", |row| format!("{:.2}", row.learned).into()),
];

fn show(model: &ModelFile, console: &mut Console) -> Result<(), Failure> {
    let ModelFile {
        figures,
        circumstances,
        ..
    } = model;
    if console.format() != Format::Table {
        let trained = Trained {
            figures,
            circumstances,
        };
        let json = serde_json::to_string_pretty(&trained)
            .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        return console.write(&(json + "\n"));
    }
    let mut facts = Facts::default();
    facts.add("fraud", things(figures.fraud as u64, "number", "numbers"));
    for ordinary in &figures.ordinary {
        let recall = ordinary.recall_at_fpr;
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
    if let Some(calls) = &figures.calls {
        add_calls(calls, &mut facts);
    }
    facts.write(console)?;
    if figures.calls.is_none() {
        return Ok(());
    }
    console.write("\n")?;
    let judged = Worth::default();
    let rows: Vec<Learned> = circumstances
        .by_name()
        .zip(judged.by_name())
        .map(|((indicator, learned), (_, judged))| Learned {
            indicator,
            judged,
            learned,
        })
        .collect();
    Rows::new(&WORTH, &[], console).write(&rows, console)
}

fn add_calls(calls: &CallFigures, facts: &mut Facts) {
    let days = |calls: usize, days: usize| {
        format!(
            "{} abroad, on {} of accounts",
            things(calls as u64, "call", "calls"),
            things(days as u64, "day", "days")
        )
    };
    facts
        .add("fraudulent", days(calls.fraud, calls.fraud_days))
        .add("ordinary", days(calls.ordinary, calls.ordinary_days));
    for (name, recall) in [
        ("by judgement", calls.by_judgement),
        ("as learned", calls.as_learned),
    ] {
        facts.add(
            name,
            format!(
                "{} of the days with fraud are told by their first call with 0.1 % false alarms, {} with 0.3 %, {} with 1 %",
                percent(recall.at_0_1_percent),
                percent(recall.at_0_3_percent),
                percent(recall.at_1_percent),
            ),
        );
    }
}

fn percent(part: f64) -> String {
    format!("{:.1} %", 100.0 * part)
}
