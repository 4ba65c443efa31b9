//! LearnService.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use tfps_engine::number::E164;
use tfps_proto::v1::{
    LearnRequest, LearnResponse,
    learn_request::Lesson,
    learn_service_server::LearnService,
    outcome, {self},
};
use tonic::{Request, Response, Status};

use super::{caller, convert, status, uninterrupted};
use crate::{
    auth::{Permission, Principal},
    journal::Progress,
    learn::{CallProgress, GivenLimits, Learner, Subject},
};

/// No call lasts longer: what claims to is a switch's mistake.
const LONGEST_CALL: Duration = Duration::from_secs(30 * 86_400);

/// The longest id, in characters.
const MAX_ID: usize = 64;

/// LearnService.
#[derive(Clone)]
pub struct LearnRpc(Arc<Learner>);

impl LearnRpc {
    /// Teaches this learner.
    pub fn new(learner: Arc<Learner>) -> Self {
        Self(learner)
    }
}

#[tonic::async_trait]
impl LearnService for LearnRpc {
    async fn learn(
        &self,
        request: Request<LearnRequest>,
    ) -> Result<Response<LearnResponse>, Status> {
        let caller = caller(&request)?;
        let learner = Arc::clone(&self.0);
        let lesson = request
            .into_inner()
            .lesson
            .ok_or_else(|| status::missing("lesson"))?;
        let changes = match lesson {
            Lesson::Call(call) => {
                caller.require(Permission::Decide)?;
                learner.call(&caller, &progress(call)?)?
            }
            Lesson::Limits(limits) => {
                caller.require(Permission::Decide)?;
                uninterrupted(async move { learn_limits(&learner, &caller, limits).await }).await?
            }
            Lesson::Outcome(outcome) => {
                uninterrupted(async move { learn_outcome(&learner, &caller, outcome).await })
                    .await?
            }
        };
        Ok(Response::new(LearnResponse { changes }))
    }
}

async fn learn_limits(
    learner: &Learner,
    caller: &Principal,
    limits: v1::CallerLimits,
) -> Result<Vec<String>, Status> {
    let account = convert::account_id("limits.account", limits.account)?;
    convert::bounded("limits.verification_id", &limits.verification_id, MAX_ID)?;
    if limits.verification_id.is_empty() {
        return Err(status::missing("limits.verification_id"));
    }
    let given = GivenLimits {
        concurrent_calls: at_least_one("limits.concurrent_calls", limits.concurrent_calls)?,
        daily_quota: at_least_one("limits.daily_quota", limits.daily_quota)?,
    };
    Ok(learner
        .limits(caller, &account, &limits.verification_id, given)
        .await?)
}

fn at_least_one(field: &str, limit: u32) -> Result<NonZeroU32, Status> {
    NonZeroU32::new(limit)
        .ok_or_else(|| status::invalid(field, "must be at least 1: 0 would let no call pass"))
}

async fn learn_outcome(
    learner: &Learner,
    caller: &Principal,
    outcome: v1::Outcome,
) -> Result<Vec<String>, Status> {
    let fraud = match v1::OutcomeKind::try_from(outcome.kind) {
        Ok(v1::OutcomeKind::ConfirmedFraud) => true,
        Ok(v1::OutcomeKind::FalsePositive) => false,
        Ok(v1::OutcomeKind::Unspecified) => return Err(status::missing("outcome.kind")),
        Err(_) => {
            return Err(status::invalid(
                "outcome.kind",
                "is none; confirmed fraud and false positive are",
            ));
        }
    };
    let subject = match outcome
        .subject
        .ok_or_else(|| status::missing("outcome.subject"))?
    {
        outcome::Subject::DecisionId(id) if id.is_empty() => {
            return Err(status::missing("outcome.decision_id"));
        }
        outcome::Subject::DecisionId(id) => {
            convert::bounded("outcome.decision_id", &id, MAX_ID)?;
            Subject::Decision(id)
        }
        outcome::Subject::Number(number) => Subject::Number(
            E164::from_digits(number.strip_prefix('+').unwrap_or(&number))
                .map_err(|error| status::invalid("outcome.number", error))?,
        ),
    };
    Ok(learner
        .outcome(caller, subject, fraud, &outcome.note)
        .await?)
}

fn progress(call: v1::CallProgress) -> Result<CallProgress, Status> {
    let progress = match v1::CallEvent::try_from(call.event) {
        Ok(v1::CallEvent::Started) => Progress::Started,
        Ok(v1::CallEvent::Answered) => Progress::Answered,
        Ok(v1::CallEvent::Ended) => Progress::Ended,
        Ok(v1::CallEvent::Unspecified) => return Err(status::missing("call.event")),
        Err(_) => {
            return Err(status::invalid(
                "call.event",
                "is none; started, answered and ended are",
            ));
        }
    };
    let duration = match call.duration {
        None => None,
        told => Some(convert::duration("call.duration", told, LONGEST_CALL)?),
    };
    if call.cause > 127 {
        return Err(status::invalid(
            "call.cause",
            "must be a Q.850 cause, 1 to 127, or 0",
        ));
    }
    Ok(CallProgress {
        account: convert::account_id("call.account", call.account)?,
        decision: convert::decision_id("call.decision_id", &call.decision_id)?,
        call_id: call.call_id,
        attempt_key: call.attempt_key,
        progress,
        at: convert::moment("call.at", call.at)?,
        duration,
        cause: call.cause,
    })
}
