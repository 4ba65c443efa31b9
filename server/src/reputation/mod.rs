//! What is known of a source address: its reputation.

mod known;

pub use known::KnownReputations;

use std::net::IpAddr;

use async_trait::async_trait;

/// The reputation of an address, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reputation {
    /// AbuseIPDB's confidence that it is abusive, 0 to 100.
    pub abuse_confidence: Option<u8>,
    /// Whether APIBAN lists it.
    pub apiban: Option<bool>,
}

/// Knows the reputation of addresses.
#[async_trait]
pub trait Reputations: Send + Sync + 'static {
    /// What is known in memory; `None`: a look-up may tell more.
    fn recall(&self, ip: IpAddr) -> Option<Reputation>;
    /// Looks an address up. Whoever waits for it bounds the wait.
    async fn look_up(&self, ip: IpAddr) -> Reputation;
}
