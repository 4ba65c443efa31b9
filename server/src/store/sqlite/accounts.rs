//! Accounts.

use futures::TryStreamExt;
use sqlx::{
    AssertSqlSafe, QueryBuilder, Row, Sqlite, SqliteConnection, SqlitePool, sqlite::SqliteRow,
};
use tfps_engine::{
    account::{Account, Limits},
    call::AccountId,
    number::CountrySet,
};

use super::{
    AccountFilter, AccountRecord, StoreError, corrupt,
    pages::{Pages, ROWS, hand_over},
    timestamp,
};
use crate::store::limit_columns;

const COLUMNS: &str = "domain, username, concurrent_calls, concurrent_calls_off_hours, daily_quota, \
     daily_quota_off_hours, source_countries, destination_countries, policy, block_reason, \
     email_address, pin_hash, version, created_at, updated_at";

/// Hands every account over.
pub(super) async fn load(
    pool: &SqlitePool,
    take: &mut (dyn FnMut(Account) + Send),
) -> Result<(), StoreError> {
    hand_over(|pages| read_pages(pool.clone(), pages), take).await
}

async fn read_pages(pool: SqlitePool, pages: Pages<Account>) -> Result<(), StoreError> {
    let mut after: Option<AccountId> = None;
    loop {
        let (domain, username) = after
            .as_ref()
            .map_or(("", ""), |id| (id.domain(), id.username()));
        let mut rows = sqlx::query(
            "SELECT domain, username, concurrent_calls, concurrent_calls_off_hours, daily_quota, \
             daily_quota_off_hours, source_countries, destination_countries, policy, block_reason, \
             pin_hash IS NOT NULL FROM accounts \
             WHERE (domain, username) > (?, ?) ORDER BY domain, username LIMIT ?",
        )
        .bind(domain)
        .bind(username)
        .bind(ROWS as i64)
        .fetch(&pool);
        let mut page = Vec::with_capacity(ROWS);
        while let Some(row) = rows.try_next().await? {
            page.push(account(&row, row.try_get(10)?)?);
        }
        drop(rows);
        let full = page.len() == ROWS;
        after = page.last().map(|account| account.id.clone());
        if pages.send(page).await.is_err() || !full {
            return Ok(());
        }
    }
}

pub(super) async fn one(pool: &SqlitePool, id: &AccountId) -> Result<AccountRecord, StoreError> {
    let row = sqlx::query(AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM accounts WHERE domain = ? AND username = ?"
    )))
    .bind(id.domain())
    .bind(id.username())
    .fetch_one(pool)
    .await?;
    record(&row)
}

pub(super) async fn list(
    connection: &mut SqliteConnection,
    filter: &AccountFilter,
    after: Option<(&str, &str)>,
    limit: usize,
) -> Result<(Vec<AccountRecord>, u64), StoreError> {
    let mut count = QueryBuilder::new("SELECT count(*) FROM accounts WHERE TRUE");
    push_filter(&mut count, filter);
    let total: i64 = count
        .build_query_scalar()
        .fetch_one(&mut *connection)
        .await?;
    let mut query = QueryBuilder::new("SELECT ");
    query.push(COLUMNS).push(" FROM accounts WHERE TRUE");
    push_filter(&mut query, filter);
    if let Some((domain, username)) = after {
        query
            .push(" AND (domain, username) > (")
            .push_bind(domain)
            .push(", ")
            .push_bind(username)
            .push(")");
    }
    query
        .push(" ORDER BY domain, username LIMIT ")
        .push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    let rows = query.build().fetch_all(connection).await?;
    let records = rows.iter().map(record).collect::<Result<_, _>>()?;
    Ok((records, u64::try_from(total).unwrap_or_default()))
}

