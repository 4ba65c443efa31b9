//! Asks the rules in their order; the first that bites ends it.

use crate::{
    decision::{Judgement, Ruling, Verdict},
    exposure::Exposure,
    facts::Facts,
    number::Country,
    policy::{Policy, RuleMode},
    rules::{
        Asked, Finding, JUDGING, Objection, Rule, SCREENING, r08_r10_concurrency,
        r09_r11_v04_v05_quota, r17_failed_verifications, r21_exposure,
    },
    usage::{GrantKind, HabitDay, Ledger, OpenCall, SlotTimes},
};

/// A call before its judges.
#[derive(Debug)]
pub struct Trial<'a> {
    /// What is known about it.
    pub facts: Facts<'a>,
    monitored: Option<Ruling>,
    settled: bool,
}

/// A trial between its stages.
#[derive(Debug)]
pub struct Paused {
    monitored: Option<Ruling>,
    settled: bool,
}

/// Where a trial stands after a stage.
#[derive(Debug, PartialEq, Eq)]
pub enum Stage {
    /// A rule decided.
    Ends(Judgement),
    /// The next stage is asked.
    GoesOn,
    /// The policy only monitors and knows what would have been: the call passes, and no more rules are asked.
    Settled,
}

/// What an allowed call took from its account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reservation {
    /// Whether the call of the day was counted.
    pub counted: bool,
    /// Until when the call is remembered if it does not start, in seconds since 1970: it holds a slot, where the switch does
    /// not count itself, or is charged for.
    pub slot_until: Option<i64>,
    /// The grants that it used.
    pub grants: [Option<i64>; 2],
    /// How long it is assumed to last, in seconds, and what it was charged with for that.
    pub assumed: (u32, Exposure),
}

impl<'a> Trial<'a> {
    /// Opens a trial.
    pub fn new(facts: Facts<'a>) -> Self {
        Self {
            // Nobody who calls for help is asked for anything.
            settled: facts.emergency,
            facts,
            monitored: None,
        }
    }

    /// What the trial has come to so far, so that it can wait for a look-up without what it borrows.
    pub fn pause(self) -> Paused {
        Paused {
            monitored: self.monitored,
            settled: self.settled,
        }
    }

    /// Goes on with a trial that was paused.
    pub fn resume(facts: Facts<'a>, paused: Paused) -> Self {
        Self {
            facts,
            monitored: paused.monitored,
            settled: paused.settled,
        }
    }

    /// Asks the rules that need nothing but memory.
    pub fn screen(&mut self) -> Stage {
        self.ask(&SCREENING)
    }

    /// Asks the rules that need to know where the call comes from, which [`Facts::locate`] has told.
    pub fn judge(&mut self) -> Stage {
        self.ask(&JUDGING)
    }

    /// Takes a slot and a place in the quota in one step, or tells which limit is reached. The key is the call's alone.
    pub fn reserve(
        mut self,
        ledger: &mut Ledger,
        key: u128,
        times: SlotTimes,
    ) -> (Judgement, Reservation) {
        if !self.settled
            && let Some(judgement) = self.limits(ledger)
        {
            return (judgement, Reservation::default());
        }
        let facts = &self.facts;
        let until = facts.at.as_second() + i64::from(times.reserved);
        if facts.emergency {
            let emergency = OpenCall {
                emergency: true,
                holds: false,
                ..OpenCall::of(key, facts.call, until)
            };
            ledger.calls.allow(emergency, facts.at);
            return (self.allowed(), Reservation::default());
        }
        let tariff = facts.tariff();
        let holds = facts.call.concurrent_calls.is_none();
        let assumed_seconds = match tariff {
            Some(_) => 60 * facts.policy().document.exposure.assumed_minutes,
            None => 0,
        };
        let assumed = tariff
            .unwrap_or_default()
            .for_seconds(assumed_seconds.into());
        if assumed_seconds > 0 {
            ledger.begin(facts.day, || facts.policy().day_began(facts.at), facts.at);
            ledger.charge(facts.day, assumed);
        }
        let slot_until = (holds || tariff.is_some()).then_some(until);
        // Of a call that fraudsters are paid for it is told apart what becomes of it.
        if slot_until.is_some() || facts.traits.range().is_some() {
            let allowed = OpenCall {
                number: facts.destination.as_ref().ok().map(|to| to.number),
                holds,
                tariff,
                assumed_seconds,
                ..OpenCall::of(key, facts.call, until)
            };
            ledger.calls.allow(allowed, facts.at);
        }
        ledger.count(facts.day, facts.off_hours);
        if self.monitored.is_none() {
            ledger.learn_habits(&facts.traits, HabitDay::of(facts.at));
        }
        let grants = self.countries_on_grant().map(|needed| {
            needed.and_then(|(kind, country)| ledger.use_grant(kind, country, facts.at))
        });
        (
            self.allowed(),
            Reservation {
                counted: true,
                slot_until,
                grants,
                assumed: (assumed_seconds, assumed),
            },
        )
    }

