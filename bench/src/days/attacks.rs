//! The known attacks.

use jiff::{SignedDuration, civil::Date};
use tfps_engine::{
    facts::Standpoint,
    number::{Country, E164},
    simulation::SimulatedCall,
};

use super::{
    accounts::{Subscriber, World},
    chance::Chance,
    ordinary,
    ranges::Fraud,
};

/// How fraudsters make money of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attack {
    /// A telephone of an office was taken over: at night it calls one number after the other.
    HackedExtension,
    /// An account is pumped at a weekend, with tens of calls at once.
    WeekendPump,
    /// A call now and then, in business hours, from the hacked PBX itself: no threshold sees it.
    SlowDrip,
    /// A short call in the afternoon shows that it works; the pump comes at night.
    TestThenPump,
    /// Calls come in and are forwarded abroad.
    Forwarding,
    /// Many accounts call one range, each of them once or twice.
    ManyAccounts,
    /// Subscribers call back somebody who let their telephones ring once (Wangiri).
    CallBack,
}

impl Attack {
    /// Every one of them.
    pub const ALL: [Self; 7] = [
        Self::HackedExtension,
        Self::WeekendPump,
        Self::SlowDrip,
        Self::TestThenPump,
        Self::Forwarding,
        Self::ManyAccounts,
        Self::CallBack,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HackedExtension => "hacked extension, at night",
            Self::WeekendPump => "weekend pump, many calls at once",
            Self::SlowDrip => "slow drip, from the PBX itself",
            Self::TestThenPump => "test call, then a pump",
            Self::Forwarding => "call forwarding",
            Self::ManyAccounts => "one range, many accounts",
            Self::CallBack => "Wangiri call-backs",
        }
    }

    /// The calls of one attack on a day, in their order.
    pub fn calls(self, world: &World, fraud: &Fraud, date: Date, which: u64) -> Vec<SimulatedCall> {
        let what = format!("{date} {self:?} {which}");
        let mut scene = Scene {
            world,
            date,
            chance: Chance::new(world.seed, &what),
            calls: Vec::new(),
        };
        scene.play(self, fraud);
        scene.calls.sort_by_key(|call| call.at);
        scene.calls
    }
}

struct Scene<'a> {
    world: &'a World,
    date: Date,
    chance: Chance,
    calls: Vec<SimulatedCall>,
}

/// From where and with what a thief calls.
struct Thief {
    address: [u8; 4],
    country: Option<Country>,
    agent: &'static str,
}

