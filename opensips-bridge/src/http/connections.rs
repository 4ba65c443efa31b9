//! The connections that are served, up to a bound: when it is reached, the one that has been waiting the longest for a request
//! makes room for the next client.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::patience::Phase;

/// How soon it is looked again for one that can make room, where all are being answered.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

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
    _place: OwnedSemaphorePermit,
}

/// One of them; its place is free once this is dropped, or it is to make room.
#[derive(Debug)]
pub(super) struct Connection {
    all: Arc<Connections>,
    number: u64,
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
        let place = loop {
            let places = Arc::clone(&self.places);
            match places.try_acquire_owned() {
                Ok(place) => break place,
                Err(_) if self.make_room() => {}
                Err(_) => {
                    let places = Arc::clone(&self.places);
                    if let Ok(place) = timeout(LOOK_AGAIN, places.acquire_owned()).await {
                        break place.ok()?;
                    }
                }
            }
        };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let close = Arc::new(Notify::new());
        let waiting = Waiting {
            phase: phase.clone(),
            close: Arc::clone(&close),
            _place: place,
        };
        self.lock().insert(number, waiting);
        Some(Connection {
            all: Arc::clone(self),
            number,
            close,
        })
    }

    /// Waits until the last one is closed.
    pub(super) async fn all_closed(&self) {
        let _ = self.places.acquire_many(self.most).await;
    }

    /// Whether there was one to close.
    fn make_room(&self) -> bool {
        let mut held = self.lock();
        let longest = held
            .iter()
            .filter_map(|(number, waiting)| Some((waiting.phase.waits_since()?, *number)))
            .min();
        // Its place is free at once, so that nobody waits until it has closed; that takes a moment.
        let closed = longest.and_then(|(_, number)| held.remove(&number));
        if let Some(waiting) = &closed {
            waiting.close.notify_one();
        }
        closed.is_some()
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
    use tokio::time::sleep;

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
        // One of them rests: it goes.
        phases[0].idle();
        let gone = async { open[0].to_close().await };
        let (fifth, ()) = tokio::join!(all.open(&fifth), gone);
        assert!(fifth.is_some());
        drop((open, fourth, fifth));
        all.all_closed().await;
    }
}
