//! The Call-IDs that were answered: who asks again within their lifetime gets the same decision, and it counts once.

use std::{
    hash::{BuildHasher, Hash},
    mem,
    sync::Arc,
};

use hashbrown::{DefaultHashBuilder, HashMap, hash_map::Entry};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::journal::Position;

const SHARDS: usize = 64;

/// Where the decisions of recent Call-IDs stand in the journal. Bounded: when a shard is full, its older half goes.
#[derive(Debug)]
pub struct Recent {
    shards: Box<[Mutex<Shard>]>,
    hasher: DefaultHashBuilder,
    half: usize,
}

#[derive(Debug, Default)]
struct Shard {
    young: HashMap<u64, Asked>,
    old: HashMap<u64, Asked>,
}

#[derive(Clone, Debug)]
enum Asked {
    /// Being decided; who asks meanwhile waits.
    Open(Option<Arc<Notify>>),
    /// Decided: where it stands, and when it was, in seconds since 1970.
    Answered(Position, i64),
}

/// What asking for a Call-ID comes to.
#[derive(Debug)]
pub enum Claim<'a> {
    /// It is new: decide, then [`Claimed::answer`].
    New(Claimed<'a>),
    /// It was decided: the decision stands there.
    Answered(Position),
    /// It is being decided: wait, then ask again.
    Wait(Arc<Notify>),
}

/// The duty to decide a Call-ID; dropped without an answer, the next who asks has it.
#[derive(Debug)]
pub struct Claimed<'a> {
    recent: &'a Recent,
    key: u64,
    answered: bool,
}

impl Recent {
    /// None was answered yet; about so many are remembered at the most.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: DefaultHashBuilder::default(),
            half: (capacity / SHARDS / 2).max(1),
        }
    }

    /// The key of something asked for.
    pub fn key(&self, asked: impl Hash) -> u64 {
        self.hasher.hash_one(asked)
    }

    /// Asks for a key.
    pub fn claim(&self, key: u64, lifetime: u32, at: Timestamp) -> Claim<'_> {
        let mut shard = self.shard(key).lock();
        let Shard { young, old } = &mut *shard;
        if let Some(asked) = young.get_mut(&key).or_else(|| old.get_mut(&key)) {
            match asked {
                Asked::Open(waiting) => {
                    return Claim::Wait(Arc::clone(waiting.get_or_insert_default()));
                }
                Asked::Answered(position, when) if at.as_second() - *when < i64::from(lifetime) => {
                    return Claim::Answered(*position);
                }
                Asked::Answered(..) => {}
            }
        }
        shard.put(key, Asked::Open(None), self.half);
        Claim::New(Claimed {
            recent: self,
            key,
            answered: false,
        })
    }

    /// Remembers a decision that was made before a restart.
    pub fn restore(&self, key: u64, position: Position, at: Timestamp) {
        self.shard(key)
            .lock()
            .put(key, Asked::Answered(position, at.as_second()), self.half);
    }

    /// Forgets an answer that holds no longer: the next who asks is decided anew. What came after it stays.
    pub fn forget(&self, key: u64, position: Position) {
        let mut shard = self.shard(key).lock();
        let Shard { young, old } = &mut *shard;
        for generation in [young, old] {
            if let Entry::Occupied(asked) = generation.entry(key)
                && matches!(asked.get(), Asked::Answered(at, _) if *at == position)
            {
                asked.remove();
            }
        }
    }

    fn shard(&self, key: u64) -> &Mutex<Shard> {
        &self.shards[(key >> 40) as usize % SHARDS]
    }
}

impl Shard {
    fn put(&mut self, key: u64, asked: Asked, half: usize) {
        if self.young.len() >= half {
            // What is still open must stay: somebody may wait for it.
            let mut old = mem::take(&mut self.young);
            self.young = mem::take(&mut self.old)
                .into_iter()
                .chain(old.extract_if(|_, asked| matches!(asked, Asked::Open(_))))
                .filter(|(_, asked)| matches!(asked, Asked::Open(_)))
                .collect();
            self.old = old;
        }
        self.old.remove(&key);
        self.young.insert(key, asked);
    }
}

impl Claimed<'_> {
    /// Tells where the decision stands.
    pub fn answer(mut self, position: Position, at: Timestamp) {
        self.answered = true;
        self.settle(Some(Asked::Answered(position, at.as_second())));
    }

    fn settle(&self, asked: Option<Asked>) {
        let mut shard = self.recent.shard(self.key).lock();
        let open = shard
            .young
            .remove(&self.key)
            .or_else(|| shard.old.remove(&self.key));
        if let Some(asked) = asked {
            shard.young.insert(self.key, asked);
        }
        drop(shard);
        if let Some(Asked::Open(Some(waiting))) = open {
            waiting.notify_waiters();
        }
    }
}

impl Drop for Claimed<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.settle(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    fn noon() -> Timestamp {
        "2026-06-08T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn who_asks_again_is_told_where_the_decision_stands_for_its_lifetime() {
        let recent = Recent::with_capacity(1_000);
        let position = Position {
            segment: 1,
            offset: 7,
        };
        let Claim::New(claimed) = recent.claim(1, 32, noon()) else {
            panic!()
        };
        assert!(matches!(recent.claim(1, 32, noon()), Claim::Wait(_)));
        claimed.answer(position, noon());
        assert!(
            matches!(recent.claim(1, 32, noon() + 31.seconds()), Claim::Answered(at) if at == position)
        );
        assert!(matches!(
            recent.claim(1, 32, noon() + 32.seconds()),
            Claim::New(_)
        ));
    }

    #[test]
    fn an_answer_is_forgotten_and_never_what_came_after_it() {
        let recent = Recent::with_capacity(1_000);
        let [first, second] = [7, 8].map(|offset| Position { segment: 1, offset });
        let decide = |position| match recent.claim(1, 32, noon()) {
            Claim::New(claimed) => claimed.answer(position, noon()),
            other => panic!("{other:?}"),
        };
        decide(first);
        recent.forget(1, first);
        // Two saw the first answer: while the one decides anew, the other forgets it as well.
        let deciding = recent.claim(1, 32, noon());
        assert!(matches!(deciding, Claim::New(_)));
        recent.forget(1, first);
        assert!(matches!(recent.claim(1, 32, noon()), Claim::Wait(_)));
        drop(deciding);
        decide(second);
        recent.forget(1, first);
        assert!(matches!(recent.claim(1, 32, noon()), Claim::Answered(at) if at == second));
    }

    #[test]
    fn a_duty_that_is_dropped_passes_to_the_next() {
        let recent = Recent::with_capacity(1_000);
        drop(recent.claim(1, 32, noon()));
        assert!(matches!(recent.claim(1, 32, noon()), Claim::New(_)));
    }

    #[test]
    fn many_call_ids_are_bounded_and_an_open_one_stays() {
        let recent = Recent::with_capacity(SHARDS * 8);
        let open = recent.claim(u64::MAX, 32, noon());
        for key in 0..100_000_u64 {
            let Claim::New(claimed) = recent.claim(recent.key(key), 32, noon()) else {
                panic!()
            };
            claimed.answer(Position::default(), noon());
        }
        let held: usize = recent
            .shards
            .iter()
            .map(|shard| {
                let shard = shard.lock();
                shard.young.len() + shard.old.len()
            })
            .sum();
        assert!(held <= SHARDS * 8 + SHARDS, "{held}");
        assert!(matches!(recent.claim(u64::MAX, 32, noon()), Claim::Wait(_)));
        drop(open);
    }
}