impl Scene<'_> {
    fn play(&mut self, attack: Attack, fraud: &Fraud) {
        let victim = self.victim();
        let thief = self.thief();
        let minute = 60.0;
        match attack {
            Attack::HackedExtension => {
                let numbers = self.rent(fraud, 3, 8);
                let calls = self.chance.between(30, 80);
                let start = self.chance.between(0, 4 * 3_600) as f64;
                self.pump(
                    &victim,
                    Some(&thief),
                    &numbers,
                    calls,
                    start,
                    3.0 * minute,
                    6.0 * minute,
                );
            }
            Attack::WeekendPump => {
                let numbers = self.rent(fraud, 6, 15);
                let calls = self.chance.between(150, 400);
                let start = self.chance.between(0, 20 * 3_600) as f64;
                self.pump(
                    &victim,
                    Some(&thief),
                    &numbers,
                    calls,
                    start,
                    10.0,
                    12.0 * minute,
                );
            }
            Attack::SlowDrip => {
                let numbers = self.rent(fraud, 3, 8);
                let calls = self.chance.between(8, 20);
                self.pump(
                    &victim,
                    None,
                    &numbers,
                    calls,
                    9.0 * 3_600.0,
                    25.0 * minute,
                    8.0 * minute,
                );
            }
            Attack::TestThenPump => {
                let numbers = self.rent(fraud, 3, 8);
                let test = 13.0 * 3_600.0 + self.chance.between(0, 3 * 3_600) as f64;
                self.call(&victim, Some(&thief), &numbers[0], test, 6.0);
                let calls = self.chance.between(60, 150);
                self.pump(
                    &victim,
                    Some(&thief),
                    &numbers,
                    calls,
                    22.0 * 3_600.0,
                    20.0,
                    9.0 * minute,
                );
            }
            Attack::Forwarding => {
                let numbers = self.rent(fraud, 1, 2);
                let calls = self.chance.between(20, 60);
                let start = 18.0 * 3_600.0;
                let first = self.calls.len();
                self.pump(
                    &victim,
                    None,
                    &numbers,
                    calls,
                    start,
                    2.0 * minute,
                    10.0 * minute,
                );
                for call in &mut self.calls[first..] {
                    call.attempt.forwarded_from = victim.id.username().to_owned();
                }
            }
            Attack::ManyAccounts => {
                let numbers = self.rent(fraud, 4, 10);
                let start = self.chance.between(0, 20 * 3_600) as f64;
                for _ in 0..self.chance.between(15, 40) {
                    let victim = self.victim();
                    let from = start + self.chance.between(0, 3_600) as f64;
                    let calls = self.chance.between(1, 2);
                    self.pump(
                        &victim,
                        Some(&thief),
                        &numbers,
                        calls,
                        from,
                        minute,
                        8.0 * minute,
                    );
                }
            }
            Attack::CallBack => {
                let numbers = self.rent(fraud, 4, 10);
                let start = 9.0 * 3_600.0 + self.chance.between(0, 7 * 3_600) as f64;
                for _ in 0..self.chance.between(10, 30) {
                    let victim = self.victim();
                    let from = start + self.chance.waiting(1_800.0);
                    let number = *self.chance.one(&numbers);
                    self.call(&victim, None, &number, from, 2.0 * minute);
                }
            }
        }
    }

    fn victim(&mut self) -> Subscriber {
        self.chance.one(&self.world.subscribers).clone()
    }

    fn thief(&mut self) -> Thief {
        // Some rent a machine in the victim's country; AbuseIPDB has not heard of any of them.
        let (first, country) = self.chance.weighed(&[
            ((185, "NL"), 3.0),
            ((45, "PS"), 3.0),
            ((146, "FR"), 2.0),
            ((66, "US"), 4.0),
        ]);
        let part = |chance: &mut Chance| chance.between(1, 254) as u8;
        Thief {
            address: [
                first,
                part(&mut self.chance),
                part(&mut self.chance),
                part(&mut self.chance),
            ],
            country: Country::from_code(country).ok(),
            agent: self.chance.one::<&str>(&[
                "Asterisk PBX 13.38.2",
                "Zoiper rv2.10.19.5",
                "MicroSIP/3.21.3",
                "PortSIP UC Client 11",
                "Linphone/3.6.1 (eXosip2/4.1.0)",
            ]),
        }
    }

    fn rent(&mut self, fraud: &Fraud, least: u64, most: u64) -> Vec<E164> {
        let count = self.chance.between(least, most) as usize;
        fraud.rent(count, &mut self.chance)
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "each is one number of the attack"
    )]
    fn pump(
        &mut self,
        victim: &Subscriber,
        thief: Option<&Thief>,
        numbers: &[E164],
        calls: u64,
        start: f64,
        pause: f64,
        length: f64,
    ) {
        let mut at = start;
        for _ in 0..calls {
            let number = *self.chance.one(numbers);
            self.call(victim, thief, &number, at, length);
            at += 1.0 + self.chance.waiting(pause);
        }
    }

    /// A call of a thief, or one that comes from the victim's own telephones. Numbers that pay answer.
    fn call(
        &mut self,
        victim: &Subscriber,
        thief: Option<&Thief>,
        number: &E164,
        at: f64,
        length: f64,
    ) {
        let at = self.world.midnight(self.date) + SignedDuration::from_secs(at as i64);
        let mut call = ordinary::call(victim, at, number, &mut self.chance);
        if let Some(thief) = thief {
            call.attempt.source_ip = Some(thief.address.into());
            call.attempt.user_agent = thief.agent.to_owned();
            call.source = Standpoint {
                country: thief.country,
                ..call.source
            };
        }
        let seconds = length * (0.5 + self.chance.part());
        call.duration = SignedDuration::from_secs(seconds as i64);
        call.fraud = Some(true);
        self.calls.push(call);
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_attack_and_another_one_another() {
        let (world, fraud) = (World::new(1, 50), Fraud::made_up(1));
        let saturday = date(2026, 6, 6);
        for attack in Attack::ALL {
            let one = attack.calls(&world, &fraud, saturday, 0);
            let same = attack.calls(&world, &fraud, saturday, 0);
            let other = attack.calls(&world, &fraud, saturday, 1);
            let dialed = |calls: &[SimulatedCall]| -> Vec<String> {
                calls
                    .iter()
                    .map(|call| call.attempt.dialed.clone())
                    .collect()
            };
            assert_eq!(dialed(&one), dialed(&same));
            assert_ne!(dialed(&one), dialed(&other));
            assert!(
                one.is_sorted_by_key(|call| call.at) && one.len() >= 8,
                "{attack:?}"
            );
            assert!(one.iter().all(|call| call.fraud == Some(true)));
        }
    }
}
