//! Ships the journal to the database.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU32, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use parking_lot::Mutex;
use tfps_engine::{call::AccountId, exposure::Exposure};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use super::{Entry, Journal, JournalError, Position, Record};
use crate::store::{DayUsage, Shipment, Store, StoreError};

/// Records a transaction.
const BATCH: usize = 1_000;
/// How often there is a look for something to ship.
const LOOK: Duration = Duration::from_millis(100);
/// The longest wait after a failure.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Ships the journal to the database, as fast as it may.
pub struct Shipper {
    journal: Arc<Journal>,
    store: Arc<dyn Store>,
    position: Position,
    requests: mpsc::Receiver<oneshot::Sender<()>>,
    state: Arc<ShipState>,
}

#[derive(Debug, Default)]
struct ShipState {
    per_second: AtomicU32,
    /// When the oldest record that waits was decided, in milliseconds since 1970; 0: none waits.
    oldest: AtomicI64,
    error: Mutex<Option<String>>,
}

/// Asks the shipper.
#[derive(Clone, Debug)]
pub struct ShipperHandle {
    journal: Arc<Journal>,
    requests: mpsc::Sender<oneshot::Sender<()>>,
    state: Arc<ShipState>,
}

impl ShipperHandle {
    /// Waits until what is in the journal now is in the database, but no longer than `patience`; how many records are
    /// not.
    pub async fn catch_up(&self, patience: Duration) -> u64 {
        let (done, wait) = oneshot::channel();
        if self.journal.pending() > 0 && self.requests.send(done).await.is_ok() {
            let _ = tokio::time::timeout(patience, wait).await;
        }
        self.journal.pending()
    }

    /// How many records a second are shipped at the most.
    pub fn set_pace(&self, per_second: u32) {
        self.state.per_second.store(per_second, Ordering::Relaxed);
    }

    /// When the oldest record that waits was decided.
    pub fn oldest(&self) -> Option<Timestamp> {
        match self.state.oldest.load(Ordering::Relaxed) {
            0 => None,
            millisecond => Timestamp::from_millisecond(millisecond).ok(),
        }
    }

    /// The last error, until a shipment goes well.
    pub fn error(&self) -> Option<String> {
        self.state.error.lock().clone()
    }
}

/// What shipping a batch came to.
enum Shipped {
    Nothing,
    Records(u64),
}

#[derive(Debug, thiserror::Error)]
enum ShipError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("reading the journal was stopped")]
    Stopped,
}

impl Shipper {
    /// A shipper that goes on from a place.
    pub fn new(
        journal: Arc<Journal>,
        store: Arc<dyn Store>,
        position: Position,
        per_second: u32,
    ) -> (Self, ShipperHandle) {
        let (sender, requests) = mpsc::channel(64);
        let state = Arc::new(ShipState {
            per_second: AtomicU32::new(per_second),
            ..ShipState::default()
        });
        let handle = ShipperHandle {
            journal: Arc::clone(&journal),
            requests: sender,
            state: Arc::clone(&state),
        };
        (
            Self {
                journal,
                store,
                position,
                requests,
                state,
            },
            handle,
        )
    }

    /// Ships until `stop` is told, then once more all that is left.
    pub async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut waiting: Vec<(Position, oneshot::Sender<()>)> = Vec::new();
        let mut wait = Duration::ZERO;
        loop {
            tokio::select! {
                _ = &mut stop => break,
                _ = look.tick() => {}
                Some(done) = self.requests.recv() => waiting.push((self.journal.end(), done)),
            }
            let started = Instant::now();
            let mut shipped = 0;
            loop {
                while let Ok(done) = self.requests.try_recv() {
                    waiting.push((self.journal.end(), done));
                }
                let more = match self.ship_batch().await {
                    Ok(Shipped::Nothing) => break,
                    Ok(Shipped::Records(records)) => {
                        wait = Duration::ZERO;
                        shipped += records;
                        records >= BATCH as u64
                    }
                    Err(error) => {
                        self.fail(&error);
                        wait = (wait * 2).clamp(LOOK, LONGEST_WAIT);
                        tokio::select! {
                            () = sleep(wait) => {}
                            _ = &mut stop => return self.finish().await,
                        }
                        break;
                    }
                };
                waiting = self.answer(waiting);
                if self.pause(shipped, started, &waiting, &mut stop).await {
                    return self.finish().await;
                }
                // What has come meanwhile gathers until the next look: a transaction costs as much as dozens of records.
                if !more && waiting.is_empty() {
                    break;
                }
            }
            waiting = self.answer(waiting);
        }
        self.finish().await;
    }

    /// Waits as long as the pace asks for, but not while somebody waits for the database; whether to stop.
    async fn pause(
        &self,
        shipped: u64,
        started: Instant,
        waiting: &[(Position, oneshot::Sender<()>)],
        stop: &mut oneshot::Receiver<()>,
    ) -> bool {
        if !waiting.is_empty() {
            return false;
        }
        let per_second = self.state.per_second.load(Ordering::Relaxed).max(1);
        let due = started + Duration::from_secs_f64(shipped as f64 / f64::from(per_second));
        tokio::select! {
            () = tokio::time::sleep_until(due) => false,
            _ = stop => true,
        }
    }

    fn answer(
        &self,
        waiting: Vec<(Position, oneshot::Sender<()>)>,
    ) -> Vec<(Position, oneshot::Sender<()>)> {
        let (ready, waiting): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|(until, _)| *until <= self.position);
        for (_, done) in ready {
            let _ = done.send(());
        }
        waiting
    }

    async fn finish(mut self) {
        loop {
            match self.ship_batch().await {
                Ok(Shipped::Nothing) => break,
                Ok(Shipped::Records(_)) => {}
                Err(error) => {
                    tracing::warn!(%error, pending = self.journal.pending(), "what is left in the journal is shipped at the next start");
                    break;
                }
            }
        }
        if let Err(error) = self.journal.sync() {
            tracing::error!(%error, "the journal could not be synced");
        }
    }

    async fn ship_batch(&mut self) -> Result<Shipped, ShipError> {
        let (journal, from) = (Arc::clone(&self.journal), self.position);
        let (records, position) = tokio::task::spawn_blocking(move || journal.read(from, BATCH))
            .await
            .map_err(|_| ShipError::Stopped)??;
        if records.is_empty() {
            self.state.oldest.store(0, Ordering::Relaxed);
            return Ok(Shipped::Nothing);
        }
        if let Some(oldest) = records.iter().find_map(|(_, record)| decided_at(record)) {
            self.state.oldest.store(oldest, Ordering::Relaxed);
        }
        let count = records.len() as u64;
        self.store.ship(&shipment(records, position)).await?;
        self.position = position;
        self.journal.shipped(count);
        self.journal.remove_before(position)?;
        if self.state.error.lock().take().is_some() {
            tracing::info!("the journal is shipped again");
        }
        Ok(Shipped::Records(count))
    }

    fn fail(&self, error: &ShipError) {
        let text = error.to_string();
        let mut last = self.state.error.lock();
        if last.as_ref() != Some(&text) {
            tracing::error!(%error, pending = self.journal.pending(), "the journal can't be shipped to the database; it waits and grows");
        }
        *last = Some(text);
    }
}

