//! `learn`

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use tfps_client::v1::{
    CallEvent, CallProgress, CallerLimits, LearnRequest, Outcome, OutcomeKind,
    learn_request::Lesson, outcome::Subject,
};

use super::{account::Who, one};
use crate::{
    failure::{Doing, Exit, Failure},
    output::Facts,
    session::Session,
    time,
};

/// `learn`
#[derive(Debug, Subcommand)]
pub enum LearnCommand {
    /// A call is being set up: it holds one of the account's slots
    CallStarted(CallArgs),
    /// A call was answered
    CallAnswered(CallArgs),
    /// A call is over, answered or not: its slot is free
    CallEnded(EndArgs),
    /// How many calls a caller needs who has just passed a verification that asks for it
    Limits(LimitsArgs),
    /// A decision let fraud through, or a number is fraudulent
    Fraud(OutcomeArgs),
    /// A decision stopped an honest call, or a number is honest
    FalsePositive(OutcomeArgs),
}

/// Which call.
#[derive(Debug, Args)]
pub struct CallArgs {
    #[command(flatten)]
    who: Who,
    /// The Call-ID that Check was asked with; of several calls with it, the oldest that this can be about
    call_id: String,
    /// The decision that allowed it
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    decision: String,
}

/// `learn call-ended`
#[derive(Debug, Args)]
pub struct EndArgs {
    #[command(flatten)]
    call: CallArgs,
    /// How long it was answered, as in 63s or 1m3s; without it, as long as since `call-answered`
    #[arg(long, value_parser = time::span)]
    duration: Option<Duration>,
    /// The Q.850 cause, as in 16
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=127), default_value_t = 0, hide_default_value = true)]
    cause: u32,
}

/// `learn limits`
#[derive(Debug, Args)]
pub struct LimitsArgs {
    #[command(flatten)]
    who: Who,
    /// The id of the verification, as `verify` told it
    #[arg(long, value_name = "ID")]
    verification: String,
    /// Calls at once in business hours
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    concurrent_calls: u32,
    /// Calls a day in business hours
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    quota: u32,
}

/// What turned out, and of what.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").args(["number", "decision"]).required(true))]
pub struct OutcomeArgs {
    /// A number in E.164
    number: Option<String>,
    /// A decision's id
    #[arg(long, value_name = "ID")]
    decision: Option<String>,
    /// Why, for who wonders later
    #[arg(long, default_value = "", hide_default_value = true)]
    note: String,
}

/// Gives the lesson, and says what it changed.
///
/// # Errors
///
/// When the call, decision or number is not known, or the server does not answer.
pub async fn run(command: LearnCommand, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let lesson = match command {
        LearnCommand::CallStarted(call) => Lesson::Call(progress(&call, CallEvent::Started)),
        LearnCommand::CallAnswered(call) => Lesson::Call(progress(&call, CallEvent::Answered)),
        LearnCommand::CallEnded(EndArgs {
            call,
            duration,
            cause,
        }) => {
            let duration = duration.and_then(|span| prost_types::Duration::try_from(span).ok());
            Lesson::Call(CallProgress {
                duration,
                cause,
                ..progress(&call, CallEvent::Ended)
            })
        }
        LearnCommand::Limits(args) => Lesson::Limits(CallerLimits {
            account: Some(args.who.key()),
            verification_id: args.verification,
            concurrent_calls: args.concurrent_calls,
            daily_quota: args.quota,
        }),
        LearnCommand::Fraud(args) => Lesson::Outcome(outcome(args, OutcomeKind::ConfirmedFraud)),
        LearnCommand::FalsePositive(args) => {
            Lesson::Outcome(outcome(args, OutcomeKind::FalsePositive))
        }
    };
    let answer = session
        .client
        .learn(LearnRequest {
            lesson: Some(lesson),
        })
        .await
        .doing("cannot learn this")?;
    if answer.changes.is_empty() {
        session.console.say("learned; nothing had to change");
    }
    for change in &answer.changes {
        session.console.say(&format!("learned: {change}"));
    }
    one(&answer, &Facts::default(), session.console)
}

fn progress(
    CallArgs {
        who,
        call_id,
        decision,
    }: &CallArgs,
    event: CallEvent,
) -> CallProgress {
    CallProgress {
        account: Some(who.key()),
        call_id: call_id.clone(),
        decision_id: decision.clone(),
        event: event.into(),
        ..Default::default()
    }
}

fn outcome(args: OutcomeArgs, kind: OutcomeKind) -> Outcome {
    let subject = args
        .decision
        .map(Subject::DecisionId)
        .or(args.number.map(Subject::Number));
    Outcome {
        subject,
        kind: kind.into(),
        note: args.note,
    }
}
