//! Verifications, failures and grants.

use jiff::Timestamp;
use sqlx::{Row, SqliteConnection, SqlitePool, sqlite::SqliteRow};
use tfps_engine::{call::AccountId, decision::Purpose, number::Country, usage::GrantKind};

use super::{
    GrantRecord, OpenedChallenge, Passed, StoreError, VerificationRecord, accounts, corrupt,
    timestamp,
};
use crate::store::VerificationStatus;

pub(super) async fn challenged_account(
    pool: &SqlitePool,
    challenge_id: &str,
) -> Result<Option<AccountId>, StoreError> {
    let row = sqlx::query(
        "SELECT domain, username FROM verifications WHERE challenge_id = ?1 \
         UNION ALL SELECT domain, username FROM decisions WHERE challenge_id = ?1 AND challenge_id <> '' LIMIT 1",
    )
    .bind(challenge_id)
    .fetch_optional(pool)
    .await?;
    row.map(|row| account(&row, 0)).transpose()
}

pub(super) async fn open(
    connection: &mut SqliteConnection,
    record: &VerificationRecord,
    max_opens: u32,
) -> Result<(), StoreError> {
    let (opened, passed): (i64, i64) = sqlx::query_as(
        "SELECT count(*), coalesce(sum(status IN ('passed', 'used')), 0) FROM verifications WHERE challenge_id = ?",
    )
    .bind(&record.challenge_id)
    .fetch_one(&mut *connection)
    .await?;
    if opened >= i64::from(max_opens) || passed > 0 {
        return Err(StoreError::Conflict);
    }
    sqlx::query(
        "INSERT INTO verifications (id, challenge_id, domain, username, purpose, opened_at, expires_at, digits_hash, \
         status, completed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
    )
    .bind(&record.id)
    .bind(&record.challenge_id)
    .bind(record.account.domain())
    .bind(record.account.username())
    .bind(&record.purpose)
    .bind(record.opened_at.as_millisecond())
    .bind(record.expires_at.as_millisecond())
    .bind(record.digits_hash.as_deref())
    .bind(record.status.as_str())
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn one(pool: &SqlitePool, id: &str) -> Result<VerificationRecord, StoreError> {
    let row = sqlx::query(
        "SELECT id, challenge_id, domain, username, purpose, opened_at, expires_at, digits_hash, status, completed_at \
         FROM verifications WHERE id = ?",
    )
    .bind(id)
    .fetch_one(pool)
    .await?;
    let status = match row.try_get::<&str, _>(8)? {
        "opened" => VerificationStatus::Opened,
        "passed" => VerificationStatus::Passed,
        "failed" => VerificationStatus::Failed,
        "used" => VerificationStatus::Used,
        other => return Err(corrupt("a verification's status", other)),
    };
    Ok(VerificationRecord {
        id: row.try_get(0)?,
        challenge_id: row.try_get(1)?,
        account: account(&row, 2)?,
        purpose: row.try_get(4)?,
        opened_at: timestamp(row.try_get(5)?),
        expires_at: timestamp(row.try_get(6)?),
        digits_hash: row.try_get(7)?,
        status,
        completed_at: row.try_get::<Option<i64>, _>(9)?.map(timestamp),
    })
}

/// Moves a verification from one status to another; somebody else did before: [`StoreError::Conflict`].
async fn complete(
    connection: &mut SqliteConnection,
    id: &str,
    (from, to): (&str, &str),
    at: Option<Timestamp>,
) -> Result<(), StoreError> {
    let updated = sqlx::query(
        "UPDATE verifications SET status = ?, completed_at = coalesce(?, completed_at) WHERE id = ? AND status = ?",
    )
    .bind(to)
    .bind(at.map(Timestamp::as_millisecond))
    .bind(id)
    .bind(from)
    .execute(connection)
    .await?;
    if updated.rows_affected() == 1 {
        Ok(())
    } else {
        Err(StoreError::Conflict)
    }
}

pub(super) async fn fail(
    connection: &mut SqliteConnection,
    id: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    complete(connection, id, ("opened", "failed"), Some(at)).await?;
    sqlx::query(
        "INSERT INTO verification_failures (domain, username, failed_at) \
         SELECT domain, username, ? FROM verifications WHERE id = ?",
    )
    .bind(at.as_millisecond())
    .bind(id)
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn pass(
    connection: &mut SqliteConnection,
    id: &str,
    mut change: Passed,
    at: Timestamp,
) -> Result<Passed, StoreError> {
    complete(connection, id, ("opened", "passed"), Some(at)).await?;
    match &mut change {
        Passed::Created(record) => accounts::create(connection, record).await?,
        Passed::Updated(record) => accounts::update(connection, record).await?,
        Passed::Granted(record) => record.id = grant(connection, record).await?,
        Passed::Nothing => {}
    }
    Ok(change)
}

pub(super) async fn use_up(connection: &mut SqliteConnection, id: &str) -> Result<(), StoreError> {
    complete(connection, id, ("passed", "used"), None).await
}

async fn grant(connection: &mut SqliteConnection, record: &GrantRecord) -> Result<i64, StoreError> {
    let inserted = sqlx::query(
        "INSERT INTO grants (domain, username, kind, country, expires_at, calls, used) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(record.account.domain())
    .bind(record.account.username())
    .bind(kind_name(record.kind))
    .bind(record.country.code())
    .bind(record.expires_at.as_millisecond())
    .bind(record.calls)
    .bind(record.used)
    .execute(connection)
    .await?;
    Ok(inserted.last_insert_rowid())
}

pub(super) async fn grants(
    pool: &SqlitePool,
    now: Timestamp,
) -> Result<Vec<GrantRecord>, StoreError> {
    let rows = sqlx::query(
        "SELECT id, domain, username, kind, country, expires_at, calls, used FROM grants WHERE expires_at > ?",
    )
    .bind(now.as_millisecond())
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            let kind = match row.try_get::<&str, _>(3)? {
                "source" => GrantKind::Source,
                "destination" => GrantKind::Destination,
                other => return Err(corrupt("a grant's kind", other)),
            };
            Ok(GrantRecord {
                id: row.try_get(0)?,
                account: account(row, 1)?,
                kind,
                country: Country::from_code(row.try_get(4)?)
                    .map_err(|error| corrupt("a grant", error))?,
                expires_at: timestamp(row.try_get(5)?),
                calls: row.try_get(6)?,
                used: row.try_get(7)?,
            })
        })
        .collect()
}

pub(super) async fn forget_failures(
    connection: &mut SqliteConnection,
    id: &AccountId,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM verification_failures WHERE domain = ? AND username = ?")
        .bind(id.domain())
        .bind(id.username())
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn failures(
    pool: &SqlitePool,
    since: Timestamp,
) -> Result<Vec<(AccountId, Timestamp)>, StoreError> {
    let rows = sqlx::query(
        "SELECT domain, username, failed_at FROM verification_failures WHERE failed_at > ? ORDER BY failed_at",
    )
    .bind(since.as_millisecond())
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| Ok((account(row, 0)?, timestamp(row.try_get(2)?))))
        .collect()
}

pub(super) async fn passed_challenges(
    pool: &SqlitePool,
    since: Timestamp,
) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT challenge_id FROM verifications WHERE status IN ('passed', 'used') AND completed_at > ?",
    )
    .bind(since.as_millisecond())
    .fetch_all(pool)
    .await?)
}

