//! The verifications that accounts passed on a day.

use jiff::Timestamp;
use sqlx::{Row, SqliteConnection, SqlitePool};
use tfps_engine::{
    call::AccountId,
    usage::{Day, Verified},
};

use super::{StoreError, corrupt};

pub(super) async fn put(
    connection: &mut SqliteConnection,
    id: &AccountId,
    verified: &Verified,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT OR REPLACE INTO verified_days (domain, username, day, passed, passed_at, raised, raised_off_hours) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(id.domain())
    .bind(id.username())
    .bind(verified.day.digits())
    .bind(verified.passed)
    .bind(verified.passed_at.saturating_mul(1_000))
    .bind(verified.raised)
    .bind(verified.raised_off_hours)
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn forget(
    connection: &mut SqliteConnection,
    id: &AccountId,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM verified_days WHERE domain = ? AND username = ?")
        .bind(id.domain())
        .bind(id.username())
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn since(
    pool: &SqlitePool,
    since: Timestamp,
) -> Result<Vec<(AccountId, Verified)>, StoreError> {
    let rows = sqlx::query(
        "SELECT domain, username, day, passed, passed_at, raised, raised_off_hours FROM verified_days \
         WHERE passed_at > ?",
    )
    .bind(since.as_millisecond())
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            let id = AccountId::new(row.try_get(1)?, row.try_get(0)?)
                .map_err(|error| corrupt("an account's name", error))?;
            let verified = Verified {
                day: Day::from_digits(row.try_get(2)?),
                passed: row.try_get(3)?,
                passed_at: row.try_get::<i64, _>(4)? / 1_000,
                raised: row.try_get(5)?,
                raised_off_hours: row.try_get(6)?,
            };
            Ok((id, verified))
        })
        .collect()
}
