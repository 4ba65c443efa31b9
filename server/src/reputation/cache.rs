//! What is known of addresses, in memory: one look-up in one map, without allocation and without waiting for anybody but
//! who writes to the same 256th of it.

use std::{
    hash::BuildHasher,
    net::IpAddr,
    sync::atomic::{AtomicU32, AtomicUsize, Ordering},
};

use hashbrown::{DefaultHashBuilder, HashMap};
use jiff::Timestamp;
use parking_lot::RwLock;
use tfps_engine::network::SourceNetwork;

/// So many parts, each with a lock of its own.
const SHARDS: usize = 256;
/// No confidence.
const NONE: u8 = u8::MAX;
/// An answer is fresh for a day; then it is refreshed while it serves.
pub(super) const FRESH: u32 = 86_400;
/// After a week it serves no longer.
pub(super) const KEPT: u32 = 7 * 86_400;

/// What is known of addresses; those of an IPv6 /64 are one ([`SourceNetwork`]).
#[derive(Debug)]
pub struct Cache {
    shards: Box<[RwLock<Shard>]>,
    hasher: DefaultHashBuilder,
    /// Answers a shard holds at the most.
    room: usize,
    /// When the blacklist was made, in seconds.
    blacklist_at: AtomicU32,
    blacklisted: AtomicUsize,
}

#[derive(Debug, Default)]
struct Shard {
    known: HashMap<SourceNetwork, Known>,
    answers: usize,
    banned: usize,
}

/// All that is known of an address. Times are seconds since 1970.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// What AbuseIPDB answered; [`NONE`]: it had no answer.
    confidence: u8,
    /// What its blacklist says; [`NONE`]: nothing.
    blacklist: u8,
    answered_at: u32,
    refresh_at: u32,
    /// 0: it was not asked.
    expires_at: u32,
    /// APIBAN; 0: not listed.
    banned_until: u32,
}

/// What AbuseIPDB says of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abuse {
    /// Nobody has asked.
    Unknown,
    /// It was asked a moment ago and had no answer.
    NoAnswer,
    /// It was asked.
    Answered {
        /// Its confidence.
        confidence: u8,
        /// Whether it is time to ask again.
        stale: bool,
    },
    /// It is on the blacklist.
    Blacklisted(u8),
}

