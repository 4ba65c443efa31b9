//! `agi://host/hangup`: the end of a call, from the extension `h`.

use tfps_client::{
    instances::Kept,
    v1::{AccountKey, CallEvent, CallProgress},
};
use tracing::{debug, warn};

use super::{Bridge, Call};
use crate::agi::{AgiError, Environment};

/// No call lasts longer: 30 days, in seconds.
const LONGEST_CALL: i64 = 30 * 86_400;
/// The highest Q.850 cause.
const HIGHEST_CAUSE: u32 = 127;

/// Reports the end of a call that was allowed.
///
/// # Errors
/// [`AgiError`]
pub(super) async fn run(
    bridge: &Bridge,
    call: &mut Call,
    environment: &Environment,
) -> Result<(), AgiError> {
    // The end is told here: the manager interface need not.
    if let Some(calls) = &bridge.calls {
        calls.end(environment.get("uniqueid").unwrap_or_default());
    }
    let [
        verdict,
        username,
        domain,
        call_id,
        decision_id,
        answered,
        cause,
    ] = call
        .evaluate([
            "${TFPS_VERDICT}",
            "${TFPS_USERNAME}",
            "${TFPS_DOMAIN}",
            "${TFPS_CALL_ID}",
            "${TFPS_DECISION}",
            "${ANSWEREDTIME}",
            "${HANGUPCAUSE}",
        ])
        .await?;
    if verdict != "ALLOW" {
        debug!(
            verdict,
            "a call that was not allowed ends: nobody needs to know"
        );
        return Ok(());
    }
    let progress = CallProgress {
        account: Some(AccountKey { username, domain }),
        call_id,
        event: CallEvent::Ended.into(),
        at: None,
        duration: Some(prost_types::Duration {
            seconds: answered.parse().unwrap_or(0).clamp(0, LONGEST_CALL),
            nanos: 0,
        }),
        cause: cause
            .parse()
            .ok()
            .filter(|cause| *cause <= HIGHEST_CAUSE)
            .unwrap_or(0),
        decision_id,
        ..CallProgress::default()
    };
    match bridge.backlog.report(&bridge.instances, progress).await {
        Ok(Kept::Told) => {}
        Ok(Kept::Waits) => debug!("a call's end waits for a server"),
        Ok(Kept::Full) => warn!("a call's end is lost: too many wait for a server"),
        Err(error) => warn!(%error, "a call's end is refused"),
    }
    Ok(())
}
