//! The countries that the operator knows better than any database.

use std::net::IpAddr;

use ipnet::IpNet;
use tfps_engine::number::Country;

use crate::config::KnownCountry;

/// The countries of networks from the configuration: the longest network decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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

    /// The country of an address.
    pub fn country(&self, ip: IpAddr) -> Option<Country> {
        self.0
            .iter()
            .find(|(network, _)| network.contains(&ip))
            .map(|(_, country)| *country)
    }
}
