//! The calls of an account that were allowed and have not ended.

use jiff::Timestamp;
use thin_vec::ThinVec;

use crate::{
    call::CallAttempt,
    exposure::{Exposure, Money, Tariff},
    number::E164,
};

/// How long a call that is charged for is remembered after its slot where nothing is told of it, in seconds: it may be one
/// whose end alone is told.
const REMEMBERED: i64 = 4 * 3_600;
/// How many calls that are only remembered there are at the most: a switch that never tells what becomes of its calls must
/// not make deciding slow.
const UNTOLD: usize = 256;
/// How many of the oldest are forgotten when there are too many: all others move each time.
const FORGOTTEN_AT_ONCE: usize = 32;

/// How many calls of an account a switch can tell of at once: what is asked of an account looks at each of them.
const MOST: usize = 4_096;

/// How long a call holds a slot that nobody gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotTimes {
    /// Seconds from the decision to the switch's word that the call has started.
    pub reserved: u32,
    /// Seconds from the start of a call: longer than any call lasts, so that a lost hang-up can't stick.
    pub started: u32,
}

/// A call that was allowed and has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenCall {
    /// Which: the number of the decision that allowed it, or one of its own. No two calls have the same, whatever callers write.
    pub key: u128,
    /// Whether the key is a decision's. A switch may tell of calls that were decided elsewhere.
    pub decided: bool,
    /// The Call-ID; empty where it is not told. Callers write it, and several calls may have the same.
    pub call_id: Box<str>,
    /// The key of its attempt, as the switch made it; empty where it is not told.
    pub attempt_key: Box<str>,
    /// The number that is called, where a decision told it.
    pub number: Option<E164>,
    /// Whether somebody calls for help: it takes no slot, and nothing ends it.
    pub emergency: bool,
    /// Whether the switch has told that the call is there.
    pub told: bool,
    /// Whether it holds one of the account's slots: the switch does not count itself.
    pub holds: bool,
    /// Until when, in seconds since 1970.
    pub until: i64,
    /// What it costs, where the policy caps that.
    pub tariff: Option<Tariff>,
    /// How long it was assumed to last when it was allowed, in seconds: it was charged so, until it is known better. 0: it was not.
    pub assumed_seconds: u32,
    /// When it was answered, in seconds since 1970.
    pub answered_at: Option<i64>,
    /// What came before this, in seconds since 1970, is charged for no more: it was yesterday, or somebody has set the
    /// counters to zero.
    pub charged_from: i64,
}

impl OpenCall {
    /// A call that holds a slot for a while.
    pub fn new(key: u128, until: i64) -> Self {
        Self {
            key,
            decided: false,
            call_id: Box::default(),
            attempt_key: Box::default(),
            number: None,
            emergency: false,
            told: false,
            holds: true,
            until,
            tariff: None,
            assumed_seconds: 0,
            answered_at: None,
            charged_from: i64::MIN,
        }
    }

    /// The call of an attempt that a decision allowed, which holds a slot for a while.
    pub fn of(key: u128, attempt: &CallAttempt, until: i64) -> Self {
        Self {
            decided: true,
            call_id: attempt.call_id.as_str().into(),
            attempt_key: attempt.attempt_key.as_str().into(),
            ..Self::new(key, until)
        }
    }

    /// What it has come to by a moment since it is charged for; a call whose end was lost, by what its slot lasts.
    pub fn exposure(&self, at: i64) -> Exposure {
        let (Some(tariff), Some(answered_at)) = (self.tariff, self.answered_at) else {
            return Exposure::default();
        };
        let from = answered_at.max(self.charged_from);
        let seconds = at.min(self.until).saturating_sub(from);
        tariff.for_seconds(u64::try_from(seconds).unwrap_or_default())
    }

    /// What it has come to when it was answered for so long, up to a moment.
    fn exposure_of(&self, answered_for: u64, at: i64) -> Exposure {
        let Some(tariff) = self.tariff else {
            return Exposure::default();
        };
        let answered_at = at.saturating_sub_unsigned(answered_for);
        let before = self.charged_from.saturating_sub(answered_at).max(0);
        tariff.for_seconds(answered_for.saturating_sub(before.unsigned_abs()))
    }

    /// What a minute of it costs, and then whether it leaves the home country.
    fn price(&self) -> Option<(Money, bool)> {
        self.tariff.map(|tariff| (tariff.price, tariff.abroad))
    }

    /// Whether it is worth remembering at a moment, in seconds since 1970: it may hold a slot, or be charged for.
    pub fn lasts(&self, now: i64) -> bool {
        let is_charged = self.tariff.is_some();
        self.until > now
            || (is_charged && (self.answered_at.is_some() || self.until + REMEMBERED > now))
    }