pub(super) async fn onboarded_since(
    pool: &SqlitePool,
    since: Timestamp,
) -> Result<Vec<(AccountId, Timestamp)>, StoreError> {
    let rows = sqlx::query(
        "SELECT domain, username, completed_at FROM verifications JOIN accounts USING (domain, username) \
         WHERE completed_at > ? AND purpose = ? AND status IN ('passed', 'used') AND created_at = completed_at",
    )
    .bind(since.as_millisecond())
    .bind(Purpose::Onboarding.as_str())
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| Ok((account(row, 0)?, timestamp(row.try_get(2)?))))
        .collect()
}

pub(super) async fn challenges_opened(
    pool: &SqlitePool,
    purpose: &str,
    since: Timestamp,
) -> Result<Vec<OpenedChallenge>, StoreError> {
    let rows = sqlx::query(
        "SELECT DISTINCT challenge_id, domain, username, opened_at FROM verifications AS first \
         WHERE opened_at > ? AND purpose = ? AND NOT EXISTS (SELECT 1 FROM verifications AS earlier \
         WHERE earlier.challenge_id = first.challenge_id AND earlier.opened_at < first.opened_at) ORDER BY opened_at",
    )
    .bind(since.as_millisecond())
    .bind(purpose)
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(OpenedChallenge {
                id: row.try_get(0)?,
                account: account(row, 1)?,
                first_opened_at: timestamp(row.try_get(3)?),
            })
        })
        .collect()
}

fn kind_name(kind: GrantKind) -> &'static str {
    match kind {
        GrantKind::Source => "source",
        GrantKind::Destination => "destination",
    }
}

/// The account whose domain stands in a column and whose username in the next.
fn account(row: &SqliteRow, column: usize) -> Result<AccountId, StoreError> {
    AccountId::new(row.try_get(column + 1)?, row.try_get(column)?)
        .map_err(|error| corrupt("an account's name", error))
}
