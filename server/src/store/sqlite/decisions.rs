//! Decisions, and what else the journal ships.

use futures::TryStreamExt;
use jiff::Timestamp;
use sqlx::{
    AssertSqlSafe, QueryBuilder, Row, Sqlite, SqliteConnection, SqlitePool, sqlite::SqliteRow,
};
use tfps_engine::usage::Day;

use super::{DecisionFilter, OutcomeRecord, Shipment, Statistics, StoreError, usage};
use crate::journal::{DecisionRecord, Position};

const COLUMNS: &str = "id, decided_at, domain, username, dialed_number, e164, caller_number, source_ip, user_agent, \
     concurrent_calls, call_id, forwarded_from, trunk, verdict, code, reason, purpose, challenge_id, \
     challenge_expires_at, destination_country, source_country, number_kind, off_hours, risk, monitored_verdict, \
     monitored_code, monitored_reason, policy, latency_us, source_asn";

pub(super) async fn ship(
    connection: &mut SqliteConnection,
    shipment: &Shipment,
) -> Result<(), StoreError> {
    insert_decisions(connection, &shipment.decisions).await?;
    usage::forget(connection, &shipment.resets).await?;
    usage::recount(connection, &shipment.recounts).await?;
    usage::add(connection, &shipment.usage).await?;
    for (id, calls) in &shipment.grants {
        sqlx::query("UPDATE grants SET used = used + ? WHERE id = ?")
            .bind(calls)
            .bind(id)
            .execute(&mut *connection)
            .await?;
    }
    for call in &shipment.calls {
        usage::progress(connection, call).await?;
    }
    usage::forgive(connection, &shipment.resets).await?;
    sqlx::query(
        "INSERT INTO journal_position (id, segment, position) VALUES (1, ?, ?) \
         ON CONFLICT (id) DO UPDATE SET segment = excluded.segment, position = excluded.position",
    )
    .bind(i64::try_from(shipment.position.segment).unwrap_or(i64::MAX))
    .bind(i64::try_from(shipment.position.offset).unwrap_or(i64::MAX))
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_decisions(
    connection: &mut SqliteConnection,
    decisions: &[DecisionRecord],
) -> Result<(), StoreError> {
    /// Rows a statement: 30 parameters each, of SQLite's 32,766.
    const CHUNK: usize = 1_000;
    for chunk in decisions.chunks(CHUNK) {
        let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO decisions (");
        query.push(COLUMNS).push(") ");
        query.push_values(chunk, |mut row, decision| {
            row.push_bind(&decision.id)
                .push_bind(decision.decided_at)
                .push_bind(&decision.domain)
                .push_bind(&decision.username)
                .push_bind(&decision.dialed_number)
                .push_bind(&decision.e164)
                .push_bind(&decision.caller_number)
                .push_bind(&decision.source_ip)
                .push_bind(&decision.user_agent)
                .push_bind(decision.concurrent_calls)
                .push_bind(&decision.call_id)
                .push_bind(&decision.forwarded_from)
                .push_bind(&decision.trunk)
                .push_bind(decision.verdict)
                .push_bind(&decision.code)
                .push_bind(&decision.reason)
                .push_bind(decision.purpose)
                .push_bind(&decision.challenge_id)
                .push_bind(decision.challenge_expires_at)
                .push_bind(&decision.destination_country)
                .push_bind(&decision.source_country)
                .push_bind(decision.number_kind)
                .push_bind(decision.off_hours)
                .push_bind(decision.risk)
                .push_bind(decision.monitored_verdict)
                .push_bind(&decision.monitored_code)
                .push_bind(&decision.monitored_reason)
                .push_bind(&decision.policy)
                .push_bind(decision.latency_us)
                .push_bind(decision.source_asn);
        });
        // A crash between a shipment and its answer ships it again.
        query.push(" ON CONFLICT (id) DO NOTHING");
        query
            .build()
            .persistent(chunk.len() == CHUNK)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

pub(super) async fn position(pool: &SqlitePool) -> Result<Position, StoreError> {
    let row: Option<(i64, i64)> =
        sqlx::query_as("SELECT segment, position FROM journal_position WHERE id = 1")
            .fetch_optional(pool)
            .await?;
    Ok(
        row.map_or_else(Position::default, |(segment, offset)| Position {
            segment: u64::try_from(segment).unwrap_or_default(),
            offset: u64::try_from(offset).unwrap_or_default(),
        }),
    )
}

pub(super) async fn list(
    connection: &mut SqliteConnection,
    filter: &DecisionFilter,
    before: Option<&str>,
    limit: usize,
) -> Result<Vec<DecisionRecord>, StoreError> {
    let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
    query.push(COLUMNS).push(" FROM decisions WHERE TRUE");
    for (column, value) in [
        ("domain", &filter.domain),
        ("username", &filter.username),
        ("source_ip", &filter.source_ip),
        ("destination_country", &filter.destination_country),
        ("call_id", &filter.call_id),
        ("id", &filter.id),
    ] {
        if let Some(value) = value {
            query
                .push(" AND ")
                .push(column)
                .push(" = ")
                .push_bind(value);
        }
    }
    if let Some(verdict) = filter.verdict {
        query.push(" AND verdict = ").push_bind(verdict);
    }
    if let Some(prefix) = &filter.number_prefix {
        query
            .push(" AND substr(e164, 1, length(")
            .push_bind(prefix)
            .push(")) = ")
            .push_bind(prefix);
    }
    if !filter.codes.is_empty() {
        query.push(" AND code IN (");
        let mut list = query.separated(", ");
        for code in &filter.codes {
            list.push_bind(code);
        }
        query.push(")");
    }
    if let Some(since) = filter.since {
        query
            .push(" AND id >= ")
            .push_bind(crate::check::first_id_of(since));
    }
    // One bound: of two, SQLite searches by the first and goes through all rows between them, page after page.
    let until = filter.until.map(crate::check::first_id_of);
    let below = [until.as_deref(), before].into_iter().flatten().min();
    if let Some(below) = below {
        query.push(" AND id < ").push_bind(below);
    }
    query
        .push(" ORDER BY id DESC LIMIT ")
        .push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    let rows = query.build().fetch_all(connection).await?;
    rows.iter().map(record).collect()
}

pub(super) async fn challenges(
    pool: &SqlitePool,
    since: Timestamp,
) -> Result<Vec<DecisionRecord>, StoreError> {
    let mut rows = sqlx::query(AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM decisions WHERE id >= ? AND challenge_id <> '' ORDER BY id"
    )))
    .bind(crate::check::first_id_of(since))
    .fetch(pool);
    let mut records = Vec::new();
    while let Some(row) = rows.try_next().await? {
        records.push(record(&row)?);
    }
    Ok(records)
}

pub(super) async fn statistics(
    connection: &mut SqliteConnection,
    since: Timestamp,
    until: Timestamp,
    domain: Option<&str>,
) -> Result<Statistics, StoreError> {
    let span = Span {
        since: crate::check::first_id_of(since),
        until: crate::check::first_id_of(until),
        domain,
    };
    let by_code: Vec<(String, i32, i64)> = sqlx::query_as(AssertSqlSafe(format!(
        "SELECT code, verdict, count(*) FROM decisions WHERE {SPAN} GROUP BY code, verdict ORDER BY 3 DESC, code"
    )))
    .bind(&span.since)
    .bind(&span.until)
    .bind(domain)
    .bind(domain)
    .fetch_all(&mut *connection)
    .await?;
    let countries = format!(
        "SELECT destination_country, count(*) FROM decisions WHERE {SPAN} AND destination_country <> '' \
         GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10"
    );
    let stopped = format!(
        "SELECT username || '@' || domain, count(*) FROM decisions WHERE {SPAN} AND verdict <> 1 \
         GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10"
    );
    Ok(Statistics {
        by_code: by_code
            .into_iter()
            .map(|(code, verdict, count)| (code, verdict, u64::try_from(count).unwrap_or_default()))
            .collect(),
        countries: span.counts(connection, countries).await?,
        stopped: span.counts(connection, stopped).await?,
    })
}

/// What [`Span`] binds.
const SPAN: &str = "id >= ? AND id < ? AND (? IS NULL OR domain = ?)";

/// The decisions of a span of time, of a domain or of all.
struct Span<'a> {
    since: String,
    until: String,
    domain: Option<&'a str>,
}

impl Span<'_> {
    async fn counts(
        &self,
        connection: &mut SqliteConnection,
        sql: String,
    ) -> Result<Vec<(String, u64)>, StoreError> {
        let rows: Vec<(String, i64)> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(&self.since)
            .bind(&self.until)
            .bind(self.domain)
            .bind(self.domain)
            .fetch_all(connection)
            .await?;
        let count = |(key, count)| (key, u64::try_from(count).unwrap_or_default());
        Ok(rows.into_iter().map(count).collect())
    }
}

