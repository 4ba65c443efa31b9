//! Ids of decisions and challenges.

use std::{
    fmt,
    str::FromStr,
    sync::atomic::{AtomicU32, Ordering},
};

use jiff::Timestamp;
use tfps_engine::usage::OpenCall;

/// 128 random bits, as 32 hexadecimal digits.
pub fn random_id() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .expect("the machine has randomness, or the server would not have started");
    hex(u128::from_be_bytes(bytes), 32)
}

/// How many hexadecimal digits the id of a decision has.
const DIGITS: usize = 24;

/// The id of a decision: 24 hexadecimal digits that sort by time. As a number, it is the key of the call that it allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DecisionId(pub u128);

impl DecisionId {
    /// That of the decision that allowed a call, where it is known.
    pub fn of(call: &OpenCall) -> Option<Self> {
        call.decided.then_some(Self(call.key))
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(self.0, DIGITS))
    }
}

/// What is no id of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no decision's id; those are 24 hexadecimal digits")]
pub struct NoDecisionId;

impl FromStr for DecisionId {
    type Err = NoDecisionId;

    fn from_str(text: &str) -> Result<Self, NoDecisionId> {
        let is_written_so = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != DIGITS || !text.bytes().all(is_written_so) {
            return Err(NoDecisionId);
        }
        u128::from_str_radix(text, 16)
            .map(Self)
            .map_err(|_| NoDecisionId)
    }
}

/// Makes ids of decisions.
#[derive(Debug)]
pub(super) struct DecisionIds {
    sequence: AtomicU32,
    instance: u32,
}

impl DecisionIds {
    pub(super) fn new(instance: u32) -> Self {
        Self {
            sequence: AtomicU32::new(0),
            instance: instance & 0xf_ffff,
        }
    }

    /// 44 bits of milliseconds, 32 bits of sequence, 20 bits that tell this process.
    pub(super) fn next(&self, millisecond: i64) -> DecisionId {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let time = u128::from(millisecond.unsigned_abs()) & ((1 << 44) - 1);
        DecisionId(time << 52 | u128::from(sequence) << 20 | u128::from(self.instance))
    }
}

fn hex(number: u128, digits: usize) -> String {
    let mut text = String::with_capacity(digits);
    for place in (0..digits).rev() {
        let nibble = (number >> (4 * place)) & 15;
        text.push(char::from(b"0123456789abcdef"[nibble as usize]));
    }
    text
}

/// What the ids of decisions from a moment on sort after.
pub fn first_id_of(at: Timestamp) -> String {
    hex(
        u128::from(at.as_millisecond().max(0).unsigned_abs()) & ((1 << 44) - 1),
        11,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_decisions_sort_by_time() {
        let ids = DecisionIds::new(7);
        let at: Timestamp = "2026-06-08T12:00:00Z".parse().unwrap();
        let next = |millisecond| ids.next(millisecond).to_string();
        let (first, second) = (next(at.as_millisecond()), next(at.as_millisecond()));
        let later = next(at.as_millisecond() + 1);
        assert!(first < second && second < later, "{first} {second} {later}");
        assert!(
            first_id_of(at) < first
                && second < first_id_of(at + jiff::SignedDuration::from_millis(1))
        );
        assert_eq!(first.len(), 24);
    }

    #[test]
    fn an_id_is_read_as_it_is_written_and_in_no_other_way() {
        let id = DecisionIds::new(0xf_ffff).next(1_780_000_000_000);
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in [
            "",
            "1a20695c6b70000000202fe",
            "1a20695c6b70000000202fe33",
            "1A20695C6B70000000202FE3",
            "+a20695c6b70000000202fe3",
        ] {
            assert_eq!(text.parse::<DecisionId>(), Err(NoDecisionId), "{text}");
        }
    }
}
