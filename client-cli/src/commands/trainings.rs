//! `trainings list` `apply` `revert`

use clap::{Args, Subcommand};
use tfps_client::v1::{
    ApplyTrainingRequest, Limits, ListTrainingsRequest, RevertTrainingRequest, Training,
    TrainingState,
};

use super::name_of;
use crate::{
    failure::{Doing, Exit, Failure},
    output::{Column, Listing},
    reflection::{choice, choices},
    session::Session,
    time,
};

/// `trainings`
#[derive(Debug, Subcommand)]
pub enum TrainingsCommand {
    /// Lists what was suggested, applied and taken back, newest first
    List(ListArgs),
    /// Puts suggestions in force
    Apply(Which),
    /// Takes back what trainings changed; what others have changed since stays
    Revert(Which),
}

/// `trainings list`
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only this domain
    #[arg(long, default_value = "", hide_default_value = true)]
    domain: String,
    /// Only of this user
    #[arg(long, default_value = "", hide_default_value = true)]
    username: String,
    /// Only those that stand so
    #[arg(long, value_parser = choices::<TrainingState>())]
    state: Option<TrainingState>,
}

/// Which trainings.
#[derive(Debug, Args)]
pub struct Which {
    /// Their ids, as `trainings list` shows them
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
}

/// How many are fetched at once.
const PAGE: u32 = 1000;

pub(super) const COLUMNS: [Column<Training>; 7] = [
    Column::text("ID", |training| training.id.as_str().into()),
    Column::text("ACCOUNT", |training| {
        name_of(training.account.as_ref()).into()
    }),
    Column::text("STATE", |training| {
        if training.id.is_empty() {
            "".into()
        } else {
            choice::<TrainingState>(training.state).into()
        }
    }),
    Column::text("CALLS AT ONCE", |training| {
        change(training, |of| {
            (of.concurrent_calls(), of.concurrent_calls_off_hours())
        })
        .into()
    }),
    Column::text("QUOTA", |training| {
        change(training, |of| {
            (of.daily_quota(), of.daily_quota_off_hours())
        })
        .into()
    }),
    Column::text("COUNTRIES", |training| countries(training).into()),
    Column::text("NOT OPENED", |training| match training.left_out.len() {
        0 => "".into(),
        1 => training.left_out[0].as_str().into(),
        more => format!("{} (and {} more)", training.left_out[0], more - 1).into(),
    }),
];

/// Business and off hours, before and after: `2/1 > 5/1`; empty where nothing changes.
fn change(training: &Training, pair: fn(&Limits) -> (u32, u32)) -> String {
    let before = pair(&training.limits_before.unwrap_or_default());
    let after = pair(&training.limits_after.unwrap_or_default());
    if before == after {
        return String::new();
    }
    format!("{}/{} > {}/{}", before.0, before.1, after.0, after.1)
}

/// What is opened and closed: `to +GB -FR, from +CA`.
fn countries(training: &Training) -> String {
    let ways = [
        (
            "to",
            &training.destination_countries_before,
            &training.destination_countries_after,
        ),
        (
            "from",
            &training.source_countries_before,
            &training.source_countries_after,
        ),
    ];
    let ways = ways.into_iter().filter_map(|(way, before, after)| {
        let opened = after.iter().filter(|country| !before.contains(country));
        let closed = before.iter().filter(|country| !after.contains(country));
        let changes: Vec<String> = opened
            .map(|country| format!("+{country}"))
            .chain(closed.map(|country| format!("-{country}")))
            .collect();
        (!changes.is_empty()).then(|| format!("{way} {}", changes.join(" ")))
    });
    ways.collect::<Vec<_>>().join(", ")
}

/// Runs a command of the group.
///
/// # Errors
///
/// Whatever kept it from being done.
pub async fn run(command: TrainingsCommand, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match command {
        TrainingsCommand::List(args) => list(args, session).await,
        TrainingsCommand::Apply(which) => apply(which, session).await,
        TrainingsCommand::Revert(which) => revert(which, session).await,
    }
}

async fn list(args: ListArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let mut listing = Listing::new(&COLUMNS, session.console);
    let mut request = ListTrainingsRequest {
        page_size: PAGE,
        domain: args.domain,
        username: args.username,
        state: args.state.map_or(0, Into::into),
        ..Default::default()
    };
    loop {
        let page = session
            .client
            .list_trainings(request.clone())
            .await
            .doing("cannot list the trainings")?;
        listing.page(&page.trainings, session.console)?;
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    listing.finish("no trainings", session.console)?;
    Ok(Exit::Done)
}

async fn apply(which: Which, session: &mut Session<'_>) -> Result<Exit, Failure> {
    for id in which.ids {
        let answer = session
            .client
            .apply_training(ApplyTrainingRequest { id: id.clone() })
            .await
            .doing(format!("cannot apply training {id}"))
            .map_err(|failure| with_hint(failure, "suggested"))?;
        tell("applied", answer.training, session);
    }
    Ok(Exit::Done)
}

async fn revert(which: Which, session: &mut Session<'_>) -> Result<Exit, Failure> {
    for id in which.ids {
        let answer = session
            .client
            .revert_training(RevertTrainingRequest { id: id.clone() })
            .await
            .doing(format!("cannot take training {id} back"))
            .map_err(|failure| with_hint(failure, "applied"))?;
        tell("took back", answer.training, session);
    }
    Ok(Exit::Done)
}

fn with_hint(failure: Failure, state: &str) -> Failure {
    if failure.exit == Exit::NotFound {
        failure.hint(format!(
            "`tfpsctl trainings list --state {state}` shows them"
        ))
    } else {
        failure
    }
}

fn tell(done: &str, training: Option<Training>, session: &mut Session<'_>) {
    let training = training.unwrap_or_default();
    let account = name_of(training.account.as_ref());
    session.console.say(&format!("{done} {account}:"));
    for reason in training.reasons.iter().chain(&training.left_out) {
        session.console.say(&format!("  {reason}"));
    }
    if let Some(at) = &training.create_time {
        session
            .console
            .say(&format!("  learned {}", time::show(Some(at))));
    }
}
