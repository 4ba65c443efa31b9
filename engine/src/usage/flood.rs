//! How often a source asks (R19).

use std::net::IpAddr;

use jiff::Timestamp;

use super::aging::Aging;
use crate::facts::Counting;

/// Requests a source address, by the generic cell rate algorithm: an address holds the time at which it will have
/// paid for all its requests.
#[derive(Debug)]
pub struct Flood(Aging<IpAddr, i64>);

impl Flood {
    /// Nothing counted yet; about so many addresses are watched at the most.
    pub fn with_capacity(addresses: usize) -> Self {
        Self(Aging::with_capacity(addresses))
    }

    /// Whether a request comes too soon. One that does costs nothing.
    pub fn exceeds(
        &self,
        ip: IpAddr,
        per_second: u32,
        burst: u32,
        at: Timestamp,
        counting: Counting,
    ) -> bool {
        if per_second == 0 {
            return false;
        }
        let now = at.as_microsecond();
        let interval = 1_000_000 / i64::from(per_second).clamp(1, 1_000_000);
        let tolerance = interval * i64::from(burst.max(1) - 1);
        if counting != Counting::Counts {
            return self
                .0
                .read(&ip, |paid| paid - now > tolerance)
                .unwrap_or(false);
        }
        self.0.update(ip, |paid| {
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
        let ask = |at| flood.exceeds(ip, 10, 20, at, Counting::Counts);
        assert_eq!((0..100).filter(|_| !ask(start)).count(), 20);
        assert_eq!(
            (0..100)
                .filter(|_| !ask(start + 500.milliseconds()))
                .count(),
            5
        );
        assert!(!flood.exceeds(
            "203.0.113.8".parse().unwrap(),
            10,
            20,
            start,
            Counting::Counts
        ));
    }

    #[test]
    fn a_dry_run_sees_the_flood_and_adds_nothing_to_it() {
        let flood = Flood::with_capacity(1_000);
        let ip = "203.0.113.7".parse().unwrap();
        let at: Timestamp = "2026-06-08T12:00:00Z".parse().unwrap();
        assert!(!flood.exceeds(ip, 1, 1, at, Counting::Peeks));
        assert!(!flood.exceeds(ip, 1, 1, at, Counting::Counts));
        assert!(flood.exceeds(ip, 1, 1, at, Counting::Peeks));
    }

    #[test]
    fn a_rate_of_zero_is_no_bound() {
        let flood = Flood::with_capacity(1_000);
        let at: Timestamp = "2026-06-08T12:00:00Z".parse().unwrap();
        assert!((0..10_000).all(|_| !flood.exceeds(
            "203.0.113.7".parse().unwrap(),
            0,
            1,
            at,
            Counting::Counts
        )));
    }
}
