//! What criterion has measured, and the allocations of a decision.

use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::{
    Bench,
    report::{Limit, Report},
    statistics::Spread,
};

/// Reports the decision, its parts, its allocations and the journal.
pub(crate) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let whole = estimate(bench, "decision", "whole")?;
    report.budget(
        "engine, one decision",
        Limit::AtMost(2.0, " µs"),
        whole.median / 1_000.0,
        format!(
            "{:.2} µs ({:.2}–{:.2})",
            whole.median / 1_000.0,
            whole.least / 1_000.0,
            whole.most / 1_000.0
        ),
    );
    let without = estimate(bench, "decision", "whole, without the prediction")?;
    report.budget(
        "of it: the prediction",
        Limit::AtMost(1.0, " µs"),
        (whole.median - without.median) / 1_000.0,
        format!(
            "{:.2} µs: {:.2} beside {:.2} without",
            (whole.median - without.median) / 1_000.0,
            whole.median / 1_000.0,
            without.median / 1_000.0
        ),
    );
    allocations(bench, report)?;
    for (group, name, what) in [
        ("decision", "account look-up", "of it: look up the account"),
        (
            "decision",
            "gather",
            "of it: gather the facts, lists and numbering plan included",
        ),
        (
            "decision",
            "lists",
            "of that: number, source and user agent on the lists",
        ),
        (
            "decision",
            "normalize and plan",
            "of that: dialed number to E.164, country and kind",
        ),
        ("journal", "append", "journal: append a decision"),
        ("journal", "encode", "of it: encode it"),
        ("journal", "bare write", "beside: the bare write"),
        (
            "journal",
            "bare write of sixteen, each",
            "beside: the bare write of sixteen at once, each",
        ),
    ] {
        let estimate = estimate(bench, group, name)?;
        report.note(what, format!("{} ns", estimate.show(0)));
    }
    Ok(())
}

/// The median of a benchmark and its confidence interval, in nanoseconds.
fn estimate(bench: &Bench, group: &str, name: &str) -> anyhow::Result<Spread> {
    let path = bench
        .criterion
        .join(group)
        .join(name)
        .join("new/estimates.json");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("{} is not there; run `make bench`", path.display()))?;
    spread(&serde_json::from_str(&text)?)
        .with_context(|| format!("{} has no median", path.display()))
}

fn spread(estimates: &Value) -> Option<Spread> {
    let median = estimates.get("median")?;
    let interval = median.get("confidence_interval")?;
    Some(Spread {
        median: median.get("point_estimate")?.as_f64()?,
        least: interval.get("lower_bound")?.as_f64()?,
        most: interval.get("upper_bound")?.as_f64()?,
    })
}

/// Allocations a decision with few accounts and with many: the budget is that they are the same.
fn allocations(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let output = Command::new(bench.program("allocations")?)
        .env("BENCH_QUICK", if bench.quick { "1" } else { "" })
        .output()?;
    ensure!(output.status.success(), "counting allocations fails");
    let said = String::from_utf8(output.stdout)?;
    let counted: Vec<[f64; 4]> = said.lines().filter_map(counted).collect();
    let [few, many] = counted[..] else {
        anyhow::bail!("allocations says {said:?}");
    };
    report.budget(
        format!("allocations that {} accounts add to a decision", many[0]),
        Limit::AtMost(0.0, ""),
        // What differs by a hundredth is a table that grows once in a while.
        ((many[1] - few[1]) * 20.0).round().max(0.0) / 20.0,
        format!(
            "{:.2} allocations beside {:.2} with {} accounts; {:.0} bytes; at most {}",
            many[1], few[1], few[0], many[3], many[2]
        ),
    );
    Ok(())
}

fn counted(line: &str) -> Option<[f64; 4]> {
    let columns: Option<Vec<f64>> = line.split('\t').map(|column| column.parse().ok()).collect();
    columns?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn criterions_estimates_are_read() {
        let estimates = serde_json::json!({
            "mean": {"point_estimate": 9.0},
            "median": {"confidence_interval": {"confidence_level": 0.95, "lower_bound": 1.0, "upper_bound": 3.0},
                "point_estimate": 2.0, "standard_error": 0.1},
        });
        assert_eq!(spread(&estimates).unwrap().show(0), "2 (1–3)");
        assert_eq!(spread(&serde_json::json!({})), None);
    }

    #[test]
    fn counted_allocations_are_read() {
        assert_eq!(
            counted("1000\t3.20\t7\t120"),
            Some([1000.0, 3.2, 7.0, 120.0])
        );
        assert_eq!(counted("1000\t3.20"), None);
    }
}
