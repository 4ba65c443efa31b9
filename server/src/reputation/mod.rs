//! What is known of a source address: its reputation.
//!
//! [`KnownReputations`] are the configuration's, and win. [`LiveReputations`] are what AbuseIPDB and APIBAN say: in
//! memory, kept over a restart, asked for in the background.

mod abuseipdb;
mod apiban;
mod budget;
mod cache;
mod desk;
mod keeper;
mod known;
mod live;
pub mod metrics;
mod settings;

pub use abuseipdb::{read_blacklist, read_check};
pub use apiban::{Piece, read_banned};
pub use budget::Asker;
pub use cache::{Abuse, Cache};
pub use keeper::Keeper;
pub use known::KnownReputations;
pub use live::{LiveReputations, ServiceSettings};

use std::{net::IpAddr, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use tfps_engine::{decision::Code, facts::ToldBy, network::SourceNetwork};

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

/// The address that is asked about: one that carries an IPv4 address ([`SourceNetwork`]) is that address.
fn asked_about(ip: IpAddr) -> IpAddr {
    match SourceNetwork::from(ip) {
        SourceNetwork::V4(ip) => ip.into(),
        SourceNetwork::V6(_) => ip,
    }
}

/// Knows the reputation of addresses. What is known of one address of an IPv6 /64 is known of all: whoever has one has them all.
#[async_trait]
pub trait Reputations: Send + Sync + 'static {
    /// What is known in memory.
    fn recall(&self, ip: IpAddr, asker: Asker, at: Timestamp) -> Recalled;

    /// Looks an address up for a call of the asker's, and waits for it so long at the most; the look-up itself goes on. `None`: it was not in
    /// time.
    async fn look_up(
        &self,
        ip: IpAddr,
        asker: Asker,
        at: Timestamp,
        patience: Duration,
    ) -> Option<Reputation>;

    /// Whether calls that are denied with a code are reported.
    fn reports(&self, code: Code) -> bool;

    /// Takes that a call from an address was denied. Nothing waits for it.
    fn denied(&self, ip: IpAddr, code: Code, at: Timestamp);
}
