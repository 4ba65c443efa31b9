//! What accounts have used: their calls by the day, and those that were told to have started.

use futures::TryStreamExt;
use jiff::Timestamp;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, SqlitePool};
use tfps_engine::{
    call::AccountId,
    exposure::{Exposure, Money},
};

use super::{DayUsage, OpenCallRecord, StoreError, corrupt, timestamp};
use crate::journal::{CallRecord, Progress};

/// Deletes what was counted for accounts whose counters were set to zero.
pub(super) async fn forget(
    connection: &mut SqliteConnection,
    resets: &[(AccountId, i64)],
) -> Result<(), StoreError> {
    for (account, _) in resets {
        sqlx::query("DELETE FROM usage_days WHERE domain = ? AND username = ?")
            .bind(account.domain())
            .bind(account.username())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Sets the numbers of calls to zero that were counted for accounts.
pub(super) async fn recount(
    connection: &mut SqliteConnection,
    accounts: &[AccountId],
) -> Result<(), StoreError> {
    for account in accounts {
        sqlx::query(
            "UPDATE usage_days SET business = 0, off_hours = 0 WHERE domain = ? AND username = ?",
        )
        .bind(account.domain())
        .bind(account.username())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Calls in progress of accounts whose counters were set to zero are charged for from then on.
pub(super) async fn forgive(
    connection: &mut SqliteConnection,
    resets: &[(AccountId, i64)],
) -> Result<(), StoreError> {
    for (account, at) in resets {
        sqlx::query(
            "UPDATE calls SET charged_from = ? WHERE domain = ? AND username = ? AND ended_at IS NULL",
        )
        .bind(at / 1_000)
        .bind(account.domain())
        .bind(account.username())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Adds to what was counted on days.
pub(super) async fn add(
    connection: &mut SqliteConnection,
    usage: &[DayUsage],
) -> Result<(), StoreError> {
    for chunk in usage.chunks(1_000) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT INTO usage_days (domain, username, day, business, off_hours, cost, seconds_abroad, estimated) ",
        );
        query.push_values(chunk, |mut row, usage| {
            row.push_bind(usage.account.domain())
                .push_bind(usage.account.username())
                .push_bind(usage.day)
                .push_bind(usage.business)
                .push_bind(usage.off_hours)
                .push_bind(
                    whole(usage.exposure.cost.millionths())
                        - whole(usage.taken_back.cost.millionths()),
                )
                .push_bind(
                    whole(usage.exposure.seconds_abroad) - whole(usage.taken_back.seconds_abroad),
                )
                .push_bind(usage.exposure.estimated);
        });
        query.push(
            " ON CONFLICT (domain, username, day) DO UPDATE SET \
             business = business + excluded.business, off_hours = off_hours + excluded.off_hours, \
             cost = cost + excluded.cost, seconds_abroad = seconds_abroad + excluded.seconds_abroad, \
             estimated = max(estimated, excluded.estimated)",
        );
        query
            .build()
            .persistent(false)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Takes how far a call has got.
pub(super) async fn progress(
    connection: &mut SqliteConnection,
    call: &CallRecord,
) -> Result<(), StoreError> {
    let at = |progress: Progress| (call.progress == progress as i32).then_some(call.at);
    let ended = at(Progress::Ended);
    sqlx::query(
        "INSERT INTO calls (domain, username, call_id, started_at, answered_at, ended_at, duration_ms, cause, \
         slot_until, e164, emergency, decision_id, attempt_key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (domain, username, call_id, decision_id, attempt_key) DO UPDATE SET \
         started_at = coalesce(excluded.started_at, started_at), \
         answered_at = coalesce(answered_at, excluded.answered_at), \
         ended_at = coalesce(excluded.ended_at, ended_at), \
         duration_ms = coalesce(excluded.duration_ms, duration_ms), cause = coalesce(excluded.cause, cause), \
         slot_until = max(excluded.slot_until, slot_until), \
         e164 = max(excluded.e164, e164), emergency = max(excluded.emergency, emergency)",
    )
    .bind(&call.domain)
    .bind(&call.username)
    .bind(&call.call_id)
    .bind(at(Progress::Started))
    .bind(at(Progress::Answered))
    .bind(ended)
    .bind(ended.map(|_| call.duration_ms))
    .bind(ended.map(|_| call.cause))
    .bind(call.slot_until)
    .bind(&call.e164)
    .bind(call.emergency)
    .bind(&call.decision_id)
    .bind(&call.attempt_key)
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn since(pool: &SqlitePool, day: i32) -> Result<Vec<DayUsage>, StoreError> {
    let mut rows = sqlx::query(
        "SELECT domain, username, day, business, off_hours, cost, seconds_abroad, estimated FROM usage_days \
         WHERE day >= ? ORDER BY day",
    )
    .bind(day)
    .fetch(pool);
    let mut usage = Vec::new();
    while let Some(row) = rows.try_next().await? {
        let count = |column| {
            row.try_get(column)
                .map(|count: i64| u64::try_from(count).unwrap_or_default())
        };
        usage.push(DayUsage {
            account: AccountId::new(row.try_get(1)?, row.try_get(0)?)
                .map_err(|error| corrupt("an account's name", error))?,
            day: row.try_get(2)?,
            business: row.try_get(3)?,
            off_hours: row.try_get(4)?,
            exposure: Exposure {
                cost: Money::from_millionths(count(5)?),
                estimated: row.try_get(7)?,
                seconds_abroad: count(6)?,
            },
            taken_back: Exposure::default(),
        });
    }
    Ok(usage)
}

pub(super) async fn open_calls(
    pool: &SqlitePool,
    since: Timestamp,
) -> Result<Vec<OpenCallRecord>, StoreError> {
    let rows = sqlx::query(
        "SELECT domain, username, call_id, e164, emergency, answered_at, slot_until, charged_from, \
         decision_id, attempt_key FROM calls \
         WHERE ended_at IS NULL AND slot_until > ?",
    )
    .bind(since.as_second())
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            let answered_at: Option<i64> = row.try_get(5)?;
            Ok(OpenCallRecord {
                account: AccountId::new(row.try_get(1)?, row.try_get(0)?)
                    .map_err(|error| corrupt("an account's name", error))?,
                call_id: row.try_get(2)?,
                e164: row.try_get(3)?,
                emergency: row.try_get(4)?,
                answered_at: answered_at.map(timestamp),
                slot_until: row.try_get(6)?,
                charged_from: row.try_get(7)?,
                decision_id: row.try_get(8)?,
                attempt_key: row.try_get(9)?,
            })
        })
        .collect()
}

/// What SQLite's integers can hold.
fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
