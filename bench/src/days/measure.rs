//! What an attack gets through before it is stopped, and what ordinary callers bear for it.

use std::{collections::BTreeMap, fmt, sync::Arc};

use jiff::{Timestamp, ToSpan, civil::Date};
use tfps_engine::{
    account::Limits,
    decision::Verdict,
    exposure::Caps,
    number::Country,
    policy::{Policy, PolicyDocument, RuleMode},
    risk::{FULL_WEIGHT, KnownNumbers, Predictor, RiskModel},
    rules::Rule,
    simulation::{SimulatedCall, Simulation},
};

use super::{accounts::World, attacks::Attack, ranges::Fraud, thresholds::ByThresholds};

/// How big the measure is.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Accounts.
    pub accounts: usize,
    /// Days before the first one that count as history.
    pub history: i32,
    /// Days that are judged.
    pub days: i32,
    /// Attacks of each kind a day.
    pub attacks_a_day: u64,
}

/// Under what the days are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// The policy of a fresh install, which blocks some countries for everybody.
    Default,
    /// The same without these: a house whose customers call there.
    NoneBlocked,
    /// Every country is open to every account and none is blocked: the prediction and the limits alone.
    EveryCountryOpen,
    /// The same without the prediction.
    LimitsAlone,
    /// Thresholds as switches have them.
    Thresholds,
}

impl Setup {
    /// Every one of them.
    pub const ALL: [Self; 5] = [
        Self::Default,
        Self::NoneBlocked,
        Self::EveryCountryOpen,
        Self::LimitsAlone,
        Self::Thresholds,
    ];

    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "TFPS as installed",
            Self::NoneBlocked => "TFPS, no country blocked",
            Self::EveryCountryOpen => "TFPS, every country open",
            Self::LimitsAlone => "the same without the prediction",
            Self::Thresholds => "thresholds of a switch",
        }
    }

    fn policy(self) -> PolicyDocument {
        let mut policy = PolicyDocument::default();
        let maximum = &mut policy.new_accounts.maximum;
        *maximum = Limits {
            concurrent_calls: 500,
            concurrent_calls_off_hours: 500,
            daily_quota: 5_000,
            daily_quota_off_hours: 5_000,
        };
        // Trunks and call centres are under the same policy, and call abroad for longer than a telephone's cap lets them.
        policy.exposure = Caps::NONE;
        if self != Self::Default {
            policy.blocked_countries.clear();
        }
        if !matches!(self, Self::Default | Self::NoneBlocked) {
            policy.allowed_destination_countries = Country::all()
                .map(|country| country.code().to_owned())
                .collect();
            policy.allowed_source_countries = policy.allowed_destination_countries.clone();
        }
        if self == Self::LimitsAlone {
            policy.rules.insert(Rule::Risk, RuleMode::Off);
        }
        policy
    }
}

/// What came of one attack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Calls that were answered before the first one was stopped.
    pub before_the_stop: u64,
    /// Calls that were answered in all.
    pub answered: u64,
    /// For how many minutes those were.
    pub minutes: u64,
    stopped: bool,
}

/// What came of the days.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// By the kind of attack.
    pub attacks: BTreeMap<Attack, Vec<Damage>>,
    /// Ordinary calls: all, abroad, challenged, denied.
    pub ordinary: u64,
    /// Abroad.
    pub ordinary_abroad: u64,
    /// Challenged.
    pub challenged: u64,
    /// Denied.
    pub denied: u64,
    /// Why ordinary calls were stopped, by code.
    pub codes: BTreeMap<&'static str, u64>,
}

impl Measured {
    /// Ordinary calls that were challenged, as a part of all.
    pub fn challenged_part(&self) -> f64 {
        self.challenged as f64 / self.ordinary.max(1) as f64
    }

    /// Ordinary calls that were denied, as a part of all.
    pub fn denied_part(&self) -> f64 {
        self.denied as f64 / self.ordinary.max(1) as f64
    }
}

/// What so many of a hundred of some figures do not exceed.
pub fn percentile(figures: impl Iterator<Item = u64>, percent: usize) -> u64 {
    let mut sorted: Vec<u64> = figures.collect();
    sorted.sort_unstable();
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}

enum Judge {
    Engine(Box<Simulation>),
    Thresholds(Box<(ByThresholds, Policy)>),
}

