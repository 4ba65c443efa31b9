//! One attempt of an account at a time.

use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;
use tfps_engine::call::AccountId;
use tokio::sync::{Mutex, MutexGuard};

/// Attempts that can be judged at once; accounts that share a place wait for each other.
const PLACES: usize = 256;

/// The right to judge an account's digits. From the look at its failures until the attempt is counted nobody else has
/// it: digits that are typed for many captchas at once are judged one after another, and a lock stops those behind it.
#[derive(Debug)]
pub(super) struct Turns {
    places: Box<[Mutex<()>]>,
    hasher: DefaultHashBuilder,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            places: (0..PLACES).map(|_| Mutex::new(())).collect(),
            hasher: DefaultHashBuilder::default(),
        }
    }
}

impl Turns {
    /// Waits for the account's turn.
    pub(super) async fn of(&self, account: &AccountId) -> MutexGuard<'_, ()> {
        let place = self.hasher.hash_one(account) as usize % PLACES;
        self.places[place].lock().await
    }
}
