//! Which domains do the same thing, as far as they are independent of each other.

use super::habits::NetworkMark;

/// How many are told apart.
const TOLD_APART: usize = 6;

/// A domain, hashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct DomainMark(pub(super) u32);

/// A domain of which an account did something, and from where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Witness {
    pub(super) domain: DomainMark,
    /// The network of the source; all that are not told are one.
    pub(super) network: Option<NetworkMark>,
    /// Seconds since 1970; 0 where there is none.
    pub(super) at: u32,
}

/// The last of them. A domain has one place, whatever its accounts do; a network pushes out nobody but itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Witnesses([Witness; TOLD_APART]);

impl Witnesses {
    /// Notes one: in the place of its domain, or of its network, or of the one that was longest ago.
    pub(super) fn note(&mut self, witness: Witness) {
        let of = |is: &dyn Fn(&Witness) -> bool| {
            self.0.iter().position(|known| known.at > 0 && is(known))
        };
        let place = of(&|known| known.domain == witness.domain)
            .or_else(|| of(&|known| known.network == witness.network))
            .or_else(|| (0..TOLD_APART).min_by_key(|place| self.0[*place].at));
        if let Some(place) = place {
            self.0[place] = witness;
        }
    }

    /// How many independent ones there are within so many seconds that are of other domains: no two of one domain, and no two of one
    /// network.
    pub(super) fn beside(&self, domain: DomainMark, now: u32, within: u32) -> u8 {
        let counts = |known: &Witness| {
            known.at > 0 && known.domain != domain && known.at.saturating_add(within) > now
        };
        let independent = |place: &usize| {
            let one = &self.0[*place];
            let before = &self.0[..*place];
            counts(one)
                && !before
                    .iter()
                    .any(|other| counts(other) && other.network == one.network)
        };
        // There are no more than `TOLD_APART`.
        (0..TOLD_APART).filter(independent).count() as u8
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However many accounts call, and in whatever order: there are no more witnesses than domains, and no more than networks.
        #[test]
        fn there_are_no_more_witnesses_than_domains_or_networks(
            calls in prop::collection::vec((1_u32..9, 0_u32..5), 0..60),
        ) {
            let mut witnesses = Witnesses::default();
            let (mut domains, mut networks) = (HashSet::new(), HashSet::new());
            for (at, (domain, network)) in (1..).zip(calls) {
                let network = NetworkMark::test(network);
                witnesses.note(Witness { domain: DomainMark(domain), network, at });
                if domain != 1 {
                    domains.insert(domain);
                    networks.insert(network);
                }
                let beside = usize::from(witnesses.beside(DomainMark(1), at, 1_000));
                prop_assert!(beside <= domains.len().min(networks.len()));
            }
        }
    }
}
