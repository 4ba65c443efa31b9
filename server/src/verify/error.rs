//! Why a verification can't go on.

use tfps_engine::{
    call::AccountId,
    usage::{Full, Locked, Withheld},
};

use crate::{auth::Refusal, store::StoreError};

/// Why a verification can't go on.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// No challenge of the purpose waits.
    #[error(
        "no challenge about {purpose} waits for {account}: Check issues one, and it waits only for a while"
    )]
    NoChallenge {
        /// The account.
        account: AccountId,
        /// What was asked for.
        purpose: String,
    },
    /// The challenge waits no longer.
    #[error(
        "the challenge {0} was passed or has expired: the next call that Check challenges has another"
    )]
    ChallengeOver(String),
    /// Check issued no such challenge.
    #[error(
        "there is no challenge {0}, or it is another account's: send the id of the challenge that Check answered with, \
         or none, but the account and the purpose"
    )]
    UnknownChallenge(String),
    /// The challenge is for something else.
    #[error("the challenge was issued for {issued}, not for {asked}")]
    OtherChallenge {
        /// What it was issued for.
        issued: &'static str,
        /// What was asked.
        asked: String,
    },
    /// The policy does not let callers change their limits.
    #[error(
        "the policy `{0}` does not let callers change their limits: set verification.ask_limits = true in it"
    )]
    LimitsNotAsked(String),
    /// The operator blocked the account.
    #[error(
        "the operator has blocked {0}: `tfpsctl unblock` lets it call and change its limits again"
    )]
    Blocked(AccountId),
    /// There is no such account.
    #[error(
        "there is no account {0}: who is not known introduces himself by calling, not by changing limits"
    )]
    UnknownAccount(AccountId),
    /// The account is locked, or where its call came from.
    #[error("{account} can't verify now: {locked}; `tfpsctl unlock` ends it")]
    Locked {
        /// The account.
        account: AccountId,
        /// What is locked, and until when.
        locked: Box<Locked>,
    },
    /// As many have been onboarded as may be.
    #[error("nobody more can be onboarded now: {0}")]
    Full(Full),
    /// No verification is offered for now.
    #[error("{account}: {why}")]
    Withheld {
        /// The account.
        account: AccountId,
        /// Why, and until when.
        why: Withheld,
    },
    /// It was opened too often.
    #[error("the challenge was passed, or opened as often as it may be ({0} times)")]
    UsedUp(u32),
    /// The policy verifies by PIN, and there is none.
    #[error(
        "the policy `{0}` verifies by PIN, and neither the account nor the policy has one: set it with `tfpsctl set … --pin-file` or in the policy"
    )]
    NoPin(String),
    /// The policy verifies by PIN, which opens no unknown account.
    #[error(
        "there is no account {0}, and verification is by PIN, which opens no unknown account: create it with `tfpsctl create`"
    )]
    NoPinOfUnknown(AccountId),
    /// The policy has no verification.
    #[error("the policy `{0}` has no verification")]
    NoVerification(String),
    /// The verification was completed or has expired.
    #[error("the verification {0} is over; start another")]
    Over(String),
    /// No such verification.
    #[error("there is no verification {0}")]
    Unknown(String),
    /// The token is for something else.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database fails.
    #[error(transparent)]
    Store(StoreError),
    /// The machine fails.
    #[error("a PIN could not be hashed: {0}")]
    Hash(String),
}

impl VerifyError {
    pub(super) fn locked(account: &AccountId, locked: Locked) -> Self {
        Self::Locked {
            account: account.clone(),
            locked: Box::new(locked),
        }
    }
}
