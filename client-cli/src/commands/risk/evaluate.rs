//! `risk evaluate`

use std::{fs, path::PathBuf};

use clap::Args;
use serde::Serialize;
use tfps_engine::{
    number::{E164, plan},
    risk::{
        FULL_WEIGHT, KnownNumbers,
        evaluation::{Curve, Recall, Span, reliability},
        score_of,
    },
};

use super::{curve_plot::curve_plot, model, numbers};
use crate::{
    console::{Console, Format},
    failure::{Exit, Failure},
    output::{Column, Facts, Rows},
};

/// `risk evaluate`
#[derive(Debug, Args)]
#[command(
    after_help = "A file has a number a line in E.164, or is a CSV file of calls with a column e164, number or dialed.\n\n\
        Example: tfpsctl risk evaluate --known list.txt --fraud last-month.txt --ordinary calls.csv --roc roc.svg"
)]
pub struct EvaluateArgs {
    /// What is known as fraud beforehand
    #[arg(long, value_name = "FILE")]
    known: PathBuf,
    /// Fraud that is judged: what of it is known too is left out
    #[arg(long, value_name = "FILE")]
    fraud: PathBuf,
    /// Ordinary numbers that are judged; once for each kind of traffic
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    ordinary: Vec<PathBuf>,
    /// The model; the one that comes with this version where none is named
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Where the curve of recall and false alarms (ROC) is drawn
    #[arg(long, value_name = "SVG")]
    roc: Option<PathBuf>,
}

/// What an evaluation came to.
#[derive(Debug, Serialize)]
struct Evaluation {
    known: usize,
    fraud: usize,
    ordinary: usize,
    /// Fraud that was to be judged and is known already.
    fraud_left_out: usize,
    recall_at_fpr: Recall,
    /// The lowest scores that stay within these false alarms; 101: none does.
    score_at_fpr: Thresholds,
    by_file: Vec<OfFile>,
    calibration: Vec<Span>,
}

#[derive(Debug, Serialize)]
struct OfFile {
    name: String,
    ordinary: usize,
    recall_at_fpr: Recall,
    score_at_fpr: Thresholds,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Thresholds {
    #[serde(rename = "0.001")]
    at_0_1_percent: u8,
    #[serde(rename = "0.003")]
    at_0_3_percent: u8,
    #[serde(rename = "0.01")]
    at_1_percent: u8,
}

impl Thresholds {
    fn of(curve: &Curve) -> Self {
        let at = |rate| {
            curve
                .at(rate)
                .map_or(101, |point| score_of(point.threshold))
        };
        Self {
            at_0_1_percent: at(0.001),
            at_0_3_percent: at(0.003),
            at_1_percent: at(0.01),
        }
    }
}

/// Judges the numbers.
///
/// # Errors
///
/// When a file can't be read or written, or has a line that is wrong.
pub(super) fn run(args: &EvaluateArgs, console: &mut Console) -> Result<Exit, Failure> {
    let model = model::read(args.model.as_deref())?;
    let known = numbers::read(&args.known, console)?;
    let mut fraud = numbers::read(&args.fraud, console)?;
    let all = fraud.len();
    fraud.retain(|number| known.binary_search(number).is_err());
    let fraud_left_out = all - fraud.len();
    let files: Vec<(String, Vec<E164>)> = args
        .ordinary
        .iter()
        .map(|path| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            Ok((name.into_owned(), numbers::read(path, console)?))
        })
        .collect::<Result<_, Failure>>()?;
    let index = KnownNumbers::new(known.iter().map(|number| (*number, FULL_WEIGHT)));
    let likelihoods = |numbers: &[E164]| -> Vec<f32> {
        let likelihood =
            |number: &E164| model.log_odds(number, &plan::look_up(number), &index.around(number));
        numbers.iter().map(likelihood).collect()
    };
    let of_fraud = likelihoods(&fraud);
    let of_files: Vec<Vec<f32>> = files
        .iter()
        .map(|(_, numbers)| likelihoods(numbers))
        .collect();
    let of_ordinary = of_files.concat();
    let curves: Vec<Curve> = of_files.iter().map(|of| Curve::of(&of_fraud, of)).collect();
    let all = Curve::of(&of_fraud, &of_ordinary);
    let scores =
        |likelihoods: &[f32]| -> Vec<u8> { likelihoods.iter().copied().map(score_of).collect() };
    let evaluation = Evaluation {
        known: known.len(),
        fraud: fraud.len(),
        ordinary: of_ordinary.len(),
        fraud_left_out,
        recall_at_fpr: Recall::of(&all),
        score_at_fpr: Thresholds::of(&all),
        by_file: files
            .iter()
            .zip(&curves)
            .map(|((name, numbers), curve)| OfFile {
                name: name.clone(),
                ordinary: numbers.len(),
                recall_at_fpr: Recall::of(curve),
                score_at_fpr: Thresholds::of(curve),
            })
            .collect(),
        calibration: reliability(&scores(&of_fraud), &scores(&of_ordinary)),
    };
    if let Some(path) = &args.roc {
        let named: Vec<(&str, &Curve)> = files
            .iter()
            .zip(&curves)
            .map(|((name, _), curve)| (name.as_str(), curve))
            .collect();
        fs::write(path, curve_plot(&named))
            .map_err(|error| Failure::usage(format!("cannot write {}: {error}", path.display())))?;
        console.say(&format!("the curve is in {}", path.display()));
    }
    if fraud_left_out > 0 {
        console.warn(&format!(
            "{fraud_left_out} of the fraud numbers are known already, and were left out"
        ));
    }
    show(&evaluation, console)?;
    Ok(Exit::Done)
}

