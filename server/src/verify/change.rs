//! What passing a challenge changes: the one thing that it was about.

use jiff::{SignedDuration, Timestamp};
use tfps_engine::{
    account::Account,
    decision::Purpose,
    number::E164,
    policy::{Policy, Raise},
    usage::{Grant, GrantKind, Verified},
};

use super::{Verifier, VerifyError};
use crate::{
    state::{About, Pending},
    store::{GrantRecord, Passed, StoreError},
};

impl Verifier {
    /// The change, and what it is in words.
    pub(super) async fn change(
        &self,
        pending: &Pending,
        policy: &Policy,
        verified: Option<&Verified>,
        at: Timestamp,
    ) -> Result<(Passed, String), VerifyError> {
        let id = &pending.account;
        let purpose = match pending.about {
            About::Call(purpose) => purpose,
            // What the caller says goes to Learn.
            About::Limits => return Ok((Passed::Nothing, String::new())),
        };
        if purpose == Purpose::Onboarding {
            if self.state.accounts.get(id).is_some() {
                return Ok((Passed::Nothing, String::new()));
            }
            let account = Account::new(id.clone(), policy);
            let words = format!("the account {id} is known from now on");
            return Ok((
                Passed::Created(crate::accounts::first_version(account, at)),
                words,
            ));
        }
        let mut record = match self.store.account(id).await {
            Ok(record) => record,
            Err(StoreError::NotFound) => return Ok((Passed::Nothing, String::new())),
            Err(error) => return Err(VerifyError::Store(error)),
        };
        let grace = policy.document.verification.grace_minutes;
        let granted = |kind, country| {
            let calls = policy.document.verification.grace_calls;
            Passed::Granted(GrantRecord {
                id: 0,
                account: id.clone(),
                kind,
                country,
                expires_at: at + SignedDuration::from_mins(i64::from(grace)),
                calls: (calls > 0).then_some(calls),
                used: 0,
            })
        };
        let mut opened = record.account.clone();
        opened.open(purpose, policy);
        let raised = verified.copied().unwrap_or_default();
        let until = match policy.document.verification.raise {
            Raise::Day => "today",
            Raise::ForGood => "from now on",
        };
        let words = match purpose {
            Purpose::SourceCountry(country) if grace > 0 => {
                let words = format!(
                    "calls of {id} may come from {} for {grace} minutes",
                    country.name()
                );
                return Ok((granted(GrantKind::Source, country), words));
            }
            Purpose::DestinationCountry(country) if grace > 0 => {
                let words = format!(
                    "calls of {id} may go to {} for {grace} minutes",
                    country.name()
                );
                return Ok((granted(GrantKind::Destination, country), words));
            }
            Purpose::SourceCountry(country) => {
                format!("calls of {id} may come from {} from now on", country.name())
            }
            Purpose::DestinationCountry(country) => {
                format!("calls of {id} may go to {} from now on", country.name())
            }
            Purpose::Quota => format!(
                "the daily quota of {id} is {} in business hours {until}",
                opened.limits.daily_quota.saturating_add(raised.raised)
            ),
            Purpose::QuotaOffHours => format!(
                "the daily quota of {id} is {} off hours {until}",
                opened
                    .limits
                    .daily_quota_off_hours
                    .saturating_add(raised.raised_off_hours)
            ),
            Purpose::Risk => {
                let words = self
                    .risky_number(pending, policy)
                    .map_or_else(String::new, |number| {
                        let minutes = policy.document.risk.pass_minutes;
                        format!("{id} may call {number} whatever its risk for {minutes} minutes")
                    });
                return Ok((Passed::Nothing, words));
            }
            Purpose::Onboarding => return Ok((Passed::Nothing, String::new())),
        };
        if opened == record.account {
            // The quota is raised for the day alone, or for good no further.
            return Ok((Passed::Nothing, words));
        }
        record.account = opened;
        record.version += 1;
        record.updated_at = at;
        Ok((Passed::Updated(record), words))
    }
}

impl Verifier {
    /// The number that a challenge of the prediction was about.
    fn risky_number(&self, pending: &Pending, policy: &Policy) -> Option<E164> {
        let is_risk = matches!(pending.about, About::Call(Purpose::Risk));
        let number = policy.dial_plan.destination(&pending.dialed);
        number.ok().filter(|_| is_risk)
    }

    /// Lets the account call the number that it has proved itself for.
    pub(super) fn let_through(&self, pending: &Pending, policy: &Policy, at: Timestamp) {
        if let Some(number) = self.risky_number(pending, policy) {
            let minutes = i64::from(policy.document.risk.pass_minutes);
            let until = at + SignedDuration::from_mins(minutes);
            let passes = &self.state.watch.passes;
            passes.grant(&pending.account, &number, until);
        }
    }
}

/// A grant as the ledger has it.
pub fn grant_of(record: &GrantRecord) -> Grant {
    Grant {
        id: record.id,
        kind: record.kind,
        country: record.country,
        until: record.expires_at.as_second(),
        calls_left: record.calls.map(|calls| calls.saturating_sub(record.used)),
    }
}
