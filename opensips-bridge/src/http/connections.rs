//! The connections that are served, up to a bound: when it is reached, the one that has been waiting the longest for a request
//! makes room for the next client.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::patience::Phase;

/// The connections that are served.
#[derive(Debug)]
pub(super) struct Connections {
    places: Arc<Semaphore>,
    most: u32,
    held: Mutex<HashMap<u64, Waiting>>,
    next: AtomicU64,
}

#[derive(Debug)]
struct Waiting {
    phase: Phase,
    close: Arc<Notify>,
}

/// One of them; its place is free once this is dropped.
#[derive(Debug)]
pub(super) struct Connection {
    all: Arc<Connections>,
    number: u64,
    _place: OwnedSemaphorePermit,
    close: Arc<Notify>,
}

impl Connections {
    /// None yet, and so many at the most.
    pub(super) fn up_to(most: u32) -> Arc<Self> {
        Arc::new(Self {
            places: Arc::new(Semaphore::new(most as usize)),
            most,
            held: Mutex::default(),
            next: AtomicU64::new(0),
        })
    }

    /// A place for another one. Where there is none, the connection that has been waiting the longest for a request is closed; where
    /// all are being answered, this waits.
    pub(super) async fn open(self: &Arc<Self>, phase: &Phase) -> Option<Connection> {
        let place = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => {
                self.make_room();
                Arc::clone(&self.places).acquire_owned().await.ok()?
            }
        };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let close = Arc::new(Notify::new());
        let waiting = Waiting {
            phase: phase.clone(),
            close: Arc::clone(&close),
        };
        self.lock().insert(number, waiting);
        Some(Connection {
            all: Arc::clone(self),
            number,
            _place: place,
            close,
        })
    }

    /// Waits until the last one is closed.
    pub(super) async fn all_closed(&self) {
        let _ = self.places.acquire_many(self.most).await;
    }

    fn make_room(&self) {
        let mut held = self.lock();
        let longest = held
            .iter()
            .filter_map(|(number, waiting)| Some((waiting.phase.waits_since()?, *number)))
            .min();
        // It is not to be chosen a second time, while it closes.
        if let Some((_, number)) = longest
            && let Some(waiting) = held.remove(&number)
        {
            waiting.close.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Waiting>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// Waits until this one is to make room.
    pub(super) async fn to_close(&self) {
        self.close.notified().await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.all.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{sleep, timeout};

    use super::*;

    #[tokio::test]
    async fn the_one_that_has_been_idle_the_longest_makes_room() {
        let all = Connections::up_to(3);
        let phases: [Phase; 4] = Default::default();
        let mut open = Vec::new();
        for phase in &phases[..3] {
            open.push(all.open(phase).await.unwrap());
            sleep(Duration::from_millis(5)).await;
        }
        phases[0].answering();
        let closed = async {
            open[1].to_close().await;
            open.remove(1);
            open
        };
        let (fourth, open) = tokio::join!(all.open(&phases[3]), closed);
        assert!(fourth.is_some());
        // All are being answered: the next waits for an end.
        for phase in &phases {
            phase.answering();
        }
        let fifth = Phase::default();
        let waits = timeout(Duration::from_millis(50), all.open(&fifth)).await;
        assert!(waits.is_err());
        drop((open, fourth));
        all.all_closed().await;
    }
}
