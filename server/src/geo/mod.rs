//! What is known of a source address: its country, and the autonomous system that announces it.

mod database;
mod known;
mod live;

pub use database::{Database, DatabaseError};
pub use known::KnownCountries;
pub use live::LiveGeography;

use std::net::IpAddr;

use tfps_engine::number::Country;

/// Knows where addresses are, from memory.
pub trait Geography: Send + Sync + 'static {
    /// Where an address is.
    fn place(&self, ip: IpAddr) -> Place;
}

/// Where an address is, as far as that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The country.
    pub country: Option<Country>,
    /// The number of the autonomous system (RFC 6793).
    pub asn: Option<u32>,
}
