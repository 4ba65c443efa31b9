//! One attempt at a time: of an account, from a network, at a policy's PIN.

use std::hash::{BuildHasher, Hash};

use hashbrown::DefaultHashBuilder;
use tokio::sync::{Mutex, MutexGuard};

/// Attempts that can be judged at once; those that share a place wait for each other.
const PLACES: usize = 256;

/// The right to judge digits. From the look at its failures until the attempt is counted nobody else has
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
    /// Waits for the turn of an account, a network or a PIN.
    pub(super) async fn of(&self, key: &impl Hash) -> MutexGuard<'_, ()> {
        let place = self.hasher.hash_one(key) as usize % PLACES;
        self.places[place].lock().await
    }
}
