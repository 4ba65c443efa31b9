//! What accounts do on ordinary days.

use jiff::{
    SignedDuration, Timestamp, ToSpan,
    civil::{Date, Weekday},
};
use tfps_engine::{
    call::CallAttempt,
    facts::Standpoint,
    number::{Country, E164},
    simulation::SimulatedCall,
};

use super::{
    accounts::{Kind, Subscriber, World},
    chance::Chance,
    numbers::{Partner, at_home},
};

/// A call as it leaves a subscriber, without anything wrong about it.
pub(super) fn call(
    subscriber: &Subscriber,
    at: Timestamp,
    number: &E164,
    chance: &mut Chance,
) -> SimulatedCall {
    let digits = number.as_str();
    let dialed = match digits.strip_prefix('1') {
        Some(_) => digits.to_owned(),
        None if chance.happens(0.3) => format!("+{digits}"),
        None => format!("011{digits}"),
    };
    SimulatedCall {
        at,
        attempt: CallAttempt {
            account: subscriber.id.clone(),
            dialed,
            caller: String::new(),
            source_ip: Some(subscriber.address_on(at.as_second() / 86_400, chance)),
            user_agent: subscriber.agent.to_owned(),
            concurrent_calls: None,
            call_id: String::new(),
            attempt_key: String::new(),
            forwarded_from: String::new(),
            trunk: String::new(),
        },
        source: Standpoint {
            country: Country::from_code("US").ok(),
            abuse_confidence: Some(0),
            apiban: Some(false),
            ..Standpoint::default()
        },
        duration: answered(150.0, chance),
        fraud: Some(false),
    }
}

/// How long a call is answered; three in ten are not.
fn answered(mean: f64, chance: &mut Chance) -> SignedDuration {
    if chance.happens(0.3) {
        return SignedDuration::ZERO;
    }
    SignedDuration::from_secs(5 + chance.waiting(mean) as i64)
}

/// When within a day somebody calls, in seconds from midnight: in the working hours, now and then in the evening.
fn moment(kind: Kind, working: bool, chance: &mut Chance) -> i64 {
    let late = match kind {
        Kind::Home => 0.15,
        Kind::Extension => 0.05,
        Kind::CallCentre | Kind::Trunk => 0.08,
    };
    let hours = if !working || chance.happens(late) {
        chance.between(8 * 60, 22 * 60) as f64 / 60.0
    } else {
        (13.0 + 2.2 * chance.normal()).clamp(8.0, 18.5)
    };
    (hours * 3_600.0) as i64 + chance.between(0, 59) as i64
}

impl World {
    /// The moment of a day's midnight.
    pub(super) fn midnight(&self, date: Date) -> Timestamp {
        date.to_zoned(self.zone.clone())
            .map_or(Timestamp::UNIX_EPOCH, |zoned| zoned.timestamp())
    }

    /// The ordinary calls of a day, in their order.
    pub fn day(&self, date: Date) -> Vec<SimulatedCall> {
        let midnight = self.midnight(date);
        let working = !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
        let mut calls = Vec::new();
        for subscriber in &self.subscribers {
            let mut chance = Chance::new(self.seed, &format!("{date} {}", subscriber.id));
            let mean = subscriber.calls_a_day * if working { 1.0 } else { 0.04 };
            for _ in 0..chance.count(mean) {
                let number = whom(subscriber, &mut chance);
                let seconds = moment(subscriber.kind, working, &mut chance);
                let at = midnight + SignedDuration::from_secs(seconds);
                calls.push(call(subscriber, at, &number, &mut chance));
            }
        }
        calls.sort_by_key(|call| call.at);
        calls
    }

    /// The ordinary calls of so many days before a day.
    pub fn history(&self, before: Date, days: i32) -> impl Iterator<Item = SimulatedCall> {
        (1..=days)
            .rev()
            .filter_map(move |back| before.checked_sub(back.days()).ok())
            .flat_map(|date| self.day(date))
    }
}

/// Whom a subscriber calls: contacts nearly always, now and then somebody new, seldom in a country that is new as well.
fn whom(subscriber: &Subscriber, chance: &mut Chance) -> E164 {
    if !chance.happens(subscriber.abroad) {
        return if chance.happens(0.4) {
            *chance.one(&subscriber.neighbours)
        } else {
            at_home(chance)
        };
    }
    if chance.happens(0.85) {
        return *chance.one(&subscriber.contacts);
    }
    let partner = if chance.happens(0.1) {
        Partner::draw(chance)
    } else {
        *chance.one(&subscriber.partners)
    };
    partner.number(chance)
}
