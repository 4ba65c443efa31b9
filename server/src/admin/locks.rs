//! What failed verifications have locked, listed and unlocked.

use std::cmp::Reverse;

use tfps_engine::{
    call::{AccountId, domain_name},
    network::SourceNetwork,
    usage::{Full, Lock, Locked, Spot, SpotKind},
};

use super::{Admin, AdminError};
use crate::auth::{Permission, Principal};

/// The most that are listed.
const MAX_LOCKS: usize = 10_000;
/// How many are listed where no number is asked for.
const DEFAULT_LOCKS: usize = 1_000;
/// How many are named in warnings.
const NAMED: usize = 10;

/// What is locked.
#[derive(Clone, Debug)]
pub enum LockedThing {
    /// An account, and whether it is known.
    Account(AccountId, bool),
    /// What several accounts have in common.
    Spot(Spot),
}

impl LockedThing {
    fn domain(&self) -> &str {
        match self {
            Self::Account(id, _) => id.domain(),
            Self::Spot(spot) => &spot.domain,
        }
    }
}

/// A lock.
#[derive(Clone, Debug)]
pub struct LockView {
    /// What is locked.
    pub thing: LockedThing,
    /// Since when, until when, by how many failures.
    pub lock: Lock,
    /// In words.
    pub reason: String,
}

/// What is to be unlocked.
#[derive(Clone, Debug)]
pub enum Unlocking {
    /// An account, known or not.
    Account(AccountId),
    /// A network, for accounts of a domain.
    Source(String, SourceNetwork),
    /// A trunk, for accounts of a domain.
    Trunk(String, String),
    /// A policy's PIN, for accounts of a domain.
    PolicyPin(String, String),
}

impl Admin {
    /// What failed verifications lock now, what ends last first; and how many locks there are in all.
    ///
    /// # Errors
    /// When the role or domain does not allow it.
    pub fn list_locks(
        &self,
        caller: &Principal,
        domain: &str,
        size: u32,
    ) -> Result<(Vec<LockView>, u64), AdminError> {
        caller.require(Permission::See)?;
        let domain = caller.narrow(domain)?;
        let mut locks = self.locks(domain.as_deref());
        let total = locks.len() as u64;
        locks.truncate(match size as usize {
            0 => DEFAULT_LOCKS,
            size => size.min(MAX_LOCKS),
        });
        Ok((locks, total))
    }

    /// Ends the locks of something and forgets the failures that led to them.
    ///
    /// # Errors
    /// When nothing has failed, the role or domain does not allow it, or the database fails.
    pub async fn unlock(&self, caller: &Principal, what: Unlocking) -> Result<(), AdminError> {
        caller.require(Permission::Change)?;
        let failures = &self.state.watch.failures;
        let spots = |domain: &str, kinds: Vec<SpotKind>| {
            let domain = domain_name(domain)?;
            caller.require_domain(&domain)?;
            let forgotten = kinds.into_iter().fold(false, |any, kind| {
                let domain = domain.clone();
                failures.forget_spot(&Spot { domain, kind }) || any
            });
            Ok::<bool, AdminError>(forgotten)
        };
        let (forgotten, named) = match what {
            Unlocking::Account(id) => {
                caller.require_account(&id)?;
                self.store.forget_failures(&id).await?;
                (failures.forget(&id), format!("account {id}"))
            }
            Unlocking::Source(domain, network) => {
                let kinds = [true, false].map(|known| SpotKind::Source { network, known });
                (spots(&domain, kinds.into())?, format!("source {network}"))
            }
            Unlocking::Trunk(domain, name) => {
                let named = format!("trunk {name}");
                let name: Box<str> = name.into();
                let kinds = [true, false].map(|known| {
                    let name = name.clone();
                    SpotKind::Trunk { name, known }
                });
                (spots(&domain, kinds.into())?, named)
            }
            Unlocking::PolicyPin(domain, policy) => {
                let named = format!("PIN of policy {policy}");
                let policy = policy.into();
                (spots(&domain, vec![SpotKind::Pin { policy }])?, named)
            }
        };
        if !forgotten {
            return Err(AdminError::NotFound(format!(
                "failed verification of {named}: `tfpsctl locks` lists what is locked"
            )));
        }
        tracing::info!(
            what = named,
            by = caller.name,
            "failed verifications were forgotten"
        );
        Ok(())
    }

