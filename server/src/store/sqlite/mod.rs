//! SQLite: one writer, a pool of readers, write-ahead log.

mod accounts;
mod decisions;
mod entries;
mod pages;
mod policies;
mod query;
mod reputations;
mod tokens;
mod trainings;
mod usage;
mod verifications;
mod verified;

use std::{path::Path, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{
    Sqlite, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tfps_engine::{
    account::Account,
    call::AccountId,
    lists::{Change, EntryKey, ListEntry},
    number::E164,
    usage::Verified,
};

use query::Queries;

use super::{
    AccountFilter, AccountRecord, AllowedCall, DayUsage, DecisionFilter, EntryCursor, EntryFilter,
    EntryRecord, GrantRecord, OpenCallRecord, OpenedChallenge, OutcomeRecord, Passed, PolicyRecord,
    ReputationRecord, ReputationSource, Shipment, SourceMark, Statistics, Store, StoreError,
    TokenRecord, TrainingFilter, TrainingRecord, VerificationRecord, Written,
};
use crate::journal::{DecisionRecord, Position};

/// How long is waited for a connection, and then for another process's lock: both together less than the deadline that
/// clients have unless they set one, so that they are told UNAVAILABLE.
const PATIENCE: Duration = Duration::from_secs(2);
/// Queries of administrators that are answered at once.
const QUERIES: u32 = 4;
/// How long such a query may take, unless it is told otherwise.
const LONGEST_QUERY: Duration = Duration::from_secs(10);

/// The database in one file.
#[derive(Debug)]
pub struct SqliteStore {
    writer: SqlitePool,
    /// For what calls and verifications wait for.
    readers: SqlitePool,
    queries: Queries,
}

impl SqliteStore {
    /// Opens the database, which is made, and brings its tables up to date.
    ///
    /// # Errors
    /// When the file can't be opened or migrated.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(PATIENCE)
            .foreign_keys(true)
            .pragma("cache_size", "-65536")
            .row_buffer_size(pages::ROWS);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(PATIENCE)
            .connect_with(options.clone())
            .await?;
        sqlx::migrate!("migrations/sqlite")
            .run(&writer)
            .await
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let options = options
            .read_only(true)
            .create_if_missing(false)
            .pragma("cache_size", "-8192");
        let readers = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(PATIENCE)
            .connect_with(options.clone())
            .await?;
        let queries = Queries {
            pool: SqlitePoolOptions::new()
                .max_connections(QUERIES)
                .acquire_timeout(PATIENCE)
                .connect_lazy_with(options),
            longest: LONGEST_QUERY,
        };
        Ok(Self {
            writer,
            readers,
            queries,
        })
    }

    /// This one, whose queries for administrators may take so long.
    #[must_use]
    pub fn with_longest_query(mut self, longest: Duration) -> Self {
        self.queries.longest = longest;
        self
    }

    async fn begin(&self) -> Result<Transaction<'_, Sqlite>, StoreError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }
}

/// SQLITE_INTERRUPT: the query's time is over.
const INTERRUPTED: &str = "9";

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::RowNotFound => Self::NotFound,
            sqlx::Error::Database(database) if database.is_unique_violation() => {
                Self::AlreadyExists
            }
            sqlx::Error::Database(database) if database.code().as_deref() == Some(INTERRUPTED) => {
                Self::TooLong
            }
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

/// What does not read as it was written: somebody changed it by other means.
fn corrupt(what: &str, error: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("{what} in the database does not read: {error}"))
}

/// A task of ours panicked or was stopped.
fn stopped(error: &tokio::task::JoinError) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

fn timestamp(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or_default()
}

