//! The report as a page: it stands alone and loads nothing.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use tfps_engine::simulation::ByKind;

use super::{
    plot::{Place, Series, bars},
    report::{Part, Report, letter, minutes},
    screen::summary,
};
use crate::output::count;

/// How many accounts are listed.
const ACCOUNTS: usize = 200;

const STYLE: &str = "
:root { color-scheme: light; }
body { font: 15px/1.45 system-ui, sans-serif; color: #1b1b1b; background: #fff; margin: 2rem auto; max-width: 100rem; padding: 0 1.5rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: .95rem; font-weight: 600; margin: .8rem 0 .2rem; }
p.lead { color: #555; margin-top: 0; }
div.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .55rem; text-align: right; border-bottom: 1px solid #e6e6e6; white-space: nowrap; }
th { font-weight: 600; border-bottom: 2px solid #bbb; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; padding-left: 0; white-space: pre; }
th.policy, td.policy { border-left: 2px solid #bbb; }
tr:hover td { background: #f6f6f6; }
.bad { color: #b03a00; font-weight: 600; }
.plots { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: .4rem 2rem; }
svg { width: 100%; height: auto; font: 11px system-ui, sans-serif; }
.grid { stroke: #e2e2e2; }
";

/// The page.
pub(super) fn page(report: &Report) -> Markup {
    let made = &report.made;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "TFPS: a simulation" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "What TFPS would have done" }
                p.lead {
                    (count(made.calls as u64)) " calls of " (count(made.accounts as u64)) " accounts, from "
                    (made.first.strftime("%F %H:%MZ").to_string()) " to " (made.last.strftime("%F %H:%MZ").to_string())
                    @for (place, run) in report.runs.iter().enumerate() {
                        br;
                        @if report.runs.len() > 1 { b { (letter(place)) } " " }
                        "policy " b { (run.name) } ", in " (run.zone)
                        @if run.tally.without_rate > 0 {
                            "; " (count(run.tally.without_rate)) " calls go to numbers without a rate"
                        }
                    }
                }
                h2 { "All calls" }
                table {
                    tr {
                        th {}
                        @for (place, run) in report.runs.iter().enumerate() {
                            th { @if report.runs.len() > 1 { (letter(place)) " " } (run.name) }
                        }
                    }
                    @for (name, values) in summary(report) {
                        tr { td { (name) } @for value in values { td { (value) } } }
                    }
                }
                (over_time(report))
                (table("By code", "code", &report.by_code(), report))
                (table("What rules that only report would have done", "code", &report.by_monitored_code(), report))
                (accounts(report))
                (table("By time", "from", &report.by_time(), report))
                p.lead {
                    "Callers that are not marked as fraud pass the challenges that they meet, as people do; fraudsters do not. "
                    "Challenged and denied count people, let through counts fraud."
                }
            }
        }
    }
}

fn accounts(report: &Report) -> Markup {
    let all = report.by_account();
    let shown = &all[..all.len().min(ACCOUNTS)];
    html! {
        (table("By account, of those that were hindered or defrauded", "account", shown, report))
        @if all.len() > shown.len() {
            p { (count((all.len() - shown.len()) as u64)) " more are in the JSON." }
        }
    }
}

fn over_time(report: &Report) -> Markup {
    let parts = report.by_time();
    let places: Vec<Place> = parts
        .iter()
        .map(|part| Place {
            name: part.name.clone(),
            tick: part.tick.clone(),
        })
        .collect();
    let values = |policy: usize, of: fn(&ByKind) -> u64| -> Vec<u64> {
        let value = |part: &Part| part.by_policy.get(policy).map_or(0, of);
        parts.iter().map(value).collect()
    };
    let most = |of: fn(&ByKind) -> u64| {
        let all = parts.iter().flat_map(|part| &part.by_policy);
        all.map(of).max().unwrap_or(0)
    };
    let has_fraud = report.made.fraud > 0;
    html! {
        h2 { "Over time" }
        div.plots {
            @for (place, _) in report.runs.iter().enumerate() {
                @let of_policy = if report.runs.len() > 1 { format!("{}: ", letter(place)) } else { String::new() };
                div {
                    h3 { (of_policy) "ordinary calls that were hindered" }
                    (bars("Ordinary calls that were hindered", &places, &[
                        Series { name: "challenged", colour: "#e69f00", values: values(place, |of| of.people().challenged) },
                        Series { name: "denied", colour: "#cc79a7", values: values(place, |of| of.people().denied) },
                    ], most(|of| of.people().hindered())))
                    @if has_fraud {
                        h3 { (of_policy) "fraudulent calls" }
                        (bars("Fraudulent calls", &places, &[
                            Series { name: "stopped", colour: "#0072b2", values: values(place, |of| of.fraud.calls - of.fraud.passed) },
                            Series { name: "let through", colour: "#d55e00", values: values(place, |of| of.fraud.passed) },
                        ], most(|of| of.fraud.calls)))
                    }
                }
            }
        }
        div.plots {
            div {
                h3 { "all calls" }
                (bars("All calls", &places, &[
                    Series { name: "calls", colour: "#777777", values: values(0, |of| of.total().calls) },
                ], most(|of| of.total().calls)))
            }
        }
    }
}

fn table(title: &str, of: &str, parts: &[Part], report: &Report) -> Markup {
    html! {
        @if !parts.is_empty() {
            h2 { (title) }
            div.wide { table {
                @if report.runs.len() > 1 {
                    tr {
                        th {}
                        @for (place, run) in report.runs.iter().enumerate() {
                            th.policy colspan=(if report.has_rates { 7 } else { 6 }) style="text-align: left" {
                                (letter(place)) " " (run.name)
                            }
                        }
                    }
                }
                tr {
                    th { (of) }
                    @for _ in &report.runs {
                        th.policy { "calls" } th { "challenged" } th { "denied" } th { "fraud" } th { "let through" } th { "minutes" }
                        @if report.has_rates { th { "money" } }
                    }
                }
                @for part in parts {
                    tr {
                        td { (part.name) @if !part.meaning.is_empty() { "  " (part.meaning) } }
                        @for kinds in &part.by_policy { (cells(kinds, report.has_rates)) }
                    }
                }
            } }
        }
    }
}

fn cells(kinds: &ByKind, has_rates: bool) -> Markup {
    let (people, fraud) = (kinds.people(), kinds.fraud);
    let number = |number: u64| {
        if number == 0 {
            String::new()
        } else {
            count(number)
        }
    };
    html! {
        td.policy { (number(kinds.total().calls)) }
        td { (number(people.challenged)) }
        td { (number(people.denied)) }
        td { (number(fraud.calls)) }
        td.bad { (number(fraud.passed)) }
        td.bad { @if fraud.seconds > 0 { (minutes(fraud.seconds)) } }
        @if has_rates { td.bad { @if fraud.cost.millionths() > 0 { (format!("{:.2}", fraud.cost)) } } }
    }
}
