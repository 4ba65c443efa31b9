//! Asks every rule and tells what each one found, without counting anything.

use crate::{
    decision::{Code, Judgement, Verdict},
    facts::Facts,
    judge::{Stage, Trial, rule_on},
    policy::RuleMode,
    rules::{
        Finding, JUDGING, Rule, SCREENING, r08_r10_concurrency, r09_r11_v04_v05_quota,
        r17_failed_verifications, r21_exposure,
    },
    usage::Ledger,
};

/// What a rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Which rule.
    pub rule: Rule,
    /// The mode the policy has it in.
    pub mode: RuleMode,
    /// How it looked at the call.
    pub outcome: Outcome,
    /// What it looked at and saw.
    pub detail: String,
    /// Whether it is the one that decided.
    pub decisive: bool,
}

/// How a rule looked at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing to object to.
    Passed,
    /// It objects, and would answer so.
    Bit(Verdict, Code),
    /// It does not apply.
    Skipped,
    /// The policy has it off.
    Off,
}

/// Explains a call whose source has been located. The facts must have been gathered without counting.
pub fn explain(facts: &Facts<'_>, ledger: &Ledger) -> (Judgement, Vec<Explanation>) {
    let judgement = judge_dry(facts, ledger);
    let occupancy = ledger.occupancy(facts.day, facts.at);
    let mut explanations: Vec<Explanation> = SCREENING
        .iter()
        .chain(&JUDGING)
        .map(|asked| {
            tell(facts, asked.rule, (asked.evaluate)(facts), || {
                (asked.seen)(facts)
            })
        })
        .collect();
    explanations.push(tell(
        facts,
        r08_r10_concurrency::RULE,
        r08_r10_concurrency::check(facts, &occupancy),
        || r08_r10_concurrency::seen(facts, &occupancy),
    ));
    explanations.push(tell(
        facts,
        r21_exposure::RULE,
        r21_exposure::check(facts, ledger),
        || r21_exposure::seen(facts, ledger),
    ));
    for (rule, off_hours, other) in [
        (Rule::Quota, false, "the call falls off hours"),
        (
            Rule::QuotaOffHours,
            true,
            "the call falls in business hours",
        ),
    ] {
        let finding = if facts.off_hours == off_hours {
            r09_r11_v04_v05_quota::check(facts, &occupancy)
        } else {
            Finding::Skips(other)
        };
        explanations.push(tell(facts, rule, finding, || {
            r09_r11_v04_v05_quota::seen(facts, &occupancy)
        }));
    }
    explanations.push(tell(
        facts,
        r17_failed_verifications::RULE,
        r17_failed_verifications::found(&judgement),
        || r17_failed_verifications::seen(facts),
    ));
    mark_decisive(&mut explanations, &judgement);
    (judgement, explanations)
}

fn judge_dry(facts: &Facts<'_>, ledger: &Ledger) -> Judgement {
    let mut trial = Trial::new(facts.clone());
    if let Stage::Ends(judgement) = trial.screen() {
        return judgement;
    }
    if let Stage::Ends(judgement) = trial.judge() {
        return judgement;
    }
    trial.preview(ledger)
}

fn tell(
    facts: &Facts<'_>,
    rule: Rule,
    finding: Finding,
    seen: impl FnOnce() -> String,
) -> Explanation {
    let policy = facts.policy();
    let mode = policy.mode(rule);
    let (outcome, detail) = match finding {
        _ if facts.emergency => (Outcome::Skipped, "an emergency number is dialed".to_owned()),
        _ if mode == RuleMode::Off => (Outcome::Off, "the policy has it off".to_owned()),
        Finding::Passes => (Outcome::Passed, seen()),
        Finding::Skips(why) => (Outcome::Skipped, why.to_owned()),
        Finding::Bites(objection) => {
            let ruling = rule_on(objection, mode, facts);
            (
                Outcome::Bit(ruling.verdict, ruling.code),
                ruling.reason.into_owned(),
            )
        }
    };
    Explanation {
        rule,
        mode,
        outcome,
        detail,
        decisive: false,
    }
}

/// The first rule that bites with the code that was answered, or that was only reported, decided.
fn mark_decisive(explanations: &mut [Explanation], judgement: &Judgement) {
    let answered = match &judgement.monitored {
        Some(monitored) if judgement.ruling.verdict == Verdict::Allow => monitored.code,
        _ => judgement.ruling.code,
    };
    let decisive = explanations.iter_mut().find(
        |explanation| matches!(explanation.outcome, Outcome::Bit(_, code) if code == answered),
    );
    if let Some(explanation) = decisive {
        explanation.decisive = true;
    }
}