#[async_trait]
impl Store for SqliteStore {
    fn kind(&self) -> &'static str {
        "sqlite"
    }

    async fn ping(&self) -> Result<(), StoreError> {
        // A query that reads no table would not touch the file.
        decisions::position(&self.readers).await.map(drop)
    }

    async fn load_accounts(
        &self,
        take: &mut (dyn FnMut(Account) + Send),
    ) -> Result<(), StoreError> {
        accounts::load(&self.readers, take).await
    }

    async fn account(&self, id: &AccountId) -> Result<AccountRecord, StoreError> {
        accounts::one(&self.readers, id).await
    }

    async fn accounts(
        &self,
        filter: &AccountFilter,
        after: Option<(&str, &str)>,
        limit: usize,
    ) -> Result<(Vec<AccountRecord>, u64), StoreError> {
        accounts::list(&mut *self.queries.begin().await?, filter, after, limit).await
    }

    async fn create_account(&self, record: &AccountRecord) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        accounts::create(&mut transaction, record).await?;
        Ok(transaction.commit().await?)
    }

    async fn update_account(&self, record: &AccountRecord) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        accounts::update(&mut transaction, record).await?;
        Ok(transaction.commit().await?)
    }

    async fn delete_account(&self, id: &AccountId, version: Option<i64>) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        accounts::delete(&mut transaction, id, version).await?;
        Ok(transaction.commit().await?)
    }

    async fn forget_verified(&self, id: &AccountId) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        verified::forget(&mut transaction, id).await?;
        Ok(transaction.commit().await?)
    }

    async fn verified_since(
        &self,
        since: Timestamp,
    ) -> Result<Vec<(AccountId, Verified)>, StoreError> {
        verified::since(&self.readers, since).await
    }

    async fn onboarded_since(
        &self,
        since: Timestamp,
    ) -> Result<Vec<(AccountId, Timestamp)>, StoreError> {
        verifications::onboarded_since(&self.readers, since).await
    }

    async fn forget_failures(&self, id: &AccountId) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        verifications::forget_failures(&mut transaction, id).await?;
        Ok(transaction.commit().await?)
    }

    async fn policies(&self) -> Result<Vec<PolicyRecord>, StoreError> {
        policies::all(&mut *self.queries.begin().await?).await
    }

    async fn put_policy(&self, record: &PolicyRecord) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        policies::put(&mut transaction, record).await?;
        Ok(transaction.commit().await?)
    }

    async fn delete_policy(
        &self,
        domain: &str,
        name: &str,
        version: Option<i64>,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        policies::delete(&mut transaction, domain, name, version).await?;
        Ok(transaction.commit().await?)
    }

    async fn accounts_under(&self, domain: &str, name: &str) -> Result<u64, StoreError> {
        policies::accounts_under(&self.readers, domain, name).await
    }

    async fn load_entries(
        &self,
        now: Timestamp,
        take: &mut (dyn FnMut(ListEntry) + Send),
    ) -> Result<(), StoreError> {
        entries::load(&self.readers, now, take).await
    }

    async fn entries(
        &self,
        filter: &EntryFilter,
        after: Option<&EntryCursor>,
        limit: usize,
    ) -> Result<(Vec<EntryRecord>, u64), StoreError> {
        entries::list(&mut *self.queries.begin().await?, filter, after, limit).await
    }

    async fn entry_keys(&self, filter: &EntryFilter) -> Result<Vec<EntryKey>, StoreError> {
        entries::keys(&mut *self.queries.begin().await?, filter).await
    }

    async fn change_entries(
        &self,
        changes: &[Change],
        at: Timestamp,
    ) -> Result<Written, StoreError> {
        let mut transaction = self.begin().await?;
        let written = entries::change(&mut transaction, changes, at).await?;
        transaction.commit().await?;
        Ok(written)
    }

    async fn tokens(&self) -> Result<Vec<TokenRecord>, StoreError> {
        tokens::all(&self.readers).await
    }

    async fn create_token(&self, record: &TokenRecord) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        tokens::create(&mut transaction, record).await?;
        Ok(transaction.commit().await?)
    }

    async fn delete_token(&self, id: &str) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        tokens::delete(&mut transaction, id).await?;
        Ok(transaction.commit().await?)
    }

    async fn challenged_account(
        &self,
        challenge_id: &str,
    ) -> Result<Option<AccountId>, StoreError> {
        verifications::challenged_account(&self.readers, challenge_id).await
    }

    async fn open_verification(
        &self,
        record: &VerificationRecord,
        max_opens: u32,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        verifications::open(&mut transaction, record, max_opens).await?;
        Ok(transaction.commit().await?)
    }

    async fn verification(&self, id: &str) -> Result<VerificationRecord, StoreError> {
        verifications::one(&self.readers, id).await
    }

    async fn fail_verification(&self, id: &str, at: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        verifications::fail(&mut transaction, id, at).await?;
        Ok(transaction.commit().await?)
    }

    async fn pass_verification(
        &self,
        id: &str,
        change: Passed,
        verified: Option<(&AccountId, &Verified)>,
        at: Timestamp,
    ) -> Result<Passed, StoreError> {
        let mut transaction = self.begin().await?;
        let change = verifications::pass(&mut transaction, id, change, at).await?;
        if let Some((account, verified)) = verified {
            verified::put(&mut transaction, account, verified).await?;
        }
        transaction.commit().await?;
        Ok(change)
    }

    async fn use_verification(&self, id: &str, account: &AccountRecord) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        verifications::use_up(&mut transaction, id).await?;
        accounts::update(&mut transaction, account).await?;
        Ok(transaction.commit().await?)
    }

    async fn failures(&self, since: Timestamp) -> Result<Vec<(AccountId, Timestamp)>, StoreError> {
        verifications::failures(&self.readers, since).await
    }

    async fn passed_challenges(&self, since: Timestamp) -> Result<Vec<String>, StoreError> {
        verifications::passed_challenges(&self.readers, since).await
    }

    async fn challenges_opened(
        &self,
        purpose: &str,
        since: Timestamp,
    ) -> Result<Vec<OpenedChallenge>, StoreError> {
        verifications::challenges_opened(&self.readers, purpose, since).await
    }

    async fn grants(&self, now: Timestamp) -> Result<Vec<GrantRecord>, StoreError> {
        verifications::grants(&self.readers, now).await
    }

    async fn learn_outcome(
        &self,
        record: &OutcomeRecord,
        changes: &[Change],
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        decisions::outcome(&mut transaction, record).await?;
        entries::change(&mut transaction, changes, record.learned_at).await?;
        Ok(transaction.commit().await?)
    }

    async fn allowed_calls(
        &self,
        account: &AccountId,
        since: Timestamp,
        take: &mut (dyn FnMut(AllowedCall) + Send),
    ) -> Result<(), StoreError> {
        trainings::allowed_calls(&mut *self.queries.begin().await?, account, since, take).await
    }

    async fn confirmed_fraud(&self) -> Result<Vec<(String, E164)>, StoreError> {
        trainings::confirmed_fraud(&mut *self.queries.begin().await?).await
    }

    async fn false_positives(&self, since: Timestamp) -> Result<Vec<E164>, StoreError> {
        trainings::false_positives(&self.readers, since).await
    }

    async fn trainings(
        &self,
        filter: &TrainingFilter,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<TrainingRecord>, StoreError> {
        trainings::list(&mut *self.queries.begin().await?, filter, before, limit).await
    }

    async fn put_training(
        &self,
        training: &TrainingRecord,
        account: Option<&AccountRecord>,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        if let Some(account) = account {
            accounts::update(&mut transaction, account).await?;
        }
        trainings::put(&mut transaction, training).await?;
        Ok(transaction.commit().await?)
    }

    async fn withdraw_suggestion(&self, account: &AccountId) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        trainings::withdraw(&mut transaction, account).await?;
        Ok(transaction.commit().await?)
    }

    async fn load_reputations(
        &self,
        now: Timestamp,
        take: &mut (dyn FnMut(ReputationRecord) + Send),
    ) -> Result<(), StoreError> {
        reputations::load(&self.readers, now, take).await
    }

    async fn keep_reputations(
        &self,
        records: &[ReputationRecord],
        marks: &[SourceMark],
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        reputations::keep(&mut transaction, records, marks).await?;
        Ok(transaction.commit().await?)
    }

    async fn source_marks(&self) -> Result<Vec<SourceMark>, StoreError> {
        reputations::marks(&self.readers).await
    }

    async fn ship(&self, shipment: &Shipment) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        decisions::ship(&mut transaction, shipment).await?;
        Ok(transaction.commit().await?)
    }

    async fn position(&self) -> Result<Position, StoreError> {
        decisions::position(&self.readers).await
    }

    async fn decisions(
        &self,
        filter: &DecisionFilter,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<DecisionRecord>, StoreError> {
        decisions::list(&mut *self.queries.begin().await?, filter, before, limit).await
    }

    async fn challenges(&self, since: Timestamp) -> Result<Vec<DecisionRecord>, StoreError> {
        decisions::challenges(&self.readers, since).await
    }

    async fn statistics(
        &self,
        since: Timestamp,
        until: Timestamp,
        domain: Option<&str>,
    ) -> Result<Statistics, StoreError> {
        decisions::statistics(&mut *self.queries.begin().await?, since, until, domain).await
    }

    async fn usage_since(&self, day: i32) -> Result<Vec<DayUsage>, StoreError> {
        usage::since(&self.readers, day).await
    }

    async fn open_calls(&self, since: Timestamp) -> Result<Vec<OpenCallRecord>, StoreError> {
        usage::open_calls(&self.readers, since).await
    }

    async fn prune(&self, before: Timestamp, now: Timestamp) -> Result<u64, StoreError> {
        decisions::prune(&self.writer, before, now).await
    }

    async fn close(&self) {
        self.queries.pool.close().await;
        self.readers.close().await;
        self.writer.close().await;
    }
}
