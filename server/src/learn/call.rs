//! A call's progress: it holds a slot, is charged for, and ends.

use std::time::Duration;

use jiff::Timestamp;
use tfps_engine::{
    call::{AccountId, FieldError, MAX_HEADER, Problem, printable},
    facts::traits_of,
    usage::{CallName, Day, Event, Ledger},
};

use super::{LearnError, Learner};
use crate::{
    auth::Principal,
    calls::begin_day,
    check::DecisionId,
    journal::{CallRecord, Entry, Progress, Record},
};

/// The causes (Q.850) that a call which was answered ends with: none told, normal call clearing, normal unspecified.
const ENDS_OF_ANSWERED_CALLS: [u32; 3] = [0, 16, 31];

/// A call's progress as a switch tells it.
#[derive(Clone, Debug)]
pub struct CallProgress {
    /// The account.
    pub account: AccountId,
    /// The decision that allowed the call, where it is told.
    pub decision: Option<DecisionId>,
    /// The Call-ID; empty where it is not told.
    pub call_id: String,
    /// The key of the attempt; empty where it is not told.
    pub attempt_key: String,
    /// Where it has got to.
    pub progress: Progress,
    /// When; now, where it is not told.
    pub at: Option<Timestamp>,
    /// With the end: how long it was answered; where it is not told, as long as since it was.
    pub duration: Option<Duration>,
    /// With the end: the Q.850 cause.
    pub cause: u32,
}

impl CallProgress {
    fn check(&self) -> Result<(), FieldError> {
        if self.decision.is_none() && self.call_id.is_empty() && self.attempt_key.is_empty() {
            return Err(FieldError::new("call.call_id", Problem::Missing));
        }
        for (field, text) in [
            ("call.call_id", &self.call_id),
            ("call.attempt_key", &self.attempt_key),
        ] {
            if text.len() > MAX_HEADER {
                let problem = Problem::TooLong {
                    length: text.len(),
                    limit: MAX_HEADER,
                };
                return Err(FieldError::new(field, problem));
            }
        }
        Ok(())
    }

    fn event(&self) -> Event {
        match self.progress {
            Progress::Started => Event::Started,
            Progress::Answered => Event::Answered,
            Progress::Ended => Event::Ended(self.duration.map(|duration| duration.as_secs())),
        }
    }
}

impl Learner {
    /// Learns a call's progress. It goes to the journal, as decisions do, so that a switch never waits for the
    /// database.
    ///
    /// # Errors
    /// When a field is wrong or the journal fails.
    pub fn call(&self, caller: &Principal, call: &CallProgress) -> Result<Vec<String>, LearnError> {
        caller.require_account(&call.account)?;
        call.check()?;
        let now = self.clock.now();
        let slots = self.checker.settings().slots();
        let holds = call.progress != Progress::Ended;
        let slot_until = if holds {
            now.as_second() + i64::from(slots.started)
        } else {
            0
        };
        let at = call.at.unwrap_or(now);
        let mut record = CallRecord {
            username: call.account.username().to_owned(),
            domain: call.account.domain().to_owned(),
            decision_id: call
                .decision
                .as_ref()
                .map(DecisionId::to_string)
                .unwrap_or_default(),
            call_id: printable(&call.call_id).into_owned(),
            attempt_key: printable(&call.attempt_key).into_owned(),
            progress: call.progress as i32,
            at: at.as_millisecond(),
            duration_ms: milliseconds(call.duration.unwrap_or_default()),
            cause: call.cause,
            slot_until,
            ..CallRecord::default()
        };
        let ledger = self.state.ledger(&call.account);
        let mut ledger = ledger.as_deref().map(parking_lot::Mutex::lock);
        let known = ledger
            .as_deref()
            .and_then(|ledger| named(call, ledger, &mut record));
        if holds
            && known.is_none()
            && ledger
                .as_deref()
                .is_some_and(|ledger| ledger.calls.is_full(now))
        {
            return Err(LearnError::Full(format!(
                "{} has as many calls in progress as an account may have; the switch must tell when calls end (`ended`)",
                call.account
            )));
        }
        // A decision's id may be made up.
        if holds
            && known.is_none()
            && ledger.is_some()
            && !self.state.in_progress.add_undecided(call.account.domain())
        {
            return Err(LearnError::Full(format!(
                "{} has as many calls in progress as a domain may have that were never asked about",
                call.account.domain()
            )));
        }
        let day = match (&mut ledger, known) {
            (Some(ledger), Some(key)) => self.known(key, call, ledger, &mut record, now),
            _ => None,
        };
        let exposure = record.exposure();
        let settles = record.settles;
        let entry = Record {
            entry: Some(Entry::Call(record)),
        };
        self.journal.append(&entry)?;
        let Some(Entry::Call(record)) = entry.entry else {
            return Ok(Vec::new());
        };
        if !holds {
            self.state.recent.end(&call.account, &record, now);
        }
        let Some(ledger) = &mut ledger else {
            return Ok(Vec::new());
        };
        if holds {
            let name = CallName {
                key: call.decision.map(|DecisionId(key)| key),
                attempt_key: &record.attempt_key,
                call_id: &record.call_id,
            };
            let key = known.or(name.key);
            let key = key.unwrap_or_else(|| self.state.undecided_call());
            let open = ledger.calls.start(key, &name, slot_until, now);
            if call.progress == Progress::Answered {
                // A switch's clock may be anywhere.
                let earliest = now.as_second() - i64::from(slots.started);
                let answered_at = at.as_second().clamp(earliest, now.as_second());
                open.answered_at.get_or_insert(answered_at);
            }
            self.state.in_progress.add(&call.account);
            if settles {
                ledger.settle(key);
            }
        } else if let Some(key) = known {
            if settles {
                ledger.settle(key);
            }
            self.test_call(key, call, ledger, now);
            ledger.calls.end(key);
            if let Some(day) = day {
                ledger.charge(day, exposure);
            }
            self.state.hang_ups.done(&call.account, key);
        }
        Ok(Vec::new())
    }

