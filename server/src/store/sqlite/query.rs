//! Queries of administrators: on connections of their own, so that calls and verifications never wait for them, and within a time.

use std::{
    ops::{Deref, DerefMut},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{Sqlite, SqliteConnection, SqlitePool, pool::PoolConnection};

use super::StoreError;

/// How many of SQLite's instructions run between two looks at the clock: some tenths of a millisecond.
const INSTRUCTIONS: i32 = 10_000;

/// The connections for queries.
#[derive(Debug)]
pub(super) struct Queries {
    pub(super) pool: SqlitePool,
    /// How long a query may take.
    pub(super) longest: Duration,
}

impl Queries {
    /// A connection for one query.
    ///
    /// # Errors
    /// When none is free in time, or the database fails.
    pub(super) async fn begin(&self) -> Result<Query, StoreError> {
        let mut connection = self.pool.acquire().await.map_err(|error| match error {
            sqlx::Error::PoolTimedOut => StoreError::Busy,
            error => error.into(),
        })?;
        let over = Arc::new(AtomicBool::new(false));
        let (is_over, until) = (Arc::clone(&over), Instant::now() + self.longest);
        connection
            .lock_handle()
            .await?
            .set_progress_handler(INSTRUCTIONS, move || {
                !is_over.load(Ordering::Relaxed) && Instant::now() < until
            });
        Ok(Query { connection, over })
    }
}

/// A connection for one query. When it is dropped, because the client has hung up or its deadline has passed, the query ends.
pub(super) struct Query {
    connection: PoolConnection<Sqlite>,
    over: Arc<AtomicBool>,
}

impl Deref for Query {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Query {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

impl Drop for Query {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::SqlitePoolOptions;

    use super::*;

    const ENDLESS: &str =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

    async fn queries(longest: Duration) -> Queries {
        let pool = SqlitePoolOptions::new().max_connections(1);
        let pool = pool.acquire_timeout(Duration::from_secs(5));
        let pool = pool.connect("sqlite::memory:").await.unwrap();
        Queries { pool, longest }
    }

    #[tokio::test]
    async fn a_query_that_takes_too_long_ends_and_says_so() {
        let queries = queries(Duration::from_millis(200)).await;
        let mut query = queries.begin().await.unwrap();
        let error = sqlx::query(ENDLESS).fetch_one(&mut *query).await;
        let error = StoreError::from(error.map(drop).unwrap_err());
        assert!(matches!(error, StoreError::TooLong), "{error:?}");
        drop(query);
        let mut query = queries.begin().await.unwrap();
        sqlx::query("SELECT 1")
            .fetch_one(&mut *query)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_query_that_nobody_waits_for_ends() {
        let queries = queries(Duration::from_secs(600)).await;
        let query = async {
            let mut query = queries.begin().await.unwrap();
            sqlx::query(ENDLESS).fetch_one(&mut *query).await.map(drop)
        };
        let waited = tokio::time::timeout(Duration::from_millis(100), query).await;
        assert!(waited.is_err());
        let mut query = queries.begin().await.unwrap();
        sqlx::query("SELECT 1")
            .fetch_one(&mut *query)
            .await
            .unwrap();
    }
}
