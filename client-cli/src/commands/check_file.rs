//! `check --file`

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
    thread,
};

use futures::{Stream, StreamExt, stream};
use indicatif::ProgressBar;
use prost_reflect::DynamicMessage;
use serde::Serialize;
use tfps_client::{
    CheckStream, Code, Error,
    v1::{CheckRequest, CheckResponse},
};
use tokio::sync::{mpsc, oneshot};

use super::{check::verdict, name_of, things};
use crate::{
    attempts::{Attempt, AttemptError, Attempts, WrongLines},
    codes,
    console::{Console, Format, Unit},
    failure::{Exit, Failure},
    output::{Cell, Column, Facts, Rows, Tone, count, csv, json, json::Json},
    reflection::{Described, dynamic},
    session::Session,
};

/// How many calls are in flight at once.
const WINDOW: usize = 64;
/// How many results are written at once.
const BATCH: usize = 64;

/// Decides the calls of a file. It is looked through before anything is sent; standard input cannot be.
///
/// # Errors
///
/// When the file is malformed, or the server stops to answer. Calls that could not be decided are told at the end.
pub async fn run(path: &Path, dry_run: bool, session: &mut Session<'_>) -> Result<Exit, Failure> {
    if path == Path::new("-") {
        return decide(
            Box::new(io::stdin()),
            "standard input",
            None,
            dry_run,
            session,
        )
        .await;
    }
    let name = path.display().to_string();
    let open = || {
        File::open(path)
            .map(BufReader::new)
            .map_err(|error| Failure::usage(format!("cannot read {name}: {error}")))
    };
    let total = validate(open()?, &name)?;
    decide(Box::new(open()?), &name, Some(total), dry_run, session).await
}

/// The number of calls in the file, if every line is good.
fn validate(source: impl Read, name: &str) -> Result<u64, Failure> {
    let mut wrong = WrongLines::default();
    let mut total = 0;
    for attempt in attempts(source, name)? {
        match attempt {
            Ok(_) => total += 1,
            Err(error) if wrong.add(&error) => break,
            Err(_) => {}
        }
    }
    wrong.refuse(name, "nothing was sent").map(|()| total)
}

fn attempts<R: Read>(source: R, name: &str) -> Result<Attempts<R>, Failure> {
    Attempts::new(source).map_err(|error| Failure::usage(format!("cannot take {name}: {error}")))
}

async fn decide(
    source: Box<dyn Read + Send>,
    name: &str,
    total: Option<u64>,
    dry_run: bool,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let attempts = attempts(source, name)?;
    if attempts.have_times() && !dry_run {
        session.console.warn("the column time is not used: calls that count are decided as of now; --dry-run uses it");
    }
    let bar = session.console.progress(total, Unit::Rows);
    let checks = session.client.stream_checks(WINDOW);
    let (good, mut malformed) = read_along(attempts);
    let mut results = good
        .map(|attempt| ask(&checks, attempt, dry_run))
        .buffered(WINDOW)
        .ready_chunks(BATCH);

    let mut report = Report::new(session.console);
    let mut stopped = None;
    while let Some(batch) = results.next().await {
        let (done, failed) = split_at_end(batch);
        bar.inc(done.len() as u64);
        report.write(&done, &bar, session.console)?;
        if let Some(failed) = failed {
            stopped = Some(failed);
            break;
        }
    }
    bar.finish_and_clear();
    report.finish(session.console)?;

    if let Some((line, error)) = stopped {
        return Err(Failure::call(
            format!("stopped at line {line} of {name}"),
            &error,
        ));
    }
    if let Ok(error) = malformed.try_recv() {
        return Err(Failure::usage(format!("stopped in {name}: {error}")));
    }
    match report.failed {
        0 => Ok(Exit::Done),
        failed => Err(Failure::new(
            Exit::Failed,
            format!("{} could not be decided", things(failed, "call", "calls")),
        )),
    }
}

/// Reads in a thread of its own, so that answers come in while standard input is waited for: the good lines up to the
/// first malformed one, and that one's error.
fn read_along(
    attempts: Attempts<Box<dyn Read + Send>>,
) -> (impl Stream<Item = Attempt>, oneshot::Receiver<AttemptError>) {
    let (sender, mut receiver) = mpsc::channel(WINDOW);
    let (stop, stopped) = oneshot::channel();
    thread::spawn(move || {
        for attempt in attempts {
            match attempt {
                Ok(attempt) => {
                    if sender.blocking_send(attempt).is_err() {
                        return;
                    }
                }
                Err(error) => {
                    let _ = stop.send(error);
                    return;
                }
            }
        }
    });
    (
        stream::poll_fn(move |context| receiver.poll_recv(context)),
        stopped,
    )
}

/// A line and what became of it.
struct Decided {
    line: u64,
    check: CheckRequest,
    answer: Result<CheckResponse, Error>,
}

async fn ask(checks: &CheckStream, attempt: Attempt, dry_run: bool) -> Decided {
    let Attempt {
        line, mut check, ..
    } = attempt;
    check.dry_run = dry_run;
    if !dry_run {
        check.at = None;
    }
    let answer = checks.check(check.clone()).await;
    Decided {
        line,
        check,
        answer,
    }
}

/// The lines up to the first that failed since the stream is gone, or the token no good, and that one's error.
fn split_at_end(batch: Vec<Decided>) -> (Vec<Decided>, Option<(u64, Error)>) {
    let mut done = Vec::with_capacity(batch.len());
    for decided in batch {
        match decided.answer {
            Err(error) if is_end(&error) => return (done, Some((decided.line, error))),
            _ => done.push(decided),
        }
    }
    (done, None)
}

