//! `train`

use clap::Args;
use tfps_client::v1::{AccountKey, TrainAccountsRequest, TrainAccountsResponse, TrainingMode};

use super::{name_of, things, trainings::COLUMNS};
use crate::{
    console::Unit,
    failure::{Doing, Exit, Failure},
    output::Listing,
    session::Session,
};

/// `train`
#[derive(Debug, Args)]
#[command(
    after_help = "What comes out is suggested: `tfpsctl trainings apply ID` puts it in force, `tfpsctl trainings revert ID` takes that back. \
        A policy's `training` does it every night.\n\n\
        Example: tfpsctl train --dry-run; tfpsctl train alice example.com --apply"
)]
pub struct TrainArgs {
    /// The user part of one account; all accounts without it
    #[arg(requires = "of")]
    username: Option<String>,
    /// The account's domain
    #[arg(value_name = "DOMAIN", id = "of")]
    of: Option<String>,
    /// Only this domain's accounts
    #[arg(long, conflicts_with = "username")]
    domain: Option<String>,
    /// Tells what would come out and keeps nothing
    #[arg(long, conflicts_with = "apply")]
    dry_run: bool,
    /// Puts it in force at once
    #[arg(long)]
    apply: bool,
}

/// Trains accounts, and shows what comes out as it does.
///
/// # Errors
///
/// When there is no such account, or the server does not answer.
pub async fn run(args: TrainArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let one_account = args.username.is_some();
    let mode = if args.apply {
        TrainingMode::Apply
    } else {
        TrainingMode::Suggest
    };
    let request = TrainAccountsRequest {
        domain: args.of.or(args.domain).unwrap_or_default(),
        username: args.username.unwrap_or_default(),
        mode: mode.into(),
        dry_run: args.dry_run,
    };
    let mut answers = session
        .client
        .train_accounts(request)
        .await
        .doing("cannot train")?;
    let bar = session.console.progress(Some(0), Unit::Accounts);
    let mut listing = Listing::new(&COLUMNS, session.console);
    let mut last = TrainAccountsResponse::default();
    let mut proposed = 0;
    let (mut reasons, mut left_out) = (Vec::new(), Vec::new());
    while let Some(answer) = answers.next().await.doing("training stopped")? {
        bar.set_length(answer.total);
        bar.set_position(answer.done);
        if let Some(training) = &answer.training {
            proposed += 1;
            let training = std::slice::from_ref(training);
            bar.suspend(|| listing.page(training, session.console))?;
            reasons.clone_from(&training[0].reasons);
            left_out.extend(not_opened(
                training[0].account.as_ref(),
                &training[0].left_out,
            ));
        }
        if let Some(of) = &answer.left_out {
            left_out.extend(not_opened(of.account.as_ref(), &of.reasons));
        }
        last = answer;
    }
    bar.finish_and_clear();
    listing.finish("nothing to change", session.console)?;
    if one_account {
        for reason in reasons {
            session.console.say(&reason);
        }
    }
    for one in left_out {
        session.console.say(&one);
    }
    let summary = summary(&last, proposed, args.dry_run, args.apply);
    session.console.say(&summary);
    Ok(Exit::Done)
}

/// The countries that are not opened to an account, a line each.
fn not_opened<'a>(
    account: Option<&'a AccountKey>,
    reasons: &'a [String],
) -> impl Iterator<Item = String> + use<'a> {
    let name = name_of(account);
    reasons
        .iter()
        .map(move |reason| format!("{name}: {reason}"))
}

fn summary(last: &TrainAccountsResponse, proposed: u64, dry_run: bool, applied: bool) -> String {
    let course = match (dry_run, applied) {
        (true, _) => "would change",
        (false, true) => "changed",
        (false, false) => "suggested to change",
    };
    let parts = [
        (proposed, course),
        (last.fitting, "fit"),
        (last.too_young, "known for less than 14 days"),
        (last.blocked, "blocked"),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{} {what}", crate::output::count(number)))
        .collect();
    let all = things(last.done, "account", "accounts");
    if parts.is_empty() {
        return all;
    }
    format!("{all}: {}", parts.join(", "))
}
