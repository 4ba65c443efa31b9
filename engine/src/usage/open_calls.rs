//! The calls of an account that were allowed and have not ended.

use jiff::Timestamp;
use thin_vec::ThinVec;

use crate::{
    exposure::{Exposure, Tariff},
    number::E164,
};

/// How long a call that is charged for is remembered after its slot where nothing is told of it, in seconds: it may be one
/// whose end alone is told.
const REMEMBERED: i64 = 4 * 3_600;
/// How many calls that are only remembered there are at the most: a switch that never tells what becomes of its calls must
/// not make deciding slow.
const UNTOLD: usize = 256;

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
    /// Which: a hash of its Call-ID.
    pub key: u64,
    /// The number that is called, where a decision told it.
    pub number: Option<E164>,
    /// Whether somebody calls for help: it takes no slot, and nothing ends it.
    pub emergency: bool,
    /// Its Call-ID, once the switch has told that the call is there.
    pub call_id: Option<Box<str>>,
    /// Whether it holds one of the account's slots: the switch does not count itself.
    pub holds: bool,
    /// Until when, in seconds since 1970.
    pub until: i64,
    /// What it costs, where the policy caps that.
    pub tariff: Option<Tariff>,
    /// When it was answered, in seconds since 1970.
    pub answered_at: Option<i64>,
    /// What came before this, in seconds since 1970, is charged for no more: it was yesterday, or somebody has set the
    /// counters to zero.
    pub charged_from: i64,
}

impl OpenCall {
    /// A call that holds a slot for a while.
    pub fn new(key: u64, until: i64) -> Self {
        Self {
            key,
            number: None,
            emergency: false,
            call_id: None,
            holds: true,
            until,
            tariff: None,
            answered_at: None,
            charged_from: i64::MIN,
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

    /// Whether it is worth remembering at a moment, in seconds since 1970: it may hold a slot, or be charged for.
    pub fn lasts(&self, now: i64) -> bool {
        let is_charged = self.tariff.is_some();
        self.until > now
            || (is_charged && (self.answered_at.is_some() || self.until + REMEMBERED > now))
    }

    /// Whether nothing is known of it but that it was allowed, and it holds no slot.
    fn is_untold(&self, now: i64) -> bool {
        self.call_id.is_none() && !(self.holds && self.until > now)
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
    pub fn get(&self, key: u64) -> Option<&OpenCall> {
        self.0.iter().find(|call| call.key == key)
    }

    /// One of them.
    pub fn get_mut(&mut self, key: u64) -> Option<&mut OpenCall> {
        self.0.iter_mut().find(|call| call.key == key)
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
        self.0.retain(|call| call.lasts(now));
        match self.get_mut(call.key) {
            Some(other) => {
                other.holds |= call.holds;
                other.until = other.until.max(call.until);
                other.number = call.number;
                other.emergency = call.emergency;
                other.tariff = call.tariff;
            }
            None => {
                let untold = self.0.iter().filter(|call| call.is_untold(now));
                if untold.count() >= UNTOLD
                    && let Some(oldest) = self.0.iter().position(|call| call.is_untold(now))
                {
                    self.0.remove(oldest);
                }
                self.0.push(call);
            }
        }
    }

    /// The switch tells that a call is there: it holds a slot from now on.
    pub fn start(&mut self, key: u64, call_id: &str, until: i64, at: Timestamp) -> &mut OpenCall {
        let now = at.as_second();
        self.0.retain(|call| call.lasts(now));
        let place = match self.0.iter().position(|call| call.key == key) {
            Some(place) => place,
            None => {
                self.0.push(OpenCall::new(key, until));
                self.0.len() - 1
            }
        };
        let call = &mut self.0[place];
        call.holds = !call.emergency;
        call.until = call.until.max(until);
        if call.call_id.is_none() {
            call.call_id = Some(call_id.into());
        }
        call
    }

    /// What a call that was answered for so long comes to when it ends; `None`: for as long as is known.
    pub fn exposure_of(&self, key: u64, answered_for: Option<u64>, at: Timestamp) -> Exposure {
        let now = at.as_second();
        match (self.get(key), answered_for) {
            (Some(call), Some(seconds)) => call.exposure_of(seconds, now),
            (Some(call), None) => call.exposure(now),
            (None, _) => Exposure::default(),
        }
    }

    /// A call has ended.
    pub fn end(&mut self, key: u64) {
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
        }
    }
}
