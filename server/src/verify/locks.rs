//! What failed verifications lock, and how many callers may onboard themselves.

use jiff::Timestamp;
use tfps_engine::{
    call::AccountId,
    decision::Purpose,
    policy::Policy,
    usage::{Lock, Locked, Origin, Spot},
};

use super::{Verifier, VerifyError, secret::Pin};
use crate::state::{About, Pending};

impl Verifier {
    /// The failures of an account that may verify from where its call came.
    pub(super) fn require_unlocked(
        &self,
        account: &AccountId,
        policy: &Policy,
        origin: &Origin,
        at: Timestamp,
    ) -> Result<u32, VerifyError> {
        let limits = policy.failure_limits();
        let known = self.is_established(account, at);
        let failures = &self.state.watch.failures;
        match failures.locked(account, known, origin, &limits, at) {
            None => Ok(failures.lock(account, &limits.account, at).failures),
            Some(locked) => Err(VerifyError::locked(account, locked)),
        }
    }

    /// Whether an account is known, and not just since its caller passed a captcha: then what fails is a stranger's.
    fn is_established(&self, account: &AccountId, at: Timestamp) -> bool {
        let resident = self.state.accounts.get(account);
        resident.is_some_and(|resident| !resident.ledger.lock().is_new(at))
    }

    /// Whether a PIN may be tried. While guessers have the policy's locked, it may from where it has been typed right before: if the
    /// failures from there are bounded, since all callers may come from one address.
    pub(super) fn require_unlocked_pin(
        &self,
        account: &AccountId,
        policy: &Policy,
        pin: &Pin,
        origin: &Origin,
        at: Timestamp,
    ) -> Result<(), VerifyError> {
        if matches!(pin, Pin::Own(_)) {
            return Ok(());
        }
        let (watch, name) = (&self.state.watch, &policy.document.name);
        let limits = policy.failure_limits();
        let Some(locked) = watch.failures.pin_locked(account, name, &limits, at) else {
            return Ok(());
        };
        let spot = Spot::pin(account, name);
        match origin.network {
            Some(network)
                if limits.source.max.is_some() && watch.pin_networks.knows(&spot, network, at) =>
            {
                Ok(())
            }
            _ => Err(VerifyError::locked(account, locked)),
        }
    }

    /// Whether the caller of a challenge may be onboarded, where it is about that.
    pub(super) fn require_room(
        &self,
        pending: &Pending,
        policy: &Policy,
        at: Timestamp,
    ) -> Result<(), VerifyError> {
        if pending.about != About::Call(Purpose::Onboarding) {
            return Ok(());
        }
        let limits = policy.onboarding_limits();
        let onboardings = &self.state.watch.onboardings;
        match onboardings.full(&pending.account, &pending.origin, &limits, at) {
            None => Ok(()),
            Some(full) => Err(VerifyError::Full(full)),
        }
    }

    /// Counts a failure; how the account stands, locked also where its call came from a place that is.
    pub(super) fn failed(
        &self,
        pending: &Pending,
        policy: &Policy,
        pin: Option<&Pin>,
        at: Timestamp,
    ) -> Lock {
        let Pending {
            account, origin, ..
        } = pending;
        let limits = policy.failure_limits();
        let known = self.is_established(account, at);
        let failures = &self.state.watch.failures;
        let (lock, mut brought) = failures.record_call(account, known, origin, &limits, at);
        if matches!(pin, Some(Pin::Policy(_))) {
            let name = &policy.document.name;
            brought.extend(failures.record_pin(account, name, origin, &limits, at));
        }
        let from = origin.network.map(|network| network.to_string());
        tracing::info!(%account, from, trunk = %origin.trunk, failures = lock.failures, "a caller failed a verification");
        self.metrics.verifications_failed.inc();
        brought.extend(lock.of(None));
        for locked in brought {
            self.tell_locked(account, &locked, from.as_deref());
        }
        let locked = failures.locked(account, known, origin, &limits, at);
        Lock {
            until: locked.map(|locked| locked.until),
            ..lock
        }
    }

    fn tell_locked(&self, account: &AccountId, locked: &Locked, from: Option<&str>) {
        self.metrics.verification_locks.inc();
        tracing::warn!(
            %account,
            from,
            "{locked}: what would be challenged is denied (R17), what is open passes; `tfpsctl locks` lists the locks"
        );
    }

    /// A caller was onboarded.
    pub(super) fn onboarded(&self, pending: &Pending, policy: &Policy, at: Timestamp) {
        self.metrics.onboardings.inc();
        if let Some(ledger) = self.state.ledger(&pending.account) {
            ledger.lock().onboarded(at);
        }
        let limits = policy.onboarding_limits();
        let onboardings = &self.state.watch.onboardings;
        for full in onboardings.record(&pending.account, &pending.origin, &limits, at) {
            tracing::warn!("more unknown accounts are denied (R20): {full}");
        }
    }

    /// The policy's PIN was typed right.
    pub(super) fn pin_fits(&self, pending: &Pending, policy: &Policy, at: Timestamp) {
        if let Some(network) = pending.origin.network {
            let pin = Spot::pin(&pending.account, &policy.document.name);
            self.state.watch.pin_networks.record(pin, network, at);
        }
    }
}
