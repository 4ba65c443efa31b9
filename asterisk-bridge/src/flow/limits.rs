//! A caller says how many calls he needs.

use tfps_client::{
    Client,
    v1::{
        CallerLimits, LearnRequest, LimitsAsked, StartVerificationResponse, learn_request::Lesson,
    },
};
use tracing::{info, warn};

use crate::{
    agi::AgiError,
    voice::{Prompt, Voice},
};

/// Asks for them, up to the policy's most; reads them back, and has them learned. Who says nothing keeps what he has.
///
/// # Errors
/// [`AgiError`]
pub(super) async fn ask(
    client: &Client,
    voice: &mut Voice<'_>,
    opened: &StartVerificationResponse,
    most: &LimitsAsked,
) -> Result<(), AgiError> {
    let Some(concurrent) = number(voice, Prompt::LimitsConcurrent, 1).await? else {
        return voice.tell(Prompt::LimitsUnchanged).await;
    };
    let Some(daily) = number(voice, Prompt::LimitsDaily, 2).await? else {
        return voice.tell(Prompt::LimitsUnchanged).await;
    };
    let limits = CallerLimits {
        account: opened.account.clone(),
        verification_id: opened.verification_id.clone(),
        concurrent_calls: concurrent.min(most.max_concurrent_calls),
        daily_quota: daily.min(most.max_daily_quota),
    };
    if (limits.concurrent_calls, limits.daily_quota) != (concurrent, daily) {
        voice.tell(Prompt::LimitsMost).await?;
    }
    let (concurrent, daily) = (limits.concurrent_calls, limits.daily_quota);
    let lesson = LearnRequest {
        lesson: Some(Lesson::Limits(limits)),
    };
    // Learned before it is read back: who has heard enough and hangs up has his limits.
    match client.learn(lesson).await {
        Ok(learned) => {
            info!(
                changes = learned.changes.join("; "),
                "a caller's limits are learned"
            );
            voice
                .tell_number(Prompt::LimitsAreConcurrent, concurrent)
                .await?;
            voice.tell_number(Prompt::LimitsAreDaily, daily).await?;
            voice.tell(Prompt::LimitsLearned).await
        }
        Err(error) => {
            warn!(%error, "a caller's limits are not learned");
            voice.tell(Prompt::LimitsUnchanged).await
        }
    }
}

/// A number that is not zero, asked for twice; none where neither is one.
async fn number(
    voice: &mut Voice<'_>,
    prompt: Prompt,
    digits: u8,
) -> Result<Option<u32>, AgiError> {
    for again in [false, true] {
        if again {
            voice.tell(Prompt::NothingTyped).await?;
        }
        let typed = voice.ask(prompt, digits).await?;
        if let Ok(number @ 1..) = typed.parse() {
            return Ok(Some(number));
        }
    }
    Ok(None)
}
