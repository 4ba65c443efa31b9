//! What services said of addresses.

use std::net::IpAddr;

use futures::TryStreamExt;
use jiff::Timestamp;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, SqlitePool, sqlite::SqliteRow};

use super::{
    ReputationRecord, ReputationSource, SourceMark, StoreError, corrupt,
    pages::{Pages, ROWS, hand_over},
    timestamp,
};

/// Rows a statement: SQLite takes 32,766 parameters.
const CHUNK: usize = 5_000;

/// Hands every answer over that has not expired.
pub(super) async fn load(
    pool: &SqlitePool,
    now: Timestamp,
    take: &mut (dyn FnMut(ReputationRecord) + Send),
) -> Result<(), StoreError> {
    hand_over(|pages| read_pages(pool.clone(), now, pages), take).await
}

async fn read_pages(
    pool: SqlitePool,
    now: Timestamp,
    pages: Pages<ReputationRecord>,
) -> Result<(), StoreError> {
    let mut after: [String; 2] = Default::default();
    loop {
        let [source, ip] = &after;
        let mut rows = sqlx::query(
            "SELECT source, ip, confidence, answered_at, expires_at FROM reputations \
             WHERE (source, ip) > (?, ?) AND expires_at > ? ORDER BY source, ip LIMIT ?",
        )
        .bind(source)
        .bind(ip)
        .bind(now.as_millisecond())
        .bind(ROWS as i64)
        .fetch(&pool);
        let mut page = Vec::with_capacity(ROWS);
        let mut last = None;
        while let Some(row) = rows.try_next().await? {
            page.push(record(&row)?);
            if page.len() == ROWS {
                last = Some([row.try_get(0)?, row.try_get(1)?]);
            }
        }
        drop(rows);
        let gone = pages.send(page).await.is_err();
        match last {
            Some(last) if !gone => after = last,
            _ => return Ok(()),
        }
    }
}

pub(super) async fn keep(
    connection: &mut SqliteConnection,
    records: &[ReputationRecord],
    marks: &[SourceMark],
) -> Result<(), StoreError> {
    for chunk in records.chunks(CHUNK) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT INTO reputations (source, ip, confidence, answered_at, expires_at) ",
        );
        query.push_values(chunk, |mut row, record| {
            row.push_bind(record.source.as_str())
                .push_bind(record.ip.to_string())
                .push_bind(i64::from(record.confidence))
                .push_bind(record.answered_at.as_millisecond())
                .push_bind(record.expires_at.as_millisecond());
        });
        query.push(
            " ON CONFLICT (source, ip) DO UPDATE SET confidence = excluded.confidence, \
             answered_at = excluded.answered_at, expires_at = excluded.expires_at",
        );
        query
            .build()
            .persistent(false)
            .execute(&mut *connection)
            .await?;
    }
    for mark in marks {
        sqlx::query(
            "INSERT INTO source_marks (name, position, key_mark, refreshed_at, retry_at) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT (name) DO UPDATE SET position = excluded.position, key_mark = excluded.key_mark, \
             refreshed_at = excluded.refreshed_at, retry_at = excluded.retry_at",
        )
        .bind(&mark.name)
        .bind(&mark.position)
        .bind(&mark.key_mark)
        .bind(mark.refreshed_at.map(Timestamp::as_millisecond))
        .bind(mark.retry_at.map(Timestamp::as_millisecond))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

pub(super) async fn marks(pool: &SqlitePool) -> Result<Vec<SourceMark>, StoreError> {
    let rows = sqlx::query(
        "SELECT name, position, key_mark, refreshed_at, retry_at FROM source_marks ORDER BY name",
    )
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(SourceMark {
                name: row.try_get(0)?,
                position: row.try_get(1)?,
                key_mark: row.try_get(2)?,
                refreshed_at: row.try_get::<Option<i64>, _>(3)?.map(timestamp),
                retry_at: row.try_get::<Option<i64>, _>(4)?.map(timestamp),
            })
        })
        .collect()
}

fn record(row: &SqliteRow) -> Result<ReputationRecord, StoreError> {
    let source = match row.try_get::<&str, _>(0)? {
        "abuseipdb" => ReputationSource::AbuseIpdb,
        "apiban" => ReputationSource::Apiban,
        other => return Err(corrupt("a reputation's source", other)),
    };
    Ok(ReputationRecord {
        source,
        ip: row
            .try_get::<&str, _>(1)?
            .parse::<IpAddr>()
            .map_err(|error| corrupt("a reputation's address", error))?,
        confidence: row
            .try_get::<i64, _>(2)?
            .try_into()
            .map_err(|error| corrupt("a confidence", error))?,
        answered_at: timestamp(row.try_get(3)?),
        expires_at: timestamp(row.try_get(4)?),
    })
}
