//! Reputations from the configuration.

use std::net::IpAddr;

use super::Reputation;
use crate::config::KnownReputation;
use tfps_engine::facts::ToldBy;

/// What the configuration says of addresses: the longest network decides.
#[derive(Clone, Debug, Default)]
pub struct KnownReputations(Vec<KnownReputation>);

impl KnownReputations {
    /// From the configuration.
    pub fn new(mut known: Vec<KnownReputation>) -> Self {
        known.sort_by_key(|known| std::cmp::Reverse(known.network.prefix_len()));
        Self(known)
    }

    /// What is said of an address.
    pub fn of(&self, ip: IpAddr) -> Option<Reputation> {
        let known = self.0.iter().find(|known| known.network.contains(&ip))?;
        Some(Reputation {
            abuse_confidence: known.abuse_confidence,
            told_by: ToldBy::Configuration,
            apiban: known.apiban,
        })
    }
}