pub(super) async fn outcome(
    connection: &mut SqliteConnection,
    record: &OutcomeRecord,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO outcomes (learned_at, decision_id, number, domain, kind, note, taught_by) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(record.learned_at.as_millisecond())
    .bind(&record.decision_id)
    .bind(&record.number)
    .bind(&record.domain)
    .bind(record.kind)
    .bind(&record.note)
    .bind(&record.taught_by)
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes in steps, so that nobody waits long for the writer.
pub(super) async fn prune(
    pool: &SqlitePool,
    before: Timestamp,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let mut pruned = 0;
    loop {
        let deleted = sqlx::query(
            "DELETE FROM decisions WHERE id IN (SELECT id FROM decisions WHERE id < ? LIMIT 5000)",
        )
        .bind(crate::check::first_id_of(before))
        .execute(pool)
        .await?
        .rows_affected();
        pruned += deleted;
        if deleted == 0 {
            break;
        }
    }
    let day = Day::in_utc(before).digits();
    for (sql, bound) in [
        ("DELETE FROM usage_days WHERE day < ?", i64::from(day)),
        (
            "DELETE FROM calls WHERE coalesce(ended_at, started_at, answered_at) < ?",
            before.as_millisecond(),
        ),
        (
            "DELETE FROM verification_failures WHERE failed_at < ?",
            before.as_millisecond(),
        ),
        (
            "DELETE FROM verifications WHERE opened_at < ?",
            before.as_millisecond(),
        ),
        (
            "DELETE FROM trainings WHERE trained_at < ?",
            before.as_millisecond(),
        ),
        (
            "DELETE FROM verified_days WHERE passed_at < ?",
            before.as_millisecond(),
        ),
        (
            "DELETE FROM grants WHERE expires_at < ?",
            now.as_millisecond(),
        ),
        (
            "DELETE FROM entries WHERE expires_at < ?",
            now.as_millisecond(),
        ),
        (
            "DELETE FROM reputations WHERE expires_at < ?",
            now.as_millisecond(),
        ),
    ] {
        pruned += sqlx::query(sql)
            .bind(bound)
            .execute(pool)
            .await?
            .rows_affected();
    }
    Ok(pruned)
}

fn record(row: &SqliteRow) -> Result<DecisionRecord, StoreError> {
    Ok(DecisionRecord {
        id: row.try_get(0)?,
        decided_at: row.try_get(1)?,
        domain: row.try_get(2)?,
        username: row.try_get(3)?,
        dialed_number: row.try_get(4)?,
        e164: row.try_get(5)?,
        caller_number: row.try_get(6)?,
        source_ip: row.try_get(7)?,
        user_agent: row.try_get(8)?,
        concurrent_calls: row.try_get(9)?,
        call_id: row.try_get(10)?,
        forwarded_from: row.try_get(11)?,
        trunk: row.try_get(12)?,
        verdict: row.try_get(13)?,
        code: row.try_get(14)?,
        reason: row.try_get(15)?,
        purpose: row.try_get(16)?,
        challenge_id: row.try_get(17)?,
        challenge_expires_at: row.try_get(18)?,
        destination_country: row.try_get(19)?,
        source_country: row.try_get(20)?,
        number_kind: row.try_get(21)?,
        off_hours: row.try_get(22)?,
        risk: row.try_get(23)?,
        monitored_verdict: row.try_get(24)?,
        monitored_code: row.try_get(25)?,
        monitored_reason: row.try_get(26)?,
        policy: row.try_get(27)?,
        latency_us: row.try_get(28)?,
        source_asn: row.try_get(29)?,
        ..DecisionRecord::default()
    })
}
