//! What can be changed of an account.

use tfps_engine::{account::Limits, call::AccountId, number::CountrySet};

use crate::{
    admin::{Admin, AdminError},
    auth::Principal,
    store::AccountRecord,
    verify::{check_pin, hash_pin},
};

/// The longest e-mail address (RFC 5321), in bytes.
const MAX_EMAIL: usize = 254;
/// The highest limit that an account can have.
const MAX_LIMIT: u32 = 1_000_000_000;

/// What is to be changed of an account; `None` stays.
#[derive(Clone, Debug, Default)]
pub struct AccountChange {
    /// How many calls it may make.
    pub limits: LimitsChange,
    /// Where its calls may come from.
    pub source_countries: Option<CountrySet>,
    /// Where its calls may go.
    pub destination_countries: Option<CountrySet>,
    /// The policy it names; empty: none.
    pub policy: Option<String>,
    /// Where its notices go.
    pub email_address: Option<String>,
    /// The PIN; empty: none.
    pub pin: Option<String>,
}

/// What is to be changed of limits; `None` stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct LimitsChange {
    /// Calls at once in business hours.
    pub concurrent_calls: Option<u32>,
    /// Calls at once off hours.
    pub concurrent_calls_off_hours: Option<u32>,
    /// Calls a day in business hours.
    pub daily_quota: Option<u32>,
    /// Calls a day off hours.
    pub daily_quota_off_hours: Option<u32>,
}

impl LimitsChange {
    /// Limits with the changes.
    pub fn of(&self, limits: Limits) -> Limits {
        Limits {
            concurrent_calls: self.concurrent_calls.unwrap_or(limits.concurrent_calls),
            concurrent_calls_off_hours: self
                .concurrent_calls_off_hours
                .unwrap_or(limits.concurrent_calls_off_hours),
            daily_quota: self.daily_quota.unwrap_or(limits.daily_quota),
            daily_quota_off_hours: self
                .daily_quota_off_hours
                .unwrap_or(limits.daily_quota_off_hours),
        }
    }

    fn check(&self) -> Result<(), AdminError> {
        let limits = [
            ("concurrent_calls", self.concurrent_calls),
            (
                "concurrent_calls_off_hours",
                self.concurrent_calls_off_hours,
            ),
            ("daily_quota", self.daily_quota),
            ("daily_quota_off_hours", self.daily_quota_off_hours),
        ];
        match limits
            .iter()
            .find(|(_, limit)| limit.is_some_and(|limit| limit > MAX_LIMIT))
        {
            None => Ok(()),
            Some((name, _)) => Err(AdminError::field(
                format!("account.limits.{name}"),
                format!("at most {MAX_LIMIT} is possible"),
            )),
        }
    }
}

impl AccountChange {
    /// Makes the changes; the PIN's hash comes from [`Admin::check_change`].
    pub(super) fn apply(self, record: &mut AccountRecord, pin_hash: Option<String>) {
        let account = &mut record.account;
        account.limits = self.limits.of(account.limits);
        if let Some(countries) = self.source_countries {
            account.source_countries = countries;
        }
        if let Some(countries) = self.destination_countries {
            account.destination_countries = countries;
        }
        if let Some(policy) = self.policy {
            account.policy = Some(policy.as_str()).filter(|name| !name.is_empty()).into();
        }
        if let Some(email) = self.email_address {
            record.email_address = email;
        }
        if self.pin.is_some() {
            account.has_pin = pin_hash.is_some();
            record.pin_hash = pin_hash;
        }
    }
}

impl Admin {
    /// Checks what is to be changed; the hash of the PIN, where there is one.
    pub(super) async fn check_change(
        &self,
        caller: &Principal,
        id: &AccountId,
        change: &AccountChange,
    ) -> Result<Option<String>, AdminError> {
        change.limits.check()?;
        if let Some(email) = change
            .email_address
            .as_deref()
            .filter(|email| !email.is_empty())
            && !looks_like_email(email)
        {
            return Err(AdminError::field(
                "account.email_address",
                "must be an address such as noc@example.com",
            ));
        }
        if let Some(policy) = change.policy.as_deref().filter(|policy| !policy.is_empty()) {
            let snapshot = self.state.snapshot.load();
            let known = snapshot
                .policies
                .get(id.domain(), policy)
                .or_else(|| snapshot.policies.get("", policy));
            let Some(known) = known else {
                return Err(AdminError::field(
                    "account.policy",
                    format!(
                        "there is no policy {policy:?} of {} and no general one",
                        id.domain()
                    ),
                ));
            };
            let resident = self.state.accounts.get(id);
            let named = resident
                .as_deref()
                .and_then(|resident| resident.account.policy.as_deref());
            if named != Some(policy) {
                self.may_name(caller, known)?;
            }
        }
        if change.policy.as_deref() == Some("") {
            let resident = self.state.accounts.get(id);
            let named = resident
                .as_deref()
                .and_then(|resident| resident.account.policy.as_deref());
            let (to, from) = (self.policy_of(id, None), self.policy_of(id, named));
            self.may_fall_back(caller, &to, &from, "account.policy: ")?;
        }
        match change.pin.as_deref() {
            None | Some("") => Ok(None),
            Some(pin) => {
                let least = self.least_pin_digits(id, change.policy.as_deref());
                let hash = hash_new_pin(pin, least, id.username(), "account.pin").await;
                hash.map(Some)
            }
        }
    }
}

impl Admin {
    /// How many digits a PIN of an account has at the least, once it is under the policy that is named.
    fn least_pin_digits(&self, id: &AccountId, named: Option<&str>) -> u32 {
        let present = self.state.accounts.get(id);
        let present = present.as_deref();
        let named = named.or_else(|| present?.account.policy.as_deref());
        let policy = self.policy_of(id, named);
        policy.document.verification.min_pin_digits
    }
}

/// Checks a new PIN, of an account or (without a username) of a policy, and hashes it.
pub(in crate::admin) async fn hash_new_pin(
    pin: &str,
    least: u32,
    username: &str,
    field: &str,
) -> Result<String, AdminError> {
    check_pin(pin, least as usize, username)
        .map_err(|problem| AdminError::field(field, problem))?;
    hash_pin(pin.to_owned())
        .await
        .map_err(|error| AdminError::Precondition(format!("the PIN could not be hashed: {error}")))
}

fn looks_like_email(text: &str) -> bool {
    let printable =
        text.len() <= MAX_EMAIL && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    printable
        && text
            .split_once('@')
            .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !host.contains('@'))
}
