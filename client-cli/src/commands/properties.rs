//! What can be set about an account: the options of `create` and `set`.

use std::{fs, path::PathBuf};

use clap::Args;
use tfps_client::v1::{Account, Limits};

use super::account::Who;
use crate::{country::Countries, failure::Failure};

/// What can be set about an account.
#[derive(Debug, Args)]
pub struct Properties {
    /// Calls at once in business hours
    #[arg(long, value_name = "N")]
    concurrent_calls: Option<u32>,
    /// Calls at once off hours
    #[arg(long, value_name = "N")]
    concurrent_calls_off: Option<u32>,
    /// Allowed calls a day in business hours
    #[arg(long, value_name = "N")]
    quota: Option<u32>,
    /// Allowed calls a day off hours
    #[arg(long, value_name = "N")]
    quota_off: Option<u32>,
    /// Where its calls may come from, as in US,GB; with set also +FR,-US to add and remove
    #[arg(long, value_name = "COUNTRIES", allow_hyphen_values = true)]
    source_countries: Option<Countries>,
    /// Where its calls may go, as in US,GB; with set also +FR,-US to add and remove
    #[arg(long, value_name = "COUNTRIES", allow_hyphen_values = true)]
    destination_countries: Option<Countries>,
    /// The policy it is under
    #[arg(long, value_name = "NAME")]
    policy: Option<String>,
    /// Where its notices go
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// The file that holds its PIN, 4 to 16 digits
    #[arg(long, value_name = "FILE")]
    pin_file: Option<PathBuf>,
}

/// New values, and the paths of the fields that hold them.
pub struct Changes {
    /// Named, with the new values.
    pub account: Account,
    /// The fields that have one.
    pub paths: Vec<String>,
}

impl Properties {
    /// Whether the present countries must be known.
    pub fn change_countries(&self) -> bool {
        [&self.source_countries, &self.destination_countries]
            .into_iter()
            .flatten()
            .any(Countries::is_change)
    }

    /// The fields that are given, of an account that is `present`ly so.
    ///
    /// # Errors
    ///
    /// When the PIN can't be read.
    pub fn changes(&self, who: &Who, present: &Account) -> Result<Changes, Failure> {
        let mut paths = Vec::new();
        let mut set = |path: &str, given: bool| {
            if given {
                paths.push(path.to_owned());
            }
        };
        set("limits.concurrent_calls", self.concurrent_calls.is_some());
        set(
            "limits.concurrent_calls_off_hours",
            self.concurrent_calls_off.is_some(),
        );
        set("limits.daily_quota", self.quota.is_some());
        set("limits.daily_quota_off_hours", self.quota_off.is_some());
        set("source_countries", self.source_countries.is_some());
        set(
            "destination_countries",
            self.destination_countries.is_some(),
        );
        set("policy", self.policy.is_some());
        set("email_address", self.email.is_some());
        set("pin", self.pin_file.is_some());
        let countries = |given: &Option<Countries>, present: &[String]| {
            given
                .as_ref()
                .map(|countries| countries.apply(present))
                .unwrap_or_default()
        };
        let limits = Limits {
            concurrent_calls: self.concurrent_calls,
            concurrent_calls_off_hours: self.concurrent_calls_off,
            daily_quota: self.quota,
            daily_quota_off_hours: self.quota_off,
        };
        let account = Account {
            limits: (limits != Limits::default()).then_some(limits),
            source_countries: countries(&self.source_countries, &present.source_countries),
            destination_countries: countries(
                &self.destination_countries,
                &present.destination_countries,
            ),
            policy: self.policy.clone().unwrap_or_default(),
            email_address: self.email.clone().unwrap_or_default(),
            pin: self
                .pin_file
                .as_ref()
                .map(read_pin)
                .transpose()?
                .unwrap_or_default(),
            etag: if self.change_countries() {
                present.etag.clone()
            } else {
                String::new()
            },
            ..super::account::named(who)
        };
        Ok(Changes { account, paths })
    }
}

fn read_pin(path: &PathBuf) -> Result<String, Failure> {
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::usage(format!(
            "cannot read the PIN file {}: {error}",
            path.display()
        ))
    })?;
    let pin = text.trim();
    if (4..=16).contains(&pin.len()) && pin.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(pin.to_owned())
    } else {
        Err(Failure::usage(format!(
            "the PIN in {} is not 4 to 16 digits",
            path.display()
        )))
    }
}
