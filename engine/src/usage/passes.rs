//! Numbers that callers have proved themselves for (V06).

use jiff::Timestamp;

use super::aging::Aging;
use crate::{call::AccountId, number::E164};

/// Until when an account may call a number whatever its risk, in seconds since 1970.
#[derive(Debug)]
pub struct Passes(Aging<(AccountId, E164), i64>);

impl Passes {
    /// None yet; about so many are kept at the most.
    pub fn with_capacity(passes: usize) -> Self {
        Self(Aging::with_capacity(passes))
    }

    /// Lets an account call a number until then.
    pub fn grant(&self, account: &AccountId, number: &E164, until: Timestamp) {
        let until = until.as_second();
        self.0.update((account.clone(), *number), |known| {
            *known = until.max(*known);
        });
    }

    /// Whether an account may.
    pub fn open(&self, account: &AccountId, number: &E164, at: Timestamp) -> bool {
        let until = self.0.read(&(account.clone(), *number), |until| *until);
        until.is_some_and(|until| until > at.as_second())
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    #[test]
    fn a_pass_is_one_account_s_for_one_number_and_ends() {
        let passes = Passes::with_capacity(1_000);
        let (alice, bob) = ("alice@a.b".parse().unwrap(), "bob@a.b".parse().unwrap());
        let (number, next) = (
            "37128054100".parse().unwrap(),
            "37128054101".parse().unwrap(),
        );
        let start: Timestamp = "2026-06-08T12:00:00Z".parse().unwrap();
        passes.grant(&alice, &number, start + 10.minutes());
        passes.grant(&alice, &number, start + 5.minutes());
        assert!(passes.open(&alice, &number, start + 9.minutes()));
        assert!(!passes.open(&alice, &number, start + 10.minutes()));
        assert!(!passes.open(&alice, &next, start));
        assert!(!passes.open(&bob, &number, start));
    }
}
