//! Entries of the lists.

use std::collections::HashSet;

use futures::TryStreamExt;
use jiff::Timestamp;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, SqlitePool, sqlite::SqliteRow};
use tfps_engine::lists::{Action, Change, EntryKey, EntryKind, EntryValue, ListEntry, SharedTexts};

use super::{
    EntryCursor, EntryFilter, EntryRecord, StoreError, Written, corrupt,
    pages::{Pages, ROWS, hand_over},
    timestamp,
};

/// Rows a statement: SQLite takes 32,766 parameters.
const CHUNK: usize = 2_000;

/// Hands every entry over that has not expired.
pub(super) async fn load(
    pool: &SqlitePool,
    now: Timestamp,
    take: &mut (dyn FnMut(ListEntry) + Send),
) -> Result<(), StoreError> {
    hand_over(|pages| read_pages(pool.clone(), now, pages), take).await
}

async fn read_pages(
    pool: SqlitePool,
    now: Timestamp,
    pages: Pages<ListEntry>,
) -> Result<(), StoreError> {
    let mut shared = SharedTexts::default();
    let mut after: [String; 4] = Default::default();
    loop {
        let [kind, domain, value, source] = &after;
        let mut rows = sqlx::query(
            "SELECT kind, domain, value, source, action, reason, expires_at, listed_at FROM entries \
             WHERE (kind, domain, value, source) > (?, ?, ?, ?) AND (expires_at IS NULL OR expires_at > ?) \
             ORDER BY kind, domain, value, source LIMIT ?",
        )
        .bind(kind)
        .bind(domain)
        .bind(value)
        .bind(source)
        .bind(now.as_millisecond())
        .bind(ROWS as i64)
        .fetch(&pool);
        let mut page = Vec::with_capacity(ROWS);
        let mut last = None;
        while let Some(row) = rows.try_next().await? {
            page.push(entry(&row, &mut shared)?);
            if page.len() == ROWS {
                last = Some([
                    row.try_get(0)?,
                    row.try_get(1)?,
                    row.try_get(2)?,
                    row.try_get(3)?,
                ]);
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

pub(super) async fn list(
    connection: &mut SqliteConnection,
    filter: &EntryFilter,
    after: Option<&EntryCursor>,
    limit: usize,
) -> Result<(Vec<EntryRecord>, u64), StoreError> {
    let mut count = QueryBuilder::new("SELECT count(*) FROM entries WHERE TRUE");
    push_filter(&mut count, filter);
    let total: i64 = count
        .build_query_scalar()
        .fetch_one(&mut *connection)
        .await?;
    let mut query = QueryBuilder::new(
        "SELECT kind, domain, value, source, action, reason, expires_at, listed_at, created_at FROM entries WHERE TRUE",
    );
    push_filter(&mut query, filter);
    if let Some(after) = after {
        query
            .push(" AND (kind, domain, value, source) > (")
            .push_bind(&after.kind)
            .push(", ")
            .push_bind(&after.domain)
            .push(", ")
            .push_bind(&after.value)
            .push(", ")
            .push_bind(&after.source)
            .push(")");
    }
    query
        .push(" ORDER BY kind, domain, value, source LIMIT ")
        .push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    let mut shared = SharedTexts::default();
    let rows = query.build().fetch_all(connection).await?;
    let records = rows
        .iter()
        .map(|row| {
            Ok(EntryRecord {
                entry: entry(row, &mut shared)?,
                created_at: timestamp(row.try_get(8)?),
            })
        })
        .collect::<Result<_, StoreError>>()?;
    Ok((records, u64::try_from(total).unwrap_or_default()))
}

pub(super) async fn keys(
    connection: &mut SqliteConnection,
    filter: &EntryFilter,
) -> Result<Vec<EntryKey>, StoreError> {
    let mut query = QueryBuilder::new("SELECT kind, domain, value, source FROM entries WHERE TRUE");
    push_filter(&mut query, filter);
    let mut shared = SharedTexts::default();
    let mut keys = Vec::new();
    let mut rows = query.build().fetch(connection);
    while let Some(row) = rows.try_next().await? {
        keys.push(key(&row, &mut shared)?);
    }
    Ok(keys)
}

pub(super) async fn change(
    connection: &mut SqliteConnection,
    changes: &[Change],
    at: Timestamp,
) -> Result<Written, StoreError> {
    let mut written = Written::default();
    let mut puts = 0;
    // Runs of the same sort go in one statement; within a statement a key may stand once.
    let mut put_run: Vec<&ListEntry> = Vec::new();
    let mut remove_run: Vec<&EntryKey> = Vec::new();
    let mut seen: HashSet<&EntryKey> = HashSet::new();
    for change in changes {
        let (key, puts_it) = match change {
            Change::Put(entry) => (&entry.key, true),
            Change::Remove(key) => (key, false),
        };
        let turns = if puts_it {
            !remove_run.is_empty()
        } else {
            !put_run.is_empty()
        };
        if turns || seen.len() == CHUNK || seen.contains(key) {
            written.replaced += put(connection, &put_run, at).await?;
            written.removed += remove(connection, &remove_run).await?;
            put_run.clear();
            remove_run.clear();
            seen.clear();
        }
        seen.insert(key);
        match change {
            Change::Put(entry) => {
                put_run.push(entry);
                puts += 1;
            }
            Change::Remove(key) => remove_run.push(key),
        }
    }
    written.replaced += put(connection, &put_run, at).await?;
    written.removed += remove(connection, &remove_run).await?;
    written.created = puts - written.replaced.min(puts);
    Ok(written)
}

async fn remove(connection: &mut SqliteConnection, keys: &[&EntryKey]) -> Result<u64, StoreError> {
    if keys.is_empty() {
        return Ok(0);
    }
    let mut query =
        QueryBuilder::<Sqlite>::new("DELETE FROM entries WHERE (kind, domain, value, source) IN (");
    query.push_values(keys, |mut row, key| {
        row.push_bind(key.value.kind().as_str())
            .push_bind(&*key.domain)
            .push_bind(key.value.to_string())
            .push_bind(&*key.source);
    });
    query.push(")");
    let removed = query
        .build()
        .persistent(keys.len() == CHUNK)
        .execute(connection)
        .await?;
    Ok(removed.rows_affected())
}

/// How many of these are there: all are not counted, since others may have very many.
async fn listed(
    connection: &mut SqliteConnection,
    entries: &[&ListEntry],
) -> Result<u64, StoreError> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "SELECT count(*) FROM entries WHERE (kind, domain, value, source) IN (",
    );
    query.push_values(entries, |mut row, entry| {
        row.push_bind(entry.key.value.kind().as_str())
            .push_bind(&*entry.key.domain)
            .push_bind(entry.key.value.to_string())
            .push_bind(&*entry.key.source);
    });
    query.push(")");
    let count: i64 = query
        .build_query_scalar()
        .persistent(entries.len() == CHUNK)
        .fetch_one(connection)
        .await?;
    Ok(u64::try_from(count).unwrap_or_default())
}

/// Puts entries, no key of which stands twice; how many it replaced.
async fn put(
    connection: &mut SqliteConnection,
    entries: &[&ListEntry],
    at: Timestamp,
) -> Result<u64, StoreError> {
    if entries.is_empty() {
        return Ok(0);
    }
    let replaced = listed(connection, entries).await?;
    let mut query = QueryBuilder::<Sqlite>::new(
        "INSERT INTO entries (kind, domain, value, source, action, reason, expires_at, listed_at, created_at) ",
    );
    query.push_values(entries, |mut row, entry| {
        row.push_bind(entry.key.value.kind().as_str())
            .push_bind(&*entry.key.domain)
            .push_bind(entry.key.value.to_string())
            .push_bind(&*entry.key.source)
            .push_bind(entry.action.as_str())
            .push_bind(&*entry.reason)
            .push_bind(entry.expires_at.map(|second| second.saturating_mul(1_000)))
            .push_bind(entry.listed_at.saturating_mul(1_000))
            .push_bind(at.as_millisecond());
    });
    query.push(
        " ON CONFLICT (kind, domain, value, source) DO UPDATE SET \
         action = excluded.action, reason = excluded.reason, expires_at = excluded.expires_at, \
         listed_at = excluded.listed_at",
    );
    query
        .build()
        .persistent(entries.len() == CHUNK)
        .execute(connection)
        .await?;
    Ok(replaced)
}

fn push_filter(query: &mut QueryBuilder<Sqlite>, filter: &EntryFilter) {
    if let Some(kind) = filter.kind {
        query.push(" AND kind = ").push_bind(kind.as_str());
    }
    if let Some(action) = filter.action {
        query.push(" AND action = ").push_bind(action);
    }
    if let Some(domain) = &filter.domain {
        // With every kind named, a domain's entries are found by the key, among those of all.
        if filter.kind.is_none() {
            query.push(" AND kind IN ('ip', 'number', 'user-agent')");
        }
        query.push(" AND domain = ").push_bind(domain);
    }
    if let Some(source) = &filter.source {
        query.push(" AND source = ").push_bind(source);
    }
    if let Some(values) = &filter.values {
        query.push(" AND value IN (");
        let mut list = query.separated(", ");
        for value in values {
            list.push_bind(value);
        }
        query.push(")");
    }
}

fn key(row: &SqliteRow, shared: &mut SharedTexts) -> Result<EntryKey, StoreError> {
    let kind = match row.try_get::<&str, _>(0)? {
        "ip" => EntryKind::Ip,
        "number" => EntryKind::Number,
        "user-agent" => EntryKind::UserAgent,
        other => return Err(corrupt("an entry's kind", other)),
    };
    let value =
        EntryValue::kept(kind, row.try_get(2)?).map_err(|error| corrupt("an entry", error))?;
    Ok(EntryKey {
        domain: row.try_get::<&str, _>(1)?.into(),
        value,
        source: shared.of(row.try_get(3)?),
    })
}

fn entry(row: &SqliteRow, shared: &mut SharedTexts) -> Result<ListEntry, StoreError> {
    let action = match row.try_get::<&str, _>(4)? {
        "block" => Action::Block,
        "allow" => Action::Allow,
        other => return Err(corrupt("an entry's action", other)),
    };
    Ok(ListEntry {
        key: key(row, shared)?,
        action,
        reason: shared.of(row.try_get(5)?),
        listed_at: row.try_get::<i64, _>(7)?.div_euclid(1_000),
        expires_at: row
            .try_get::<Option<i64>, _>(6)?
            .map(|milliseconds| milliseconds.div_euclid(1_000)),
    })
}