fn is_end(error: &Error) -> bool {
    matches!(
        error.code(),
        Code::Unavailable | Code::Unauthenticated | Code::PermissionDenied | Code::Unimplemented
    ) || !matches!(error, Error::Status(_) | Error::Deadline { .. })
}

/// Results in file order, and how many there were of each code.
struct Report {
    rows: Rows<Decided>,
    decided: u64,
    failed: u64,
    by_code: BTreeMap<String, u64>,
}

const COLUMNS: [Column<Decided>; 6] = [
    Column::number("LINE", |row| row.line.to_string().into()),
    Column::text("ACCOUNT", |row| name_of(row.check.account.as_ref()).into()),
    Column::text("NUMBER", |row| row.check.dialed_number.as_str().into()),
    Column::text("TO", |row| {
        row.answer
            .as_ref()
            .map_or("", |answer| answer.destination_country.as_str())
            .into()
    }),
    Column::text("DECISION", |row| match &row.answer {
        Ok(answer) => verdict(answer.verdict(), &answer.code),
        Err(_) => Cell::toned("error", Tone::Bad),
    }),
    Column::text("REASON", |row| match &row.answer {
        Ok(answer) => answer.reason.as_str().into(),
        Err(error) => error.to_string().into(),
    }),
];

/// How wide the columns start, so that later batches stay in line with the first.
const WIDTHS: [u16; 6] = [5, 18, 17, 4, 15, 0];

/// A result as a line of JSON.
#[derive(Serialize)]
struct Line<'r> {
    line: u64,
    check: Json<'r>,
    decision: Option<Json<'r>>,
    error: Option<LineError>,
}

#[derive(Serialize)]
struct LineError {
    code: String,
    message: String,
}

impl Report {
    fn new(console: &Console) -> Self {
        Self {
            rows: Rows::new(&COLUMNS, &WIDTHS, console),
            decided: 0,
            failed: 0,
            by_code: BTreeMap::new(),
        }
    }

    fn write(
        &mut self,
        batch: &[Decided],
        bar: &ProgressBar,
        console: &mut Console,
    ) -> Result<(), Failure> {
        let first = self.decided + self.failed == 0;
        for decided in batch {
            match &decided.answer {
                Ok(answer) => {
                    self.decided += 1;
                    *self.by_code.entry(answer.code.clone()).or_default() += 1;
                }
                Err(_) => self.failed += 1,
            }
        }
        bar.suspend(|| {
            match console.format() {
                Format::Table => self.rows.write(batch, console)?,
                Format::Json => batch
                    .iter()
                    .try_for_each(|decided| console.write(&json_line(decided)))?,
                Format::Csv => {
                    if first {
                        console.write(&csv_header())?;
                    }
                    batch
                        .iter()
                        .try_for_each(|decided| console.write(&csv_row(decided)))?;
                }
            }
            console.flush()
        })
    }

    /// The summary by code: with the table where that goes, else where it does not mix with data.
    fn finish(&self, console: &mut Console) -> Result<(), Failure> {
        let total = self.decided + self.failed;
        if total == 0 {
            console.say("no calls");
            return Ok(());
        }
        let mut facts = Facts::default();
        let mut line = |code: &str, number: u64, meaning: &str| {
            let share = number as f64 * 100.0 / total as f64;
            facts.add(
                code,
                format!("{:>9}  {share:5.1} %  {meaning}", count(number)),
            );
        };
        for (code, &number) in &self.by_code {
            line(code, number, codes::meaning(code));
        }
        if self.failed > 0 {
            line("error", self.failed, "not decided");
        }
        line("total", total, "");
        if console.format() == Format::Table {
            console.write("\n")?;
            facts.write(console)?;
            return console.flush();
        }
        for text in facts.lines() {
            console.say(&text);
        }
        Ok(())
    }
}

fn json_line(decided: &Decided) -> String {
    let check = dynamic(&decided.check);
    let answer: Result<DynamicMessage, LineError> = match &decided.answer {
        Ok(answer) => Ok(dynamic(answer)),
        Err(error) => Err(LineError {
            code: format!("{:?}", error.code()),
            message: error.to_string(),
        }),
    };
    let (decision, error) = match answer {
        Ok(decision) => (Some(decision), None),
        Err(error) => (None, Some(error)),
    };
    let line = Line {
        line: decided.line,
        check: Json(&check),
        decision: decision.as_ref().map(Json),
        error,
    };
    json::line_of(&line) + "\n"
}

/// What was asked, then the decision's columns, then the error.
fn csv_header() -> String {
    let mut names = vec![
        "line".to_owned(),
        "username".to_owned(),
        "domain".to_owned(),
        "dialed".to_owned(),
    ];
    names.extend(csv::columns(&CheckResponse::message_descriptor()));
    names.push("error".to_owned());
    csv::record(&names)
}

fn csv_row(decided: &Decided) -> String {
    let account = decided.check.account.clone().unwrap_or_default();
    let mut cells = vec![
        decided.line.to_string(),
        account.username,
        account.domain,
        decided.check.dialed_number.clone(),
    ];
    match &decided.answer {
        Ok(answer) => {
            cells.extend(csv::cells(&dynamic(answer)));
            cells.push(String::new());
        }
        Err(error) => {
            cells.extend(
                csv::columns(&CheckResponse::message_descriptor())
                    .iter()
                    .map(|_| String::new()),
            );
            cells.push(error.to_string());
        }
    }
    csv::record(&cells)
}
