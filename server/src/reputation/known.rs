//! Reputations from the configuration.

use std::net::IpAddr;

use async_trait::async_trait;

use super::{Reputation, Reputations};
use crate::config::KnownReputation;

/// What the configuration says of addresses: the longest network decides. Nothing is ever looked up.
#[derive(Clone, Debug, Default)]
pub struct KnownReputations(Vec<KnownReputation>);

impl KnownReputations {
    /// From the configuration.
    pub fn new(mut known: Vec<KnownReputation>) -> Self {
        known.sort_by_key(|known| std::cmp::Reverse(known.network.prefix_len()));
        Self(known)
    }
}

#[async_trait]
impl Reputations for KnownReputations {
    fn recall(&self, ip: IpAddr) -> Option<Reputation> {
        let known = self.0.iter().find(|known| known.network.contains(&ip));
        Some(known.map_or_else(Reputation::default, |known| Reputation {
            abuse_confidence: known.abuse_confidence,
            apiban: known.apiban,
        }))
    }

    async fn look_up(&self, ip: IpAddr) -> Reputation {
        self.recall(ip).unwrap_or_default()
    }
}
