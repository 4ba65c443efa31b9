//! The attempts that were answered of late: who asks again gets the same decision, and it counts once.

use std::{
    hash::{BuildHasher, Hash},
    mem,
    sync::Arc,
};

use hashbrown::{DefaultHashBuilder, HashMap, HashSet, hash_map::Entry};
use jiff::Timestamp;
use parking_lot::Mutex;
use tfps_engine::call::AccountId;
use tokio::sync::Notify;

use crate::journal::{CallRecord, DecisionRecord, Position};

const SHARDS: usize = 64;
/// How long it is remembered at the least that a call has ended, in seconds: longer than any retry is taken for one.
const ENDED_SECONDS: i64 = 60;
/// How many ends are remembered at the least; the older of twice as many go.
const ENDS: usize = 200_000;

/// Where the decisions of recent attempts stand in the journal. Bounded: when a shard is full, its older half goes.
#[derive(Debug)]
pub struct Recent {
    shards: Box<[Mutex<Shard>]>,
    ended: Mutex<Ended>,
    hasher: DefaultHashBuilder,
    half: usize,
}

#[derive(Debug, Default)]
struct Shard {
    young: HashMap<u64, Asked>,
    old: HashMap<u64, Asked>,
}

/// The calls that have ended of late, by hashes of their names.
#[derive(Debug, Default)]
struct Ended {
    young: HashSet<u64>,
    old: HashSet<u64>,
    /// Since when the young ones are gathered, in seconds since 1970.
    since: i64,
}

#[derive(Clone, Debug)]
enum Asked {
    /// Being decided; who asks meanwhile waits.
    Open(Option<Arc<Notify>>),
    /// Decided.
    Answered(Answer),
}

#[derive(Clone, Copy, Debug)]
struct Answer {
    /// Where the decision stands.
    position: Position,
    /// Until when it is of use, in milliseconds since 1970.
    until: i64,
    /// How often it may still be told again.
    retries: u8,
}

/// What asking comes to.
#[derive(Debug)]
pub enum Claim<'a> {
    /// It is new: decide, then [`Claimed::answer`].
    New(Claimed<'a>),
    /// Something with this key was decided: the decision stands there.
    Answered(Position),
    /// Something with this key is being decided: wait, then ask again.
    Wait(Arc<Notify>),
}

