//! How often a source asks (R19).

use std::{fmt, net::IpAddr};

use jiff::Timestamp;

use super::aging::Aging;
use crate::{facts::Counting, network::SourceNetwork};

/// How many times as often as one /64 a whole IPv6 /48 may ask: that is what one site is given (RFC 6177), with 65,536 networks.
const SITE_SHARE: u32 = 16;

/// Requests a source, by the generic cell rate algorithm: a source holds the time at which it will have paid for all its
/// requests.
#[derive(Debug)]
pub struct Flood(Aging<FloodSource, i64>);

/// What asks: a network, or an IPv6 site with many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FloodSource {
    /// An IPv4 address or an IPv6 /64.
    Network(SourceNetwork),
    /// An IPv6 /48: its upper 48 bits.
    Site(u64),
}

impl FloodSource {
    /// The /48 of an IPv6 network.
    fn site_of(network: SourceNetwork) -> Option<Self> {
        match network {
            SourceNetwork::V4(_) => None,
            SourceNetwork::V6(bits) => Some(Self::Site(bits >> 16)),
        }
    }

    /// How many times a network's limit is its own.
    pub fn share(&self) -> u32 {
        match self {
            Self::Network(_) => 1,
            Self::Site(_) => SITE_SHARE,
        }
    }
}

/// As [`SourceNetwork`], or `2001:db8:1::/48`.
impl fmt::Display for FloodSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => network.fmt(f),
            Self::Site(bits) => {
                let address = std::net::Ipv6Addr::from(u128::from(*bits) << 80);
                write!(f, "{address}/48")
            }
        }
    }
}

impl Flood {
    /// Nothing counted yet; about so many sources are watched at the most.
    pub fn with_capacity(sources: usize) -> Self {
        Self(Aging::with_capacity(sources))
    }

    /// The source of which a request comes too soon: its network, or the IPv6 /48 that this is in, which may ask [`SITE_SHARE`] times
    /// as often. A request that does costs nothing.
    pub fn exceeds(
        &self,
        ip: IpAddr,
        per_second: u32,
        burst: u32,
        at: Timestamp,
        counting: Counting,
    ) -> Option<FloodSource> {
        if per_second == 0 {
            return None;
        }
        let network = SourceNetwork::from(ip);
        [
            Some(FloodSource::Network(network)),
            FloodSource::site_of(network),
        ]
        .into_iter()
        .flatten()
        .find(|source| {
            let share = source.share();
            let (per_second, burst) = (
                per_second.saturating_mul(share),
                burst.saturating_mul(share),
            );
            self.comes_too_soon(*source, per_second, burst, at, counting)
        })
    }

    fn comes_too_soon(
        &self,
        source: FloodSource,
        per_second: u32,
        burst: u32,
        at: Timestamp,
        counting: Counting,
    ) -> bool {
        let now = at.as_microsecond();
        let interval = 1_000_000 / i64::from(per_second).clamp(1, 1_000_000);
        let tolerance = interval * i64::from(burst.max(1) - 1);
        if counting != Counting::Counts {
            return self
                .0
                .read(&source, |paid| paid - now > tolerance)
                .unwrap_or(false);
        }
        self.0.update(source, |paid| {
            if *paid - now > tolerance {
                return true;
            }
            *paid = (*paid).max(now) + interval;
            false
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    #[test]
    fn a_burst_passes_then_the_rate_holds() {
        let flood = Flood::with_capacity(1_000);
        let ip = "203.0.113.7".parse().unwrap();
        let start: Timestamp = "2026-06-08T12:00:00Z".parse().unwrap();
        let ask = |at| flood.exceeds(ip, 10, 20, at, Counting::Counts).is_some();
        assert_eq!((0..100).filter(|_| !ask(start)).count(), 20);
        assert_eq!(
            (0..100)
                .filter(|_| !ask(start + 500.milliseconds()))
                .count(),
            5
        );
        let other = "203.0.113.8".parse().unwrap();
        let exceeds = flood.exceeds(other, 10, 20, start, Counting::Counts);
        assert_eq!(exceeds, None);
    }

    #[test]
    fn whoever_varies_the_address_within_what_is_theirs_is_one_source() {
        let at: Timestamp = "2026-06-08T12:00:00Z".parse().unwrap();
        let passed = |addresses: &mut dyn Iterator<Item = String>| {
            let flood = Flood::with_capacity(1_000_000);
            let passes = |ip: &String| {
                let ip = ip.parse().unwrap();
                flood.exceeds(ip, 10, 20, at, Counting::Counts).is_none()
            };
            addresses.filter(passes).count()
        };
        let of_one_64 = &mut (0..6_000).map(|host| format!("2001:db8:1:2::{host:x}"));
        assert_eq!(passed(of_one_64), 20);
        let of_one_48 = &mut (0..6_000).map(|net| format!("2001:db8:1:{net:x}::1"));
        assert_eq!(passed(of_one_48), 20 * 16);
        let of_one_ipv4 = &mut (0..6_000).map(|host| match host % 3 {
            0 => "192.0.2.1".to_owned(),
            1 => format!("2002:c000:201::{host:x}"),
            _ => "64:ff9b::192.0.2.1".to_owned(),
        });
        assert_eq!(passed(of_one_ipv4), 20);
        let of_many_sites = &mut (0..100).map(|site| format!("2001:db8:{site:x}::1"));
        assert_eq!(passed(of_many_sites), 100);
    }

    #[test]
    fn a_dry_run_sees_the_flood_and_adds_nothing_to_it() {
        let flood = Flood::with_capacity(1_000);
        let ip = "203.0.113.7".parse().unwrap();
        let at: Timestamp = "2026-06-08T12:00:00Z".parse().unwrap();
        assert_eq!(flood.exceeds(ip, 1, 1, at, Counting::Peeks), None);
        assert_eq!(flood.exceeds(ip, 1, 1, at, Counting::Counts), None);
        assert!(flood.exceeds(ip, 1, 1, at, Counting::Peeks).is_some());
    }

    #[test]
    fn a_rate_of_zero_is_no_bound() {
        let flood = Flood::with_capacity(1_000);
        let at: Timestamp = "2026-06-08T12:00:00Z".parse().unwrap();
        let ip = "203.0.113.7".parse().unwrap();
        assert!((0..10_000).all(|_| flood.exceeds(ip, 0, 1, at, Counting::Counts).is_none()));
    }
}
