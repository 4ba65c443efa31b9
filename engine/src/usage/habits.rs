//! What an account usually does: whom it calls abroad, from where, with what.

use std::{mem, net::IpAddr};

use jiff::Timestamp;

use crate::{
    network::SourceNetwork,
    number::{Country, E164},
};

/// For so many days after the first time a thing is still new: what a fraudster did last night is no habit.
const NEW_DAYS: u16 = 3;
/// A thing is usual when it was done on days that are so far apart.
const USUAL_DAYS: u16 = 7;
/// What has not been done for so many days is forgotten.
const FORGOTTEN_DAYS: u16 = 180;
/// How many of each kind are remembered; the one that was done longest ago makes room.
const REMEMBERED: [usize; 4] = [8, 12, 4, 3];

/// A day since 1970, in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct HabitDay(u16);

impl HabitDay {
    /// The day of a moment.
    pub fn of(at: Timestamp) -> Self {
        Self(u16::try_from(at.as_second() / 86_400).unwrap_or_default())
    }
}

/// What of a call may be a habit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    marks: [Option<Mark>; 4],
}

/// One of them: the kind in the upper two bits, a hash in the others. There is a million accounts, and their marks are kept on disk, so it is
/// short and the same for everybody: who looks for a range or a network with the mark of another finds one. That range is then as usual, or as
/// new, for an account as the other one, which moves the score of its calls; no list, country or price is told by a mark.
type Mark = u32;

/// A range of a thousand numbers, hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RangeMark(u32);

/// A network that calls come from (IPv4 /24, IPv6 /48), hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NetworkMark(u32);

#[cfg(test)]
impl NetworkMark {
    /// One of a few; 0: none.
    pub(super) fn test(number: u32) -> Option<Self> {
        (number > 0).then_some(Self(number))
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Country,
    Range,
    Network,
    Agent,
}

impl Traits {
    /// What of a call may be a habit: the country and the range that is called, for a call that is predicted; the network it comes
    /// from (IPv4 /24, IPv6 /48) and the make of its user agent.
    pub fn of(
        called: Option<(Option<Country>, &E164)>,
        source_ip: Option<IpAddr>,
        user_agent: &str,
    ) -> Self {
        let (country, number) = called.unzip();
        let network = source_ip.map(|ip| match SourceNetwork::from(ip) {
            SourceNetwork::V4(ip) => u64::from(u32::from(ip) >> 8),
            SourceNetwork::V6(bits) => bits >> 16 | 1 << 48,
        });
        let make = make(user_agent);
        Self {
            marks: [
                country
                    .flatten()
                    .map(|country| mark(Kind::Country, country.index() as u64)),
                number.map(|number| mark(Kind::Range, number.thousand())),
                network.map(|network| mark(Kind::Network, network)),
                (!make.is_empty()).then(|| mark(Kind::Agent, hash(make))),
            ],
        }
    }

    /// The range that is called, for a call that is predicted.
    pub fn range(&self) -> Option<RangeMark> {
        self.marks[Kind::Range as usize].map(RangeMark)
    }

    /// The network that it comes from, where that is told.
    pub fn network(&self) -> Option<NetworkMark> {
        self.marks[Kind::Network as usize].map(NetworkMark)
    }
}

/// A user agent without its model and version, which change with every update.
fn make(user_agent: &str) -> &[u8] {
    let bytes = user_agent.as_bytes();
    let end = bytes
        .iter()
        .position(|byte| matches!(byte, b'0'..=b'9' | b'/' | b'('))
        .unwrap_or(bytes.len());
    bytes[..end].trim_ascii_end()
}

/// The same in every run, so that a replayed call is decided as it was. Eight bytes at a time: three texts are hashed for each
/// call.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| {
        let mixed = (hash ^ word).wrapping_mul(MULTIPLIER);
        mixed ^ (mixed >> 32)
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let hash = words.iter().fold(bytes.len() as u64, |hash, word| {
        mix(hash, u64::from_le_bytes(*word))
    });
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(mix(hash, u64::from_le_bytes(last)), MULTIPLIER)
}

fn mark(kind: Kind, value: u64) -> Mark {
    let mixed = value.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 34;
    (kind as u32) << 30 | mixed as u32
}

