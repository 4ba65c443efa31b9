//! The report on a terminal, and for programs.

use serde::Serialize;
use tfps_engine::simulation::{ByKind, Counts};

use super::report::{Made, Part, Report, letter, lines, minutes};
use crate::{
    commands::things,
    console::{Console, Format},
    failure::{Exit, Failure},
    output::{Cell, Column, Facts, Rows, count},
};

/// How many accounts are shown.
const ACCOUNTS: usize = 20;

/// Writes the report in the format that was asked for.
///
/// # Errors
///
/// When standard output can't be written.
pub(super) fn show(report: &Report, console: &mut Console) -> Result<(), Failure> {
    match console.format() {
        Format::Table => tables(report, console),
        Format::Json => {
            let json = serde_json::to_string_pretty(&Written::of(report))
                .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
            console.write(&(json + "\n"))
        }
        Format::Csv => csv(report, console),
    }
}

const ONE: [Column<Part>; 7] = [
    Column::text("", |part| named(part).into()),
    Column::number("CALLS", |part| count(of(part, 0).total().calls).into()),
    Column::number("CHALLENGED", |part| {
        count(of(part, 0).people().challenged).into()
    }),
    Column::number("DENIED", |part| count(of(part, 0).people().denied).into()),
    Column::number("FRAUD", |part| count(of(part, 0).fraud.calls).into()),
    Column::number("LET THROUGH", |part| let_through(part, 0)),
    Column::number("MINUTES", |part| minutes(of(part, 0).fraud.seconds).into()),
];

const TWO: [Column<Part>; 7] = [
    Column::text("", |part| named(part).into()),
    Column::number("A: HINDERED", |part| hindered(part, 0)),
    Column::number("STOPPED", |part| stopped(part, 0)),
    Column::number("LET THROUGH", |part| let_through(part, 0)),
    Column::number("B: HINDERED", |part| hindered(part, 1)),
    Column::number("STOPPED", |part| stopped(part, 1)),
    Column::number("LET THROUGH", |part| let_through(part, 1)),
];

fn hindered(part: &Part, policy: usize) -> Cell {
    count(of(part, policy).people().hindered()).into()
}

fn stopped(part: &Part, policy: usize) -> Cell {
    let fraud = of(part, policy).fraud;
    count(fraud.calls - fraud.passed).into()
}

fn let_through(part: &Part, policy: usize) -> Cell {
    count(of(part, policy).fraud.passed).into()
}

fn of(part: &Part, policy: usize) -> ByKind {
    part.by_policy.get(policy).copied().unwrap_or_default()
}

fn named(part: &Part) -> String {
    let Part { name, meaning, .. } = part;
    format!("{name} {meaning}").trim_end().to_owned()
}

fn tables(report: &Report, console: &mut Console) -> Result<(), Failure> {
    let made = &report.made;
    let mut facts = Facts::default();
    facts.add(
        "calls",
        format!(
            "{}, of {}, from {} to {}",
            count(made.calls as u64),
            things(made.accounts as u64, "account", "accounts"),
            made.first.strftime("%F %H:%MZ"),
            made.last.strftime("%F %H:%MZ")
        ),
    );
    for (place, run) in report.runs.iter().enumerate() {
        let name = match report.runs.len() {
            1 => "policy".to_owned(),
            _ => format!("policy {}", letter(place)),
        };
        facts.add(&name, run.name.as_str());
    }
    let without_rate = report.runs.iter().map(|run| run.tally.without_rate).max();
    if let Some(calls) = without_rate.filter(|calls| *calls > 0) {
        facts.add("without a rate", things(calls, "call", "calls"));
    }
    if report.runs.len() == 1 {
        for (name, values) in summary(report) {
            facts.add(&name, values.concat());
        }
        facts.write(console)?;
    } else {
        facts.write(console)?;
        console.write("\n")?;
        let lines = summary(report);
        Rows::new(&SUMMARY, &[], console).write(&lines, console)?;
    }
    let accounts = report.by_account();
    let more = accounts.len().saturating_sub(ACCOUNTS);
    let shown: Vec<Part> = accounts.into_iter().take(ACCOUNTS).collect();
    for (title, parts) in [
        ("BY CODE", report.by_code()),
        (
            "WHAT RULES THAT ONLY REPORT WOULD HAVE DONE",
            report.by_monitored_code(),
        ),
        (
            "BY ACCOUNT, OF THOSE THAT WERE HINDERED OR DEFRAUDED",
            shown,
        ),
        ("BY TIME", report.by_time()),
    ] {
        if parts.is_empty() {
            continue;
        }
        console.write(&format!("\n{title}\n"))?;
        let columns = if report.runs.len() == 1 { &ONE } else { &TWO };
        Rows::new(columns, &[], console).write(&parts, console)?;
    }
    if more > 0 {
        console.say(&format!(
            "{more} more accounts were hindered or defrauded: --output json has all"
        ));
    }
    Ok(())
}