    /// A call that was over in moments may have been a test.
    fn test_call(&self, key: u128, call: &CallProgress, ledger: &Ledger, now: Timestamp) {
        let seconds = call.duration.unwrap_or_default().as_secs();
        let number = ledger.calls.get(key).and_then(|open| open.number);
        let Some(number) = number.filter(|_| seconds > 0) else {
            return;
        };
        let snapshot = self.state.snapshot.load();
        let home = self
            .state
            .policy(&snapshot, &call.account)
            .dial_plan
            .home_country();
        let traits = traits_of(Some(&number), home, None, "");
        let watch = &self.state.watch;
        watch.ended(&call.account, &traits, ledger.habits(), seconds, now);
    }

    /// Adds what is known of a call to its record; the day, where it is charged for.
    fn known(
        &self,
        key: u128,
        call: &CallProgress,
        ledger: &mut Ledger,
        record: &mut CallRecord,
        now: Timestamp,
    ) -> Option<Day> {
        let open = ledger.calls.get(key)?;
        record.emergency = open.emergency;
        record.e164 = open
            .number
            .map(|number| number.as_str().to_owned())
            .unwrap_or_default();
        let answered_at = open.answered_at;
        let is_charged = open.tariff.is_some();
        let told = call.duration.map(|duration| duration.as_secs());
        if call.progress == Progress::Ended
            && told.is_none()
            && let Some(answered_at) = answered_at
        {
            let seconds = now.as_second().saturating_sub(answered_at).max(0);
            record.duration_ms = seconds.saturating_mul(1_000);
        }
        if !is_charged {
            return None;
        }
        let snapshot = self.state.snapshot.load();
        let day = begin_day(self.state.policy(&snapshot, &call.account), ledger, now);
        if call.progress == Progress::Ended {
            let exposure = ledger.calls.exposure_of(key, told, now);
            record.day = day.digits();
            record.cost = exposure.cost.millionths();
            record.cost_is_estimated = exposure.estimated;
            record.seconds_abroad = exposure.seconds_abroad;
        }
        if settles(call, answered_at.is_some()) {
            let assumed = ledger.calls.assumed_of(key);
            record.settles = true;
            record.day = day.digits();
            record.assumed_cost = assumed.cost.millionths();
            record.assumed_seconds_abroad = assumed.seconds_abroad;
        }
        Some(day)
    }
}

/// The one call that a switch means, whose record gets all the names that are known of it; `None`: it is not known.
fn named(call: &CallProgress, ledger: &Ledger, record: &mut CallRecord) -> Option<u128> {
    let name = CallName {
        key: call.decision.map(|DecisionId(key)| key),
        attempt_key: &record.attempt_key,
        call_id: &record.call_id,
    };
    let open = ledger
        .calls
        .find(&name, call.event(), record.at.div_euclid(1_000))?;
    if let Some(decision) = DecisionId::of(open) {
        record.decision_id = decision.to_string();
    }
    for (told, known) in [
        (&mut record.call_id, &open.call_id),
        (&mut record.attempt_key, &open.attempt_key),
    ] {
        if !known.is_empty() {
            known.as_ref().clone_into(told);
        }
    }
    Some(open.key)
}

/// Whether it is known by this how long a call lasts, so that nothing need be assumed of it: it is answered, and so counts while it
/// lasts; or it has ended, and it is told for how long it was answered, or that it was not. A call that ended as calls do, and of which
/// nothing else was told, may have lasted for hours.
fn settles(call: &CallProgress, was_answered: bool) -> bool {
    match call.progress {
        Progress::Started => false,
        Progress::Answered => true,
        Progress::Ended => {
            was_answered || call.duration.is_some() || !ENDS_OF_ANSWERED_CALLS.contains(&call.cause)
        }
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
