//! A server's data: made once, kept under target/bench, copied for each use.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use sqlx::{
    Connection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tfps_bench::workload;
use tfps_client::{Client, Token, v1};
use tfps_server::{
    clock::Clock,
    config::{Config, KnownCountry, KnownReputation},
    restore::seed,
    store::{SqliteStore, Store},
};

use crate::{
    Bench,
    process::{Process, free_address},
    remove_dir, say,
};

/// Raised when what is made here or a migration changes, so that what was kept is made anew.
const EDITION: &str = "3";
/// Lines of a list that are sent at once.
const LINES: usize = 5_000;

/// What is in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// The policy and the scanners alone.
    Nothing,
    /// Accounts.
    Accounts,
    /// Accounts and long lists.
    AccountsAndLists,
}

/// A tfps-server that runs, and how to reach it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    /// Its data.
    pub(crate) folder: PathBuf,
}

impl Server {
    /// Starts a server on data; it does not yet listen.
    pub(crate) fn start(
        bench: &Bench,
        folder: &Path,
        ship_per_second: u32,
    ) -> anyhow::Result<Self> {
        Self::start_with(bench, folder, ship_per_second, |_| {})
    }

    /// Starts a server with another configuration.
    pub(crate) fn start_with(
        bench: &Bench,
        folder: &Path,
        ship_per_second: u32,
        change: impl FnOnce(&mut Config),
    ) -> anyhow::Result<Self> {
        let (grpc, http) = (free_address()?, free_address()?);
        let mut config = config(folder)?;
        change(&mut config);
        config.listen = grpc;
        config.http_listen = http.to_string();
        config.journal.ship_per_second = ship_per_second;
        let file = folder.join("tfps.toml");
        fs::write(&file, toml::to_string(&config)?)?;
        let process = Process::start(
            Command::new(bench.program("tfps-server")?)
                .arg("--config")
                .arg(&file),
            &folder.join("server.log"),
        )?;
        Ok(Self {
            process,
            grpc,
            http,
            folder: folder.to_owned(),
        })
    }

    /// The admin's token.
    pub(crate) fn token(&self) -> anyhow::Result<String> {
        let path = self.folder.join("admin.token");
        let token =
            fs::read_to_string(&path).with_context(|| format!("{} is missing", path.display()))?;
        Ok(token.trim().to_owned())
    }

    /// Waits until it listens, and connects.
    pub(crate) async fn connect(&mut self) -> anyhow::Result<Client> {
        self.process.await_listening(self.grpc)?;
        let config = tfps_client::Config::new(format!("http://{}", self.grpc))
            .token(Token::secret(self.token()?));
        Ok(Client::connect(config).await?)
    }
}

/// The pace of shipping that the server has unless it is told another.
pub(crate) fn default_pace() -> u32 {
    Config::default().journal.ship_per_second
}

/// A folder with such content, to be written to: a copy of what is kept, which is made where it is not there.
pub(crate) async fn copy(bench: &Bench, content: Content, name: &str) -> anyhow::Result<PathBuf> {
    let kept = keep(bench, content).await?;
    let copy = bench.folder.join(name);
    remove_dir(&copy)?;
    fs::create_dir_all(&copy)?;
    for file in ["tfps.db", "admin.token"] {
        fs::copy(kept.join(file), copy.join(file))
            .with_context(|| format!("{} can't be copied", kept.join(file).display()))?;
    }
    Ok(copy)
}

async fn keep(bench: &Bench, content: Content) -> anyhow::Result<PathBuf> {
    let scale = bench.scale;
    let (accounts, lists) = match content {
        Content::Nothing => (0, false),
        Content::Accounts => (scale.accounts, false),
        Content::AccountsAndLists => (scale.accounts, true),
    };
    let suffix = if lists { "-and-lists" } else { "" };
    let folder = bench.folder.join(format!("data-{accounts}{suffix}"));
    let made = folder.join("made");
    if fs::read_to_string(&made).is_ok_and(|edition| edition == EDITION) {
        return Ok(folder);
    }
    say(format_args!("making {}", folder.display()));
    remove_dir(&folder)?;
    fs::create_dir_all(&folder)?;
    write_accounts(&folder, accounts).await?;
    let mut server = Server::start(bench, &folder, default_pace())?;
    let client = server.connect().await?;
    if lists {
        let numbers = workload::listed_numbers(scale.numbers);
        import(&client, v1::EntryKind::Number, numbers).await?;
        let networks = workload::listed_networks(scale.networks);
        import(&client, v1::EntryKind::Ip, networks).await?;
    }
    drop(client);
    server.process.stop()?;
    checkpoint(&folder).await?;
    fs::write(made, EDITION)?;
    Ok(folder)
}

