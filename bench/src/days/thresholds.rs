//! Thresholds as switches have them: an account's calls a minute, a day and at once, its repeats of one number and the length of a call, each
//! for calls abroad, as OpenSIPS' module fraud_detection counts them for a user and a prefix.

use std::collections::{HashMap, VecDeque};

use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, DateTime, Weekday},
    tz::TimeZone,
};
use tfps_engine::{call::AccountId, simulation::SimulatedCall};

/// The critical thresholds; a call over one of them is denied.
#[derive(Clone, Copy, Debug)]
pub struct Thresholds {
    /// Calls within a minute.
    pub calls_a_minute: usize,
    /// Calls a day.
    pub calls_a_day: u32,
    /// Calls at once.
    pub concurrent: usize,
    /// Calls to one number in a row.
    pub in_a_row: u32,
}

impl Thresholds {
    /// The critical ones of the tutorial of OpenSIPS' module, by the time of the day and the week.
    pub fn at(local: DateTime) -> Self {
        let weekend = matches!(local.weekday(), Weekday::Saturday | Weekday::Sunday);
        let (calls_a_minute, calls_a_day, concurrent, in_a_row) = match local.hour() {
            _ if weekend => (5, 40, 5, 30),
            0..9 => (4, 20, 4, 15),
            9..17 => (5, 35, 5, 20),
            _ => (5, 35, 5, 26),
        };
        Self {
            calls_a_minute,
            calls_a_day,
            concurrent,
            in_a_row,
        }
    }
}

/// Decides by thresholds.
#[derive(Debug)]
pub struct ByThresholds {
    zone: TimeZone,
    accounts: HashMap<AccountId, Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    day: Date,
    today: u32,
    minute: VecDeque<Timestamp>,
    ends: Vec<Timestamp>,
    last: String,
    in_a_row: u32,
}

impl ByThresholds {
    /// Nothing counted yet.
    pub fn new(zone: TimeZone) -> Self {
        Self {
            zone,
            accounts: HashMap::new(),
        }
    }

    /// Whether a call passes. Calls at home are not looked at.
    pub fn passes(&mut self, call: &SimulatedCall, abroad: bool) -> bool {
        if !abroad {
            return true;
        }
        let at = call.at;
        let local = self.zone.to_datetime(at);
        let limit = Thresholds::at(local);
        let account = &call.attempt.account;
        let counters = self.accounts.entry(account.clone()).or_default();
        let day = local.date();
        if counters.day != day {
            counters.day = day;
            counters.today = 0;
        }
        while counters
            .minute
            .front()
            .is_some_and(|then| at.duration_since(*then) >= SignedDuration::from_mins(1))
        {
            counters.minute.pop_front();
        }
        counters.ends.retain(|end| *end > at);
        if counters.last == call.attempt.dialed {
            counters.in_a_row += 1;
        } else {
            counters.last.clone_from(&call.attempt.dialed);
            counters.in_a_row = 1;
        }
        counters.minute.push_back(at);
        counters.today += 1;
        let passes = counters.minute.len() <= limit.calls_a_minute
            && counters.today <= limit.calls_a_day
            && counters.ends.len() < limit.concurrent
            && counters.in_a_row <= limit.in_a_row;
        if passes {
            counters.ends.push(at + call.duration);
        }
        passes
    }
}