    /// Whether nothing is known of it but that it was allowed, and it holds no slot.
    fn is_untold(&self, now: i64) -> bool {
        !self.told && (!self.holds || self.until <= now)
    }
}

/// How a switch names a call. The key is the best name; a Call-ID alone may be several calls'.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallName<'a> {
    /// The call's key, which is the number of its decision.
    pub key: Option<u128>,
    /// The key of its attempt; empty where it is not told.
    pub attempt_key: &'a str,
    /// The Call-ID; empty where it is not told.
    pub call_id: &'a str,
}

/// What a switch tells of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is there.
    Started,
    /// It was answered.
    Answered,
    /// It is over. For how many seconds it was answered, where that is told.
    Ended(Option<u64>),
}

impl CallName<'_> {
    /// Whether a call has this name. A call whose attempt has another key is another call.
    fn fits(&self, call: &OpenCall) -> bool {
        let same_id = self.call_id.is_empty() || *call.call_id == *self.call_id;
        if self.attempt_key.is_empty() {
            return same_id && !self.call_id.is_empty();
        }
        same_id && *call.attempt_key == *self.attempt_key
    }

    /// Whether a call of which no attempt's key is known has this Call-ID.
    fn fits_by_call_id(&self, call: &OpenCall) -> bool {
        !self.call_id.is_empty() && call.attempt_key.is_empty() && *call.call_id == *self.call_id
    }
}

/// The calls of an account that were allowed and have not ended. Most accounts have none: a million of them take no more than a
/// pointer each.
#[derive(Clone, Debug, Default)]
pub struct OpenCalls(ThinVec<OpenCall>);

impl OpenCalls {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &OpenCall> {
        self.0.iter()
    }

    /// One of them.
    pub fn get(&self, key: u128) -> Option<&OpenCall> {
        self.0.iter().find(|call| call.key == key)
    }

    /// One of them.
    pub fn get_mut(&mut self, key: u128) -> Option<&mut OpenCall> {
        self.0.iter_mut().find(|call| call.key == key)
    }

    /// The one call that a switch means by what it tells of a moment, in seconds since 1970; `None`: it is not known. An event that can be
    /// about none of those that have the name is told for the second time. Where it can be about several, a caller who gives two calls one
    /// Call-ID must not have the dear one counted as the cheap one: the dearest is answered; of those that were, the one ends whose
    /// answer fits the duration, and without a duration the cheapest. Among equals it is the oldest.
    pub fn find(&self, name: &CallName<'_>, event: Event, at: i64) -> Option<&OpenCall> {
        if let Some(key) = name.key {
            return self.get(key);
        }
        let by_name = |fits: &dyn Fn(&OpenCall) -> bool| {
            let calls = || self.0.iter().filter(|call| fits(call));
            let waits = |call: &&OpenCall| !call.told;
            let rings = |call: &&OpenCall| call.told && call.answered_at.is_none();
            let talks = |call: &&OpenCall| call.answered_at.is_some();
            match event {
                Event::Started => calls().find(waits).or_else(|| calls().last()),
                Event::Answered => calls()
                    .filter(rings)
                    .rev()
                    .max_by_key(|call| call.price())
                    .or_else(|| calls().filter(waits).rev().max_by_key(|call| call.price()))
                    .or_else(|| calls().last()),
                // An end without an answer is not that of a call that was answered, which would be charged for no more.
                Event::Ended(Some(0)) => calls()
                    .find(rings)
                    .or_else(|| calls().find(waits))
                    .or_else(|| calls().next()),
                Event::Ended(Some(seconds)) => {
                    let answered_at = at.saturating_sub_unsigned(seconds);
                    let off = |call: &&OpenCall| call.answered_at?.checked_sub(answered_at);
                    calls()
                        .filter(talks)
                        .min_by_key(|call| off(call).map(i64::unsigned_abs))
                        .or_else(|| calls().find(rings))
                        .or_else(|| calls().next())
                }
                Event::Ended(None) => calls()
                    .filter(talks)
                    .min_by_key(|call| call.price())
                    .or_else(|| calls().find(rings))
                    .or_else(|| calls().next()),
            }
        };
        by_name(&|call| name.fits(call)).or_else(|| by_name(&|call| name.fits_by_call_id(call)))
    }

    /// How many hold a slot.
    pub fn held(&self, at: Timestamp) -> u32 {
        let now = at.as_second();
        let held = self.0.iter().filter(|call| call.holds && call.until > now);
        u32::try_from(held.count()).unwrap_or(u32::MAX)
    }

