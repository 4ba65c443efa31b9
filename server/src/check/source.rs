//! Where a call comes from: from memory, or by a look-up within its budget.

use std::net::IpAddr;

use tfps_engine::facts::{Standpoint, is_public};

use super::Checker;
use crate::reputation::Reputation;

impl Checker {
    /// Where an address is, from memory; `None`: a look-up may tell more.
    pub(super) fn recall(&self, ip: Option<IpAddr>) -> Option<Standpoint> {
        let Some(ip) = ip else {
            return Some(Standpoint::default());
        };
        let reputation = self.reputations.recall(ip)?;
        Some(Standpoint {
            country: self.geography.country(ip),
            abuse_confidence: reputation.abuse_confidence,
            apiban: reputation.apiban,
        })
    }

    pub(super) async fn locate(&self, ip: Option<IpAddr>) -> Standpoint {
        let public = ip.filter(|ip| is_public(*ip));
        if let Some(source) = self.recall(public) {
            return source;
        }
        let Some(ip) = public else {
            return Standpoint::default();
        };
        let budget = self.settings().look_up;
        let reputation = match tokio::time::timeout(budget, self.reputations.look_up(ip)).await {
            Ok(reputation) => reputation,
            Err(_) => {
                self.metrics.look_ups_late.inc();
                Reputation::default()
            }
        };
        Standpoint {
            country: self.geography.country(ip),
            abuse_confidence: reputation.abuse_confidence,
            apiban: reputation.apiban,
        }
    }
}