impl Cache {
    /// One with room for so many answers.
    pub fn with_room(answers: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            hasher: DefaultHashBuilder::default(),
            room: answers.div_ceil(SHARDS).max(1),
            blacklist_at: AtomicU32::new(0),
            blacklisted: AtomicUsize::new(0),
        }
    }

    /// What is known of an address, which is in its canonical form, and whether APIBAN lists it.
    pub fn recall(&self, ip: IpAddr, at: Timestamp) -> (Abuse, bool) {
        let network = ip.into();
        let known = self.shard(network).read().known.get(&network).copied();
        let Some(known) = known else {
            return (Abuse::Unknown, false);
        };
        let now = seconds(at);
        let abuse = known.abuse(now, self.blacklist_at.load(Ordering::Relaxed));
        (abuse, known.banned_until > now)
    }

    /// Takes an answer.
    pub fn answered(&self, ip: IpAddr, confidence: u8, answered_at: Timestamp) {
        let answered_at = seconds(answered_at);
        self.put(ip, answered_at, |known| {
            known.confidence = confidence.min(100);
            known.answered_at = answered_at;
            known.refresh_at = answered_at.saturating_add(FRESH);
            known.expires_at = answered_at.saturating_add(KEPT);
        });
    }

    /// Takes that there is no answer, for so many seconds. An older answer goes on to serve.
    pub fn not_answered(&self, ip: IpAddr, at: Timestamp, seconds_long: u32) {
        let now = seconds(at);
        self.put(ip, now, |known| {
            known.refresh_at = now.saturating_add(seconds_long);
            if known.confidence == NONE || known.expires_at <= now {
                known.confidence = NONE;
                known.answered_at = now;
                known.expires_at = known.refresh_at;
            }
        });
    }

    /// Puts off asking again for so many seconds.
    pub fn put_off(&self, ip: IpAddr, at: Timestamp, seconds_long: u32) {
        let network = ip.into();
        if let Some(known) = self.shard(network).write().known.get_mut(&network) {
            known.refresh_at = seconds(at).saturating_add(seconds_long);
        }
    }

    /// Takes that APIBAN lists an address.
    pub fn banned(&self, ip: IpAddr, until: Timestamp) {
        let network = ip.into();
        let mut shard = self.shard(network).write();
        let known = shard.known.entry(network).or_insert(Known::NOTHING);
        let new = known.banned_until == 0;
        known.banned_until = known.banned_until.max(seconds(until));
        shard.banned += usize::from(new);
    }

    /// Forgets what APIBAN lists.
    pub fn forget_bans(&self) {
        self.sweep_by(|known| known.banned_until = 0);
    }

    /// Takes a blacklist that was made at a time, in place of the one before.
    pub fn blacklist(&self, list: &[(IpAddr, u8)], made_at: Timestamp) {
        let mut parts: Vec<Vec<(SourceNetwork, u8)>> = vec![Vec::new(); SHARDS];
        for &(ip, confidence) in list {
            let network = ip.into();
            parts[self.index(network)].push((network, confidence.min(100)));
        }
        self.blacklist_at.store(seconds(made_at), Ordering::Relaxed);
        let mut count = 0;
        for (shard, part) in self.shards.iter().zip(parts) {
            let mut shard = shard.write();
            for known in shard.known.values_mut() {
                known.blacklist = NONE;
            }
            for (network, confidence) in part {
                let known = shard.known.entry(network).or_insert(Known::NOTHING);
                let new = known.blacklist == NONE;
                count += usize::from(new);
                // Of the addresses of a network the worst counts.
                known.blacklist = if new {
                    confidence
                } else {
                    known.blacklist.max(confidence)
                };
            }
            shard.known.retain(|_, known| !known.is_nothing());
        }
        self.blacklisted.store(count, Ordering::Relaxed);
    }

    /// Drops what has expired.
    pub fn sweep(&self, at: Timestamp) {
        let now = seconds(at);
        self.sweep_by(|known| known.expire(now));
    }

    /// How many answers there are.
    pub fn answers(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().answers).sum()
    }

    /// How many addresses APIBAN lists.
    pub fn bans(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().banned).sum()
    }

    /// How many addresses the blacklist has.
    pub fn blacklisted(&self) -> usize {
        self.blacklisted.load(Ordering::Relaxed)
    }

    fn put(&self, ip: IpAddr, now: u32, change: impl FnOnce(&mut Known)) {
        let network = ip.into();
        let mut shard = self.shard(network).write();
        let known = shard.known.entry(network).or_insert(Known::NOTHING);
        let new = known.expires_at == 0;
        change(known);
        shard.answers += usize::from(new);
        if shard.answers > self.room {
            shard.make_room(self.room, now);
        }
    }

    fn sweep_by(&self, change: impl Fn(&mut Known)) {
        for shard in &self.shards {
            shard.write().retain(|known| {
                change(known);
            });
        }
    }

    fn shard(&self, network: SourceNetwork) -> &RwLock<Shard> {
        &self.shards[self.index(network)]
    }

    fn index(&self, network: SourceNetwork) -> usize {
        // The high bits: the map itself uses the low ones and the top seven.
        (self.hasher.hash_one(network) >> 40) as usize % SHARDS
    }
}

impl Shard {
    /// Drops what has expired, and of the rest the older quarter.
    fn make_room(&mut self, room: usize, now: u32) {
        self.retain(|known| known.expire(now));
        if self.answers <= room {
            return;
        }
        let mut ages: Vec<u32> = self
            .known
            .values()
            .filter(|known| known.expires_at != 0)
            .map(|known| known.answered_at)
            .collect();
        let goes = (room / 4).max(1);
        let last = goes.min(ages.len() - 1);
        let (_, &mut oldest, _) = ages.select_nth_unstable(last);
        // Of those that are as old as the newest to go, only so many go.
        let mut left = goes;
        let mut drop_answers = |older: bool| {
            self.known.retain(|_, known| {
                let goes = known.expires_at != 0
                    && left > 0
                    && if older {
                        known.answered_at < oldest
                    } else {
                        known.answered_at == oldest
                    };
                if goes {
                    left -= 1;
                    known.forget_answer();
                }
                !known.is_nothing()
            });
        };
        drop_answers(true);
        drop_answers(false);
        self.answers -= goes - left;
    }

    fn retain(&mut self, change: impl Fn(&mut Known)) {
        let (mut answers, mut banned) = (0, 0);
        self.known.retain(|_, known| {
            change(known);
            answers += usize::from(known.expires_at != 0);
            banned += usize::from(known.banned_until != 0);
            !known.is_nothing()
        });
        (self.answers, self.banned) = (answers, banned);
    }
}

