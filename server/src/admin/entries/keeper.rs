//! Who changes the lists.

use std::{collections::BTreeSet, future::Future, sync::Arc, time::Duration};

use jiff::Timestamp;
use tfps_engine::{
    lists::{Change, EntryError, Feed, Lists},
    number::E164,
    risk::Cleared,
};
use tokio::{task::spawn_blocking, time::sleep};

use super::turns::Turns;
use crate::{
    clock::Clock,
    config::Domains,
    state::{Snapshot, State},
    store::{Store, StoreError, Written},
};

/// Changes that take long to write.
const MANY: usize = 1_000;

/// Why lists are not changed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// A pattern costs too much.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The domain has too much.
    #[error(
        "the domain {domain} would have {count} {what}; it may have {most} ({key}): delete some, or ask the operator"
    )]
    Full {
        /// The domain.
        domain: Box<str>,
        /// How many it would have.
        count: usize,
        /// Of what.
        what: &'static str,
        /// How many it may have.
        most: usize,
        /// The key that says so.
        key: &'static str,
    },
    /// The database fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps the lists: of each domain one change at a time, the database first, then memory. The domains do not wait for each other.
pub struct ListKeeper {
    state: Arc<State>,
    store: Arc<dyn Store>,
    clock: Clock,
    turns: Turns,
    /// One change that takes long is written at a time: the database has one writer, and others wait for it.
    writing: tokio::sync::Mutex<()>,
}

impl ListKeeper {
    /// A keeper.
    pub fn new(state: Arc<State>, store: Arc<dyn Store>, clock: Clock) -> Self {
        Self {
            state,
            store,
            clock,
            turns: Turns::default(),
            writing: tokio::sync::Mutex::default(),
        }
    }

    /// Makes changes, all or none; with bounds, only if no domain has more than they say then.
    ///
    /// # Errors
    /// When a pattern costs too much, a domain is full or the database fails.
    pub async fn change(
        &self,
        changes: Vec<Change>,
        bounds: Option<&Domains>,
    ) -> Result<Written, ListError> {
        let at = self.clock.now();
        let mut written = Written::default();
        self.change_with(changes, bounds, |changes| async {
            written = self.store.change_entries(&changes, at).await?;
            Ok(changes)
        })
        .await?;
        Ok(written)
    }

    /// Makes changes that something else writes to the database.
    ///
    /// # Errors
    /// When a pattern costs too much, a domain is full or the database fails.
    pub async fn change_with<F>(
        &self,
        changes: Vec<Change>,
        bounds: Option<&Domains>,
        write: impl FnOnce(Vec<Change>) -> F,
    ) -> Result<(), ListError>
    where
        F: Future<Output = Result<Vec<Change>, StoreError>>,
    {
        let domains: BTreeSet<Box<str>> =
            changes.iter().map(|change| domain(change).into()).collect();
        let _turns = self.turns.of(&domains).await;
        // The new lists are made before anything is written, off the threads that answer calls, and swapped in after.
        let before = self.state.snapshot.load_full();
        let at = self.clock.now();
        let (named, bounds) = (domains.clone(), bounds.cloned());
        let (changed, changes) = spawn_blocking(move || {
            let mut lists = before.lists.with(changes.iter().cloned())?;
            if let Some(bounds) = &bounds {
                for domain in &named {
                    lists = within(lists, &before.lists, domain, bounds, at)?;
                }
            }
            Ok::<_, ListError>((before.with_lists(lists, at), changes))
        })
        .await
        .map_err(|error| StoreError::Unavailable(error.to_string()))??;
        let _writing = if changes.len() > MANY {
            Some(self.writing.lock().await)
        } else {
            None
        };
        write(changes).await?;
        self.swap(&changed, &domains);
        Ok(())
    }

    /// Puts a list of others in place of that of the same name.
    pub async fn put_feed(&self, feed: Feed) {
        self.change_lists(move |lists| lists.with_feed(feed)).await;
    }

    /// Drops a list of others whole.
    pub async fn drop_feed(&self, name: &str) {
        let name = name.to_owned();
        self.change_lists(move |lists| lists.without_feed(&name))
            .await;
    }

    /// Lets what is known of fraud fade: a number counts for less the longer ago it was listed.
    pub async fn fade(&self) {
        let at = self.clock.now();
        self.change_snapshot(move |before| before.faded(at)).await;
    }

    /// Takes it that a number was no fraud after all, or that it was.
    pub async fn clear(&self, number: E164, is_cleared: bool) {
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

    /// Changes what holds for all domains.
    async fn change_snapshot(&self, change: impl FnOnce(&Snapshot) -> Snapshot + Send + 'static) {
        let all = BTreeSet::from(["".into()]);
        let _turns = self.turns.of(&all).await;
        let before = self.state.snapshot.load_full();
        match spawn_blocking(move || change(&before)).await {
            Ok(changed) => self.swap(&changed, &all),
            Err(error) => tracing::error!(%error, "a list could not be taken"),
        }
    }

    /// Takes the lists of some domains from a snapshot, and what is known by them; all else may have changed since it was made.
    fn swap(&self, changed: &Snapshot, domains: &BTreeSet<Box<str>>) {
        let domains = || domains.iter().map(|domain| &**domain);
        let before = self
            .state
            .snapshot
            .rcu(|snapshot| snapshot.with_domains_of(changed, domains()));
        tokio::spawn(forget(before));
    }
}

fn domain(change: &Change) -> &str {
    match change {
        Change::Put(entry) => &entry.key.domain,
        Change::Remove(key) => &key.domain,
    }
}

/// The lists, if a domain has no more in them than it may, or no more than before. What has expired goes first: it is gone from
/// the database, or will be within the hour.
fn within(
    lists: Lists,
    before: &Lists,
    domain: &str,
    bounds: &Domains,
    at: Timestamp,
) -> Result<Lists, ListError> {
    let had = before.len_of(domain);
    let is_full = |has: (usize, usize)| {
        (
            has.0 > bounds.max_entries && has.0 > had.0,
            has.1 > bounds.max_patterns && has.1 > had.1,
        )
    };
    if is_full(lists.len_of(domain)) == (false, false) {
        return Ok(lists);
    }
    let expired = lists.expired_of(domain, at.as_second());
    let lists = lists.with(expired.into_iter().map(Change::Remove))?;
    let (entries, patterns) = lists.len_of(domain);
    let full = |what, count, most, key| ListError::Full {
        domain: domain.into(),
        count,
        what,
        most,
        key,
    };
    match is_full((entries, patterns)) {
        (false, false) => Ok(lists),
        (true, _) => Err(full(
            "entries",
            entries,
            bounds.max_entries,
            "domains.max_entries",
        )),
        (_, true) => Err(full(
            "patterns on user agents",
            patterns,
            bounds.max_patterns,
            "domains.max_patterns",
        )),
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
