//! How many accounts are onboarded by their callers within an hour (V01, R20).

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::{Origin, aging::Aging, seconds};
use crate::{call::AccountId, network::SourceNetwork};

/// Onboardings count for so many seconds.
const WINDOW: u32 = 3_600;

/// How many accounts may be onboarded within an hour; 0: any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnboardingLimits {
    /// From one network.
    pub source: u32,
    /// Over one trunk.
    pub trunk: u32,
    /// In one domain.
    pub domain: u32,
    /// From one network in all domains together, as far as their policies are general: a switch may let callers write the domain.
    pub source_of_all: u32,
}

/// Through what accounts were onboarded.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Gate {
    /// From this network.
    Source(SourceNetwork),
    /// Over this trunk.
    Trunk(Box<str>),
    /// Any.
    Domain,
    /// From this network, in all domains under general policies together.
    SourceOfAll(SourceNetwork),
}

/// As many accounts have been onboarded as may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Full {
    /// Of which domain; empty: of all.
    pub domain: Box<str>,
    /// Through what.
    pub gate: Gate,
    /// How many.
    pub onboarded: u32,
    /// When the next can be.
    pub until: Timestamp,
}

impl Full {
    /// The key of the policy that bounds it.
    pub fn key(&self) -> &'static str {
        match self.gate {
            Gate::Source(_) | Gate::SourceOfAll(_) => "verification.onboardings_per_source",
            Gate::Trunk(_) => "verification.onboardings_per_trunk",
            Gate::Domain => "verification.onboardings_per_domain",
        }
    }
}

/// `50 accounts of example.com were onboarded from 203.0.113.7 within an hour, …`
impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let domain = match &*self.domain {
            "" => "all domains",
            domain => domain,
        };
        write!(f, "{} accounts of {domain} were onboarded ", self.onboarded)?;
        match &self.gate {
            Gate::Source(network) | Gate::SourceOfAll(network) => write!(f, "from {network} ")?,
            Gate::Trunk(name) => write!(f, "over trunk {name} ")?,
            Gate::Domain => {}
        }
        write!(
            f,
            "within an hour, as many as the policy's {} lets; the next can be at {}, or create it with `tfpsctl create`",
            self.key(),
            self.until
        )
    }
}

/// When accounts were onboarded.
#[derive(Debug)]
pub struct Onboardings(Aging<(Box<str>, Gate), Vec<u32>>);

impl Onboardings {
    /// Nothing counted yet; about so many networks, trunks and domains together are watched at the most.
    pub fn with_capacity(keys: usize) -> Self {
        Self(Aging::with_capacity(keys))
    }

    /// Why no account may be onboarded that calls from there, if so.
    pub fn full(
        &self,
        account: &AccountId,
        origin: &Origin,
        limits: &OnboardingLimits,
        at: Timestamp,
    ) -> Option<Full> {
        gates(origin).into_iter().flatten().find_map(|gate| {
            let most = most(&gate, limits);
            let key = gate.of(account);
            let until = self
                .0
                .read(&key, |times| until(times, most, at))
                .flatten()?;
            let (domain, gate) = key;
            Some(Full {
                domain,
                gate,
                onboarded: most,
                until,
            })
        })
    }

    /// Counts an onboarding; what it was the last for.
    pub fn record(
        &self,
        account: &AccountId,
        origin: &Origin,
        limits: &OnboardingLimits,
        at: Timestamp,
    ) -> Vec<Full> {
        let mut full = Vec::new();
        for gate in gates(origin).into_iter().flatten() {
            let most = most(&gate, limits);
            if most == 0 {
                continue;
            }
            let key = gate.of(account);
            let until = self.0.update(key.clone(), |times| {
                let now = seconds(at);
                times.retain(|time| time.saturating_add(WINDOW) > now);
                times.push(now);
                until(times, most, at)
            });
            if let Some(until) = until {
                let (domain, gate) = key;
                full.push(Full {
                    domain,
                    gate,
                    onboarded: most,
                    until,
                });
            }
        }
        full
    }

    /// Through what no more accounts may be onboarded now, each by the limits of its domain.
    pub fn all_full(&self, limits: impl Fn(&str) -> OnboardingLimits, at: Timestamp) -> Vec<Full> {
        let mut full = Vec::new();
        self.0.each(|(domain, gate), times| {
            let most = most(gate, &limits(domain));
            if let Some(until) = until(times, most, at) {
                full.push(Full {
                    domain: domain.clone(),
                    gate: gate.clone(),
                    onboarded: most,
                    until,
                });
            }
        });
        full
    }
}

impl Gate {
    /// The gate as accounts of a domain pass it; that of all has no domain.
    fn of(self, account: &AccountId) -> (Box<str>, Self) {
        let domain = match self {
            Self::SourceOfAll(_) => "",
            _ => account.domain(),
        };
        (domain.into(), self)
    }
}

fn gates(origin: &Origin) -> [Option<Gate>; 4] {
    let trunk = &origin.trunk;
    [
        origin.network.map(Gate::Source),
        (!trunk.is_empty()).then(|| Gate::Trunk(trunk.clone())),
        Some(Gate::Domain),
        origin.network.map(Gate::SourceOfAll),
    ]
}

fn most(gate: &Gate, limits: &OnboardingLimits) -> u32 {
    match gate {
        Gate::Source(_) => limits.source,
        Gate::Trunk(_) => limits.trunk,
        Gate::Domain => limits.domain,
        Gate::SourceOfAll(_) => limits.source_of_all,
    }
}

