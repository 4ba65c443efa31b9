//! Operation: the configuration while the server runs.

use std::{path::PathBuf, sync::Arc};

use jiff::Timestamp;
use parking_lot::Mutex;
use tfps_daemon::{log::LogLevel, secret_file};

use crate::{
    check::{Checker, Settings},
    config::{Config, ConfigError, Overrides},
    connections::LiveTls,
    feeds::{Feeds, Fetcher},
    geo::LiveGeography,
    grpc::layers::Deadlines,
    journal::ShipperHandle,
    reputation::{LiveReputations, ServiceSettings},
    restore,
    sources::SourceStatus,
    state::State,
    telemetry::Metrics,
};

/// The keys that a running server takes; all others wait for a restart.
const LIVE: [&str; 38] = [
    "list",
    "log.level",
    "requests.default_deadline_ms",
    "requests.max_deadline_ms",
    "tls.cert_file",
    "tls.key_file",
    "tls.client_ca_file",
    "requests.drain_seconds",
    "requests.look_up_ms",
    "calls.repeat_seconds",
    "calls.reserved_seconds",
    "calls.started_seconds",
    "emergency.alarm_calls",
    "emergency.alarm_seconds",
    "journal.ship_per_second",
    "decisions.keep_days",
    "journal.max_bytes",
    "outbound.ca_file",
    "abuseipdb.key",
    "abuseipdb.key_file",
    "abuseipdb.url",
    "abuseipdb.max_age_days",
    "abuseipdb.timeout_ms",
    "abuseipdb.daily_look_ups",
    "abuseipdb.reserved_percent",
    "abuseipdb.blacklist_limit",
    "abuseipdb.blacklist_confidence_minimum",
    "abuseipdb.report",
    "abuseipdb.report_codes",
    "apiban.key",
    "apiban.key_file",
    "apiban.url",
    "apiban.poll_seconds",
    "apiban.timeout_ms",
    "geo.country_file",
    "geo.asn_file",
    "geo.known",
    "exposure.rates_file",
];

/// Takes new configurations.
pub struct Operation {
    /// Where the configuration comes from.
    pub file: Option<PathBuf>,
    /// What the command line overrides.
    pub overrides: Overrides,
    /// The configuration in force.
    pub config: Mutex<Config>,
    /// What is in memory.
    pub state: Arc<State>,
    /// Who decides.
    pub checker: Arc<Checker>,
    /// Brings the journal to the database.
    pub shipper: ShipperHandle,
    /// The journal.
    pub journal: Arc<crate::journal::Journal>,
    /// Keeps the lists of others.
    pub feeds: Arc<Feeds>,
    /// What services say of addresses.
    pub reputations: Arc<LiveReputations>,
    /// Where addresses are.
    pub geography: Arc<LiveGeography>,
    /// How long requests may take.
    pub deadlines: Arc<Deadlines>,
    /// The certificates; `None` without TLS.
    pub(crate) tls: Option<Arc<LiveTls>>,
    /// What is logged; `None` where somebody else does.
    pub log: Option<LogLevel>,
    /// What is counted.
    pub metrics: Metrics,
    /// When the server started.
    pub started_at: Timestamp,
}

/// What a reload came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// The keys that changed and are in force.
    pub applied: Vec<String>,
    /// The keys that changed and wait for a restart.
    pub needs_restart: Vec<String>,
}

/// Why a configuration was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReloadError {
    /// It is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file that it names is wrong.
    #[error("{0}")]
    File(String),
    /// What is to be logged does not read.
    #[error("{0}")]
    Log(String),
}

impl Operation {
    /// Takes the configuration anew: all of it, or nothing.
    ///
    /// # Errors
    /// When it is wrong: the old one stays.
    pub fn reload(&self) -> Result<Reloaded, ReloadError> {
        let mut config = self.config.lock();
        let new = Config::load(self.file.as_deref(), &self.overrides)?;
        let services = ServiceSettings::of(&new)?;
        let fetcher = Fetcher::of(&new)?;
        let rates = restore::rates(&new.exposure.rates_file);
        let rates = Arc::new(rates.map_err(|error| ReloadError::File(error.to_string()))?);
        // TLS is turned on or off by a restart alone.
        let same_tls = self.tls.is_some() != new.tls.cert_file.is_empty();
        let tls = match self.tls.as_ref().filter(|_| same_tls) {
            Some(tls) => {
                let read = LiveTls::read(&new.tls);
                Some((
                    tls,
                    read.map_err(|error| ReloadError::File(error.to_string()))?,
                ))
            }
            None => None,
        };
        // The last thing that can be wrong.
        if let Some(log) = &self.log
            && new.log.level != config.log.level
        {
            log.set(&new.log.level).map_err(ReloadError::Log)?;
        }
        if let Some((tls, read)) = tls {
            tls.set(read);
        }
        let (applied, needs_restart) = new.changed_keys(&config).into_iter().partition(|key| {
            LIVE.contains(&key.as_str()) && (same_tls || !key.starts_with("tls."))
        });
        self.checker.set(Settings::of(&new));
        self.state
            .snapshot
            .rcu(|snapshot| snapshot.with_rates(Arc::clone(&rates)));
        self.reputations.set(services);
        let (feeds, lists) = (Arc::clone(&self.feeds), new.list.clone());
        tokio::spawn(async move { feeds.take(&lists, fetcher).await });
        let (geography, geo) = (Arc::clone(&self.geography), new.geo.clone());
        tokio::task::spawn_blocking(move || geography.set(&geo));
        self.shipper.set_pace(new.journal.ship_per_second);
        self.journal.set_max_bytes(new.journal.max_bytes);
        self.deadlines.set(&new.requests);
        for (key, path) in new.secret_files() {
            secret_file::warn_if_exposed(&key, path);
        }
        *config = new;
        let reloaded = Reloaded {
            applied,
            needs_restart,
        };
        tracing::info!(applied = ?reloaded.applied, needs_restart = ?reloaded.needs_restart, "the configuration was taken anew");
        Ok(reloaded)
    }

    /// Where every source stands that tells what is known of the world outside.
    pub fn sources(&self) -> Vec<SourceStatus> {
        let mut sources = self.reputations.statuses();
        sources.extend(self.geography.statuses());
        sources.extend(self.feeds.status());
        sources
    }

    /// How long decisions are kept, in days.
    pub fn keep_days(&self) -> u32 {
        self.config.lock().decisions.keep_days
    }

    /// How long requests in flight are waited for.
    pub fn drain_seconds(&self) -> u64 {
        self.config.lock().requests.drain_seconds
    }

    /// When the server started.
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// What is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

/// The memory of this process that is resident, in bytes; 0 where the system does not tell.
pub fn resident_bytes() -> u64 {
    /// Linux counts pages of this size on all platforms that we run on.
    const PAGE: u64 = 4_096;
    std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|line| line.split(' ').nth(1)?.parse::<u64>().ok())
        .map_or(0, |pages| pages * PAGE)
}