pub(super) async fn create(
    connection: &mut SqliteConnection,
    record: &AccountRecord,
) -> Result<(), StoreError> {
    let account = &record.account;
    let [concurrent, concurrent_off, quota, quota_off] = limit_columns(&account.limits);
    sqlx::query(
        "INSERT INTO accounts (domain, username, concurrent_calls, concurrent_calls_off_hours, daily_quota, \
         daily_quota_off_hours, source_countries, destination_countries, policy, block_reason, email_address, \
         pin_hash, version, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(account.id.domain())
    .bind(account.id.username())
    .bind(concurrent)
    .bind(concurrent_off)
    .bind(quota)
    .bind(quota_off)
    .bind(account.source_countries.to_string())
    .bind(account.destination_countries.to_string())
    .bind(account.policy.as_deref())
    .bind(account.blocked.as_deref())
    .bind(&record.email_address)
    .bind(&record.pin_hash)
    .bind(record.version)
    .bind(record.created_at.as_millisecond())
    .bind(record.updated_at.as_millisecond())
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn update(
    connection: &mut SqliteConnection,
    record: &AccountRecord,
) -> Result<(), StoreError> {
    let account = &record.account;
    let [concurrent, concurrent_off, quota, quota_off] = limit_columns(&account.limits);
    let updated = sqlx::query(
        "UPDATE accounts SET concurrent_calls = ?, concurrent_calls_off_hours = ?, daily_quota = ?, \
         daily_quota_off_hours = ?, source_countries = ?, destination_countries = ?, policy = ?, block_reason = ?, \
         email_address = ?, pin_hash = ?, version = ?, updated_at = ? \
         WHERE domain = ? AND username = ? AND version = ?",
    )
    .bind(concurrent)
    .bind(concurrent_off)
    .bind(quota)
    .bind(quota_off)
    .bind(account.source_countries.to_string())
    .bind(account.destination_countries.to_string())
    .bind(account.policy.as_deref())
    .bind(account.blocked.as_deref())
    .bind(&record.email_address)
    .bind(&record.pin_hash)
    .bind(record.version)
    .bind(record.updated_at.as_millisecond())
    .bind(account.id.domain())
    .bind(account.id.username())
    .bind(record.version - 1)
    .execute(&mut *connection)
    .await?;
    if updated.rows_affected() == 1 {
        return Ok(());
    }
    Err(missing_or_changed(connection, &account.id).await?)
}

pub(super) async fn delete(
    connection: &mut SqliteConnection,
    id: &AccountId,
    version: Option<i64>,
) -> Result<(), StoreError> {
    let deleted = sqlx::query(
        "DELETE FROM accounts WHERE domain = ? AND username = ? AND (? IS NULL OR version = ?)",
    )
    .bind(id.domain())
    .bind(id.username())
    .bind(version)
    .bind(version)
    .execute(&mut *connection)
    .await?;
    if deleted.rows_affected() == 0 {
        return Err(missing_or_changed(connection, id).await?);
    }
    for sql in [
        "DELETE FROM grants WHERE domain = ? AND username = ?",
        "DELETE FROM usage_days WHERE domain = ? AND username = ?",
        "DELETE FROM verification_failures WHERE domain = ? AND username = ?",
        "DELETE FROM verified_days WHERE domain = ? AND username = ?",
        "DELETE FROM trainings WHERE domain = ? AND username = ?",
    ] {
        sqlx::query(sql)
            .bind(id.domain())
            .bind(id.username())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn missing_or_changed(
    connection: &mut SqliteConnection,
    id: &AccountId,
) -> Result<StoreError, StoreError> {
    let there: Option<i64> =
        sqlx::query_scalar("SELECT version FROM accounts WHERE domain = ? AND username = ?")
            .bind(id.domain())
            .bind(id.username())
            .fetch_optional(connection)
            .await?;
    Ok(if there.is_some() {
        StoreError::Conflict
    } else {
        StoreError::NotFound
    })
}

fn push_filter(query: &mut QueryBuilder<Sqlite>, filter: &AccountFilter) {
    if let Some(domain) = &filter.domain {
        query.push(" AND domain = ").push_bind(domain);
    }
    if !filter.username_prefix.is_empty() {
        query
            .push(" AND substr(username, 1, length(")
            .push_bind(&filter.username_prefix)
            .push(")) = ")
            .push_bind(&filter.username_prefix);
    }
    match filter.blocked {
        Some(true) => drop(query.push(" AND block_reason IS NOT NULL")),
        Some(false) => drop(query.push(" AND block_reason IS NULL")),
        None => {}
    }
}

fn record(row: &SqliteRow) -> Result<AccountRecord, StoreError> {
    let pin_hash: Option<String> = row.try_get(11)?;
    Ok(AccountRecord {
        account: account(row, pin_hash.is_some())?,
        email_address: row.try_get(10)?,
        pin_hash,
        version: row.try_get(12)?,
        created_at: timestamp(row.try_get(13)?),
        updated_at: timestamp(row.try_get(14)?),
    })
}

/// Reads the columns by their place, which is what makes reading a million of them quick.
fn account(row: &SqliteRow, has_pin: bool) -> Result<Account, StoreError> {
    let id = AccountId::new(row.try_get(1)?, row.try_get(0)?)
        .map_err(|error| corrupt("an account's name", error))?;
    let limit = |column: usize| -> Result<u32, StoreError> { Ok(row.try_get::<u32, _>(column)?) };
    let countries = |column: usize| -> Result<CountrySet, StoreError> {
        row.try_get::<&str, _>(column)?
            .parse()
            .map_err(|error| corrupt(&format!("a country of {id}"), error))
    };
    Ok(Account {
        limits: Limits {
            concurrent_calls: limit(2)?,
            concurrent_calls_off_hours: limit(3)?,
            daily_quota: limit(4)?,
            daily_quota_off_hours: limit(5)?,
        },
        source_countries: countries(6)?,
        destination_countries: countries(7)?,
        policy: row.try_get::<Option<&str>, _>(8)?.into(),
        blocked: row.try_get::<Option<&str>, _>(9)?.into(),
        has_pin,
        id,
    })
}
