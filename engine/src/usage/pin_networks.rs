//! From where a policy's PIN has been typed right.

use jiff::{SignedDuration, Timestamp};

use super::{Spot, aging::Aging};
use crate::network::SourceNetwork;

/// How long it counts.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Networks from which a policy's PIN has been typed right within the last 30 days. While guessers elsewhere have the PIN locked, callers
/// from there can still use it.
#[derive(Debug)]
pub struct PinNetworks(Aging<(Spot, SourceNetwork), i64>);

impl PinNetworks {
    /// None yet; about so many are remembered at the most.
    pub fn with_capacity(keys: usize) -> Self {
        Self(Aging::with_capacity(keys))
    }

    /// The PIN has been typed right.
    pub fn record(&self, pin: Spot, network: SourceNetwork, at: Timestamp) {
        self.0.update((pin, network), |last| *last = at.as_second());
    }

    /// Whether the PIN has been typed right from a network.
    pub fn knows(&self, pin: &Spot, network: SourceNetwork, at: Timestamp) -> bool {
        let since = (at - REMEMBERED).as_second();
        self.0
            .read(&(pin.clone(), network), |last| *last > since)
            .unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    #[test]
    fn a_network_is_known_for_a_month() {
        let networks = PinNetworks::with_capacity(1_000);
        let at: Timestamp = "2026-06-08T12:00:00Z".parse().unwrap();
        let office = SourceNetwork::from("203.0.113.7".parse::<std::net::IpAddr>().unwrap());
        let pin = |account: &str| Spot::pin(&account.parse().unwrap(), "default");
        networks.record(pin("a@b"), office, at);
        assert!(networks.knows(&pin("other@b"), office, at + 700.hours()));
        assert!(!networks.knows(&pin("other@b"), office, at + 721.hours()));
        assert!(!networks.knows(&pin("a@c"), office, at));
    }
}
