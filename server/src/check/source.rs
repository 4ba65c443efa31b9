//! Where a call comes from: from memory, or by a look-up within its budget.

use std::net::IpAddr;

use jiff::Timestamp;
use tfps_engine::{
    decision::{Code, Verdict},
    facts::{Facts, Standpoint},
    policy::RuleMode,
    rules::Rule,
};

use super::Checker;
use crate::{
    geo::Place,
    journal::DecisionRecord,
    reputation::{Asker, Reputation},
};

/// A source of which a look-up may tell more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unknown {
    ip: IpAddr,
    asker: Asker,
    place: Place,
    /// What is known without it.
    reputation: Reputation,
}

impl Checker {
    /// Adds where on earth a call comes from, as far as memory tells. Every decision is recorded with it, whatever rule is asked.
    pub(super) fn place(&self, facts: &mut Facts<'_>) {
        if let Some(ip) = facts.source_to_look_up() {
            let place = self.geography.place(ip);
            facts.locate(standpoint(place, Reputation::default()));
        }
    }

    /// What is known of a placed call's source, from memory, or what is to be looked up. What is denied, or let pass, without it is not
    /// looked up.
    pub(super) fn recall(&self, facts: &Facts<'_>) -> Result<Standpoint, Unknown> {
        let Some(ip) = facts.source_to_look_up() else {
            return Ok(Standpoint::default());
        };
        let place = Place {
            country: facts.source.country,
            asn: facts.source.asn,
        };
        let asker = if facts.is_established() {
            Asker::Known(facts.standing.watch.mark(facts.call.account.as_str()))
        } else {
            Asker::Unknown
        };
        let recalled = self.reputations.recall(ip, asker, facts.at);
        let mode = |rule| facts.policy().mode(rule);
        let decided = facts.source_allowed()
            || mode(Rule::Reputation) == RuleMode::Off
            || recalled.reputation.apiban == Some(true) && mode(Rule::Apiban) == RuleMode::Enforce;
        if recalled.more && !decided {
            return Err(Unknown {
                ip,
                asker,
                place,
                reputation: recalled.reputation,
            });
        }
        Ok(standpoint(place, recalled.reputation))
    }

    /// Looks a source up, within the budget of a call.
    pub(super) async fn locate(&self, unknown: Unknown, at: Timestamp) -> Standpoint {
        let budget = self.settings().look_up;
        let Unknown { ip, asker, .. } = unknown;
        let told = self.reputations.look_up(ip, asker, at, budget).await;
        if told.is_none() {
            self.metrics.look_ups_late.inc();
        }
        standpoint(unknown.place, told.unwrap_or(unknown.reputation))
    }

    /// Tells that a call was denied, where its code is reported and the operator has not allowed its source.
    pub(super) fn tell_denied(&self, record: &DecisionRecord, code: Code, at: Timestamp) {
        if record.verdict != super::verdict_number(Verdict::Deny) || !self.reputations.reports(code)
        {
            return;
        }
        let Ok(ip) = record.source_ip.parse::<IpAddr>() else {
            return;
        };
        let ip = ip.to_canonical();
        let lists = &self.state.snapshot.load().lists;
        let hit = lists.source(&record.domain, ip, at.as_second());
        if !hit.is_some_and(|hit| hit.allows()) {
            self.reputations.denied(ip, code, at);
        }
    }
}

fn standpoint(Place { country, asn }: Place, reputation: Reputation) -> Standpoint {
    Standpoint {
        country,
        asn,
        abuse_confidence: reputation.abuse_confidence,
        told_by: reputation.told_by,
        apiban: reputation.apiban,
    }
}