/// When the next can be, where it can't be now.
fn until(times: &[u32], most: u32, at: Timestamp) -> Option<Timestamp> {
    if most == 0 {
        return None;
    }
    // The last `most` of them: when the first of these no longer counts, there is room for one.
    let first = times.len().checked_sub(most as usize)?;
    let free = i64::from(*times.get(first)?) + i64::from(WINDOW);
    (free > at.as_second())
        .then(|| Timestamp::from_second(free).unwrap_or(at + SignedDuration::from_secs(1)))
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    const LIMITS: OnboardingLimits = OnboardingLimits {
        source: 3,
        trunk: 5,
        domain: 7,
        source_of_all: 0,
    };

    fn origin(ip: &str, trunk: &str) -> Origin {
        let ip: std::net::IpAddr = ip.parse().unwrap();
        Origin {
            network: Some(ip.into()),
            trunk: trunk.into(),
        }
    }

    #[test]
    fn a_source_a_trunk_and_a_domain_are_bounded_and_an_hour_later_are_not() {
        let onboardings = Onboardings::with_capacity(1_000);
        let start: Timestamp = "2026-06-08T12:00:00Z".parse().unwrap();
        let account: AccountId = "a@b".parse().unwrap();
        let full = |origin: &Origin, at| onboardings.full(&account, origin, &LIMITS, at);
        let record = |origin: &Origin, at| onboardings.record(&account, origin, &LIMITS, at);
        // IPv6 counts by its /64.
        let one = origin("2001:db8::1", "t");
        for host in 1..=3 {
            assert_eq!(full(&one, start), None);
            record(
                &origin(&format!("2001:db8::{host}"), "t"),
                start + host.minutes(),
            );
        }
        let stopped = full(&one, start + 4.minutes()).unwrap();
        assert_eq!(stopped.until, start + 61.minutes());
        assert!(
            stopped
                .to_string()
                .contains("from 2001:db8::/64 within an hour")
        );
        let other = origin("203.0.113.7", "t");
        for _ in 0..2 {
            assert_eq!(full(&other, start), None);
            record(&other, start);
        }
        assert_eq!(full(&other, start).unwrap().gate, Gate::Trunk("t".into()));
        let third = origin("203.0.113.8", "");
        assert!(record(&third, start).is_empty());
        assert_eq!(record(&third, start)[0].gate, Gate::Domain);
        assert!(full(&origin("203.0.113.9", ""), start).is_some());
        // Another tenant's are not concerned.
        let elsewhere = "a@c".parse().unwrap();
        assert_eq!(onboardings.full(&elsewhere, &one, &LIMITS, start), None);
        assert_eq!(
            onboardings.all_full(|_| LIMITS, start + 3.minutes()).len(),
            3
        );
        assert_eq!(full(&one, start + 61.minutes()), None);
        assert!(
            onboardings
                .all_full(|_| LIMITS, start + 2.hours())
                .is_empty()
        );
    }

    #[test]
    fn whoever_invents_domains_is_bounded_by_the_source_over_all_of_them() {
        let onboardings = Onboardings::with_capacity(100_000);
        let at: Timestamp = "2026-06-08T12:00:00Z".parse().unwrap();
        let limits = OnboardingLimits {
            source_of_all: 12,
            ..LIMITS
        };
        let one = origin("203.0.113.7", "");
        let onboarded = (0..1_000).filter(|number| {
            let account = format!("a@{number}.example").parse().unwrap();
            let is_free = onboardings.full(&account, &one, &limits, at).is_none();
            if is_free {
                onboardings.record(&account, &one, &limits, at);
            }
            is_free
        });
        assert_eq!(onboarded.count(), 12);
        let account = "a@b".parse().unwrap();
        let full = onboardings.full(&account, &one, &limits, at).unwrap();
        assert!(full.to_string().starts_with(
            "12 accounts of all domains were onboarded from 203.0.113.7 within an hour"
        ));
        // Who has a policy of its own has a domain that nobody invents.
        assert_eq!(onboardings.full(&account, &one, &LIMITS, at), None);
        assert_eq!(
            onboardings.full(&account, &origin("203.0.113.8", ""), &limits, at),
            None
        );
    }

    #[test]
    fn a_48_is_bounded_by_its_domain_and_not_by_its_networks() {
        let onboardings = Onboardings::with_capacity(100_000);
        let at: Timestamp = "2026-06-08T12:00:00Z".parse().unwrap();
        let account: AccountId = "a@b".parse().unwrap();
        let onboarded = (0..1_000).filter(|network| {
            let from = origin(&format!("2001:db8:1:{network:x}::1"), "");
            let is_free = onboardings.full(&account, &from, &LIMITS, at).is_none();
            if is_free {
                onboardings.record(&account, &from, &LIMITS, at);
            }
            is_free
        });
        assert_eq!(onboarded.count(), 7);
    }

    #[test]
    fn zero_is_no_bound() {
        let onboardings = Onboardings::with_capacity(1_000);
        let start: Timestamp = "2026-06-08T12:00:00Z".parse().unwrap();
        let account: AccountId = "a@b".parse().unwrap();
        let none = OnboardingLimits {
            source: 0,
            trunk: 0,
            domain: 0,
            source_of_all: 0,
        };
        let one = origin("203.0.113.7", "t");
        for _ in 0..1_000 {
            assert!(onboardings.record(&account, &one, &none, start).is_empty());
            assert_eq!(onboardings.full(&account, &one, &none, start), None);
        }
        assert_eq!(onboardings.0.len(), 0);
    }
}