    /// Remembers a call that was allowed.
    pub fn allow(&mut self, call: OpenCall, at: Timestamp) {
        let now = at.as_second();
        let (mut known, mut over, mut untold) = (false, false, 0);
        for other in &self.0 {
            let lasts = other.lasts(now);
            over |= !lasts;
            known |= lasts && other.key == call.key;
            untold += usize::from(lasts && other.is_untold(now));
        }
        if over {
            self.0.retain(|other| other.lasts(now));
        }
        if known && let Some(other) = self.get_mut(call.key) {
            other.holds |= call.holds;
            other.until = other.until.max(call.until);
            other.number = call.number;
            other.emergency = call.emergency;
            other.tariff = call.tariff;
            other.decided |= call.decided;
            other.assumed_seconds = other.assumed_seconds.saturating_add(call.assumed_seconds);
            return;
        }
        if untold >= UNTOLD {
            let mut more = FORGOTTEN_AT_ONCE;
            self.0.retain(|other| {
                let forgotten = more > 0 && other.is_untold(now);
                more -= usize::from(forgotten);
                !forgotten
            });
        }
        self.0.push(call);
    }

    /// Whether there is no room for one call more that the switch tells of.
    pub fn is_full(&self, at: Timestamp) -> bool {
        let now = at.as_second();
        self.0.len() >= MOST && self.0.iter().filter(|call| call.lasts(now)).count() >= MOST
    }

    /// The switch tells that a call is there: it holds a slot from now on.
    pub fn start(
        &mut self,
        key: u128,
        name: &CallName<'_>,
        until: i64,
        at: Timestamp,
    ) -> &mut OpenCall {
        let now = at.as_second();
        self.0.retain(|call| call.lasts(now));
        let place = match self.0.iter().position(|call| call.key == key) {
            Some(place) => place,
            None => {
                self.0.push(OpenCall {
                    decided: name.key == Some(key),
                    ..OpenCall::new(key, until)
                });
                self.0.len() - 1
            }
        };
        let call = &mut self.0[place];
        call.holds = !call.emergency;
        call.until = call.until.max(until);
        call.told = true;
        for (known, told) in [
            (&mut call.call_id, name.call_id),
            (&mut call.attempt_key, name.attempt_key),
        ] {
            if known.is_empty() {
                *known = told.into();
            }
        }
        call
    }

    /// What is assumed of a call, as it was charged.
    pub fn assumed_of(&self, key: u128) -> Exposure {
        let call = self.get(key).filter(|call| call.assumed_seconds > 0);
        let charged = call.and_then(|call| {
            let tariff = call.tariff?;
            Some(tariff.for_seconds(call.assumed_seconds.into()))
        });
        charged.unwrap_or_default()
    }

    /// What was assumed of them is charged for no more.
    pub fn assume_nothing(&mut self) {
        for call in &mut self.0 {
            call.assumed_seconds = 0;
        }
    }

    /// What a call that was answered for so long comes to when it ends; `None`: for as long as is known.
    pub fn exposure_of(&self, key: u128, answered_for: Option<u64>, at: Timestamp) -> Exposure {
        let now = at.as_second();
        match (self.get(key), answered_for) {
            (Some(call), Some(seconds)) => call.exposure_of(seconds, now),
            (Some(call), None) => call.exposure(now),
            (None, _) => Exposure::default(),
        }
    }

    /// A call has ended.
    pub fn end(&mut self, key: u128) {
        self.0.retain(|call| call.key != key);
        if self.0.is_empty() {
            self.0 = ThinVec::new();
        }
    }

    /// What those that are answered have come to.
    pub fn exposure(&self, at: Timestamp) -> Exposure {
        let now = at.as_second();
        let mut all = Exposure::default();
        for call in &self.0 {
            all.add(call.exposure(now));
        }
        all
    }