/// Writes accounts past the server: one by one, each would be a transaction of its own.
async fn write_accounts(folder: &Path, accounts: usize) -> anyhow::Result<()> {
    let config = config(folder)?;
    let store = SqliteStore::open(&config.database_path()).await?;
    seed(&store, &config, Clock::System.now()).await?;
    store.close().await;
    let options = SqliteConnectOptions::new()
        .filename(config.database_path())
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Off);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let mut transaction = connection.begin().await?;
    let now = Clock::System.now().as_millisecond();
    for number in 0..accounts {
        let account = workload::account(number);
        sqlx::query(
            "INSERT INTO accounts (domain, username, concurrent_calls, concurrent_calls_off_hours, daily_quota, \
             daily_quota_off_hours, source_countries, destination_countries, policy, email_address, block_reason, \
             pin_hash, version, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, ?, NULL, 1, ?, ?)",
        )
        .bind(account.id.domain())
        .bind(account.id.username())
        .bind(account.limits.concurrent_calls)
        .bind(account.limits.concurrent_calls_off_hours)
        .bind(account.limits.daily_quota)
        .bind(account.limits.daily_quota_off_hours)
        .bind(account.source_countries.to_string())
        .bind(account.destination_countries.to_string())
        .bind(format!("{}@example.net", account.id.username()))
        .bind(account.blocked.as_deref())
        .bind(now)
        .bind(now)
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await?;
    connection.close().await?;
    Ok(())
}

/// Takes the write-ahead log into the database: it is the one file that is copied.
async fn checkpoint(folder: &Path) -> anyhow::Result<()> {
    let options = SqliteConnectOptions::new().filename(config(folder)?.database_path());
    let mut connection = SqliteConnection::connect_with(&options).await?;
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(())
}

async fn import(client: &Client, kind: v1::EntryKind, values: Vec<String>) -> anyhow::Result<()> {
    let started = Instant::now();
    let expected = values.len() as u64;
    let mut stream = client.import_entries(v1::ImportHeader {
        kind: kind.into(),
        action: v1::EntryAction::Block.into(),
        reason: "a known range".to_owned(),
        source: "benchmark".to_owned(),
        ..v1::ImportHeader::default()
    });
    for (index, lines) in values.chunks(LINES).enumerate() {
        let first_line = (index * LINES) as u64 + 1;
        let lines = lines.to_vec();
        if !stream.send(v1::ImportLines { first_line, lines }).await {
            break;
        }
    }
    let answer = stream.finish().await?;
    ensure!(
        answer.created == expected,
        "of {expected} entries {} were created",
        answer.created
    );
    say(format_args!(
        "{expected} entries imported in {:.1} s",
        started.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// The server's configuration: every rule has something to ask.
fn config(folder: &Path) -> anyhow::Result<Config> {
    let mut config = Config {
        data_dir: folder.to_owned(),
        policy: workload::policy(),
        ..Config::default()
    };
    config.geo.known.push(KnownCountry {
        network: "23.0.0.0/8".parse()?,
        country: "US".to_owned(),
    });
    config.reputation.push(KnownReputation {
        network: "23.0.0.0/8".parse()?,
        abuse_confidence: Some(0),
        apiban: Some(false),
    });
    Ok(config)
}

/// A call that is allowed, however often it is asked for: no Call-ID, and no limit within its reach.
pub(crate) fn allowed_call() -> v1::CheckRequest {
    let (username, domain) = workload::account_name(7);
    v1::CheckRequest {
        account: Some(v1::AccountKey { username, domain }),
        dialed_number: "011442079460123".to_owned(),
        caller_number: "12125550123".to_owned(),
        source_ip: workload::source(7).to_string(),
        user_agent: "Yealink SIP-T46S 66.85.0.5".to_owned(),
        concurrent_calls: Some(1),
        trunk: "carrier-1".to_owned(),
        ..v1::CheckRequest::default()
    }
}

/// How long a server is left alone before its memory is read: an allocator gives back in its own time.
pub(crate) const REST: Duration = Duration::from_secs(2);