/// What of a call is new for its account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Novelty {
    /// It has not called abroad before.
    pub first_abroad: bool,
    /// It has called abroad, but not this country.
    pub country: bool,
    /// It has called this country, but not this range (a thousand numbers).
    pub range: bool,
    /// It calls this range again and again.
    pub usual_range: bool,
    /// It has called from elsewhere, but not from this network.
    pub network: bool,
    /// It has called with something else, but not with an agent of this make.
    pub agent: bool,
}

/// What an account usually does. There is a million of them, and each is read on the way of a call: it has no room to spare, and
/// stands in its account's ledger but for what was seen.
#[derive(Clone, Debug, Default)]
pub struct Habits(Box<[Seen]>);

#[derive(Clone, Copy, Debug)]
struct Seen {
    mark: Mark,
    first: HabitDay,
    last: HabitDay,
}

impl Seen {
    /// The place of its [`Kind`].
    fn kind(&self) -> usize {
        (self.mark >> 30) as usize
    }

    fn is_new(&self, day: HabitDay) -> bool {
        day.0 < self.first.0.saturating_add(NEW_DAYS)
    }

    fn is_forgotten(&self, day: HabitDay) -> bool {
        day.0 > self.last.0.saturating_add(FORGOTTEN_DAYS)
    }

    fn is_usual(&self) -> bool {
        self.last.0 >= self.first.0.saturating_add(USUAL_DAYS)
    }
}

impl Habits {
    /// Learns from an allowed call. The order in which calls are learned does not matter.
    pub fn learn(&mut self, traits: &Traits, day: HabitDay) {
        let mut marks = traits.marks;
        for seen in &mut self.0 {
            let mark = &mut marks[seen.kind()];
            if *mark == Some(seen.mark) {
                seen.first = seen.first.min(day);
                seen.last = seen.last.max(day);
                *mark = None;
            }
        }
        for (kind, mark) in marks.into_iter().enumerate() {
            if let Some(mark) = mark {
                self.see(kind, mark, day);
            }
        }
    }

    /// Remembers what was not known.
    fn see(&mut self, kind: usize, mark: Mark, day: HabitDay) {
        let seen = Seen {
            mark,
            first: day,
            last: day,
        };
        let of_kind = self.0.iter_mut().filter(|seen| seen.kind() == kind);
        let (count, oldest) = of_kind.fold(
            (0, None),
            |(count, oldest): (_, Option<&mut Seen>), seen| {
                let oldest = match oldest {
                    Some(oldest) if oldest.last <= seen.last => oldest,
                    _ => seen,
                };
                (count + 1, Some(oldest))
            },
        );
        match oldest {
            Some(oldest) if count >= REMEMBERED[kind] => {
                if oldest.last <= day {
                    *oldest = seen;
                }
            }
            _ => {
                let mut all = mem::take(&mut self.0).into_vec();
                all.reserve_exact(1);
                all.push(seen);
                self.0 = all.into_boxed_slice();
            }
        }
    }

    /// The ranges that are called again and again.
    pub fn usual_ranges(&self, day: HabitDay) -> impl Iterator<Item = RangeMark> {
        self.0
            .iter()
            .filter(move |seen| {
                seen.kind() == Kind::Range as usize && seen.is_usual() && !seen.is_forgotten(day)
            })
            .map(|seen| RangeMark(seen.mark))
    }

    /// For how many days it is known what the account does.
    pub fn known_days(&self, day: HabitDay) -> u16 {
        let first = self.0.iter().map(|seen| seen.first.0).min();
        first.map_or(0, |first| day.0.saturating_sub(first))
    }

    /// The network that it last called from, with nothing else that may be a habit.
    pub fn last_network(&self) -> Traits {
        let networks = self
            .0
            .iter()
            .filter(|seen| seen.kind() == Kind::Network as usize);
        let mut traits = Traits::default();
        traits.marks[Kind::Network as usize] =
            networks.max_by_key(|seen| seen.last).map(|seen| seen.mark);
        traits
    }

