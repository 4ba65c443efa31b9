//! The limits that a caller gave in the IVR.

use std::num::NonZeroU32;

use jiff::SignedDuration;
use tfps_engine::{account::Limits, call::AccountId};

use super::{LearnError, Learner};
use crate::{
    auth::Principal,
    store::{StoreError, VerificationStatus},
};

/// How long a passed verification can be used for learning limits.
const LIMITS_WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// The limits that a caller gave, for business hours. Nobody locks himself out with a 0.
#[derive(Clone, Copy, Debug)]
pub struct GivenLimits {
    /// How many calls at once he needs.
    pub concurrent_calls: NonZeroU32,
    /// How many calls a day he needs.
    pub daily_quota: NonZeroU32,
}

impl Learner {
    /// Learns the limits that a caller gave, bounded by what the policy lets callers have ([`Policy::limits_on_request`]). Those of off
    /// hours stay as they are.
    ///
    /// [`Policy::limits_on_request`]: tfps_engine::policy::Policy::limits_on_request
    ///
    /// # Errors
    /// When the verification was not passed, is too old, was used, or is another account's; or the policy's maximum
    /// leaves no call.
    pub async fn limits(
        &self,
        caller: &Principal,
        account: &AccountId,
        verification_id: &str,
        given: GivenLimits,
    ) -> Result<Vec<String>, LearnError> {
        caller.require_account(account)?;
        let at = self.clock.now();
        let verification = self
            .store
            .verification(verification_id)
            .await
            .map_err(|error| match error {
                StoreError::NotFound => {
                    LearnError::NotFound(format!("verification {verification_id}"))
                }
                error => LearnError::Store(error),
            })?;
        let passed = verification.account == *account
            && verification.status == VerificationStatus::Passed
            && verification
                .completed_at
                .is_some_and(|when| at.duration_since(when) <= LIMITS_WITHIN);
        if !passed {
            return Err(LearnError::Precondition(format!(
                "the verification {verification_id} was not passed by {account} within the last ten minutes, or was used"
            )));
        }
        let _turn = self.book.turn().await;
        let mut record = self
            .store
            .account(account)
            .await
            .map_err(|error| match error {
                StoreError::NotFound => LearnError::NotFound(format!("account {account}")),
                error => LearnError::Store(error),
            })?;
        let snapshot = self.state.snapshot.load_full();
        let policy = snapshot
            .policies
            .of_account(account.domain(), record.account.policy.as_deref());
        let before = record.account.limits;
        let most = policy.limits_on_request(&before);
        let bounded = |field, asked: NonZeroU32, most: u32| match asked.get().min(most) {
            0 => Err(LearnError::NoneLeft {
                field,
                policy: policy.document.name.clone(),
            }),
            limit => Ok(limit),
        };
        let limits = Limits {
            concurrent_calls: bounded(
                "limits.concurrent_calls",
                given.concurrent_calls,
                most.concurrent_calls,
            )?,
            daily_quota: bounded("limits.daily_quota", given.daily_quota, most.daily_quota)?,
            ..before
        };
        record.account.limits = limits;
        record.version += 1;
        record.updated_at = at;
        self.store
            .use_verification(verification_id, &record)
            .await
            .map_err(|error| match error {
                StoreError::Conflict => {
                    LearnError::Precondition(format!("the verification {verification_id} was used"))
                }
                error => LearnError::Store(error),
            })?;
        self.state.accounts.put(record.account);
        let learned = [
            (
                "concurrent calls",
                before.concurrent_calls,
                limits.concurrent_calls,
                given.concurrent_calls,
            ),
            (
                "daily quota",
                before.daily_quota,
                limits.daily_quota,
                given.daily_quota,
            ),
        ];
        Ok(learned
            .into_iter()
            .filter_map(|(what, before, after, asked)| {
                let words = match (before == after, after < asked.get()) {
                    (true, false) => return None,
                    (true, true) => format!("still {after}; {asked} is more than callers can get"),
                    (false, false) => format!("{before} to {after}"),
                    (false, true) => {
                        format!("{before} to {after}; {asked} is more than callers can get")
                    }
                };
                Some(format!("{what} of {account}: {words}"))
            })
            .collect())
    }
}
