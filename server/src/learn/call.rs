//! A call's progress: it holds a slot, is charged for, and ends.

use std::time::Duration;

use jiff::Timestamp;
use tfps_engine::{
    call::{AccountId, FieldError, MAX_HEADER, Problem},
    facts::traits_of,
    usage::{Day, Ledger},
};

use super::{LearnError, Learner};
use crate::{
    auth::Principal,
    calls::begin_day,
    journal::{CallRecord, Entry, Progress, Record},
};

/// A call's progress as a switch tells it.
#[derive(Clone, Debug)]
pub struct CallProgress {
    /// The account.
    pub account: AccountId,
    /// The Call-ID.
    pub call_id: String,
    /// Where it has got to.
    pub progress: Progress,
    /// When; now, where it is not told.
    pub at: Option<Timestamp>,
    /// With the end: how long it was answered; where it is not told, as long as since it was.
    pub duration: Option<Duration>,
    /// With the end: the Q.850 cause.
    pub cause: u32,
}

impl Learner {
    /// Learns a call's progress. It goes to the journal, as decisions do, so that a switch never waits for the
    /// database.
    ///
    /// # Errors
    /// When a field is wrong or the journal fails.
    pub fn call(&self, caller: &Principal, call: &CallProgress) -> Result<Vec<String>, LearnError> {
        caller.require_account(&call.account)?;
        if call.call_id.is_empty() {
            return Err(FieldError::new("call.call_id", Problem::Missing).into());
        }
        if call.call_id.len() > MAX_HEADER {
            let problem = Problem::TooLong {
                length: call.call_id.len(),
                limit: MAX_HEADER,
            };
            return Err(FieldError::new("call.call_id", problem).into());
        }
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
            call_id: tfps_engine::call::printable(&call.call_id).into_owned(),
            progress: call.progress as i32,
            at: at.as_millisecond(),
            duration_ms: milliseconds(call.duration.unwrap_or_default()),
            cause: call.cause,
            slot_until,
            ..CallRecord::default()
        };
        let key = self
            .state
            .recent
            .key((&call.account, call.call_id.as_str()));
        let ledger = self.state.ledger(&call.account);
        let mut ledger = ledger.as_deref().map(parking_lot::Mutex::lock);
        let day = ledger
            .as_deref_mut()
            .and_then(|ledger| self.known(key, call, ledger, &mut record, now));
        let call_id = record.call_id.clone();
        let exposure = record.exposure();
        self.journal.append(&Record {
            entry: Some(Entry::Call(record)),
        })?;
        let Some(ledger) = &mut ledger else {
            return Ok(Vec::new());
        };
        if holds {
            let open = ledger.calls.start(key, &call_id, slot_until, now);
            if call.progress == Progress::Answered {
                // A switch's clock may be anywhere.
                let earliest = now.as_second() - i64::from(slots.started);
                let answered_at = at.as_second().clamp(earliest, now.as_second());
                open.answered_at.get_or_insert(answered_at);
            }
            self.state.in_progress.add(&call.account);
        } else {
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
    fn test_call(&self, key: u64, call: &CallProgress, ledger: &Ledger, now: Timestamp) {
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
        key: u64,
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
            record.seconds_abroad = exposure.seconds_abroad;
        }
        Some(day)
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
