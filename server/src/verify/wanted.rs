//! Which challenge a verification is opened for.

use jiff::{SignedDuration, Timestamp};
use tfps_engine::{call::AccountId, usage::Origin};

use super::{Verifier, VerifyError};
use crate::{
    auth::Principal,
    check::random_id,
    state::{About, Pending},
};

/// Which challenge a verification is opened for.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// The one of this id; where the account and the purpose are told, they must be its.
    Id {
        /// The id.
        id: String,
        /// Whose it should be.
        account: Option<AccountId>,
        /// What it should be about.
        purpose: Option<&'static str>,
    },
    /// The account's newest about this. About the limits it is issued where none waits.
    Newest {
        /// Whose.
        account: AccountId,
        /// About what.
        purpose: &'static str,
    },
}

impl Verifier {
    /// The challenge that is wanted, which waits.
    pub(super) async fn pending(
        &self,
        caller: &Principal,
        wanted: Wanted,
        at: Timestamp,
    ) -> Result<Pending, VerifyError> {
        match wanted {
            Wanted::Id {
                id,
                account,
                purpose,
            } => self.by_id(caller, id, account, purpose, at).await,
            Wanted::Newest { account, purpose } => {
                caller.require_account(&account)?;
                if purpose == About::LIMITS {
                    return self.about_limits(&account, at);
                }
                let newest = self.state.challenges.newest(&account, purpose, at);
                newest.ok_or_else(|| VerifyError::NoChallenge {
                    account,
                    purpose: purpose.to_owned(),
                })
            }
        }
    }

    async fn by_id(
        &self,
        caller: &Principal,
        id: String,
        account: Option<AccountId>,
        purpose: Option<&'static str>,
        at: Timestamp,
    ) -> Result<Pending, VerifyError> {
        if let Some(account) = &account {
            caller.require_account(account)?;
        }
        let waiting = self.state.challenges.get(&id, at);
        let issued_for = match &waiting {
            Some(pending) => Some(pending.account.clone()),
            None => self
                .store
                .challenged_account(&id)
                .await
                .map_err(VerifyError::Store)?,
        };
        // Of another account's challenge it is not told that there is one.
        let issued_for = issued_for
            .filter(|issued_for| account.is_none_or(|account| account == *issued_for))
            .ok_or_else(|| VerifyError::UnknownChallenge(id.clone()))?;
        caller.require_account(&issued_for)?;
        let pending = waiting.ok_or(VerifyError::ChallengeOver(id))?;
        if let Some(asked) = purpose
            && asked != pending.about.as_str()
        {
            return Err(VerifyError::OtherChallenge {
                issued: pending.about.as_str(),
                asked: asked.to_owned(),
            });
        }
        if pending.about == About::Limits {
            self.require_may_change_limits(&issued_for)?;
        }
        Ok(pending)
    }

    /// The challenge about the limits that waits, or a new one: nobody but the caller brings it up.
    fn about_limits(&self, account: &AccountId, at: Timestamp) -> Result<Pending, VerifyError> {
        self.require_may_change_limits(account)?;
        let policy = self.policy(account);
        let origin = Origin::default();
        self.require_unlocked(account, &policy, &origin, at)?;
        if !policy.verifies() {
            return Err(VerifyError::NoVerification(policy.document.name.clone()));
        }
        let lifetime = i64::from(policy.document.verification.challenge_seconds);
        let new = Pending {
            id: String::new(),
            account: account.clone(),
            about: About::Limits,
            dialed: String::new(),
            origin,
            expires_at: at + SignedDuration::from_secs(lifetime),
        };
        Ok(self.state.challenges.issue(new, true, at, random_id))
    }

    fn require_may_change_limits(&self, account: &AccountId) -> Result<(), VerifyError> {
        let Some(resident) = self.state.accounts.get(account) else {
            return Err(VerifyError::UnknownAccount(account.clone()));
        };
        let policy = self.policy(account);
        if !policy.document.verification.ask_limits {
            return Err(VerifyError::LimitsNotAsked(policy.document.name.clone()));
        }
        if resident.account.blocked.is_some() {
            return Err(VerifyError::Blocked(account.clone()));
        }
        Ok(())
    }
}
