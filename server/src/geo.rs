//! What is known of a source address: its country.

use std::net::IpAddr;

use ipnet::IpNet;
use tfps_engine::number::Country;

use crate::config::KnownCountry;

/// Knows the country of addresses, from memory.
pub trait Geography: Send + Sync + 'static {
    /// The country of an address.
    fn country(&self, ip: IpAddr) -> Option<Country>;
}

/// The countries of networks from the configuration: the longest network decides.
#[derive(Clone, Debug, Default)]
pub struct KnownCountries(Vec<(IpNet, Country)>);

impl KnownCountries {
    /// From the configuration, whose codes have been checked; one that is none is passed over.
    pub fn new(known: &[KnownCountry]) -> Self {
        let mut networks: Vec<(IpNet, Country)> = known
            .iter()
            .filter_map(|known| Some((known.network, Country::from_code(&known.country).ok()?)))
            .collect();
        networks.sort_by_key(|(network, _)| std::cmp::Reverse(network.prefix_len()));
        Self(networks)
    }
}

impl Geography for KnownCountries {
    fn country(&self, ip: IpAddr) -> Option<Country> {
        self.0
            .iter()
            .find(|(network, _)| network.contains(&ip))
            .map(|(_, country)| *country)
    }
}
