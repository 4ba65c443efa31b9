//! What accounts have done, and the limits that were learned from it.

use futures::TryStreamExt;
use jiff::Timestamp;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, SqlitePool, sqlite::SqliteRow};
use tfps_engine::{call::AccountId, number::E164, risk::MAX_CLEARED};

use super::{StoreError, TrainingFilter, TrainingRecord, corrupt, timestamp};
use crate::store::{AllowedCall, TrainingState};

pub(super) async fn allowed_calls(
    connection: &mut SqliteConnection,
    account: &AccountId,
    since: Timestamp,
    take: &mut (dyn FnMut(AllowedCall) + Send),
) -> Result<(), StoreError> {
    let mut rows = sqlx::query(
        "SELECT d.decided_at, d.e164, d.off_hours, d.concurrent_calls, d.destination_country, d.source_country, \
         d.monitored_code, d.risk, (SELECT max(c.ended_at) FROM calls AS c WHERE c.domain = d.domain \
         AND c.username = d.username AND c.call_id = d.call_id AND (c.decision_id = d.id \
         OR (c.decision_id = '' AND d.call_id <> ''))) FROM decisions AS d \
         WHERE d.domain = ? AND d.username = ? AND d.id >= ? AND d.verdict = 1 ORDER BY d.id",
    )
    .bind(account.domain())
    .bind(account.username())
    .bind(crate::check::first_id_of(since))
    .fetch(connection);
    while let Some(row) = rows.try_next().await? {
        take(AllowedCall {
            at: timestamp(row.try_get(0)?),
            number: E164::from_digits(row.try_get(1)?).ok(),
            off_hours: row.try_get(2)?,
            concurrent_calls: row.try_get(3)?,
            destination_country: row.try_get(4)?,
            source_country: row.try_get(5)?,
            monitored_code: row.try_get(6)?,
            risk: row.try_get(7)?,
            ended_at: row.try_get::<Option<i64>, _>(8)?.map(timestamp),
        });
    }
    Ok(())
}

/// The numbers whose last word is that they were fraud, with the domains that it was said for.
pub(super) async fn confirmed_fraud(
    connection: &mut SqliteConnection,
) -> Result<Vec<(String, E164)>, StoreError> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT domain, number FROM outcomes AS o WHERE kind = 'confirmed-fraud' AND id = \
         (SELECT max(id) FROM outcomes AS l WHERE l.domain = o.domain AND l.number = o.number)",
    )
    .fetch_all(connection)
    .await?;
    let number =
        |(domain, number): (String, String)| Some((domain, E164::from_digits(&number).ok()?));
    Ok(rows.into_iter().filter_map(number).collect())
}

/// The numbers whose last word for all domains is that they were no fraud.
pub(super) async fn false_positives(
    pool: &SqlitePool,
    since: Timestamp,
) -> Result<Vec<E164>, StoreError> {
    let rows: Vec<String> = sqlx::query_scalar(
        "SELECT number FROM outcomes AS o WHERE domain = '' AND kind = 'false-positive' AND learned_at >= ? AND id = \
         (SELECT max(id) FROM outcomes AS l WHERE l.domain = '' AND l.number = o.number) ORDER BY id DESC LIMIT ?",
    )
    .bind(since.as_millisecond())
    .bind(MAX_CLEARED as i64)
    .fetch_all(pool)
    .await?;
    let numbers = rows
        .iter()
        .filter_map(|number| E164::from_digits(number).ok());
    Ok(numbers.collect())
}

const COLUMNS: &str = "id, domain, username, state, terms_before, terms_after, reasons, trained_at, changed_at, changed_by, \
     account_version, left_out";

pub(super) async fn list(
    connection: &mut SqliteConnection,
    filter: &TrainingFilter,
    before: Option<&str>,
    limit: usize,
) -> Result<Vec<TrainingRecord>, StoreError> {
    let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
    query.push(COLUMNS).push(" FROM trainings WHERE TRUE");
    for (column, value) in [
        ("domain", filter.domain.as_deref()),
        ("username", filter.username.as_deref()),
        ("state", filter.state.map(TrainingState::as_str)),
        ("id", filter.id.as_deref()),
    ] {
        if let Some(value) = value {
            query
                .push(" AND ")
                .push(column)
                .push(" = ")
                .push_bind(value.to_owned());
        }
    }
    if let Some(before) = before {
        query.push(" AND id < ").push_bind(before.to_owned());
    }
    query
        .push(" ORDER BY id DESC LIMIT ")
        .push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    let rows = query.build().fetch_all(connection).await?;
    rows.iter().map(record).collect()
}

/// Keeps a training in the place of what was suggested for the account before.
pub(super) async fn put(
    connection: &mut SqliteConnection,
    training: &TrainingRecord,
) -> Result<(), StoreError> {
    let json = |terms| {
        serde_json::to_string(terms).map_err(|error| StoreError::Unavailable(error.to_string()))
    };
    sqlx::query("DELETE FROM trainings WHERE domain = ? AND username = ? AND (state = 'suggested' OR id = ?)")
        .bind(training.account.domain())
        .bind(training.account.username())
        .bind(&training.id)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO trainings (id, domain, username, state, terms_before, terms_after, reasons, trained_at, changed_at, \
         changed_by, account_version, left_out) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&training.id)
    .bind(training.account.domain())
    .bind(training.account.username())
    .bind(training.state.as_str())
    .bind(json(&training.before)?)
    .bind(json(&training.after)?)
    .bind(training.reasons.join("\n"))
    .bind(training.trained_at.as_millisecond())
    .bind(training.changed_at.map(Timestamp::as_millisecond))
    .bind(&training.changed_by)
    .bind(training.account_version)
    .bind(training.left_out.join("\n"))
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes what is suggested for an account: its limits fit by now.
pub(super) async fn withdraw(
    connection: &mut SqliteConnection,
    account: &AccountId,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM trainings WHERE domain = ? AND username = ? AND state = 'suggested'")
        .bind(account.domain())
        .bind(account.username())
        .execute(connection)
        .await?;
    Ok(())
}

fn record(row: &SqliteRow) -> Result<TrainingRecord, StoreError> {
    let account = AccountId::new(row.try_get(2)?, row.try_get(1)?)
        .map_err(|error| corrupt("an account's name", error))?;
    let terms = |column: usize| {
        serde_json::from_str(row.try_get(column)?)
            .map_err(|error| corrupt("a training's limits", error))
    };
    let lines = |column: usize| {
        let text: &str = row.try_get(column)?;
        Ok::<_, StoreError>(text.lines().map(str::to_owned).collect())
    };
    Ok(TrainingRecord {
        id: row.try_get(0)?,
        account,
        state: match row.try_get(3)? {
            "suggested" => TrainingState::Suggested,
            "applied" => TrainingState::Applied,
            "reverted" => TrainingState::Reverted,
            other => return Err(corrupt("a training's state", other)),
        },
        before: terms(4)?,
        after: terms(5)?,
        reasons: lines(6)?,
        left_out: lines(11)?,
        trained_at: timestamp(row.try_get(7)?),
        changed_at: row.try_get::<Option<i64>, _>(8)?.map(timestamp),
        changed_by: row.try_get(9)?,
        account_version: row.try_get(10)?,
    })
}
