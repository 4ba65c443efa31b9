//! Who changes the lists.

use std::{future::Future, sync::Arc, time::Duration};

use tfps_engine::{
    lists::{Change, Feed, Lists},
    number::E164,
    risk::Cleared,
};
use tokio::{sync::Mutex, task::spawn_blocking, time::sleep};

use crate::{
    clock::Clock,
    state::{Snapshot, State},
    store::{Store, StoreError, Written},
};

/// Keeps the lists: one change at a time, the database first, then memory.
pub struct ListKeeper {
    state: Arc<State>,
    store: Arc<dyn Store>,
    clock: Clock,
    turns: Mutex<()>,
}

impl ListKeeper {
    /// A keeper.
    pub fn new(state: Arc<State>, store: Arc<dyn Store>, clock: Clock) -> Self {
        Self {
            state,
            store,
            clock,
            turns: Mutex::new(()),
        }
    }

    /// Makes changes, all or none.
    ///
    /// # Errors
    /// When the patterns do not compile together or the database fails.
    pub async fn change(&self, changes: Vec<Change>) -> Result<Written, StoreError> {
        let at = self.clock.now();
        let mut written = Written::default();
        self.change_with(changes, |changes| async {
            written = self.store.change_entries(&changes, at).await?;
            Ok(changes)
        })
        .await?;
        Ok(written)
    }

    /// Makes changes that something else writes to the database.
    ///
    /// # Errors
    /// When the patterns do not compile together or the database fails.
    pub async fn change_with<F>(
        &self,
        changes: Vec<Change>,
        write: impl FnOnce(Vec<Change>) -> F,
    ) -> Result<(), StoreError>
    where
        F: Future<Output = Result<Vec<Change>, StoreError>>,
    {
        let _turn = self.turns.lock().await;
        // The new lists are made before anything is written, off the threads that answer calls, and swapped in after.
        let before = self.state.snapshot.load_full();
        let at = self.clock.now();
        let (changed, changes) = spawn_blocking(move || {
            before
                .lists
                .with(changes.iter().cloned())
                .map(|lists| (before.with_lists(lists, at), changes))
        })
        .await
        .map_err(|error| StoreError::Unavailable(error.to_string()))?
        .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        write(changes).await?;
        self.swap(&changed);
        Ok(())
    }

    /// Puts a list of others in place of that of the same name.
    pub async fn put_feed(&self, feed: Feed) {
        let _turn = self.turns.lock().await;
        self.change_lists(move |lists| lists.with_feed(feed)).await;
    }

    /// Drops a list of others whole.
    pub async fn drop_feed(&self, name: &str) {
        let _turn = self.turns.lock().await;
        let name = name.to_owned();
        self.change_lists(move |lists| lists.without_feed(&name))
            .await;
    }

    /// Lets what is known of fraud fade: a number counts for less the longer ago it was listed.
    pub async fn fade(&self) {
        let _turn = self.turns.lock().await;
        let at = self.clock.now();
        self.change_snapshot(move |before| before.faded(at)).await;
    }

    /// Takes it that a number was no fraud after all, or that it was.
    pub async fn clear(&self, number: E164, is_cleared: bool) {
        let _turn = self.turns.lock().await;
        self.change_snapshot(move |before| {
            let mut cleared = Cleared::clone(&before.predictor.cleared);
            if is_cleared {
                cleared.put(&number);
            } else {
                cleared.remove(&number);
            }
            before.with_cleared(cleared)
        })
        .await;
    }

    async fn change_lists(&self, change: impl FnOnce(&Lists) -> Lists + Send + 'static) {
        let at = self.clock.now();
        self.change_snapshot(move |before| before.with_lists(change(&before.lists), at))
            .await;
    }

    async fn change_snapshot(&self, change: impl FnOnce(&Snapshot) -> Snapshot + Send + 'static) {
        let before = self.state.snapshot.load_full();
        match spawn_blocking(move || change(&before)).await {
            Ok(changed) => self.swap(&changed),
            Err(error) => tracing::error!(%error, "a list could not be taken"),
        }
    }

    /// Takes the lists of a snapshot, and what is known by them; the policies and rates may have changed since it
    /// was made.
    fn swap(&self, changed: &Snapshot) {
        let before = self.state.snapshot.rcu(|snapshot| Snapshot {
            policies: snapshot.policies.clone(),
            rates: Arc::clone(&snapshot.rates),
            ..changed.clone()
        });
        tokio::spawn(forget(before));
    }
}

/// Frees what was replaced once no call reads it any more, and not on the way of the last call that does: a million entries
/// take long.
async fn forget(mut snapshot: Arc<Snapshot>) {
    const LOOK_AGAIN: Duration = Duration::from_millis(100);
    while Arc::get_mut(&mut snapshot).is_none() {
        sleep(LOOK_AGAIN).await;
    }
    let _ = spawn_blocking(move || drop(snapshot)).await;
}