    /// What came before a moment is not charged for any more. What is only remembered since it was, is forgotten.
    pub fn charge_from(&mut self, from: i64, at: Timestamp) {
        let now = at.as_second();
        self.0
            .retain(|call| call.until > now || (call.answered_at.is_none() && call.lasts(now)));
        for call in &mut self.0 {
            call.charged_from = call.charged_from.max(from);
            call.assumed_seconds = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> Timestamp {
        "2026-06-08T12:00:00Z".parse().unwrap()
    }

    /// Three calls with one Call-ID, which were allowed one after the other.
    fn three() -> OpenCalls {
        let mut calls = OpenCalls::default();
        for key in 1..=3 {
            let call = OpenCall {
                call_id: "a84b4c76e66710".into(),
                ..OpenCall::new(key, noon().as_second() + 10)
            };
            calls.allow(call, noon());
        }
        calls
    }

    const NAME: CallName<'static> = CallName {
        key: None,
        attempt_key: "",
        call_id: "a84b4c76e66710",
    };

    fn key(calls: &OpenCalls, event: Event) -> Option<u128> {
        let at = noon().as_second();
        calls.find(&NAME, event, at).map(|call| call.key)
    }

    #[test]
    fn a_call_id_alone_names_one_call_after_the_other() {
        let mut calls = three();
        let until = noon().as_second() + 100;
        for expected in [1, 2, 3, 3] {
            assert_eq!(key(&calls, Event::Started), Some(expected));
            calls.start(expected, &NAME, until, noon());
        }
        assert_eq!(key(&calls, Event::Answered), Some(1));
        calls.get_mut(1).unwrap().answered_at = Some(noon().as_second());
        assert_eq!(key(&calls, Event::Answered), Some(2));
        // What was answered and what was not end by what is told of their ends.
        assert_eq!(key(&calls, Event::Ended(Some(0))), Some(2));
        assert_eq!(key(&calls, Event::Ended(Some(9))), Some(1));
        assert_eq!(key(&calls, Event::Ended(None)), Some(1));
        for left in [2, 1, 0] {
            let ended = key(&calls, Event::Ended(None)).unwrap();
            calls.end(ended);
            assert_eq!(calls.held(noon()), left);
        }
        assert_eq!(key(&calls, Event::Ended(None)), None);
    }

    #[test]
    fn of_two_answered_calls_the_duration_tells_which_has_ended() {
        let mut calls = three();
        let now = noon().as_second();
        for (key, answered_for) in [(1, 600), (2, 4), (3, 90)] {
            calls.start(key, &NAME, now + 100, noon());
            calls.get_mut(key).unwrap().answered_at = Some(now - answered_for);
        }
        for (seconds, expected) in [(5, 2), (3, 2), (80, 3), (500, 1), (u64::MAX, 1)] {
            let ended = key(&calls, Event::Ended(Some(seconds)));
            assert_eq!(ended, Some(expected), "{seconds}");
        }
    }

    #[test]
    fn of_calls_with_one_call_id_the_dear_one_is_counted_and_not_the_cheap_one() {
        let mut calls = three();
        let until = noon().as_second() + 100;
        for (key, price) in [(1, "0.01"), (2, "0.90"), (3, "0.90")] {
            let call = calls.start(key, &NAME, until, noon());
            call.tariff = Some(Tariff {
                price: price.parse().unwrap(),
                estimated: false,
                abroad: true,
            });
        }
        assert_eq!(key(&calls, Event::Answered), Some(2));
        for key in [1, 2] {
            calls.get_mut(key).unwrap().answered_at = Some(noon().as_second());
        }
        assert_eq!(key(&calls, Event::Ended(None)), Some(1));
        assert_eq!(key(&calls, Event::Ended(Some(0))), Some(3));
    }

    #[test]
    fn a_key_names_its_call_and_no_other() {
        let mut calls = three();
        calls.get_mut(2).unwrap().attempt_key = "2".into();
        let find = |name: CallName<'_>| {
            let call = calls.find(&name, Event::Ended(None), 0);
            call.map(|call| call.key)
        };
        let by_key = |key| {
            find(CallName {
                key: Some(key),
                ..NAME
            })
        };
        assert_eq!([by_key(3), by_key(4)], [Some(3), None]);
        let by_attempt = |attempt_key, call_id| {
            find(CallName {
                attempt_key,
                call_id,
                key: None,
            })
        };
        assert_eq!(by_attempt("2", ""), Some(2));
        assert_eq!(by_attempt("2", "another"), None);
        // One of which no attempt's key is known may be meant, and never one that has another key.
        assert_eq!(by_attempt("9", NAME.call_id), Some(1));
        assert_eq!(by_attempt("9", ""), None);
        assert_eq!(find(CallName::default()), None);
    }

    #[test]
    fn what_is_told_of_a_call_that_nobody_decided_makes_it_known_by_its_names() {
        let mut calls = OpenCalls::default();
        let name = CallName {
            attempt_key: "1700000000.1",
            ..NAME
        };
        let until = noon().as_second() + 100;
        assert!(calls.find(&name, Event::Started, 0).is_none());
        assert!(!calls.start(7, &name, until, noon()).decided);
        assert_eq!(
            calls.find(&name, Event::Started, 0).map(|call| call.key),
            Some(7)
        );
        let decided = CallName {
            key: Some(8),
            ..CallName::default()
        };
        assert!(calls.start(8, &decided, until, noon()).decided);
        assert_eq!(calls.held(noon()), 2);
    }
}
