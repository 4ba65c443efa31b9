//! `simulate`

use std::{fs, path::PathBuf, sync::Arc};

use clap::Args;
use tfps_engine::{
    exposure::{self, Rates},
    simulation::{SimulatedCall, Simulation, Tally},
};

use self::{
    calls::Calls,
    house::{Policed, Surroundings},
    report::{Report, Run},
};
use crate::{
    console::{Console, Unit},
    failure::{Exit, Failure},
};

pub(super) mod calls;
pub(super) mod house;
mod page;
mod plot;
mod report;
mod screen;

/// `simulate`
#[derive(Debug, Args)]
#[command(
    after_help = "The calls have a header with the columns of `check --file`, of which time is required here; duration, \
        source_country and fraud (yes, no, or empty) say what became of them. Who is not marked as fraud passes the challenges \
        that he meets, as people do; fraudsters do not.\n\n\
        Example: tfpsctl policy show default > now.toml; tfpsctl list --output json > accounts.json\n         \
        tfpsctl simulate calls.csv --policy now.toml --policy stricter.toml --accounts accounts.json --html report.html"
)]
pub struct SimulateArgs {
    /// The calls, a CSV file; `-` is standard input
    calls: PathBuf,
    /// The policy to make them under, a document as of `policy show`; twice: two side by side [default: an untouched installation's]
    #[arg(long = "policy", value_name = "FILE")]
    policies: Vec<PathBuf>,
    /// The accounts with their limits and countries, as of `list --output json`; others start as the policy's new ones
    #[arg(long, value_name = "FILE")]
    accounts: Option<PathBuf>,
    /// Calls of before, for what accounts usually do: what of them is marked as fraud is passed over
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// Known fraud numbers, one a line: they are on the block list, and teach the prediction
    #[arg(long, value_name = "FILE")]
    known: Option<PathBuf>,
    /// The model of the prediction; the one that comes with this version where none is named
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// What calls cost: a CSV file with the columns prefix and price (a minute)
    #[arg(long, value_name = "FILE")]
    rates: Option<PathBuf>,
    /// Where the report is written as a page with plots
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// What a wrong line of calls means for the whole.
const WRONG: &str = "nothing was simulated";
/// How many policies are compared.
const SIDE_BY_SIDE: usize = 2;
/// How many calls are made between two looks at the progress bar.
const STEP: usize = 1_000;

/// Makes the calls again and tells what came of them; needs no server.
///
/// # Errors
///
/// When a file can't be read or written, or has a line that is wrong.
pub fn run(args: &SimulateArgs, console: &mut Console) -> Result<Exit, Failure> {
    if args.policies.len() > SIDE_BY_SIDE {
        return Err(Failure::usage(format!(
            "{} policies are given; {SIDE_BY_SIDE} can be compared at once",
            args.policies.len()
        )));
    }
    let policies = house::policies(&args.policies)?;
    let surroundings = Surroundings::read(args, console)?;
    let rates = Arc::new(rates(args)?);
    let mut calls = Calls::read(&args.calls, WRONG)?;
    let mut history = match &args.history {
        Some(file) => Calls::read(file, WRONG)?,
        None => Calls::default(),
    };
    calls.say_what_is_missing(console);
    let steps = (history.calls.len() + calls.calls.len()) * policies.len();
    let bar = console.progress(Some(steps as u64), Unit::Rows);
    let mut runs = Vec::new();
    for Policed { name, policy } in policies {
        let home = policy.dial_plan.home_country();
        calls.come_from(home);
        history.come_from(home);
        let mut house = surroundings.house(policy, Arc::clone(&rates));
        for some in history.calls.chunks(STEP) {
            some.iter().for_each(|call| house.learn(call));
            bar.inc(some.len() as u64);
        }
        let mut tally = Tally::default();
        for some in calls.calls.chunks(STEP) {
            some.iter()
                .for_each(|call| make(call, &mut house, &mut tally, &rates));
            bar.inc(some.len() as u64);
        }
        house.finish();
        for cut in house.take_cuts() {
            tally.cut(&cut, house.policy());
        }
        runs.push(Run {
            name,
            zone: house.policy().document.time_zone.clone(),
            tally,
        });
    }
    bar.finish_and_clear();
    let report = Report::new(&calls.calls, runs, !rates.is_empty());
    if let Some(path) = &args.html {
        fs::write(path, page::page(&report).into_string())
            .map_err(|error| Failure::usage(format!("cannot write {}: {error}", path.display())))?;
        console.say(&format!("the report is in {}", path.display()));
    }
    screen::show(&report, console)?;
    Ok(Exit::Done)
}

fn make(call: &SimulatedCall, house: &mut Simulation, tally: &mut Tally, rates: &Rates) {
    let outcome = house.call(call);
    tally.add(call, &outcome, house.policy(), rates);
}

fn rates(args: &SimulateArgs) -> Result<Rates, Failure> {
    let Some(path) = &args.rates else {
        return Ok(Rates::default());
    };
    let file = path.display();
    let sheet = fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read {file}: {error}")))?;
    exposure::read(&sheet).map_err(|error| Failure {
        details: error.0,
        ..Failure::usage(format!("{file} is no rate sheet"))
    })
}