/// Judges days, from a Monday on, under a setup.
pub fn measure(
    world: &World,
    fraud: &Fraud,
    model: &Arc<RiskModel>,
    scale: Scale,
    setup: Setup,
) -> Measured {
    let monday = jiff::civil::date(2026, 6, 8);
    let policy = Policy::compile(setup.policy()).expect("the policy was made to compile");
    let mut judge = if setup == Setup::Thresholds {
        let by = ByThresholds::new(policy.time_zone.clone());
        Judge::Thresholds(Box::new((by, policy)))
    } else {
        let known = fraud.known.iter().map(|number| (*number, FULL_WEIGHT));
        let predictor = Predictor {
            model: Arc::clone(model),
            known: Arc::new(KnownNumbers::new(known)),
            cleared: Arc::default(),
        };
        let mut house = Simulation::new(policy, Arc::default(), predictor, Arc::default());
        for subscriber in &world.subscribers {
            house.account(&subscriber.id).limits = subscriber.limits();
        }
        for call in world.history(monday, scale.history) {
            house.learn(&call);
        }
        Judge::Engine(Box::new(house))
    };
    let mut measured = Measured::default();
    for day in 0..scale.days {
        if let Ok(date) = monday.checked_add(day.days()) {
            one_day(world, fraud, scale, date, &mut judge, &mut measured);
        }
    }
    measured
}

/// The call of an attack, and which one's.
type Called = (SimulatedCall, Option<(Attack, usize)>);

fn one_day(
    world: &World,
    fraud: &Fraud,
    scale: Scale,
    date: Date,
    judge: &mut Judge,
    measured: &mut Measured,
) {
    let mut calls: Vec<Called> = world
        .day(date)
        .into_iter()
        .map(|call| (call, None))
        .collect();
    for attack in Attack::ALL {
        for which in 0..scale.attacks_a_day {
            let damages = measured.attacks.entry(attack).or_default();
            let place = Some((attack, damages.len()));
            damages.push(Damage::default());
            let of_attack = attack.calls(world, fraud, date, which);
            calls.extend(of_attack.into_iter().map(|call| (call, place)));
        }
    }
    calls.sort_by_key(|(call, _)| -> Timestamp { call.at });
    for (call, attack) in &calls {
        let (passed, verdict, code, abroad) = judged(judge, call);
        match attack {
            Some((attack, place)) => {
                if let Some(damage) = measured
                    .attacks
                    .get_mut(attack)
                    .and_then(|damages| damages.get_mut(*place))
                {
                    damage.add(call, passed);
                }
            }
            None => {
                measured.ordinary += 1;
                measured.ordinary_abroad += u64::from(abroad);
                measured.challenged += u64::from(verdict == Verdict::Challenge);
                measured.denied += u64::from(verdict == Verdict::Deny);
                if verdict != Verdict::Allow {
                    *measured.codes.entry(code).or_default() += 1;
                }
            }
        }
    }
}

fn judged(judge: &mut Judge, call: &SimulatedCall) -> (bool, Verdict, &'static str, bool) {
    match judge {
        Judge::Engine(house) => {
            let outcome = house.call(call);
            let ruling = &outcome.ruling;
            (
                outcome.passed,
                ruling.verdict,
                ruling.code.as_str(),
                !outcome.stays_home,
            )
        }
        Judge::Thresholds(judge) => {
            let (by, policy) = &mut **judge;
            let number = policy.dial_plan.read(&call.attempt.dialed).number();
            let country = number.ok().and_then(|(_, plan)| plan.country);
            let abroad = country != Some(policy.dial_plan.home_country());
            let passes = by.passes(call, abroad);
            let verdict = if passes {
                Verdict::Allow
            } else {
                Verdict::Deny
            };
            (passes, verdict, "threshold", abroad)
        }
    }
}

impl Damage {
    fn add(&mut self, call: &SimulatedCall, passed: bool) {
        if !passed {
            self.stopped = true;
            return;
        }
        let answered = u64::from(!call.duration.is_zero());
        self.answered += answered;
        self.minutes += u64::try_from(call.duration.as_secs()).unwrap_or_default() / 60;
        if !self.stopped {
            self.before_the_stop += answered;
        }
    }
}

