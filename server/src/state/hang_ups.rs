//! The calls that are to end, and who listens for them.

use std::sync::Arc;

use hashbrown::HashMap;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tfps_engine::{call::AccountId, decision::Code};
use tokio::sync::broadcast;

use crate::check::DecisionId;

/// How often a call that has not ended is told again.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(5);
/// How many orders a listener may lag behind; what it misses it is told again.
const BACKLOG: usize = 4_096;

/// The order to end a call in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HangUp {
    /// Whose call.
    pub account: AccountId,
    /// Which: its key.
    pub key: u128,
    /// The decision that allowed it, where it is known.
    pub decision: Option<DecisionId>,
    /// Its Call-ID.
    pub call_id: String,
    /// Why, as a code.
    pub code: Code,
    /// Why, in words.
    pub reason: String,
    /// When it was ordered.
    pub ordered_at: Timestamp,
}

#[derive(Debug)]
struct Outstanding {
    hang_up: Arc<HangUp>,
    told_at: Timestamp,
}

/// The calls that are to end and have not ended.
#[derive(Debug)]
pub struct HangUps {
    outstanding: Mutex<HashMap<(AccountId, u128), Outstanding>>,
    told: broadcast::Sender<Arc<HangUp>>,
}

impl Default for HangUps {
    fn default() -> Self {
        Self {
            outstanding: Mutex::default(),
            told: broadcast::channel(BACKLOG).0,
        }
    }
}

impl HangUps {
    /// Orders a call to end and tells it; the order that stands, and whether it is new.
    pub fn order(&self, hang_up: HangUp, at: Timestamp) -> (Arc<HangUp>, bool) {
        let mut outstanding = self.outstanding.lock();
        let place = (hang_up.account.clone(), hang_up.key);
        if let Some(standing) = outstanding.get(&place) {
            return (Arc::clone(&standing.hang_up), false);
        }
        let hang_up = Arc::new(hang_up);
        let order = Outstanding {
            hang_up: Arc::clone(&hang_up),
            told_at: at,
        };
        outstanding.insert(place, order);
        let _ = self.told.send(Arc::clone(&hang_up));
        (hang_up, true)
    }

    /// The order that stands for a call.
    pub fn of(&self, account: &AccountId, key: u128) -> Option<Arc<HangUp>> {
        let outstanding = self.outstanding.lock();
        let order = outstanding.get(&(account.clone(), key))?;
        Some(Arc::clone(&order.hang_up))
    }

    /// A call has ended.
    pub fn done(&self, account: &AccountId, key: u128) {
        let mut outstanding = self.outstanding.lock();
        if !outstanding.is_empty() {
            outstanding.remove(&(account.clone(), key));
        }
    }

    /// Tells again what was told a while ago, and forgets what is no longer there.
    pub fn tell_again(&self, at: Timestamp, is_there: impl Fn(&HangUp) -> bool) {
        // Not under the lock: who looks takes others.
        let due: Vec<Arc<HangUp>> = self
            .outstanding
            .lock()
            .values()
            .filter(|order| at.duration_since(order.told_at) >= AGAIN_AFTER)
            .map(|order| Arc::clone(&order.hang_up))
            .collect();
        for hang_up in due {
            let is_there = is_there(&hang_up);
            let mut outstanding = self.outstanding.lock();
            let place = (hang_up.account.clone(), hang_up.key);
            if !is_there {
                outstanding.remove(&place);
            } else if let Some(order) = outstanding.get_mut(&place) {
                order.told_at = at;
                let _ = self.told.send(hang_up);
            }
        }
    }

    /// Listens: what is outstanding, and what is told from now on.
    pub fn listen(&self) -> (Vec<Arc<HangUp>>, broadcast::Receiver<Arc<HangUp>>) {
        let outstanding = self.outstanding.lock();
        let standing = outstanding.values().map(|order| Arc::clone(&order.hang_up));
        (standing.collect(), self.told.subscribe())
    }

    /// How many listen.
    pub fn listeners(&self) -> usize {
        self.told.receiver_count()
    }

    /// How many have not ended.
    pub fn outstanding(&self) -> usize {
        self.outstanding.lock().len()
    }
}
