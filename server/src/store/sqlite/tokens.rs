//! Tokens.

use sqlx::{Row, SqliteConnection, SqlitePool};

use super::{StoreError, TokenRecord, corrupt, timestamp};

pub(super) async fn all(pool: &SqlitePool) -> Result<Vec<TokenRecord>, StoreError> {
    let rows = sqlx::query(
        "SELECT id, name, role, domain, hash, created_at, expires_at FROM tokens ORDER BY id",
    )
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            let hash: &[u8] = row.try_get(4)?;
            Ok(TokenRecord {
                id: row.try_get(0)?,
                name: row.try_get(1)?,
                role: row.try_get(2)?,
                domain: row.try_get(3)?,
                hash: hash
                    .try_into()
                    .map_err(|error| corrupt("a token's hash", error))?,
                created_at: timestamp(row.try_get(5)?),
                expires_at: row.try_get::<Option<i64>, _>(6)?.map(timestamp),
            })
        })
        .collect()
}

pub(super) async fn create(
    connection: &mut SqliteConnection,
    record: &TokenRecord,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO tokens (id, name, role, domain, hash, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&record.id)
    .bind(&record.name)
    .bind(&record.role)
    .bind(&record.domain)
    .bind(record.hash.as_slice())
    .bind(record.created_at.as_millisecond())
    .bind(record.expires_at.map(jiff::Timestamp::as_millisecond))
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn delete(connection: &mut SqliteConnection, id: &str) -> Result<(), StoreError> {
    let deleted = sqlx::query("DELETE FROM tokens WHERE id = ?")
        .bind(id)
        .execute(connection)
        .await?;
    if deleted.rows_affected() == 0 {
        Err(StoreError::NotFound)
    } else {
        Ok(())
    }
}
