//! Calls' starts and ends that no instance could be told yet. They are told in the order in which they came.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tfps_proto::v1::CallProgress;
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use super::{Instances, Observer, Unanswered, event_name};

/// The pause after an instance could not be told.
const PAUSE: Duration = Duration::from_millis(200);

/// The events that wait.
#[derive(Clone, Debug)]
pub struct Backlog {
    waiting: Arc<Mutex<VecDeque<CallProgress>>>,
    came: Arc<Notify>,
    most: usize,
    observer: Arc<dyn Observer>,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// An instance knows it.
    Told,
    /// An instance will.
    Waits,
    /// There is no room.
    Full,
}

impl Backlog {
    /// Begins to tell the instances what waits.
    pub fn start(instances: Arc<Instances>, most: usize, observer: &Arc<dyn Observer>) -> Self {
        let own = Self {
            waiting: Arc::default(),
            came: Arc::default(),
            most,
            observer: Arc::clone(observer),
        };
        tokio::spawn(own.clone().tell(instances));
        own
    }

    /// Tells an instance, or keeps the event for later. What waits already comes first.
    ///
    /// # Errors
    /// What the instance finds wrong.
    pub async fn report(
        &self,
        instances: &Instances,
        call: CallProgress,
    ) -> Result<Kept, Unanswered> {
        let event = event_name(&call);
        if self.is_empty() {
            // Told twice is as good as told once.
            match timeout(instances.deadline(), instances.learn(call.clone())).await {
                Ok(Ok(())) => {
                    self.count(event, "told");
                    return Ok(Kept::Told);
                }
                Err(_) | Ok(Err(Unanswered::Unavailable(_))) => {}
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
        self.observer.waiting(waiting.len());
        self.came.notify_one();
        Ok(Kept::Waits)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// How many events wait.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    async fn tell(self, instances: Arc<Instances>) {
        loop {
            let first = self.lock().front().cloned();
            let Some(call) = first else {
                self.came.notified().await;
                continue;
            };
            let event = event_name(&call);
            match instances.learn(call).await {
                Err(Unanswered::Unavailable(_)) => {
                    sleep(PAUSE).await;
                    continue;
                }
                Ok(()) => self.count(event, "told"),
                Err(_) => self.count(event, "refused"),
            }
            let mut waiting = self.lock();
            waiting.pop_front();
            self.observer.waiting(waiting.len());
        }
    }

    fn count(&self, event: &'static str, result: &'static str) {
        self.observer.reported(event, result);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<CallProgress>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
