//! Talking: data to standard output, everything else to standard error.

use std::{
    io::{self, BufRead, BufWriter, IsTerminal, Stdout, Write},
    thread,
};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Deserialize;
use tokio::sync::oneshot;

use crate::{
    arguments::Global,
    failure::{Exit, Failure},
    output::{Tone, paint, visible},
    terminal::Unseen,
};

/// How data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For a person.
    Table,
    /// For a program: proto3 JSON with the proto's field names.
    Json,
    /// For a spreadsheet: a header of field paths, a line each.
    Csv,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Standard input, output and error, and what is known about them.
#[derive(Debug)]
pub struct Console {
    out: BufWriter<Stdout>,
    format: Format,
    quiet: bool,
    yes: bool,
    colour_out: bool,
    colour_err: bool,
    /// The columns of the terminal that standard output is; unset where it is none.
    width: Option<u16>,
}

impl Console {
    /// The console that the command line asks for.
    pub fn new(global: &Global) -> Self {
        let colour = |terminal: bool| match global.color {
            When::Always => true,
            When::Never => false,
            When::Auto => {
                terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        };
        let stdout = io::stdout();
        Self {
            format: global.output.unwrap_or(Format::Table),
            quiet: global.quiet,
            yes: global.yes,
            colour_out: colour(stdout.is_terminal()),
            colour_err: colour(io::stderr().is_terminal()),
            width: if stdout.is_terminal() {
                comfy_table::Table::new().width()
            } else {
                None
            },
            out: BufWriter::new(stdout),
        }
    }

    /// Takes the format that the settings ended up with.
    pub fn set_format(&mut self, format: Format) {
        self.format = format;
    }

    /// How data is written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The columns of the terminal that standard output is.
    pub fn width(&self) -> Option<u16> {
        self.width
    }

    /// Whether data is written in colour.
    pub fn colour(&self) -> bool {
        self.colour_out
    }

    /// Data. It is for the caller to have control characters escaped.
    ///
    /// # Errors
    ///
    /// When standard output can't be written.
    pub fn write(&mut self, data: &str) -> Result<(), Failure> {
        self.out
            .write_all(data.as_bytes())
            .map_err(|error| Failure::output(&error))
    }

    /// Hands everything written so far on.
    ///
    /// # Errors
    ///
    /// When standard output can't be written.
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(|error| Failure::output(&error))
    }

    /// Says what was done, or goes on.
    pub fn say(&mut self, text: &str) {
        if !self.quiet {
            self.tell(&visible(text));
        }
    }

    /// Says what deserves attention.
    pub fn warn(&mut self, text: &str) {
        if !self.quiet {
            let label = paint("warning:", Tone::Caution, self.colour_err);
            self.tell(&format!("{label} {}", visible(text)));
        }
    }

    /// Says why the command failed.
    pub fn fail(&mut self, failure: &Failure) {
        if failure.silent {
            return;
        }
        let label = paint("error:", Tone::Bad, self.colour_err);
        self.tell(&format!("{label} {}", visible(&failure.what)));
        for detail in &failure.details {
            self.tell(&format!("  {}", visible(detail)));
        }
        if let Some(hint) = &failure.hint {
            let label = paint("hint:", Tone::Good, self.colour_err);
            self.tell(&format!("\n{label} {}", visible(hint)));
        }
    }

    /// Asks before something is lost.
    ///
    /// # Errors
    ///
    /// When the answer is no, or nobody is there to answer and `--yes` was not given.
    pub async fn confirm(&mut self, question: &str) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            let what = format!("will not {question} unasked: standard input is no terminal");
            return Err(Failure::usage(what).hint("--yes does it without asking"));
        }
        match self
            .ask(&format!("{question}? [y/N]"))
            .await?
            .to_lowercase()
            .as_str()
        {
            "y" | "yes" => Ok(()),
            _ => Err(Failure::new(Exit::Failed, "nothing was changed")),
        }
    }

    /// Asks for a line of standard input, without its end. The connection lives on while somebody thinks.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn ask(&mut self, question: &str) -> Result<String, Failure> {
        self.prompt(question)?;
        let answer = answer().await;
        if !io::stdin().is_terminal() {
            // Nobody typed the line end that ends the question's line.
            let _ = writeln!(io::stderr());
        }
        answer
    }

    /// The same for what nobody else is to see: a terminal does not show it.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn ask_unseen(&mut self, question: &str) -> Result<String, Failure> {
        // Before the question: who answers quickly is not seen either.
        let unseen = Unseen::begin();
        let answer = tokio::select! {
            biased;
            // Listened to before the question is asked: the terminal must show again what is typed when this process ends.
            _ = tokio::signal::ctrl_c() => {
                Err(Failure::new(Exit::Failed, "interrupted before the answer"))
            }
            answer = async {
                self.prompt(question)?;
                answer().await
            } => answer,
        };
        drop(unseen);
        let _ = writeln!(io::stderr());
        answer
    }

    fn prompt(&mut self, question: &str) -> Result<(), Failure> {
        self.flush()?;
        let mut err = io::stderr();
        // Who closed standard error is not told, but can answer.
        let _ = write!(err, "{} ", visible(question)).and_then(|()| err.flush());
        Ok(())
    }

    /// A progress bar on standard error, shown where that is a terminal. `total`: `None` where it is not known.
    pub fn progress(&self, total: Option<u64>, unit: Unit) -> ProgressBar {
        let bar = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::no_length(),
        };
        let shown = !self.quiet && io::stderr().is_terminal();
        bar.set_draw_target(if shown {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        });
        let template = match (unit, total.is_some()) {
            (Unit::Rows, true) => "{bar:30} {human_pos}/{human_len} calls  {eta} left",
            (Unit::Rows, false) => "{spinner} {human_pos} calls",
            (Unit::Accounts, _) => "{bar:30} {human_pos}/{human_len} accounts  {eta} left",
            (Unit::Steps, _) => "{bar:30} step {human_pos} of {human_len}",
            (Unit::Bytes, _) => {
                "{bar:30} {binary_bytes}/{binary_total_bytes}  {binary_bytes_per_sec}  {eta} left"
            }
        };
        bar.with_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        )
    }

    fn tell(&mut self, text: &str) {
        // Data that was written before comes before. Who closed standard error does not want to know.
        let _ = self.out.flush();
        let _ = writeln!(io::stderr(), "{text}");
    }
}

async fn answer() -> Result<String, Failure> {
    let (sender, answered) = oneshot::channel();
    thread::spawn(move || {
        let mut answer = String::new();
        let read = io::stdin().lock().read_line(&mut answer);
        let _ = sender.send(read.map(|length| (length > 0).then_some(answer)));
    });
    match answered.await {
        Ok(Ok(Some(answer))) => Ok(answer.trim().to_owned()),
        Ok(Err(error)) => Err(Failure::usage(format!(
            "cannot read the answer from standard input: {error}"
        ))),
        Ok(Ok(None)) | Err(_) => Err(Failure::usage("standard input ended before the answer")),
    }
}

/// What a progress bar counts.
#[derive(Debug, Clone, Copy)]
pub enum Unit {
    /// Calls.
    Rows,
    /// Accounts.
    Accounts,
    /// Bytes of a file.
    Bytes,
    /// Steps of a long calculation.
    Steps,
}
