//! The book of accounts: every change goes to the database first, then to memory.

use std::sync::Arc;

use jiff::Timestamp;
use tfps_engine::{account::Account, call::AccountId};
use tokio::sync::{Mutex, MutexGuard};

use crate::{
    state::State,
    store::{AccountRecord, Store, StoreError},
};

/// The book of accounts.
pub struct Book {
    state: Arc<State>,
    store: Arc<dyn Store>,
    turns: Mutex<()>,
}

impl Book {
    /// The book.
    pub fn new(state: Arc<State>, store: Arc<dyn Store>) -> Self {
        Self {
            state,
            store,
            turns: Mutex::new(()),
        }
    }

    /// The right to change: one change at a time, so that memory takes them in the database's order.
    pub async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turns.lock().await
    }

    /// Enters an account.
    ///
    /// # Errors
    /// When there is one of the name, or the database fails.
    pub async fn create(&self, record: AccountRecord) -> Result<AccountRecord, StoreError> {
        let _turn = self.turn().await;
        self.store.create_account(&record).await?;
        self.state.enter(record.account.clone());
        Ok(record)
    }

    /// Changes an account; with a version, only that one.
    ///
    /// # Errors
    /// When there is none, it is another version, the change does not want it, or the database fails.
    pub async fn change<E: From<StoreError>>(
        &self,
        id: &AccountId,
        version: Option<i64>,
        at: Timestamp,
        change: impl FnOnce(&mut AccountRecord) -> Result<(), E>,
    ) -> Result<AccountRecord, E> {
        let _turn = self.turn().await;
        let mut record = self.store.account(id).await?;
        if version.is_some_and(|version| version != record.version) {
            return Err(StoreError::Conflict.into());
        }
        change(&mut record)?;
        record.version += 1;
        record.updated_at = at;
        self.store.update_account(&record).await?;
        self.state.accounts.put(record.account.clone());
        Ok(record)
    }

    /// Strikes an account out, with all that hangs on it; with a version, only that one.
    ///
    /// # Errors
    /// When there is none, it is another version, or the database fails.
    pub async fn delete(&self, id: &AccountId, version: Option<i64>) -> Result<(), StoreError> {
        let _turn = self.turn().await;
        self.store.delete_account(id, version).await?;
        self.state.accounts.remove(id);
        self.state.watch.failures.forget(id);
        self.state.challenges.remove_account(id);
        Ok(())
    }
}

/// The first version of an account.
pub fn first_version(account: Account, at: Timestamp) -> AccountRecord {
    AccountRecord {
        account,
        email_address: String::new(),
        pin_hash: None,
        version: 1,
        created_at: at,
        updated_at: at,
    }
}
