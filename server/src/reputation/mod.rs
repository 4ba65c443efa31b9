//! What is known of a source address: its reputation.
//!
//! [`KnownReputations`] are the configuration's, and win. [`LiveReputations`] are what AbuseIPDB and APIBAN say: in
//! memory, kept over a restart, asked for in the background.

mod abuseipdb;
mod apiban;
mod cache;
mod desk;
mod keeper;
mod known;
mod live;
pub mod metrics;
mod settings;

pub use abuseipdb::{read_blacklist, read_check};
pub use apiban::{Piece, read_banned};
pub use cache::{Abuse, Cache};
pub use keeper::Keeper;
pub use known::KnownReputations;
pub use live::{LiveReputations, ServiceSettings};

use std::{net::IpAddr, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use tfps_engine::{decision::Code, facts::ToldBy};

/// The reputation of an address, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reputation {
    /// AbuseIPDB's confidence that it is abusive, 0 to 100.
    pub abuse_confidence: Option<u8>,
    /// Where that is known from.
    pub told_by: ToldBy,
    /// Whether APIBAN lists it.
    pub apiban: Option<bool>,
}

/// What is known in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recalled {
    /// As far as it is known.
    pub reputation: Reputation,
    /// Whether a look-up may tell more.
    pub more: bool,
}

/// Knows the reputation of addresses, which are in their canonical form.
#[async_trait]
pub trait Reputations: Send + Sync + 'static {
    /// What is known in memory.
    fn recall(&self, ip: IpAddr, at: Timestamp) -> Recalled;

    /// Looks an address up, and waits for it so long at the most; the look-up itself goes on. `None`: it was not in time.
    async fn look_up(&self, ip: IpAddr, at: Timestamp, budget: Duration) -> Option<Reputation>;

    /// Whether calls that are denied with a code are reported.
    fn reports(&self, code: Code) -> bool;

    /// Takes that a call from an address was denied. Nothing waits for it.
    fn denied(&self, ip: IpAddr, code: Code, at: Timestamp);
}
