//! What verification a caller is offered, and what it counts for.

use jiff::Timestamp;
use tfps_engine::{
    call::AccountId,
    decision::Purpose,
    policy::{Policy, VerificationMethod},
    usage::{Day, Verified},
};

use super::{Verifier, VerifyError};
use crate::state::{About, Pending};

impl Verifier {
    /// Whether the account is offered a verification now. A challenge may have been issued before others were passed: what bounds
    /// them holds when it is opened and when it is answered.
    pub(super) fn require_offered(
        &self,
        account: &AccountId,
        purpose: &str,
        policy: &Policy,
        at: Timestamp,
    ) -> Result<(), VerifyError> {
        if purpose == Purpose::Onboarding.as_str() {
            return Ok(());
        }
        let limits = &policy.document.verification;
        match self.verified(account, policy, at).withheld(limits, at) {
            None => Ok(()),
            Some(why) => Err(VerifyError::Withheld {
                account: account.clone(),
                why,
            }),
        }
    }

    /// How the caller proves himself. For a risky call (V06) the account's own PIN is asked for, where it has one, whatever the policy
    /// asks for otherwise: the rule denies the call where a captcha does not do and there is no PIN.
    pub(super) fn method(&self, pending: &Pending, policy: &Policy) -> VerificationMethod {
        let method = policy.document.verification.method;
        let is_risk = pending.about == About::Call(Purpose::Risk);
        let has_pin = || {
            let resident = self.state.accounts.get(&pending.account);
            resident.is_some_and(|resident| resident.account.has_pin)
        };
        if method == VerificationMethod::Captcha && is_risk && has_pin() {
            VerificationMethod::Pin
        } else {
            method
        }
    }

    /// The account's verifications of the day, with the one that is passed; `None` where it does not count.
    pub(super) fn verified_with(
        &self,
        pending: &Pending,
        policy: &Policy,
        at: Timestamp,
    ) -> Option<Verified> {
        let resident = self.state.accounts.get(&pending.account)?;
        let purpose = match pending.about {
            About::Call(Purpose::Onboarding) => return None,
            About::Call(purpose) => Some(purpose),
            About::Limits => None,
        };
        let verified = self.verified(&pending.account, policy, at);
        Some(verified.with(purpose, &resident.account.limits, policy, at))
    }

    /// How many calls the account may make today in the hours that the challenge was about.
    pub(super) fn quota_of(
        &self,
        pending: &Pending,
        policy: &Policy,
        at: Timestamp,
    ) -> Option<u32> {
        let off_hours = match pending.about {
            About::Call(Purpose::Quota) => false,
            About::Call(Purpose::QuotaOffHours) => true,
            _ => return None,
        };
        let resident = self.state.accounts.get(&pending.account)?;
        let (_, quota) = resident.account.limits.in_hours(off_hours);
        let raised = self
            .verified(&pending.account, policy, at)
            .raised_in(off_hours);
        Some(quota.saturating_add(raised))
    }

    fn verified(&self, account: &AccountId, policy: &Policy, at: Timestamp) -> Verified {
        let day = Day::of(policy.local(at).date());
        self.state
            .ledger(account)
            .map(|ledger| ledger.lock().verified(day))
            .unwrap_or_default()
            .on(day)
    }
}