    /// What of a call is new.
    pub fn novelty(&self, traits: &Traits, day: HabitDay) -> Novelty {
        // Whether something of a kind is known, and whether this is.
        let (mut any, mut this) = ([false; 4], [false; 4]);
        let mut usual_range = false;
        for seen in &self.0 {
            if seen.is_new(day) || seen.is_forgotten(day) {
                continue;
            }
            let kind = seen.kind();
            let is_this = traits.marks[kind] == Some(seen.mark);
            any[kind] = true;
            this[kind] |= is_this;
            usual_range |= is_this && kind == Kind::Range as usize && seen.is_usual();
        }
        // Where nothing is known nothing is new.
        let new = |kind: Kind| {
            let kind = kind as usize;
            traits.marks[kind].is_some() && any[kind] && !this[kind]
        };
        let abroad = traits.range().is_some();
        let country = abroad && new(Kind::Country);
        Novelty {
            first_abroad: abroad && !any[Kind::Range as usize],
            country,
            range: abroad && !country && new(Kind::Range),
            usual_range,
            network: new(Kind::Network),
            agent: new(Kind::Agent),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn call(number: &str, ip: &str, agent: &str) -> Traits {
        let number: E164 = number.parse().unwrap();
        let country = crate::number::plan::look_up(&number).country;
        Traits::of(Some((country, &number)), ip.parse().ok(), agent)
    }

    const PHONE: &str = "Yealink SIP-T46S 66.85.0.5";

    fn london() -> Traits {
        call("442079460123", "192.0.2.7", PHONE)
    }

    #[test]
    fn what_nobody_has_watched_is_not_new_but_for_the_first_call_abroad() {
        let novelty = Habits::default().novelty(&london(), HabitDay(100));
        assert_eq!(
            novelty,
            Novelty {
                first_abroad: true,
                ..Novelty::default()
            }
        );
    }

    #[test]
    fn what_was_done_yesterday_is_new_still_and_what_was_done_last_week_is_not() {
        let mut habits = Habits::default();
        habits.learn(&london(), HabitDay(100));
        assert!(habits.novelty(&london(), HabitDay(102)).first_abroad);
        assert_eq!(habits.novelty(&london(), HabitDay(103)), Novelty::default());
        habits.learn(&london(), HabitDay(107));
        assert!(habits.novelty(&london(), HabitDay(108)).usual_range);
        assert!(habits.novelty(&london(), HabitDay(288)).first_abroad);
    }

    #[test]
    fn a_thief_calls_elsewhere_from_elsewhere_with_something_else() {
        let mut habits = Habits::default();
        habits.learn(&london(), HabitDay(100));
        let theft = call("37128054190", "203.0.113.9", "sipcli/v1.8");
        assert_eq!(
            habits.novelty(&theft, HabitDay(110)),
            Novelty {
                country: true,
                network: true,
                agent: true,
                ..Novelty::default()
            }
        );
        let update = call("442079461000", "192.0.2.200", "Yealink SIP-T46S 66.86.0.15");
        assert_eq!(
            habits.novelty(&update, HabitDay(110)),
            Novelty {
                range: true,
                ..Novelty::default()
            }
        );
    }

    #[test]
    fn a_call_at_home_tells_from_where_and_with_what() {
        let mut habits = Habits::default();
        habits.learn(
            &Traits::of(None, "192.0.2.7".parse().ok(), PHONE),
            HabitDay(1),
        );
        let novelty = habits.novelty(&call("37128054190", "203.0.113.9", PHONE), HabitDay(9));
        assert!(novelty.first_abroad && novelty.network && !novelty.agent);
    }

    proptest! {
        #[test]
        fn habits_are_bounded_and_one_kind_never_pushes_another_out(
            ranges in prop::collection::vec(0_u64..1_000_000, 0..100),
        ) {
            let mut habits = Habits::default();
            habits.learn(&london(), HabitDay(1));
            for (day, range) in (2..).zip(ranges) {
                let number = E164::from_digits(&format!("39{range:06}123")).unwrap();
                habits.learn(&Traits::of(Some((None, &number)), None, ""), HabitDay(day));
            }
            prop_assert!(habits.0.len() <= REMEMBERED.iter().sum());
            let elsewhere = call("442079460123", "203.0.113.9", "sipcli");
            let novelty = habits.novelty(&elsewhere, HabitDay(110));
            prop_assert!(novelty.network && novelty.agent);
        }

        #[test]
        fn the_order_of_learning_does_not_matter(mut days in prop::collection::vec(0_u16..300, 1..20), day in 0_u16..400) {
            let mut one = Habits::default();
            for day in &days {
                one.learn(&london(), HabitDay(*day));
            }
            days.reverse();
            let mut other = Habits::default();
            for day in &days {
                other.learn(&london(), HabitDay(*day));
            }
            prop_assert_eq!(one.novelty(&london(), HabitDay(day)), other.novelty(&london(), HabitDay(day)));
        }
    }
}
