//! The report: what was promised, what was measured.

use std::{fmt::Write, fs, process::Command};

use tfps_server::clock::Clock;

/// What was measured, so far.
#[derive(Debug)]
pub(crate) struct Report {
    quick: bool,
    budgets: Vec<Budget>,
    notes: Vec<(String, String)>,
}

#[derive(Debug)]
struct Budget {
    what: String,
    limit: Limit,
    measured: f64,
    shown: String,
}

/// What was promised.
#[derive(Clone, Debug)]
pub(crate) enum Limit {
    /// At most so much of a unit.
    AtMost(f64, &'static str),
    /// At least so much of a unit.
    AtLeast(f64, &'static str),
}

impl Report {
    /// Of a smoke run, or of a real one.
    pub(crate) fn new(quick: bool) -> Self {
        Self {
            quick,
            budgets: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// A budget: what was promised, the figure that is held against it, and that figure as it is shown, spread included.
    pub(crate) fn budget(
        &mut self,
        what: impl Into<String>,
        limit: Limit,
        measured: f64,
        shown: impl Into<String>,
    ) {
        let budget = Budget {
            what: what.into(),
            limit,
            measured,
            shown: shown.into(),
        };
        crate::say(format_args!(
            "{}: {} (budget {}: {})",
            budget.what,
            budget.shown,
            budget.limit,
            budget.verdict()
        ));
        self.budgets.push(budget);
    }

    /// Something for information.
    pub(crate) fn note(&mut self, what: impl Into<String>, shown: impl Into<String>) {
        let (what, shown) = (what.into(), shown.into());
        crate::say(format_args!("{what}: {shown}"));
        self.notes.push((what, shown));
    }

    /// The report, in Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::from("# Budgets\n\n");
        if self.quick {
            text.push_str("**A smoke run with small numbers: it proves nothing.**\n\n");
        }
        for (what, value) in machine() {
            let _ = writeln!(text, "- {what}: {value}");
        }
        text.push_str("\nMedians; in brackets the least and the most.\n\n");
        text.push_str("| what | budget | measured | |\n| --- | --- | --- | --- |\n");
        for budget in &self.budgets {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} |",
                budget.what,
                budget.limit,
                budget.shown,
                budget.verdict()
            );
        }
        if !self.notes.is_empty() {
            text.push_str("\nFor information:\n\n| what | measured |\n| --- | --- |\n");
            for (what, shown) in &self.notes {
                let _ = writeln!(text, "| {what} | {shown} |");
            }
        }
        text
    }
}

impl Budget {
    fn verdict(&self) -> String {
        let (bound, missed_by) = match self.limit {
            Limit::AtMost(bound, _) => (bound, self.measured - bound),
            Limit::AtLeast(bound, _) => (bound, bound - self.measured),
        };
        if self.measured.is_nan() {
            "not measured".to_owned()
        } else if missed_by > 0.0 {
            format!("**missed by {:.0} %**", (missed_by / bound * 100.0).ceil())
        } else {
            "met".to_owned()
        }
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtMost(bound, unit) => write!(f, "≤ {bound}{unit}"),
            Self::AtLeast(bound, unit) => write!(f, "≥ {bound}{unit}"),
        }
    }
}

/// What it was measured on, and with.
fn machine() -> Vec<(&'static str, String)> {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let gigabytes = field(&memory, "MemTotal")
        .and_then(|total| total.strip_suffix(" kB")?.parse::<f64>().ok())
        .map_or(0.0, |kilobytes| kilobytes / f64::from(1 << 20));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let changed = !output("git", &["status", "--porcelain"]).is_empty();
    let commit = output("git", &["rev-parse", "--short=12", "HEAD"]);
    vec![
        (
            "machine",
            format!(
                "{}, {cores} cores, {gigabytes:.0} GiB, Linux {}",
                field(&cpu, "model name").unwrap_or("unknown processor"),
                kernel.trim()
            ),
        ),
        (
            "date",
            Clock::System
                .now()
                .strftime("%Y-%m-%d %H:%M UTC")
                .to_string(),
        ),
        ("compiler", output("rustc", &["--version"])),
        (
            "commit",
            if changed {
                format!("{commit}, with changes")
            } else {
                commit
            },
        ),
    ]
}

/// The value of a `name : value` line.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then_some(value.trim())
    })
}

fn output(program: &str, arguments: &[&str]) -> String {
    Command::new(program)
        .args(arguments)
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_met_or_missed_by_so_much() {
        let mut report = Report::new(false);
        report.budget("quick", Limit::AtMost(2.0, " µs"), 1.5, "1.5 µs");
        report.budget("slow", Limit::AtMost(2.0, " µs"), 2.5, "2.5 µs");
        report.budget("rare", Limit::AtLeast(80.0, " %"), 60.0, "60 %");
        report.budget("unknown", Limit::AtMost(1.0, ""), f64::NAN, "");
        let text = report.markdown();
        assert!(text.contains("| quick | ≤ 2 µs | 1.5 µs | met |"), "{text}");
        assert!(text.contains("2.5 µs | **missed by 25 %** |"), "{text}");
        assert!(
            text.contains("≥ 80 % | 60 % | **missed by 25 %** |"),
            "{text}"
        );
        assert!(text.contains("not measured"), "{text}");
    }

    #[test]
    fn the_processor_is_read_from_its_line() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Some CPU @ 2.0GHz\n";
        assert_eq!(field(cpuinfo, "model name"), Some("Some CPU @ 2.0GHz"));
    }
}
