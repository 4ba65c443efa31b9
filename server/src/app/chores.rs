//! What is done again and again while the server serves.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::SignedDuration;
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    admin::ListKeeper, clock::Clock, connections::Connections, journal::Journal,
    operation::Operation, store::Store,
};

/// How often what is known of fraud is weighed anew.
const FADE_EVERY: Duration = Duration::from_secs(86_400);
/// How often what is too old is deleted.
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);

/// Brings the journal to the disk.
pub(super) async fn sync_every(journal: Arc<Journal>, milliseconds: u64) {
    let mut ticks = interval(Duration::from_millis(milliseconds));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let failing = Arc::new(AtomicU64::new(0));
    loop {
        ticks.tick().await;
        let (journal, failing) = (Arc::clone(&journal), Arc::clone(&failing));
        let synced = tokio::task::spawn_blocking(move || match journal.sync() {
            Ok(()) => failing.store(0, Ordering::Relaxed),
            Err(error) => {
                if failing.fetch_add(1, Ordering::Relaxed) == 0 {
                    tracing::error!(%error, "the journal can't be synced to the disk");
                }
            }
        });
        if synced.await.is_err() {
            return;
        }
    }
}

/// Takes their standing from connections whose token was revoked or has expired.
pub(super) async fn disown_every_second(connections: Arc<Connections>, clock: Clock) {
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        connections.disown(clock.now());
    }
}

/// Lets what is known of fraud fade, day by day.
pub(super) async fn fade_every_day(lists: Arc<ListKeeper>) {
    let mut ticks = interval(FADE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // It has been made at the start.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        lists.fade().await;
    }
}

/// Deletes what is too old.
pub(super) async fn prune_every(store: Arc<dyn Store>, operation: Arc<Operation>, clock: Clock) {
    let mut ticks = interval(PRUNE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = clock.now();
        let before = now - SignedDuration::from_hours(24 * i64::from(operation.keep_days()));
        match store.prune(before, now).await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, "what was too old was deleted"),
            Err(error) => {
                tracing::warn!(%error, "what is too old could not be deleted; it is tried again in an hour");
            }
        }
    }
}
