//! How often a source asks (R19).

use std::{fmt, hash::BuildHasher, net::IpAddr};

use hashbrown::DefaultHashBuilder;
use jiff::Timestamp;

use super::aging::Aging;
use crate::{
    facts::Counting,
    network::{Site, SourceNetwork},
};

/// Requests a source, by the generic cell rate algorithm: a source holds the time at which it will have paid for all its
/// requests.
///
/// Each domain counts for itself: what a tenant's switch says of a source does not concern the callers of others from there.
#[derive(Debug)]
pub struct Flood {
    sources: Aging<(u64, FloodSource), i64>,
    domains: DefaultHashBuilder,
}

/// What asks: a network, or an IPv6 site with many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FloodSource {
    /// An IPv4 address or an IPv6 /64.
    Network(SourceNetwork),
    /// An IPv6 /48.
    Site(Site),
}

impl FloodSource {
    /// How many times a network's limit is its own.
    pub fn share(&self) -> u32 {
        match self {
            Self::Network(_) => 1,
            Self::Site(_) => Site::SHARE,
        }
    }
}

/// As [`SourceNetwork`], or as [`Site`].
impl fmt::Display for FloodSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => network.fmt(f),
            Self::Site(site) => site.fmt(f),
        }
    }
}

/// How often one network may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloodLimit {
    /// Requests a second; 0: any number.
    pub per_second: u32,
    /// Requests at once.
    pub burst: u32,
}

impl Flood {
    /// Nothing counted yet; about so many sources are watched at the most.
    pub fn with_capacity(sources: usize) -> Self {
        Self {
            sources: Aging::with_capacity(sources),
            domains: DefaultHashBuilder::default(),
        }
    }

    /// The source of which a request comes too soon, among those that count for a domain: its network, or the IPv6 /48 that this is in, which
    /// may ask [`Site::SHARE`] times as often. What its network refuses costs a request nothing; where only the /48 does, its network has paid.
    pub fn exceeds(
        &self,
        domain: &str,
        ip: IpAddr,
        limit: FloodLimit,
        at: Timestamp,
        counting: Counting,
    ) -> Option<FloodSource> {
        if limit.per_second == 0 {
            return None;
        }
        let domain = self.domains.hash_one(domain);
        let network = SourceNetwork::from(ip);
        [
            Some(FloodSource::Network(network)),
            network.site().map(FloodSource::Site),
        ]
        .into_iter()
        .flatten()
        .find(|source| self.comes_too_soon((domain, *source), limit, at, counting))
    }

    fn comes_too_soon(
        &self,
        source: (u64, FloodSource),
        limit: FloodLimit,
        at: Timestamp,
        counting: Counting,
    ) -> bool {
        let now = at.as_microsecond();
        let share = source.1.share();
        let per_second = limit.per_second.saturating_mul(share);
        let burst = limit.burst.saturating_mul(share);
        let interval = 1_000_000 / i64::from(per_second).clamp(1, 1_000_000);
        let tolerance = interval * i64::from(burst.max(1) - 1);
        if counting != Counting::Counts {
            return self
                .sources
                .read(&source, |paid| paid - now > tolerance)
                .unwrap_or(false);
        }
        self.sources.update(source, |paid| {
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

    const LIMIT: FloodLimit = FloodLimit {
        per_second: 10,
        burst: 20,
    };

    #[test]
    fn a_burst_passes_then_the_rate_holds() {
        let flood = Flood::with_capacity(1_000);
        let ip = "203.0.113.7".parse().unwrap();
        let start: Timestamp = "2026-06-08T12:00:00Z".parse().unwrap();
        let ask = |at| {
            flood
                .exceeds("a.b", ip, LIMIT, at, Counting::Counts)
                .is_some()
        };
        assert_eq!((0..100).filter(|_| !ask(start)).count(), 20);
        assert_eq!(
            (0..100)
                .filter(|_| !ask(start + 500.milliseconds()))
                .count(),
            5
        );
        let other = "203.0.113.8".parse().unwrap();
        let exceeds = flood.exceeds("a.b", other, LIMIT, start, Counting::Counts);
        assert_eq!(exceeds, None);
    }

    #[test]
    fn whoever_varies_the_address_within_what_is_theirs_is_one_source() {
        let at: Timestamp = "2026-06-08T12:00:00Z".parse().unwrap();
        let passed = |addresses: &mut dyn Iterator<Item = String>| {
            let flood = Flood::with_capacity(1_000_000);
            let passes = |ip: &String| {
                let ip = ip.parse().unwrap();
                flood
                    .exceeds("a.b", ip, LIMIT, at, Counting::Counts)
                    .is_none()
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
        let one = FloodLimit {
            per_second: 1,
            burst: 1,
        };
        let asks = |counting| flood.exceeds("a.b", ip, one, at, counting).is_some();
        assert!(!asks(Counting::Peeks) && !asks(Counting::Counts));
        assert!(asks(Counting::Peeks));
    }

    #[test]
    fn a_rate_of_zero_is_no_bound() {
        let flood = Flood::with_capacity(1_000);
        let at: Timestamp = "2026-06-08T12:00:00Z".parse().unwrap();
        let ip = "203.0.113.7".parse().unwrap();
        let none = FloodLimit {
            per_second: 0,
            burst: 1,
        };
        let passes = |_| {
            flood
                .exceeds("a.b", ip, none, at, Counting::Counts)
                .is_none()
        };
        assert!((0..10_000).all(passes));
    }

    #[test]
    fn the_flood_of_one_domain_is_none_of_another() {
        let flood = Flood::with_capacity(1_000);
        let at: Timestamp = "2026-06-08T12:00:00Z".parse().unwrap();
        let ip = "203.0.113.7".parse().unwrap();
        let asks = |domain: &str| flood.exceeds(domain, ip, LIMIT, at, Counting::Counts);
        while asks("a.example").is_none() {}
        assert_eq!(asks("b.example"), None);
    }
}
