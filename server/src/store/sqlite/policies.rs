//! Policies.

use sqlx::{Row, SqliteConnection, SqlitePool};

use super::{PolicyRecord, StoreError, timestamp};

pub(super) async fn all(
    connection: &mut SqliteConnection,
) -> Result<Vec<PolicyRecord>, StoreError> {
    let rows = sqlx::query(
        "SELECT domain, name, document, version, created_at, updated_at FROM policies ORDER BY domain, name",
    )
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(PolicyRecord {
                domain: row.try_get(0)?,
                name: row.try_get(1)?,
                document: row.try_get(2)?,
                version: row.try_get(3)?,
                created_at: timestamp(row.try_get(4)?),
                updated_at: timestamp(row.try_get(5)?),
            })
        })
        .collect()
}

pub(super) async fn put(
    connection: &mut SqliteConnection,
    record: &PolicyRecord,
) -> Result<(), StoreError> {
    if record.version == 1 {
        sqlx::query(
            "INSERT INTO policies (domain, name, document, version, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(&record.domain)
        .bind(&record.name)
        .bind(&record.document)
        .bind(record.version)
        .bind(record.created_at.as_millisecond())
        .bind(record.updated_at.as_millisecond())
        .execute(connection)
        .await?;
        return Ok(());
    }
    let updated = sqlx::query(
        "UPDATE policies SET document = ?, version = ?, updated_at = ? WHERE domain = ? AND name = ? AND version = ?",
    )
    .bind(&record.document)
    .bind(record.version)
    .bind(record.updated_at.as_millisecond())
    .bind(&record.domain)
    .bind(&record.name)
    .bind(record.version - 1)
    .execute(connection)
    .await?;
    if updated.rows_affected() == 1 {
        Ok(())
    } else {
        Err(StoreError::Conflict)
    }
}

pub(super) async fn delete(
    connection: &mut SqliteConnection,
    domain: &str,
    name: &str,
    version: Option<i64>,
) -> Result<(), StoreError> {
    let there: Option<i64> =
        sqlx::query_scalar("SELECT version FROM policies WHERE domain = ? AND name = ?")
            .bind(domain)
            .bind(name)
            .fetch_optional(&mut *connection)
            .await?;
    match (there, version) {
        (None, _) => return Err(StoreError::NotFound),
        (Some(there), Some(version)) if there != version => return Err(StoreError::Conflict),
        _ => {}
    }
    sqlx::query("DELETE FROM policies WHERE domain = ? AND name = ?")
        .bind(domain)
        .bind(name)
        .execute(connection)
        .await?;
    Ok(())
}

/// A general policy is named by accounts of every domain that has none of the name.
pub(super) async fn accounts_under(
    pool: &SqlitePool,
    domain: &str,
    name: &str,
) -> Result<u64, StoreError> {
    let count: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM accounts WHERE policy = ? AND (domain = ? OR (? = '' AND NOT EXISTS \
         (SELECT 1 FROM policies WHERE policies.domain = accounts.domain AND policies.name = accounts.policy)))",
    )
    .bind(name)
    .bind(domain)
    .bind(domain)
    .fetch_one(pool)
    .await?;
    Ok(u64::try_from(count).unwrap_or_default())
}
