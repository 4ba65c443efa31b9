//! Turns: of each domain's lists one change at a time.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// From this many domains on, those are forgotten whose turn nobody has or waits for.
const MANY: usize = 1_000;

/// Who may change which domain's lists.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<HashMap<Box<str>, Arc<Turn<()>>>>);

impl Turns {
    /// The turns of some domains, until they are dropped. They are taken in order, so that two who want the same do not wait for
    /// each other.
    pub(super) async fn of(&self, domains: &BTreeSet<Box<str>>) -> Vec<OwnedMutexGuard<()>> {
        let turns: Vec<_> = {
            let mut all = self.0.lock();
            if all.len() >= MANY {
                all.retain(|_, turn| Arc::strong_count(turn) > 1);
            }
            let mut turn = |domain: &str| Arc::clone(all.entry(domain.into()).or_default());
            domains.iter().map(|domain| turn(domain)).collect()
        };
        let mut taken = Vec::with_capacity(turns.len());
        for turn in turns {
            taken.push(turn.lock_owned().await);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn domains(names: &[&str]) -> BTreeSet<Box<str>> {
        names.iter().map(|name| (*name).into()).collect()
    }

    #[tokio::test]
    async fn a_domain_waits_for_its_own_changes_alone() {
        let turns = Turns::default();
        let first = turns.of(&domains(&["a.example", "b.example"])).await;
        assert!(turns.of(&domains(&["c.example"])).now_or_never().is_some());
        let waits = domains(&["b.example", "c.example"]);
        assert!(turns.of(&waits).now_or_never().is_none());
        drop(first);
        assert!(turns.of(&waits).now_or_never().is_some());
    }
}