    /// Tells what [`Self::reserve`] would, and takes nothing.
    pub fn preview(mut self, ledger: &Ledger) -> Judgement {
        if !self.settled
            && let Some(judgement) = self.limits(ledger)
        {
            return judgement;
        }
        self.allowed()
    }

    fn limits(&mut self, ledger: &Ledger) -> Option<Judgement> {
        let occupancy = ledger.occupancy(self.facts.day, self.facts.at);
        let grants_gone = self
            .countries_on_grant()
            .into_iter()
            .flatten()
            .any(|(kind, country)| {
                self.facts.granted(kind, country)
                    && !ledger.grants_country(kind, country, self.facts.at)
            });
        if grants_gone {
            self.facts.granted = ledger.granted(self.facts.at);
            match self.ask(&JUDGING) {
                Stage::Ends(judgement) => return Some(judgement),
                Stage::Settled => return None,
                Stage::GoesOn => {}
            }
        }
        for finding in [
            (
                r08_r10_concurrency::RULE,
                r08_r10_concurrency::check(&self.facts, &occupancy),
            ),
            (r21_exposure::RULE, r21_exposure::check(&self.facts, ledger)),
            (
                r09_r11_v04_v05_quota::rule(&self.facts),
                r09_r11_v04_v05_quota::check(&self.facts, &occupancy),
            ),
        ] {
            match self.weigh(finding.0, finding.1) {
                Stage::Ends(judgement) => return Some(judgement),
                Stage::Settled => return None,
                Stage::GoesOn => {}
            }
        }
        None
    }

    /// The countries that only a grant opens to this call.
    fn countries_on_grant(&self) -> [Option<(GrantKind, Country)>; 2] {
        let facts = &self.facts;
        if facts.standing.account.is_none() || facts.number_allowed() || facts.stays_home() {
            return [None, None];
        }
        let policy = facts.policy();
        let source = facts
            .source
            .country
            .filter(|country| {
                !facts.source_countries().contains(*country)
                    && !policy.allowed_source_countries.contains(*country)
            })
            .filter(|_| policy.mode(Rule::SourceCountry) != RuleMode::Off)
            .map(|country| (GrantKind::Source, country));
        let destination = facts
            .destination_country()
            .filter(|country| {
                !facts.destination_countries().contains(*country)
                    && !policy.allowed_destination_countries.contains(*country)
            })
            .filter(|_| policy.mode(Rule::DestinationCountry) != RuleMode::Off)
            .map(|country| (GrantKind::Destination, country));
        [source, destination]
    }

    fn ask(&mut self, rules: &[Asked]) -> Stage {
        if self.settled {
            return Stage::Settled;
        }
        for asked in rules {
            if self.facts.policy().mode(asked.rule) == RuleMode::Off {
                continue;
            }
            match self.weigh(asked.rule, (asked.evaluate)(&self.facts)) {
                Stage::GoesOn => {}
                stage => return stage,
            }
        }
        Stage::GoesOn
    }

