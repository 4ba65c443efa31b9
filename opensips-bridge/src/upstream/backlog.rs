//! Calls' starts and ends that no server could be told yet. They are told in the order in which they came.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tfps_client::v1::CallProgress;
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use super::{NoDecision, Servers};
use crate::{
    request::call::event_name,
    telemetry::{CallLabel, Metrics},
};

/// The pause after a server could not be told.
const PAUSE: Duration = Duration::from_millis(200);

/// The events that wait.
#[derive(Clone, Debug)]
pub(crate) struct Backlog {
    waiting: Arc<Mutex<VecDeque<CallProgress>>>,
    came: Arc<Notify>,
    most: usize,
    metrics: Metrics,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// A server knows it.
    Told,
    /// A server will.
    Waits,
    /// There is no room.
    Full,
}

impl Backlog {
    /// Begins to tell the servers what waits.
    pub(crate) fn start(servers: Arc<Servers>, most: usize, metrics: &Metrics) -> Self {
        let own = Self {
            waiting: Arc::default(),
            came: Arc::default(),
            most,
            metrics: metrics.clone(),
        };
        tokio::spawn(own.clone().tell(servers));
        own
    }

    /// Tells a server, or keeps the event for later. What waits already comes first.
    ///
    /// # Errors
    /// What the server finds wrong.
    pub(crate) async fn report(
        &self,
        servers: &Servers,
        call: CallProgress,
    ) -> Result<Kept, NoDecision> {
        let event = event_name(&call);
        if self.is_empty() {
            // Told twice is as good as told once.
            match timeout(servers.deadline(), servers.learn(call.clone())).await {
                Ok(Ok(())) => {
                    self.count(event, "told");
                    return Ok(Kept::Told);
                }
                Err(_) | Ok(Err(NoDecision::Unavailable(_))) => {}
                Ok(Err(refused)) => {
                    self.count(event, "refused");
                    return Err(refused);
                }
            }
        }
        let mut waiting = self.lock();
        if waiting.len() >= self.most {
            self.count(event, "dropped");
            return Ok(Kept::Full);
        }
        waiting.push_back(call);
        self.metrics.waiting.inc();
        self.came.notify_one();
        Ok(Kept::Waits)
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    async fn tell(self, servers: Arc<Servers>) {
        loop {
            let first = self.lock().front().cloned();
            let Some(call) = first else {
                self.came.notified().await;
                continue;
            };
            let event = event_name(&call);
            match servers.learn(call).await {
                Err(NoDecision::Unavailable(_)) => {
                    sleep(PAUSE).await;
                    continue;
                }
                Ok(()) => self.count(event, "told"),
                Err(_) => self.count(event, "refused"),
            }
            self.lock().pop_front();
            self.metrics.waiting.dec();
        }
    }

    fn count(&self, event: &'static str, result: &'static str) {
        self.metrics
            .calls
            .get_or_create(&CallLabel { event, result })
            .inc();
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<CallProgress>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
