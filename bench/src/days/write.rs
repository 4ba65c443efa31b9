//! Days as files, such as `tfpsctl simulate` takes.

use std::{fs, io, path::Path};

use jiff::{ToSpan, civil::Date};
use serde::Serialize;
use tfps_engine::{account::Limits, simulation::SimulatedCall};

use super::{Attack, Fraud, World};

/// What is written.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// The first day.
    pub from: Date,
    /// How many days there are.
    pub days: i32,
    /// How many days of ordinary calls there were before.
    pub history: i32,
    /// How many attacks of each kind there are a day.
    pub attacks_a_day: u64,
}

/// A line of a file of calls.
#[derive(Serialize)]
struct Line<'c> {
    time: String,
    username: &'c str,
    domain: &'c str,
    dialed: &'c str,
    source_ip: String,
    source_country: &'c str,
    user_agent: &'c str,
    forwarded_from: &'c str,
    duration: i64,
    fraud: &'static str,
}

/// An account as `tfpsctl list --output json` writes it, as far as a simulation reads it.
#[derive(Serialize)]
struct Account<'a> {
    username: &'a str,
    domain: &'a str,
    limits: Limits,
    source_countries: [&'static str; 1],
    destination_countries: [&'static str; 1],
}

/// Writes `calls.csv`, `history.csv`, `accounts.json` and `known.txt` into a folder.
///
/// # Errors
/// When a file can't be written.
pub fn write(folder: &Path, world: &World, fraud: &Fraud, span: Span) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut calls = Vec::new();
    for day in 0..span.days {
        let Ok(date) = span.from.checked_add(day.days()) else {
            break;
        };
        calls.extend(world.day(date));
        for attack in Attack::ALL {
            for which in 0..span.attacks_a_day {
                calls.extend(attack.calls(world, fraud, date, which));
            }
        }
    }
    calls.sort_by_key(|call| call.at);
    write_calls(&folder.join("calls.csv"), calls)?;
    let history = world.history(span.from, span.history);
    write_calls(&folder.join("history.csv"), history)?;
    let accounts: Vec<Account<'_>> = world
        .subscribers
        .iter()
        .map(|subscriber| Account {
            username: subscriber.id.username(),
            domain: subscriber.id.domain(),
            limits: subscriber.limits(),
            source_countries: ["US"],
            destination_countries: ["US"],
        })
        .collect();
    fs::write(
        folder.join("accounts.json"),
        serde_json::to_string_pretty(&accounts)?,
    )?;
    let known: String = fraud
        .known
        .iter()
        .map(|number| format!("{}\n", number.as_str()))
        .collect();
    fs::write(folder.join("known.txt"), known)
}

fn write_calls(path: &Path, calls: impl IntoIterator<Item = SimulatedCall>) -> io::Result<()> {
    let mut file = csv::Writer::from_path(path)?;
    for call in calls {
        let source = call.attempt.source_ip.map(|ip| ip.to_string());
        file.serialize(Line {
            time: call.at.to_string(),
            username: call.attempt.account.username(),
            domain: call.attempt.account.domain(),
            dialed: &call.attempt.dialed,
            source_ip: source.unwrap_or_default(),
            source_country: call.source.country.map_or("", |country| country.code()),
            user_agent: &call.attempt.user_agent,
            forwarded_from: &call.attempt.forwarded_from,
            duration: call.duration.as_secs(),
            fraud: match call.fraud {
                Some(true) => "yes",
                Some(false) => "no",
                None => "",
            },
        })?;
    }
    file.flush()
}