    fn weigh(&mut self, rule: Rule, finding: Finding) -> Stage {
        let Finding::Bites(objection) = finding else {
            return Stage::GoesOn;
        };
        let policy = self.facts.policy();
        let mode = policy.mode(rule);
        if mode == RuleMode::Off {
            return Stage::GoesOn;
        }
        let ruling = rule_on(objection, mode, &self.facts);
        let ruling = self.unless_locked(ruling);
        if policy.document.monitor {
            self.monitored.get_or_insert(ruling);
            self.settled = true;
            return Stage::Settled;
        }
        if mode == RuleMode::Report {
            self.monitored.get_or_insert(ruling);
            return Stage::GoesOn;
        }
        Stage::Ends(Judgement {
            ruling,
            monitored: self.monitored.take(),
        })
    }

    /// A challenge stands only where it may be passed (R17).
    fn unless_locked(&mut self, ruling: Ruling) -> Ruling {
        let policy = self.facts.policy();
        let mode = policy.mode(r17_failed_verifications::RULE);
        if ruling.verdict != Verdict::Challenge || mode == RuleMode::Off {
            return ruling;
        }
        match r17_failed_verifications::in_place_of(&ruling, &self.facts) {
            None => ruling,
            Some(denial) if mode == RuleMode::Report && !policy.document.monitor => {
                self.monitored.get_or_insert(denial);
                ruling
            }
            Some(denial) => denial,
        }
    }

    fn allowed(&mut self) -> Judgement {
        let ruling = if self.facts.emergency {
            Ruling::emergency()
        } else {
            Ruling::authorized()
        };
        Judgement {
            ruling,
            monitored: self.monitored.take(),
        }
    }
}

/// What an objection comes to in a mode, locks aside; where no verification is offered for now, a challenge is a denial.
pub(crate) fn rule_on(objection: Objection, mode: RuleMode, facts: &Facts<'_>) -> Ruling {
    let known = facts.standing.account.is_some();
    let challenges = mode == RuleMode::Challenge && facts.policy().verifies_account(known);
    let Some((code, purpose)) = objection.challenge.filter(|_| challenges) else {
        return denial(objection);
    };
    match facts.withheld() {
        Some(why) => denial(Objection {
            reason: format!("{}; {why}", objection.reason).into(),
            ..objection
        }),
        None => Ruling {
            verdict: Verdict::Challenge,
            code,
            reason: objection.reason,
            purpose: Some(purpose),
        },
    }
}

fn denial(objection: Objection) -> Ruling {
    Ruling {
        verdict: Verdict::Deny,
        code: objection.code,
        reason: objection.reason,
        purpose: None,
    }
}

/// Judges a call that was tampered with: no other rule can. A call for help passes whatever stands beside its number.
pub fn judge_injection(
    injection: &crate::call::Injection,
    dialed: &str,
    policy: &Policy,
) -> Judgement {
    if policy.dial_plan.is_emergency(dialed) {
        return Judgement::emergency();
    }
    let objection = crate::rules::injection(injection);
    let mode = policy.mode(Rule::MalformedInput);
    let ruling = denial(objection);
    if policy.document.monitor || mode == RuleMode::Report {
        return Judgement {
            ruling: Ruling::authorized(),
            monitored: Some(ruling),
        };
    }
    Judgement {
        ruling,
        monitored: None,
    }
}

/// Judges a call whose every part is at hand, taking what it needs from the ledger: for tests, simulation and
/// benchmarks. The judgement, and the risk score where it was asked for.
pub fn decide(
    mut facts: Facts<'_>,
    locate: impl FnOnce(&mut Facts<'_>),
    ledger: &mut Ledger,
    key: u128,
    times: SlotTimes,
) -> (Judgement, Option<u8>) {
    facts.remember(Some(ledger));
    let mut trial = Trial::new(facts);
    if let Stage::Ends(judgement) = trial.screen() {
        return (judgement, trial.facts.known_risk_score());
    }
    locate(&mut trial.facts);
    let ended = trial.judge();
    let risk = trial.facts.known_risk_score();
    if let Stage::Ends(judgement) = ended {
        return (judgement, risk);
    }
    (trial.reserve(ledger, key, times).0, risk)
}
