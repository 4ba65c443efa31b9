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

#[cfg(test)]
mod tests {
    use sqlx::{Connection, SqliteConnection};

    const DIAL_PLANS: &str = include_str!("../../../migrations/sqlite/0011_dial_plans.sql");

    #[tokio::test]
    async fn the_prefixes_that_every_policy_had_are_taken_out_and_an_operators_own_stay() {
        let mut database = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::raw_sql("CREATE TABLE policies (name TEXT, document TEXT)")
            .execute(&mut database)
            .await
            .unwrap();
        let before = [
            r#"{"dial_plan":{"home_country":"GB","international_prefixes":["00","011"]}}"#,
            r#"{"dial_plan":{"home_country":"AU","international_prefixes":["00","011","0011"]}}"#,
            r#"{"dial_plan":{"home_country":"US","international_prefixes":["9011"]}}"#,
            r#"{"name":"default"}"#,
        ];
        for document in before {
            sqlx::query("INSERT INTO policies VALUES ('', ?)")
                .bind(document)
                .execute(&mut database)
                .await
                .unwrap();
        }
        sqlx::raw_sql(DIAL_PLANS)
            .execute(&mut database)
            .await
            .unwrap();
        let after: Vec<String> = sqlx::query_scalar("SELECT document FROM policies ORDER BY rowid")
            .fetch_all(&mut database)
            .await
            .unwrap();
        assert_eq!(
            after,
            [
                r#"{"dial_plan":{"home_country":"GB","international_prefixes":[]}}"#,
                r#"{"dial_plan":{"home_country":"AU","international_prefixes":["0011"]}}"#,
                before[2],
                before[3],
            ]
        );
    }
}
