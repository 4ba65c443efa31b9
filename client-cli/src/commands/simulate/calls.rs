//! Calls that were made.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use jiff::SignedDuration;
use tfps_client::v1::CheckRequest;
use tfps_engine::{
    call::RawAttempt, facts::Standpoint, number::Country, simulation::SimulatedCall,
};

use crate::{
    attempts::{Attempt, AttemptError, Attempts, WrongLines},
    console::Console,
    failure::{Exit, Failure},
    time,
};

/// Calls in the order of their times.
#[derive(Debug, Default)]
pub(in crate::commands) struct Calls {
    /// The calls.
    pub(in crate::commands) calls: Vec<SimulatedCall>,
    has_durations: bool,
    has_source_countries: bool,
}

impl Calls {
    /// Reads a file of calls.
    ///
    /// # Errors
    ///
    /// When it can't be read, has none, or has lines that are wrong: these are told, and what this means for the whole.
    pub(in crate::commands) fn read(path: &Path, so: &str) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Self::from(io::stdin(), "standard input", so);
        }
        let name = path.display().to_string();
        let file = File::open(path)
            .map_err(|error| Failure::usage(format!("cannot read {name}: {error}")))?;
        Self::from(file, &name, so)
    }

    fn from(source: impl Read, name: &str, so: &str) -> Result<Self, Failure> {
        let attempts = Attempts::new(source)
            .map_err(|error| Failure::usage(format!("cannot take {name}: {error}")))?;
        if !attempts.have_times() {
            return Err(Failure::usage(format!(
                "cannot take {name}: the column `time` is missing in the header; {so}"
            )));
        }
        let has_durations = attempts.have_durations();
        let has_source_countries = attempts.have_source_countries();
        let mut calls = Vec::new();
        let mut wrong = WrongLines::default();
        for attempt in attempts {
            match attempt.and_then(call) {
                Ok(call) => calls.push(call),
                Err(error) if wrong.add(&error) => break,
                Err(_) => {}
            }
        }
        wrong.refuse(name, so)?;
        if calls.is_empty() {
            return Err(Failure::new(Exit::Usage, format!("{name} has no call")));
        }
        // Records of calls are often in the order in which calls ended.
        calls.sort_by_key(|call| call.at);
        Ok(Self {
            calls,
            has_durations,
            has_source_countries,
        })
    }

    /// Where a file does not say where calls come from, they come from home.
    pub(in crate::commands) fn come_from(&mut self, home: Country) {
        if !self.has_source_countries {
            for call in &mut self.calls {
                call.source.country = Some(home);
            }
        }
    }

    /// Says what will not be known of the calls.
    pub(super) fn say_what_is_missing(&self, console: &mut Console) {
        if !self.has_durations {
            console.warn(
                "there is no column duration: every call ends at once, so no limit of calls at once is reached, and no minute is counted",
            );
        }
        if !self.has_source_countries {
            console.warn(
                "there is no column source_country: all calls are taken to come from the policy's home country",
            );
        }
    }
}

fn call(attempt: Attempt) -> Result<SimulatedCall, AttemptError> {
    let Attempt {
        line,
        check,
        duration,
        source_country,
        fraud,
    } = attempt;
    let wrong = |why: String| AttemptError::Line { line, why };
    let CheckRequest {
        account,
        dialed_number,
        caller_number,
        source_ip,
        user_agent,
        concurrent_calls,
        call_id,
        forwarded_from,
        trunk,
        at,
        ..
    } = check;
    let account = account.unwrap_or_default();
    let at = at
        .and_then(time::of_message)
        .ok_or_else(|| wrong("time is empty".to_owned()))?;
    let raw = RawAttempt {
        username: account.username,
        domain: account.domain,
        dialed: dialed_number,
        caller: caller_number,
        source_ip,
        user_agent,
        concurrent_calls,
        call_id,
        attempt_key: String::new(),
        forwarded_from,
        trunk,
    };
    raw.check_bounds()
        .map_err(|error| wrong(error.to_string()))?;
    let source_ip = raw.source_ip().map_err(|error| wrong(error.to_string()))?;
    let attempt = raw
        .into_attempt(source_ip)
        .map_err(|refused| wrong(refused.0.0.to_string()))?;
    let duration = duration.unwrap_or_default();
    Ok(SimulatedCall {
        at,
        attempt,
        source: Standpoint {
            country: source_country,
            ..Standpoint::default()
        },
        duration: SignedDuration::try_from(duration)
            .map_err(|_| wrong("the duration is longer than anything".to_owned()))?,
        fraud,
    })
}