/// A table for people.
impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| attack | attacks | answered before the stop: median | 95th percentile | most | answered in all: median | 95th | \
             minutes: median | 95th |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
        )?;
        for (attack, damages) in &self.attacks {
            let of = |figure: fn(&Damage) -> u64, percent| {
                percentile(damages.iter().map(figure), percent)
            };
            let before = |damage: &Damage| damage.before_the_stop;
            let answered = |damage: &Damage| damage.answered;
            let minutes = |damage: &Damage| damage.minutes;
            writeln!(
                f,
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                attack.as_str(),
                damages.len(),
                of(before, 50),
                of(before, 95),
                of(before, 100),
                of(answered, 50),
                of(answered, 95),
                of(minutes, 50),
                of(minutes, 95),
            )?;
        }
        writeln!(
            f,
            "\nOrdinary calls: {} ({} abroad), challenged {:.3} %, denied {:.3} %; {:?}",
            self.ordinary,
            self.ordinary_abroad,
            100.0 * self.challenged_part(),
            100.0 * self.denied_part(),
            self.codes
        )
    }
}

#[cfg(test)]
mod tests {
    use tfps_engine::decision::Code;

    use super::*;
    use crate::days::Kind;

    const SMALL: Scale = Scale {
        accounts: 150,
        history: 20,
        days: 7,
        attacks_a_day: 1,
    };

    fn most(measured: &Measured, percent: usize) -> u64 {
        let of = |damages: &Vec<Damage>| {
            percentile(damages.iter().map(|damage| damage.before_the_stop), percent)
        };
        measured.attacks.values().map(of).max().unwrap_or_default()
    }

    #[test]
    fn every_attack_is_stopped_at_its_first_calls_and_ordinary_callers_hardly_notice() {
        let (world, fraud) = (World::new(1, SMALL.accounts), Fraud::made_up(1));
        let model = Arc::new(RiskModel::built_in());
        let tfps = measure(&world, &fraud, &model, SMALL, Setup::NoneBlocked);
        assert_eq!(tfps.attacks.len(), Attack::ALL.len());
        assert_eq!(most(&tfps, 50), 0, "{tfps}");
        assert!(most(&tfps, 95) <= 2, "{tfps}");
        assert!(
            tfps.ordinary > 5_000 && tfps.ordinary_abroad > 300,
            "{tfps}"
        );
        assert!(tfps.challenged_part() <= 0.005, "{tfps}");
        assert!(tfps.denied_part() <= 0.0002, "{tfps}");
        // Where countries say nothing, the prediction alone does it; without it every kind of attack gets through for a while.
        let open = measure(&world, &fraud, &model, SMALL, Setup::EveryCountryOpen);
        assert_eq!(most(&open, 50), 0, "{open}");
        for other in [Setup::LimitsAlone, Setup::Thresholds] {
            let other = measure(&world, &fraud, &model, SMALL, other);
            assert!(most(&other, 50) >= 3, "{other}");
        }
    }

    /// The caps of a fresh install, with prices by the estimate: who calls abroad as people do must not notice them.
    #[test]
    fn an_ordinary_telephone_does_not_meet_the_default_caps() {
        let world = World::new(2, 150);
        let monday = jiff::civil::date(2026, 6, 8);
        let policy = PolicyDocument {
            exposure: Caps::default(),
            ..Setup::EveryCountryOpen.policy()
        };
        let predictor = Predictor {
            model: Arc::new(RiskModel::built_in()),
            known: Arc::new(KnownNumbers::default()),
            cleared: Arc::default(),
        };
        let policy = Policy::compile(policy).unwrap();
        let mut house = Simulation::new(policy, Arc::default(), predictor, Arc::default());
        let mut telephones = std::collections::HashSet::new();
        for subscriber in &world.subscribers {
            house.account(&subscriber.id).limits = subscriber.limits();
            if matches!(subscriber.kind, Kind::Extension | Kind::Home) {
                telephones.insert(subscriber.id.clone());
            }
        }
        let (mut abroad, mut capped, mut capped_others) = (0, 0, 0);
        for call in world.history(monday, 14) {
            let outcome = house.call(&call);
            let is_capped = outcome.ruling.code == Code::R21;
            if telephones.contains(&call.attempt.account) {
                abroad += u64::from(!outcome.stays_home);
                capped += u64::from(is_capped);
            } else {
                capped_others += u64::from(is_capped);
            }
        }
        eprintln!(
            "{} telephones, {abroad} calls abroad, {capped} over a cap; of trunks and call centres {capped_others}",
            telephones.len()
        );
        assert!(abroad > 200, "{abroad}");
        assert_eq!(capped, 0);
    }

    #[test]
    fn a_percentile_is_one_of_the_figures() {
        assert_eq!(percentile([5, 1, 3].into_iter(), 50), 3);
        assert_eq!(percentile(1..=100, 95), 95);
        assert_eq!(percentile(std::iter::empty(), 95), 0);
    }
}
