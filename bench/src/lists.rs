//! Lists at size: what a look-up costs among few entries and among many, and what many take.

use std::{hint::black_box, net::IpAddr, process::Command, sync::Arc, time::Instant};

use anyhow::{Context, ensure};
use tfps_bench::workload;
use tfps_engine::{
    lists::{Action, EntryKind, EntryValue, Feed, FeedEntry, Lists},
    number::E164,
};
use tfps_server::restore::SCANNERS;

use crate::{
    Bench,
    process::resident_bytes_of,
    report::{Limit, Report},
    statistics::Spread,
};

/// Different look-ups that are gone round: they do not fit into the nearest caches with what they find.
const LOOK_UPS: usize = 65_536;
/// Rounds of them that are measured.
const ROUNDS: usize = 9;
/// No entry expires.
const NOW: i64 = 1_780_000_000;

/// A kind of list, and how long a short one and a long one is.
struct Kind {
    kind: EntryKind,
    name: &'static str,
    few: usize,
    many: usize,
    /// What a look-up may take, in nanoseconds: a half of it, or all, of what a whole decision may.
    most: f64,
}

fn kinds(bench: &Bench) -> [Kind; 3] {
    let many = |many| if bench.quick { many / 100 } else { many };
    [
        Kind {
            kind: EntryKind::Number,
            name: "numbers and prefixes",
            few: 1_000,
            many: many(1_000_000),
            most: 1_000.0,
        },
        Kind {
            kind: EntryKind::Ip,
            name: "networks",
            few: 1_000,
            many: many(1_000_000),
            most: 1_000.0,
        },
        Kind {
            kind: EntryKind::UserAgent,
            name: "user-agent patterns",
            few: SCANNERS.len(),
            many: many(10_000),
            most: 2_000.0,
        },
    ]
}

/// Reports how flat the cost of a look-up is, and the memory of long lists.
pub(crate) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    for Kind {
        kind,
        name,
        few,
        many,
        most,
    } in kinds(bench)
    {
        let (short, long) = (list(kind, few)?, list(kind, many)?);
        let asked = Asked::of(kind, many)?;
        let turns: Vec<_> = (0..ROUNDS)
            .map(|_| (asked.nanoseconds(&short), asked.nanoseconds(&long)))
            .collect();
        let ratio = Spread::of(turns.iter().map(|(short, long)| long / short));
        let cost = Spread::of(turns.iter().map(|turn| turn.1));
        report.note(
            format!("a look-up among {many} {name}, beside one among {few}"),
            format!(
                "{} × ({} ns beside {} ns)",
                ratio.show(1),
                cost.show(0),
                Spread::of(turns.iter().map(|turn| turn.0)).show(0)
            ),
        );
        report.budget(
            format!("a look-up among {many} {name}"),
            Limit::AtMost(most, " ns"),
            cost.median,
            format!("{} ns", cost.show(0)),
        );
        let table = Command::new(std::env::current_exe()?)
            .args(["--list-of", kind.as_str(), &many.to_string()])
            .output()?;
        ensure!(table.status.success(), "measuring a list fails");
        let bytes: f64 = String::from_utf8(table.stdout)?
            .trim()
            .parse()
            .context("bytes of a list")?;
        report.note(
            format!("memory of {many} {name}"),
            format!(
                "{:.0} MB, {:.0} bytes each",
                bytes / 1e6,
                bytes / many as f64
            ),
        );
    }
    Ok(())
}

/// What a list takes, in bytes. For a process of its own.
pub(crate) fn bytes_of_a_list(kind: &str, count: usize) -> anyhow::Result<u64> {
    let kind = [EntryKind::Number, EntryKind::Ip, EntryKind::UserAgent]
        .into_iter()
        .find(|own| own.as_str() == kind)
        .context("ip, number or user-agent")?;
    let before = resident_bytes_of("self")?;
    let list = list(kind, count)?;
    std::thread::sleep(crate::data::REST);
    let after = resident_bytes_of("self")?;
    ensure!(list.len() == count, "entries are not all different");
    Ok(after.saturating_sub(before))
}

/// A list of one source, as a file or a download becomes one.
fn list(kind: EntryKind, count: usize) -> anyhow::Result<Lists> {
    let reason: Arc<str> = "a known range".into();
    let entries = values(kind, count).into_iter().map(|value| FeedEntry {
        value: EntryValue::parse(kind, &value).expect("the value was made to be one"),
        action: Action::Block,
        reason: Arc::clone(&reason),
        expires_at: None,
    });
    let feed = Feed::new("benchmark", "", NOW, entries)?;
    Ok(Lists::default().with_feed(feed))
}

fn values(kind: EntryKind, count: usize) -> Vec<String> {
    match kind {
        EntryKind::Number => workload::listed_numbers(count),
        EntryKind::Ip => workload::listed_networks(count),
        EntryKind::UserAgent => workload::listed_agents(count),
    }
}

/// What is looked up: half of it is on the long list.
enum Asked {
    Numbers(Vec<E164>),
    Addresses(Vec<IpAddr>),
    Agents(Vec<String>),
}

impl Asked {
    fn of(kind: EntryKind, many: usize) -> anyhow::Result<Self> {
        let listed = values(kind, many);
        let step = (listed.len() / (LOOK_UPS / 2)).max(1);
        let listed = listed.iter().step_by(step).cycle();
        Ok(match kind {
            EntryKind::Number => {
                let on = listed.map(|prefix| format!("{prefix:0<12}"));
                let off = (0..).map(|number| format!("49301{:07}", number * 37 % 10_000_000));
                let both = on.zip(off).flat_map(|(on, off)| [on, off]);
                let numbers = both.take(LOOK_UPS).map(|number| number.parse::<E164>());
                Self::Numbers(numbers.collect::<Result<_, _>>()?)
            }
            EntryKind::Ip => {
                let on = listed.filter_map(|network| {
                    let network = network.split('/').next()?;
                    network.parse().ok()
                });
                let off = (0..).map(|number| IpAddr::from(workload::source(number)));
                let both = on.zip(off).flat_map(|(on, off)| [on, off]);
                Self::Addresses(both.take(LOOK_UPS).collect())
            }
            EntryKind::UserAgent => {
                let on = (0..many).cycle().map(workload::listed_agent);
                let off = (0..).map(|number| format!("Yealink SIP-T46S 66.85.0.{}", number % 256));
                let both = on.zip(off).flat_map(|(on, off)| [on, off]);
                Self::Agents(both.take(LOOK_UPS / 8).collect())
            }
        })
    }

    /// What each takes on average.
    fn nanoseconds(&self, lists: &Lists) -> f64 {
        let began = Instant::now();
        let count = match self {
            Self::Numbers(numbers) => {
                for number in numbers {
                    black_box(lists.number("", black_box(number), NOW));
                }
                numbers.len()
            }
            Self::Addresses(addresses) => {
                for ip in addresses {
                    black_box(lists.source("", black_box(*ip), NOW));
                }
                addresses.len()
            }
            Self::Agents(agents) => {
                for agent in agents {
                    black_box(lists.user_agent("", black_box(agent), NOW));
                }
                agents.len()
            }
        };
        began.elapsed().as_secs_f64() * 1e9 / count as f64
    }
}