/// The duty to decide an attempt; dropped without an answer, the next who asks has it.
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
            ended: Mutex::default(),
            hasher: DefaultHashBuilder::default(),
            half: (capacity / SHARDS / 2).max(1),
        }
    }

    /// The key of something asked for. Two things may have the same: what was answered is to be compared.
    pub fn key(&self, asked: impl Hash) -> u64 {
        self.hasher.hash_one(asked)
    }

    /// Asks for a key.
    pub fn claim(&self, key: u64, at: Timestamp) -> Claim<'_> {
        let mut shard = self.shard(key).lock();
        let Shard { young, old } = &mut *shard;
        if let Some(asked) = young.get_mut(&key).or_else(|| old.get_mut(&key)) {
            match asked {
                Asked::Open(waiting) => {
                    return Claim::Wait(Arc::clone(waiting.get_or_insert_default()));
                }
                Asked::Answered(answer) if at.as_millisecond() < answer.until => {
                    return Claim::Answered(answer.position);
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

    /// Uses one of the retries of an answer; whether there was one.
    pub fn retry(&self, key: u64, position: Position) -> bool {
        let mut shard = self.shard(key).lock();
        let Shard { young, old } = &mut *shard;
        match young.get_mut(&key).or_else(|| old.get_mut(&key)) {
            Some(Asked::Answered(answer)) if answer.position == position && answer.retries > 0 => {
                answer.retries -= 1;
                true
            }
            _ => false,
        }
    }

    /// Remembers a decision that was made before a restart, until a moment in milliseconds since 1970.
    pub fn restore(&self, key: u64, position: Position, until: i64, retries: u8) {
        let answer = Answer {
            position,
            until,
            retries,
        };
        self.shard(key)
            .lock()
            .put(key, Asked::Answered(answer), self.half);
    }

    /// Forgets an answer that holds no longer: the next who asks is decided anew. What came after it stays.
    pub fn forget(&self, key: u64, position: Position) {
        let mut shard = self.shard(key).lock();
        let Shard { young, old } = &mut *shard;
        for generation in [young, old] {
            if let Entry::Occupied(asked) = generation.entry(key)
                && matches!(asked.get(), Asked::Answered(answer) if answer.position == position)
            {
                asked.remove();
            }
        }
    }

    /// A call has ended: its attempt is not asked about again.
    pub fn end(&self, account: &AccountId, call: &CallRecord, at: Timestamp) {
        let name = if !call.decision_id.is_empty() {
            Name::Decision(&call.decision_id)
        } else if !call.attempt_key.is_empty() {
            Name::Attempt(&call.attempt_key)
        } else {
            Name::CallId(&call.call_id)
        };
        let name = self.key((account, name));
        let mut ended = self.ended.lock();
        let is_due = at.as_second().saturating_sub(ended.since) >= ENDED_SECONDS;
        if is_due || ended.young.len() >= ENDS {
            ended.old = mem::take(&mut ended.young);
            ended.since = at.as_second();
        }
        ended.young.insert(name);
    }

    /// Whether the call that a decision allowed has ended since.
    pub fn has_ended(&self, account: &AccountId, decision: &DecisionRecord) -> bool {
        let names = [
            Name::Decision(&decision.id),
            Name::Attempt(&decision.attempt_key),
            Name::CallId(&decision.call_id),
        ]
        .map(|name| self.key((account, name)));
        let ended = self.ended.lock();
        names
            .iter()
            .any(|name| ended.young.contains(name) || ended.old.contains(name))
    }

    fn shard(&self, key: u64) -> &Mutex<Shard> {
        &self.shards[(key >> 40) as usize % SHARDS]
    }
}

/// What a call is known by, where it has ended.
#[derive(Clone, Copy, Debug, Hash)]
enum Name<'a> {
    Decision(&'a str),
    Attempt(&'a str),
    CallId(&'a str),
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
    /// Tells where the decision stands, until when it is of use, in milliseconds since 1970, and how often it may be told again.
    pub fn answer(mut self, position: Position, until: i64, retries: u8) {
        self.answered = true;
        self.settle(Some(Asked::Answered(Answer {
            position,
            until,
            retries,
        })));
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

    const PLACE: Position = Position {
        segment: 1,
        offset: 7,
    };

    fn answer(recent: &Recent, key: u64, position: Position, seconds: i64) {
        match recent.claim(key, noon()) {
            Claim::New(claimed) => {
                let until = (noon() + seconds.seconds()).as_millisecond();
                claimed.answer(position, until, 1);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn who_asks_again_is_told_where_the_decision_stands_for_its_lifetime() {
        let recent = Recent::with_capacity(1_000);
        let Claim::New(claimed) = recent.claim(1, noon()) else {
            panic!()
        };
        assert!(matches!(recent.claim(1, noon()), Claim::Wait(_)));
        claimed.answer(PLACE, (noon() + 3.seconds()).as_millisecond(), 1);
        assert!(
            matches!(recent.claim(1, noon() + 2_999.milliseconds()), Claim::Answered(at) if at == PLACE)
        );
        assert!(matches!(
            recent.claim(1, noon() + 3.seconds()),
            Claim::New(_)
        ));
    }

    #[test]
    fn an_answer_is_told_again_as_often_as_it_may_be() {
        let recent = Recent::with_capacity(1_000);
        answer(&recent, 1, PLACE, 3);
        assert!(recent.retry(1, PLACE));
        assert!(!recent.retry(1, PLACE));
        assert!(!recent.retry(2, PLACE));
    }

    #[test]
    fn a_call_that_has_ended_is_known_by_any_of_its_names_for_a_while() {
        let recent = Recent::with_capacity(1_000);
        let account: AccountId = "a@b".parse().unwrap();
        let decision = DecisionRecord {
            id: "1a20695c6b70000000202fe3".to_owned(),
            call_id: "a84b4c76e66710".to_owned(),
            attempt_key: "1700000000.1".to_owned(),
            ..DecisionRecord::default()
        };
        assert!(!recent.has_ended(&account, &decision));
        for (decision_id, attempt_key, call_id, is_it) in [
            (decision.id.as_str(), "", "", true),
            ("", decision.attempt_key.as_str(), "another", true),
            ("", "", decision.call_id.as_str(), true),
            (
                "1a20695c6b70000000302fe3",
                "",
                decision.call_id.as_str(),
                false,
            ),
            ("", "1700000000.2", decision.call_id.as_str(), false),
        ] {
            let recent = Recent::with_capacity(1_000);
            let call = CallRecord {
                decision_id: decision_id.to_owned(),
                attempt_key: attempt_key.to_owned(),
                call_id: call_id.to_owned(),
                ..CallRecord::default()
            };
            recent.end(&account, &call, noon());
            assert_eq!(recent.has_ended(&account, &decision), is_it, "{call:?}");
            assert!(!recent.has_ended(&"c@b".parse().unwrap(), &decision));
            for later in [100, 200] {
                let other = CallRecord {
                    call_id: later.to_string(),
                    ..CallRecord::default()
                };
                recent.end(&account, &other, noon() + later.seconds());
            }
            assert!(!recent.has_ended(&account, &decision), "it is forgotten");
        }
    }

    #[test]
    fn an_answer_is_forgotten_and_never_what_came_after_it() {
        let recent = Recent::with_capacity(1_000);
        let [first, second] = [7, 8].map(|offset| Position { segment: 1, offset });
        answer(&recent, 1, first, 32);
        recent.forget(1, first);
        // Two saw the first answer: while the one decides anew, the other forgets it as well.
        let deciding = recent.claim(1, noon());
        assert!(matches!(deciding, Claim::New(_)));
        recent.forget(1, first);
        assert!(matches!(recent.claim(1, noon()), Claim::Wait(_)));
        drop(deciding);
        answer(&recent, 1, second, 32);
        recent.forget(1, first);
        assert!(matches!(recent.claim(1, noon()), Claim::Answered(at) if at == second));
    }

    #[test]
    fn a_duty_that_is_dropped_passes_to_the_next() {
        let recent = Recent::with_capacity(1_000);
        drop(recent.claim(1, noon()));
        assert!(matches!(recent.claim(1, noon()), Claim::New(_)));
    }

    #[test]
    fn many_attempts_are_bounded_and_an_open_one_stays() {
        let recent = Recent::with_capacity(SHARDS * 8);
        let open = recent.claim(u64::MAX, noon());
        for key in 0..100_000_u64 {
            answer(&recent, recent.key(key), Position::default(), 32);
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
        assert!(matches!(recent.claim(u64::MAX, noon()), Claim::Wait(_)));
        drop(open);
    }
}
