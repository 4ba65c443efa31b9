//! What services said goes to the database, in batches, so that a restart asks nobody twice.

use std::{net::IpAddr, sync::Arc, time::Duration};

use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    sources::Source,
    store::{ReputationRecord, ReputationSource, SourceMark, Store},
};

/// How often what has come is written: what a crash can cost.
const EVERY: Duration = Duration::from_secs(1);
/// How many answers wait for a database that is away, at the most.
const WAITING: usize = 50_000;

/// Writes what services said.
pub struct Keeper {
    store: Arc<dyn Store>,
    waiting: Mutex<Waiting>,
    /// One writes at a time.
    turns: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Waiting {
    records: HashMap<(ReputationSource, IpAddr), ReputationRecord>,
    marks: HashMap<String, SourceMark>,
    failing: bool,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

impl Keeper {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            waiting: Mutex::default(),
            turns: tokio::sync::Mutex::default(),
        }
    }

    /// Keeps an answer. Where too many wait, it is forgotten at the next start.
    pub(super) fn keep(&self, record: ReputationRecord) {
        let mut waiting = self.waiting.lock();
        let key = (record.source, record.ip);
        if waiting.records.len() < WAITING || waiting.records.contains_key(&key) {
            waiting.records.insert(key, record);
        }
    }

    /// Keeps how far the server has got with a source.
    pub(super) fn mark(&self, source: &Source, position: String, key_mark: &str) {
        let mark = SourceMark {
            name: source.name().to_owned(),
            position,
            key_mark: key_mark.to_owned(),
            refreshed_at: source.refreshed_at(),
            retry_at: source.paused_until(),
        };
        self.waiting.lock().marks.insert(mark.name.clone(), mark);
    }

    /// Writes what has come, again and again.
    pub(super) async fn run(&self) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.flush().await;
        }
    }

    /// Writes what has come. What can't be written waits.
    pub(super) async fn flush(&self) {
        let _turn = self.turns.lock().await;
        let (records, marks) = {
            let waiting = self.waiting.lock();
            (
                waiting.records.values().copied().collect::<Vec<_>>(),
                waiting.marks.values().cloned().collect::<Vec<_>>(),
            )
        };
        if records.is_empty() && marks.is_empty() {
            return;
        }
        let kept = self.store.keep_reputations(&records, &marks).await;
        let mut waiting = self.waiting.lock();
        if let Err(error) = kept {
            if !waiting.failing {
                tracing::warn!(%error, "answers about addresses can't be kept: they wait");
            }
            waiting.failing = true;
            return;
        }
        waiting.failing = false;
        // What has come meanwhile is newer, and is written the next time.
        for record in &records {
            let key = (record.source, record.ip);
            if waiting.records.get(&key) == Some(record) {
                waiting.records.remove(&key);
            }
        }
        for mark in &marks {
            if waiting.marks.get(&mark.name) == Some(mark) {
                waiting.marks.remove(&mark.name);
            }
        }
    }
}
