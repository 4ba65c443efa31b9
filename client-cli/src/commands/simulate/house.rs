//! The houses that calls are made in: their policies, accounts and what is known of fraud.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;
use tfps_engine::{
    account::Limits,
    call::AccountId,
    exposure::Rates,
    lists::{Action, Change, EntryKey, EntryValue, ListEntry, Lists},
    number::{Country, CountrySet},
    policy::{Policy, PolicyDocument},
    risk::{FULL_WEIGHT, KnownNumbers, Predictor},
    simulation::Simulation,
};

use super::SimulateArgs;
use crate::{
    commands::risk::{model, numbers},
    console::Console,
    document,
    failure::Failure,
};

/// A policy, and what it is called in the report.
pub(in crate::commands) struct Policed {
    pub(super) name: String,
    pub(in crate::commands) policy: Policy,
}

/// The policies in some files; that of an untouched installation where there is none.
///
/// # Errors
///
/// When one can't be read, or is no policy.
pub(in crate::commands) fn policies(files: &[PathBuf]) -> Result<Vec<Policed>, Failure> {
    if files.is_empty() {
        let document = PolicyDocument::default();
        return Ok(vec![policed("default, as installed", document)?]);
    }
    files
        .iter()
        .map(|path| {
            let file = path.display();
            let text = fs::read_to_string(path)
                .map_err(|error| Failure::usage(format!("cannot read {file}: {error}")))?;
            let document = document::of_engine(&text)
                .map_err(|error| Failure::usage(format!("cannot take {file}: {error}")))?;
            policed(&file.to_string(), document)
        })
        .collect()
}

fn policed(name: &str, document: PolicyDocument) -> Result<Policed, Failure> {
    let policy = Policy::compile(document)
        .map_err(|error| Failure::usage(format!("cannot take {name}: {error}")))?;
    Ok(Policed {
        name: name.to_owned(),
        policy,
    })
}

/// What is there besides the policy.
pub(super) struct Surroundings {
    accounts: Vec<Known>,
    lists: Arc<Lists>,
    predictor: Predictor,
}

/// An account as `list --output json` writes it.
#[derive(Deserialize)]
struct Written {
    username: String,
    domain: String,
    limits: Limits,
    #[serde(default)]
    source_countries: Vec<String>,
    #[serde(default)]
    destination_countries: Vec<String>,
    #[serde(default)]
    blocked: bool,
    #[serde(default)]
    block_reason: String,
}

/// An account with limits and countries of its own.
struct Known {
    id: AccountId,
    limits: Limits,
    source_countries: CountrySet,
    destination_countries: CountrySet,
    blocked: Option<String>,
}

impl TryFrom<Written> for Known {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written {
            username,
            domain,
            limits,
            source_countries,
            destination_countries,
            blocked,
            block_reason,
        } = written;
        let of = |why: String| format!("{username}@{domain}: {why}");
        let countries = |codes: &[String]| -> Result<CountrySet, String> {
            codes
                .iter()
                .map(|code| Country::from_code(code).map_err(|error| of(error.to_string())))
                .collect()
        };
        Ok(Self {
            id: AccountId::new(&username, &domain).map_err(|error| of(error.to_string()))?,
            limits,
            source_countries: countries(&source_countries)?,
            destination_countries: countries(&destination_countries)?,
            blocked: blocked.then_some(block_reason),
        })
    }
}

impl Surroundings {
    /// Reads what the command line names.
    ///
    /// # Errors
    ///
    /// When a file can't be read, or has something that is wrong.
    pub(super) fn read(args: &SimulateArgs, console: &mut Console) -> Result<Self, Failure> {
        let accounts = args.accounts.as_deref().map_or(Ok(Vec::new()), accounts)?;
        let numbers = match &args.known {
            Some(file) => numbers::read(file, console)?,
            None => Vec::new(),
        };
        let source = "simulation".into();
        let reason = "known fraud".into();
        let listed = numbers.iter().map(|number| {
            Change::Put(ListEntry {
                key: EntryKey {
                    domain: Box::default(),
                    value: EntryValue::Number(*number),
                    source: Arc::clone(&source),
                },
                action: Action::Block,
                reason: Arc::clone(&reason),
                listed_at: 0,
                expires_at: None,
            })
        });
        let lists = Lists::default()
            .with(listed)
            .map_err(|error| Failure::usage(error.to_string()))?;
        let known = KnownNumbers::new(numbers.iter().map(|number| (*number, FULL_WEIGHT)));
        Ok(Self {
            accounts,
            lists: Arc::new(lists),
            predictor: Predictor {
                model: Arc::new(model::read(args.model.as_deref())?),
                known: Arc::new(known),
                cleared: Arc::default(),
            },
        })
    }

    /// A house under a policy.
    pub(super) fn house(&self, policy: Policy, rates: Arc<Rates>) -> Simulation {
        let (lists, predictor) = (Arc::clone(&self.lists), self.predictor.clone());
        let mut house = Simulation::new(policy, lists, predictor, rates);
        for known in &self.accounts {
            let account = house.account(&known.id);
            account.limits = known.limits;
            account.source_countries = known.source_countries;
            account.destination_countries = known.destination_countries;
            account.blocked = known.blocked.as_deref().into();
        }
        house
    }
}

fn accounts(path: &Path) -> Result<Vec<Known>, Failure> {
    let file = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read {file}: {error}")))?;
    let written: Vec<Written> = serde_json::from_str(&text).map_err(|error| {
        Failure::usage(format!("{file} has no list of accounts: {error}"))
            .hint("`tfpsctl list --output json` writes one")
    })?;
    written
        .into_iter()
        .map(|written| {
            Known::try_from(written).map_err(|why| Failure::usage(format!("{file}: {why}")))
        })
        .collect()
}