/// A line of the table of false alarms.
struct Line {
    name: String,
    recall: Recall,
    score: Thresholds,
}

const LINES: [Column<Line>; 7] = [
    Column::text("ORDINARY", |line| line.name.as_str().into()),
    Column::number("RECALL AT 0.1 %", |line| {
        percent(line.recall.at_0_1_percent).into()
    }),
    Column::number("0.3 %", |line| percent(line.recall.at_0_3_percent).into()),
    Column::number("1 %", |line| percent(line.recall.at_1_percent).into()),
    Column::number("SCORE AT 0.1 %", |line| {
        line.score.at_0_1_percent.to_string().into()
    }),
    Column::number("0.3 %", |line| line.score.at_0_3_percent.to_string().into()),
    Column::number("1 %", |line| line.score.at_1_percent.to_string().into()),
];

const SPANS: [Column<Span>; 5] = [
    Column::text("SCORES", |span| {
        format!("{} to {}", span.from, span.to).into()
    }),
    Column::number("FRAUD", |span| span.fraud.to_string().into()),
    Column::number("ORDINARY", |span| span.ordinary.to_string().into()),
    Column::number("MEAN SCORE", |span| {
        format!("{:.1}", span.mean_score).into()
    }),
    Column::number("FRAUD, WEIGHED ALIKE", |span| {
        format!("{:.1} %", span.fraud_percent).into()
    }),
];

fn percent(part: f64) -> String {
    format!("{:.1} %", 100.0 * part)
}

fn show(evaluation: &Evaluation, console: &mut Console) -> Result<(), Failure> {
    if console.format() != Format::Table {
        let json = serde_json::to_string_pretty(evaluation)
            .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        return console.write(&(json + "\n"));
    }
    let mut facts = Facts::default();
    facts
        .add("known", evaluation.known.to_string())
        .add("fraud judged", evaluation.fraud.to_string())
        .add("ordinary judged", evaluation.ordinary.to_string());
    facts.write(console)?;
    console.write("\n")?;
    let all = Line {
        name: "all".to_owned(),
        recall: evaluation.recall_at_fpr,
        score: evaluation.score_at_fpr,
    };
    let lines: Vec<Line> = evaluation
        .by_file
        .iter()
        .map(|file| Line {
            name: file.name.clone(),
            recall: file.recall_at_fpr,
            score: file.score_at_fpr,
        })
        .chain((evaluation.by_file.len() > 1).then_some(all))
        .collect();
    Rows::new(&LINES, &[], console).write(&lines, console)?;
    console.write("\n")?;
    Rows::new(&SPANS, &[], console).write(&evaluation.calibration, console)
}
