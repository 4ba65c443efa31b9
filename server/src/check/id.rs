//! Ids of decisions and challenges.

use std::sync::atomic::{AtomicU32, Ordering};

use jiff::Timestamp;

/// 128 random bits, as 32 hexadecimal digits.
pub fn random_id() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .expect("the machine has randomness, or the server would not have started");
    hex(u128::from_be_bytes(bytes), 32)
}

/// Makes ids of decisions: 24 hexadecimal digits that sort by time.
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

    /// A key for the slot of the next decision, where its call has no Call-ID.
    pub(super) fn next_slot(&self) -> u64 {
        u64::from(self.sequence.load(Ordering::Relaxed)) << 32 | u64::from(self.instance)
    }

    /// 44 bits of milliseconds, 32 bits of sequence, 20 bits that tell this process.
    pub(super) fn next(&self, millisecond: i64) -> String {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let time = u128::from(millisecond.unsigned_abs()) & ((1 << 44) - 1);
        hex(
            time << 52 | u128::from(sequence) << 20 | u128::from(self.instance),
            24,
        )
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
        let (first, second) = (ids.next(at.as_millisecond()), ids.next(at.as_millisecond()));
        let later = ids.next(at.as_millisecond() + 1);
        assert!(first < second && second < later, "{first} {second} {later}");
        assert!(
            first_id_of(at) < first
                && second < first_id_of(at + jiff::SignedDuration::from_millis(1))
        );
        assert_eq!(first.len(), 24);
    }
}