    /// What is locked, what ends last first.
    fn locks(&self, domain: Option<&str>) -> Vec<LockView> {
        let at = self.clock.now();
        let snapshot = self.state.snapshot.load();
        let failures = &self.state.watch.failures;
        let limit = |id: &AccountId| self.state.policy(&snapshot, id).failure_limits().account;
        let accounts = failures
            .locked_accounts(limit, at)
            .into_iter()
            .map(|(id, lock)| {
                let known = self.state.accounts.get(&id).is_some();
                (LockedThing::Account(id, known), lock)
            });
        let spots = failures
            .locked_spots(at)
            .into_iter()
            .map(|(spot, lock)| (LockedThing::Spot(spot), lock));
        let mut locks: Vec<_> = accounts
            .chain(spots)
            .filter(|(thing, _)| domain.is_none_or(|domain| domain == thing.domain()))
            .map(|(thing, lock)| {
                let spot = match &thing {
                    LockedThing::Account(..) => None,
                    LockedThing::Spot(spot) => Some(spot.clone()),
                };
                let reason = lock.of(spot).as_ref().map(Locked::to_string);
                LockView {
                    thing,
                    lock,
                    reason: reason.unwrap_or_default(),
                }
            })
            .collect();
        locks.sort_by_key(|view| Reverse(view.lock.until));
        locks
    }

    /// Of which sources, trunks and domains no more accounts may be onboarded now.
    pub fn onboardings_full(&self, domain: Option<&str>) -> Vec<Full> {
        let snapshot = self.state.snapshot.load();
        let limits = |domain: &str| {
            let policy = snapshot.policies.of_account(domain, None);
            policy.onboarding_limits()
        };
        let onboardings = &self.state.watch.onboardings;
        let mut full = onboardings.all_full(limits, self.clock.now());
        full.retain(|full| domain.is_none_or(|domain| domain == &*full.domain));
        full
    }

    /// How many accounts, sources, trunks and PINs are locked.
    pub fn locked_by_kind(&self) -> [(&'static str, u64); 4] {
        let mut counts = [("account", 0), ("source", 0), ("trunk", 0), ("pin", 0)];
        for view in self.locks(None) {
            let kind = match view.thing {
                LockedThing::Account(..) => 0,
                LockedThing::Spot(spot) => match spot.kind {
                    SpotKind::Source { .. } => 1,
                    SpotKind::Trunk { .. } => 2,
                    SpotKind::Pin { .. } => 3,
                },
            };
            counts[kind].1 += 1;
        }
        counts
    }

    /// What an operator should know of it: an account that is locked is everyday's, a source, a trunk or a PIN is not.
    pub(super) fn lock_warnings(&self, domain: Option<&str>) -> Vec<String> {
        let spots = self
            .locks(domain)
            .into_iter()
            .filter(|view| matches!(view.thing, LockedThing::Spot(_)))
            .map(|view| format!("{}: `tfpsctl locks`", view.reason));
        let full = self
            .onboardings_full(domain)
            .into_iter()
            .map(|full| format!("more unknown accounts are denied (R20): {full}"));
        let pins = self.state.watch.failures.pins_half_way(self.clock.now());
        let pins = pins
            .into_iter()
            .filter(|half_way| domain.is_none_or(|domain| domain == &*half_way.pin.domain))
            .map(|half_way| {
                format!("{half_way}: it is guessed, or badly known; give it another (`verification.pin`)")
            });
        [
            named(spots.collect(), "locks"),
            named(pins.collect(), "PINs"),
            named(full.collect(), "bounds of onboarding"),
        ]
        .concat()
    }
}

/// The first of them, and how many more there are.
fn named(mut warnings: Vec<String>, what: &str) -> Vec<String> {
    let more = warnings.len().saturating_sub(NAMED);
    if more > 0 {
        warnings.truncate(NAMED);
        warnings.push(format!("and {more} more {what} like these"));
    }
    warnings
}