type Line = (String, Vec<String>);

const SUMMARY: [Column<Line>; 3] = [
    Column::text("", |line| line.0.as_str().into()),
    Column::number("A", |line| value(line, 0)),
    Column::number("B", |line| value(line, 1)),
];

fn value(line: &Line, policy: usize) -> Cell {
    line.1.get(policy).map_or("", String::as_str).into()
}

/// What is told of all calls, under each policy.
pub(super) fn summary(report: &Report) -> Vec<Line> {
    let all = report.all();
    let of = |kind: fn(&ByKind) -> Counts| all.iter().map(kind).collect::<Vec<_>>();
    [
        lines("ordinary", &of(|kinds| kinds.ordinary), report.has_rates),
        lines("fraudulent", &of(|kinds| kinds.fraud), report.has_rates),
        lines("unmarked", &of(|kinds| kinds.unmarked), report.has_rates),
    ]
    .concat()
}

/// For programs.
#[derive(Serialize)]
struct Written<'r> {
    calls: &'r Made,
    policies: Vec<UnderPolicy<'r>>,
}

#[derive(Serialize)]
struct UnderPolicy<'r> {
    policy: &'r str,
    time_zone: &'r str,
    without_rate: u64,
    all: ByKind,
    by_code: Vec<Of>,
    by_monitored_code: Vec<Of>,
    by_account: Vec<Of>,
    by_hour: Vec<Of>,
}

/// Some calls: what they have in common.
#[derive(Serialize)]
struct Of {
    of: String,
    #[serde(flatten)]
    counts: ByKind,
}

impl<'r> Written<'r> {
    fn of(report: &'r Report) -> Self {
        fn each<'k, K: ToString + 'k>(
            parts: impl IntoIterator<Item = (&'k K, &'k ByKind)>,
        ) -> Vec<Of> {
            parts
                .into_iter()
                .map(|(key, counts)| Of {
                    of: key.to_string(),
                    counts: *counts,
                })
                .collect()
        }
        let policies = report.runs.iter().map(|run| UnderPolicy {
            policy: &run.name,
            time_zone: &run.zone,
            without_rate: run.tally.without_rate,
            all: run.tally.all,
            by_code: each(&run.tally.by_code),
            by_monitored_code: each(&run.tally.by_monitored_code),
            by_account: each(&run.tally.by_account),
            by_hour: each(&run.tally.by_hour),
        });
        Self {
            calls: &report.made,
            policies: policies.collect(),
        }
    }
}

/// A line of the CSV.
#[derive(Serialize)]
struct Record<'r> {
    policy: &'r str,
    by: &'static str,
    of: &'r str,
    kind: &'static str,
    calls: u64,
    passed: u64,
    challenged: u64,
    denied: u64,
    answered: u64,
    seconds: u64,
    cost: String,
    seconds_stopped: u64,
    cost_stopped: String,
}

fn csv(report: &Report, console: &mut Console) -> Result<(), Failure> {
    let written = Written::of(report);
    let failed = |error: String| Failure::new(Exit::Failed, error);
    let mut writer = csv::Writer::from_writer(Vec::new());
    for run in &written.policies {
        let all = [Of {
            of: String::new(),
            counts: run.all,
        }];
        for (by, parts) in [
            ("all", &all[..]),
            ("code", &run.by_code),
            ("monitored_code", &run.by_monitored_code),
            ("account", &run.by_account),
            ("hour", &run.by_hour),
        ] {
            for Of { of, counts } in parts {
                for (kind, counts) in [
                    ("ordinary", counts.ordinary),
                    ("fraud", counts.fraud),
                    ("unmarked", counts.unmarked),
                ] {
                    if counts.calls == 0 {
                        continue;
                    }
                    writer
                        .serialize(Record {
                            policy: run.policy,
                            by,
                            of,
                            kind,
                            calls: counts.calls,
                            passed: counts.passed,
                            challenged: counts.challenged,
                            denied: counts.denied,
                            answered: counts.answered,
                            seconds: counts.seconds,
                            cost: counts.cost.to_string(),
                            seconds_stopped: counts.seconds_stopped,
                            cost_stopped: counts.cost_stopped.to_string(),
                        })
                        .map_err(|error| failed(error.to_string()))?;
                }
            }
        }
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| failed(error.to_string()))?;
    console.write(&String::from_utf8_lossy(&bytes))
}
