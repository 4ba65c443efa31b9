//! `agi://host/check`: asks about a call, and tells the dialplan.

use std::{sync::Arc, time::Instant};

use tfps_client::{
    instances::{Cause, Unanswered},
    v1::{CallEvent, CheckRequest, Verdict},
};
use tfps_engine::{decision::Verdict as Fallback, fallback::DestinationClass};
use tracing::{debug, warn};

use super::{Bridge, Call};
use crate::{
    agi::{AgiError, Environment},
    ami::{self, Followed},
    channel::{self, Decision, Origin},
    telemetry::CauseLabel,
};

/// Asks, and sets `TFPS_VERDICT` and its siblings.
///
/// # Errors
/// [`AgiError`]
pub(super) async fn run(
    bridge: &Bridge,
    call: &mut Call,
    environment: &Environment,
) -> Result<(), AgiError> {
    let asked = super::attempt(bridge, call, environment, Origin::Caller).await?;
    decide(bridge, call, environment, asked).await?;
    Ok(())
}

/// Has a call decided, and tells the dialplan.
///
/// # Errors
/// [`AgiError`]
pub(super) async fn decide(
    bridge: &Bridge,
    call: &mut Call,
    environment: &Environment,
    asked: CheckRequest,
) -> Result<Decision, AgiError> {
    let decision = ask(bridge, &asked).await;
    channel::tell(call, &asked, &decision).await?;
    if let Decision::Made(made) = &decision
        && decision.verdict() == "ALLOW"
    {
        follow(bridge, environment, asked, &made.decision_id);
    }
    Ok(decision)
}

/// Follows a call that was allowed to its end; the servers are told beside it.
fn follow(bridge: &Bridge, environment: &Environment, asked: CheckRequest, decision_id: &str) {
    let Some(calls) = &bridge.calls else {
        return;
    };
    let call = Followed {
        channel: environment.get("channel").unwrap_or_default().to_owned(),
        account: asked.account.unwrap_or_default(),
        call_id: asked.call_id,
        decision_id: decision_id.to_owned(),
        answered: None,
    };
    let started = ami::progress(&call, CallEvent::Started, None, 0);
    if calls.follow(environment.get("uniqueid").unwrap_or_default(), call) {
        let (backlog, servers) = (bridge.backlog.clone(), Arc::clone(&bridge.instances));
        tokio::spawn(async move {
            if let Err(error) = backlog.report(&servers, started).await {
                warn!(%error, "a call's start is refused");
            }
        });
    }
}

async fn ask(bridge: &Bridge, asked: &CheckRequest) -> Decision {
    let started = Instant::now();
    match bridge.instances.check(asked.clone()).await {
        Ok(made) => {
            bridge.metrics.answered(made.verdict(), started.elapsed());
            debug!(code = made.code, decision = made.decision_id, "decided");
            Decision::Made(Box::new(made))
        }
        Err(Unanswered::Refused { field, why }) => {
            bridge.metrics.answered(Verdict::Deny, started.elapsed());
            warn!(field, why, "a check is refused: the call is denied (R12)");
            Decision::Refused(format!("{field} {why}"))
        }
        Err(Unanswered::Forbidden(why)) => {
            unavailable(bridge, "forbidden");
            warn!(
                why,
                "the bridge's token is not for this account's domain: the call is denied"
            );
            let (_, class) = bridge.config.on_unavailable.verdict(&asked.dialed_number);
            // The domain may be the caller's word.
            if class == DestinationClass::Emergency {
                Decision::Fallback {
                    passes: true,
                    why: format!("{why}; an emergency number always passes"),
                }
            } else {
                Decision::Refused(why)
            }
        }
        Err(Unanswered::Unavailable(cause)) => {
            unavailable(bridge, cause.as_str());
            without_decision(bridge, cause, &asked.dialed_number)
        }
    }
}

/// What becomes of a call that no server decides: what on_unavailable lets pass is the dialplan's to decide. A challenge can't be
/// passed without a server, and so is a denial.
fn without_decision(bridge: &Bridge, cause: Cause, dialed: &str) -> Decision {
    let (verdict, class) = bridge.config.on_unavailable.verdict(dialed);
    let why = format!("no server decides: {}", cause.as_str());
    match (class, verdict) {
        (DestinationClass::Emergency, _) => Decision::Fallback {
            passes: true,
            why: format!("{why}; an emergency number always passes"),
        },
        (_, Fallback::Allow) => Decision::Unavailable(why),
        (class, Fallback::Deny | Fallback::Challenge) => Decision::Fallback {
            passes: false,
            why: format!("{why}; denied by on_unavailable.{}", class.as_str()),
        },
    }
}

fn unavailable(bridge: &Bridge, cause: &'static str) {
    let label = CauseLabel { cause };
    bridge.metrics.unavailable.get_or_create(&label).inc();
}
