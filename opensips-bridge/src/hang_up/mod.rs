//! Calls in progress that are to end are ended: the switch's management interface is asked to.

mod heard;
mod mi;

pub(crate) use heard::Heard;
pub(crate) use mi::Mi;

use std::sync::Arc;

use tfps_client::{
    instances::{Backlog, HangUps, Instances},
    v1::{AccountKey, CallEvent, CallProgress, HangUp},
};
use tokio::sync::Semaphore;
use tracing::{debug, info, warn};

use crate::telemetry::{CauseLabel, Metrics};
use mi::Answer;

/// How many calls are ended at once.
const AT_ONCE: usize = 16;

/// Ends calls.
#[derive(Debug)]
pub(crate) struct Ender {
    /// The switches; one of them has the call.
    pub(crate) switches: Vec<Mi>,
    /// The calls that switches told this bridge of.
    pub(crate) heard: Arc<Heard>,
    pub(crate) servers: Arc<Instances>,
    pub(crate) backlog: Backlog,
    pub(crate) metrics: Metrics,
}

impl Ender {
    /// Ends what it is told to, for ever.
    pub(crate) async fn run(self: Arc<Self>, mut orders: HangUps) {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        while let Some(order) = orders.next().await {
            // With every place taken, what is told meanwhile is told again.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let this = Arc::clone(&self);
            tokio::spawn(async move {
                this.end(&order).await;
                drop(place);
            });
        }
    }

    async fn end(&self, order: &HangUp) {
        let result = self.ask(&order.call_id).await;
        let account = order.account.clone().unwrap_or_default();
        let told = (&account.username, &account.domain, &order.call_id);
        match result {
            Answer::Ended => {
                info!(
                    call_id = told.2,
                    username = told.0,
                    domain = told.1,
                    reason = order.reason,
                    "a call was ended"
                );
            }
            Answer::Unknown if self.heard.has(&account, &order.call_id) => {
                warn!(
                    call_id = told.2,
                    username = told.0,
                    domain = told.1,
                    "a call that is to end is not there any more: its end was lost"
                );
                self.report_lost(account, order).await;
            }
            Answer::Unknown | Answer::Unseen => debug!(
                call_id = told.2,
                "a call that is to end is another switch's"
            ),
            Answer::Failed(_) => {}
        }
        let cause = result.as_str();
        self.metrics
            .hang_ups
            .get_or_create(&CauseLabel { cause })
            .inc();
    }

    /// Asks the switches, one after the other, until one has the call.
    async fn ask(&self, call_id: &str) -> Answer {
        let mut answer = Answer::Unknown;
        for switch in &self.switches {
            match switch.end(call_id).await {
                Answer::Ended => return Answer::Ended,
                Answer::Unknown => {}
                Answer::Unseen => {
                    if answer == Answer::Unknown {
                        answer = Answer::Unseen;
                    }
                }
                Answer::Failed(why) => {
                    warn!(
                        mi = switch.url(),
                        call_id, why, "a call that is to end could not be ended; it is tried again"
                    );
                    answer = Answer::Failed(why);
                }
            }
        }
        answer
    }

    /// A call that no switch knows has ended, when is not known; for nothing that was not told it is charged.
    async fn report_lost(&self, account: AccountKey, order: &HangUp) {
        let call_id = &order.call_id;
        self.heard.forget(&account, call_id);
        let progress = CallProgress {
            account: Some(account),
            call_id: call_id.clone(),
            decision_id: order.decision_id.clone(),
            event: CallEvent::Ended.into(),
            duration: Some(prost_types::Duration::default()),
            ..CallProgress::default()
        };
        if let Err(error) = self.backlog.report(&self.servers, progress).await {
            warn!(%error, call_id, "the end of a call could not be told");
        }
    }
}