fn decided_at(record: &Record) -> Option<i64> {
    match record.entry.as_ref()? {
        Entry::Decision(decision) => Some(decision.decided_at),
        Entry::Call(call) => Some(call.at),
        Entry::Reset(_) => None,
    }
}

/// What is counted of an account on a day.
#[derive(Debug, Default)]
struct DayCounts {
    business: u32,
    off_hours: u32,
    exposure: Exposure,
    taken_back: Exposure,
}

/// What a run of records comes to in the database.
fn shipment(records: Vec<(Position, Record)>, position: Position) -> Shipment {
    let mut shipment = Shipment {
        position,
        ..Shipment::default()
    };
    let mut usage: HashMap<(AccountId, i32), DayCounts> = HashMap::new();
    let mut grants: HashMap<i64, i64> = HashMap::new();
    for (_, record) in records {
        match record.entry {
            Some(Entry::Decision(decision)) => {
                if decision.counted
                    && let Some(account) = decision.account()
                {
                    let counts = usage.entry((account, decision.day)).or_default();
                    *if decision.off_hours {
                        &mut counts.off_hours
                    } else {
                        &mut counts.business
                    } += 1;
                    counts.exposure.add(decision.assumed());
                }
                for grant in &decision.grants {
                    *grants.entry(*grant).or_default() += 1;
                }
                shipment.decisions.push(decision);
            }
            Some(Entry::Call(call)) => {
                let (charged, taken_back) = (call.exposure(), call.taken_back());
                if (charged != Exposure::default() || taken_back != Exposure::default())
                    && let Some(account) = call.account()
                {
                    let counts = usage.entry((account, call.day)).or_default();
                    counts.exposure.add(charged);
                    counts.taken_back.add(taken_back);
                }
                shipment.calls.push(call);
            }
            Some(Entry::Reset(reset)) => {
                let Ok(account) = AccountId::new(&reset.username, &reset.domain) else {
                    continue;
                };
                if reset.keeps_spent {
                    let own = usage.iter_mut().filter(|((other, _), _)| *other == account);
                    for (_, counts) in own {
                        (counts.business, counts.off_hours) = (0, 0);
                    }
                    shipment.recounts.push(account);
                } else {
                    usage.retain(|(other, _), _| *other != account);
                    shipment.resets.push((account, reset.at));
                }
            }
            None => {}
        }
    }
    shipment.usage = usage
        .into_iter()
        .map(|((account, day), counts)| DayUsage {
            account,
            day,
            business: counts.business,
            off_hours: counts.off_hours,
            exposure: counts.exposure,
            taken_back: counts.taken_back,
        })
        .collect();
    shipment.grants = grants.into_iter().collect();
    shipment
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{DecisionRecord, ResetRecord};

    fn allowed(username: &str, off_hours: bool) -> (Position, Record) {
        let decision = DecisionRecord {
            username: username.to_owned(),
            domain: "a.b".to_owned(),
            counted: true,
            off_hours,
            day: 20_260_608,
            ..DecisionRecord::default()
        };
        (
            Position::default(),
            Record {
                entry: Some(Entry::Decision(decision)),
            },
        )
    }

    #[test]
    fn a_reset_forgets_what_was_counted_before_it() {
        let reset = ResetRecord {
            username: "alice".to_owned(),
            domain: "a.b".to_owned(),
            at: 0,
            keeps_spent: false,
        };
        let reset = (
            Position::default(),
            Record {
                entry: Some(Entry::Reset(reset)),
            },
        );
        let records = vec![
            allowed("alice", false),
            allowed("bob", true),
            reset,
            allowed("alice", false),
        ];
        let mut shipment = shipment(records, Position::default());
        shipment
            .usage
            .sort_by(|one, other| one.account.cmp(&other.account));
        let usage: Vec<_> = shipment
            .usage
            .iter()
            .map(|day| (day.account.as_str(), day.business, day.off_hours))
            .collect();
        assert_eq!(usage, [("alice@a.b", 1, 0), ("bob@a.b", 0, 1)]);
        assert_eq!(shipment.resets.len(), 1);
        assert_eq!(shipment.decisions.len(), 3);
    }
}