impl Known {
    const NOTHING: Self = Self {
        confidence: NONE,
        blacklist: NONE,
        answered_at: 0,
        refresh_at: 0,
        expires_at: 0,
        banned_until: 0,
    };

    fn is_nothing(&self) -> bool {
        self.expires_at == 0 && self.blacklist == NONE && self.banned_until == 0
    }

    /// Of an answer and the blacklist the newer one counts.
    fn abuse(&self, now: u32, blacklist_at: u32) -> Abuse {
        let lives = self.expires_at > now;
        let answered = lives && self.confidence != NONE;
        if self.blacklist != NONE && !(answered && self.answered_at >= blacklist_at) {
            return Abuse::Blacklisted(self.blacklist);
        }
        if answered {
            return Abuse::Answered {
                confidence: self.confidence,
                stale: self.refresh_at <= now,
            };
        }
        if lives {
            Abuse::NoAnswer
        } else {
            Abuse::Unknown
        }
    }

    fn expire(&mut self, now: u32) {
        if self.expires_at <= now {
            self.forget_answer();
        }
        if self.banned_until <= now {
            self.banned_until = 0;
        }
    }

    fn forget_answer(&mut self) {
        self.confidence = NONE;
        (self.answered_at, self.refresh_at, self.expires_at) = (0, 0, 0);
    }
}

fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.as_second()).unwrap_or(if at.as_second() < 0 { 0 } else { u32::MAX })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;

    fn noon() -> Timestamp {
        "2026-06-08T12:00:00Z".parse().unwrap()
    }

    fn after(seconds: u32) -> Timestamp {
        noon() + SignedDuration::from_secs(seconds.into())
    }

    fn ip(number: u32) -> IpAddr {
        Ipv4Addr::from(0xC633_6400 + number).into()
    }

    fn fresh(confidence: u8) -> Abuse {
        Abuse::Answered {
            confidence,
            stale: false,
        }
    }

    #[test]
    fn an_answer_is_fresh_for_a_day_serves_for_a_week_and_is_gone() {
        let cache = Cache::with_room(1_000);
        assert_eq!(cache.recall(ip(1), noon()), (Abuse::Unknown, false));
        cache.answered(ip(1), 87, noon());
        let abuse = |at| cache.recall(ip(1), at).0;
        assert_eq!(abuse(noon()), fresh(87));
        assert_eq!(abuse(after(FRESH - 1)), fresh(87));
        let stale = Abuse::Answered {
            confidence: 87,
            stale: true,
        };
        assert_eq!(abuse(after(FRESH)), stale);
        assert_eq!(abuse(after(KEPT - 1)), stale);
        assert_eq!(abuse(after(KEPT)), Abuse::Unknown);
        cache.put_off(ip(1), after(FRESH), 60);
        assert_eq!(abuse(after(FRESH + 59)), fresh(87));
        assert_eq!(abuse(after(FRESH + 60)), stale);
        cache.sweep(after(KEPT - 1));
        assert_eq!(cache.answers(), 1);
        cache.sweep(after(KEPT));
        assert_eq!(cache.answers(), 0);
    }

    #[test]
    fn no_answer_is_remembered_for_a_while_and_takes_none_away() {
        let cache = Cache::with_room(1_000);
        cache.not_answered(ip(1), noon(), 60);
        assert_eq!(cache.recall(ip(1), after(59)).0, Abuse::NoAnswer);
        assert_eq!(cache.recall(ip(1), after(60)).0, Abuse::Unknown);
        cache.answered(ip(2), 0, noon());
        cache.not_answered(ip(2), after(FRESH), 60);
        assert_eq!(cache.recall(ip(2), after(FRESH + 59)).0, fresh(0));
        assert!(matches!(
            cache.recall(ip(2), after(FRESH + 60)).0,
            Abuse::Answered {
                confidence: 0,
                stale: true
            }
        ));
        assert_eq!(cache.recall(ip(2), after(KEPT)).0, Abuse::Unknown);
    }

    #[test]
    fn of_an_answer_and_the_blacklist_the_newer_counts() {
        let cache = Cache::with_room(1_000);
        cache.answered(ip(1), 5, noon());
        cache.blacklist(&[(ip(1), 100), (ip(2), 99)], after(60));
        assert_eq!(cache.recall(ip(1), after(61)).0, Abuse::Blacklisted(100));
        assert_eq!(cache.recall(ip(2), after(61)).0, Abuse::Blacklisted(99));
        assert_eq!(cache.blacklisted(), 2);
        cache.answered(ip(1), 7, after(62));
        assert_eq!(cache.recall(ip(1), after(63)).0, fresh(7));
        // Who is not on the next one is known by the answer, or not at all.
        cache.blacklist(&[(ip(3), 100)], after(120));
        assert_eq!(cache.recall(ip(1), after(121)).0, fresh(7));
        assert_eq!(cache.recall(ip(2), after(121)).0, Abuse::Unknown);
        assert_eq!(cache.blacklisted(), 1);
    }

    #[test]
    fn a_ban_is_beside_what_else_is_known_and_ends() {
        let cache = Cache::with_room(1_000);
        cache.banned(ip(1), after(KEPT));
        cache.banned(ip(1), after(KEPT));
        cache.answered(ip(1), 3, noon());
        assert_eq!(cache.recall(ip(1), noon()), (fresh(3), true));
        assert_eq!(cache.recall(ip(1), after(KEPT)), (Abuse::Unknown, false));
        assert_eq!(cache.bans(), 1);
        cache.forget_bans();
        assert_eq!(cache.recall(ip(1), noon()), (fresh(3), false));
        assert_eq!(cache.bans(), 0);
    }

    #[test]
    fn what_is_known_of_an_address_is_known_of_its_64_and_of_who_carries_it() {
        let cache = Cache::with_room(1_000);
        let abuse = |ip: &str| cache.recall(ip.parse().unwrap(), noon()).0;
        cache.answered("2001:db8:1:2::7".parse().unwrap(), 87, noon());
        assert_eq!(abuse("2001:db8:1:2:ffff::1"), fresh(87));
        assert_eq!(abuse("2001:db8:1:3::7"), Abuse::Unknown);
        cache.answered("192.0.2.1".parse().unwrap(), 5, noon());
        assert_eq!(abuse("2002:c000:201::1"), fresh(5));
        let list = ["2001:db8:9::1", "2001:db8:9::2"].map(|ip| ip.parse().unwrap());
        cache.blacklist(&[(list[0], 99), (list[1], 90)], after(1));
        assert_eq!(abuse("2001:db8:9::3"), Abuse::Blacklisted(99));
        assert_eq!(cache.blacklisted(), 1);
    }

    #[test]
    fn memory_is_bounded_and_the_newer_answers_stay() {
        let cache = Cache::with_room(10_240);
        cache.blacklist(&[(ip(9_000_000), 100)], noon());
        cache.banned(ip(9_000_001), after(KEPT));
        for number in 0..100_000 {
            cache.answered(ip(number), 1, after(number / 100));
        }
        let answers = cache.answers();
        assert!((5_000..=10_240).contains(&answers), "{answers}");
        let known = |number| cache.recall(ip(number), after(1_000)).0 != Abuse::Unknown;
        assert_eq!((0..50_000).filter(|number| known(*number)).count(), 0);
        let newest = (98_000..100_000).filter(|number| known(*number)).count();
        assert!(newest > 1_900, "{newest}");
        assert!(known(9_000_000) && cache.recall(ip(9_000_001), noon()).1);
    }

    proptest! {
        /// Whatever happens in whatever order, the counts are those of what can be recalled, and within the room.
        #[test]
        fn counts_agree_with_what_is_there(steps in prop::collection::vec((0u8..6, 0u32..600, 0u8..101), 0..400)) {
            let cache = Cache::with_room(512);
            let mut at = noon();
            for (step, number, confidence) in steps {
                at += SignedDuration::from_secs(i64::from(number));
                match step {
                    0 | 1 => cache.answered(ip(number), confidence, at),
                    2 => cache.not_answered(ip(number), at, 60),
                    3 => cache.banned(ip(number), at + SignedDuration::from_hours(1)),
                    4 => cache.blacklist(&[(ip(number), confidence)], at),
                    _ => cache.sweep(at),
                }
            }
            cache.sweep(at);
            let all = (0..600).map(|number| cache.recall(ip(number), at));
            let (mut answers, mut bans) = (0, 0);
            for (abuse, banned) in all {
                answers += usize::from(matches!(abuse, Abuse::Answered { .. } | Abuse::NoAnswer));
                bans += usize::from(banned);
            }
            prop_assert_eq!(bans, cache.bans());
            // One may be hidden by the blacklist.
            prop_assert!(cache.answers() - answers <= 1);
            prop_assert!(cache.answers() <= 512);
        }
    }
}
