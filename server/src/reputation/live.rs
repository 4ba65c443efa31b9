//! Reputations as the services tell them.

use std::{
    net::IpAddr,
    sync::{Arc, atomic::AtomicBool, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use tfps_engine::{decision::Code, facts::ToldBy};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    Abuse, Cache, Keeper, KnownReputations, Recalled, Reputation, Reputations,
    abuseipdb::{self, AbuseIpdb, Blacklist, Reporter},
    apiban::{self, Apiban},
    asked_about,
    budget::{Asker, Budget, Plan},
    cache::KEPT,
    desk::{Desk, Tickets, Wanted},
    metrics::{Instruments, result},
};
use crate::{
    clock::Clock,
    config::{Config, ConfigError},
    outbound::{Redirects, Sender},
    sources::{Fault, SourceStatus, later},
    store::{ReputationRecord, ReputationSource, Store, StoreError},
};

/// How long an address that the service has no answer to is not asked for again, in seconds.
const NO_ANSWER: u32 = 3_600;
/// The same for one where asking failed.
const FAILED: u32 = 10;
/// How long a refresh that could not be asked for is put off, in seconds.
const PUT_OFF: u32 = 60;
/// How often what has expired is dropped.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
/// How long a chore sleeps at the most: the clock may be set.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// What the configuration knows, and what AbuseIPDB and APIBAN say.
#[derive(Debug)]
pub struct LiveReputations {
    known: KnownReputations,
    cache: Arc<Cache>,
    /// Whether AbuseIPDB is configured.
    asks: AtomicBool,
    abuseipdb: Arc<AbuseIpdb>,
    apiban: Apiban,
    blacklist: Blacklist,
    desk: Desk,
    reporter: Reporter,
    keeper: Arc<Keeper>,
    clock: Clock,
    metrics: Instruments,
    /// Told when settings were taken.
    changed: [Notify; 2],
    work: Mutex<Option<Work>>,
}

/// What waits to be done.
#[derive(Debug)]
struct Work {
    tickets: Tickets,
    at_once: usize,
    reports: mpsc::Receiver<(IpAddr, Code)>,
}

/// The services' settings, read and found right.
#[derive(Debug)]
pub struct ServiceSettings {
    abuseipdb: Option<abuseipdb::Settings>,
    apiban: Option<apiban::Settings>,
}

impl ServiceSettings {
    /// Of a configuration, with the files that it names.
    ///
    /// # Errors
    /// When something in it is wrong.
    pub fn of(config: &Config) -> Result<Self, ConfigError> {
        // Without a key nothing is asked, and it does not matter whether the system has any authorities.
        if config.abuseipdb.key()?.is_none() && config.apiban.key()?.is_none() {
            return Ok(Self {
                abuseipdb: None,
                apiban: None,
            });
        }
        let sender = Sender::new(&config.outbound, Redirects::NotFollowed)?;
        Ok(Self {
            abuseipdb: abuseipdb::Settings::of(&config.abuseipdb, &sender)?,
            apiban: apiban::Settings::of(&config.apiban, &sender)?,
        })
    }
}

impl LiveReputations {
    /// Made for a configuration, with what the database and the data directory hold.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open(
        config: &Config,
        settings: ServiceSettings,
        store: Arc<dyn Store>,
        clock: Clock,
        metrics: Instruments,
    ) -> Result<Self, StoreError> {
        let cache = Arc::new(Cache::with_room(config.abuseipdb.answers));
        let keeper = Arc::new(Keeper::new(Arc::clone(&store)));
        let budget = Budget::new(Plan::of(&config.abuseipdb), metrics.clone(), clock.now());
        let abuseipdb = Arc::new(AbuseIpdb::new(clock.clone(), budget.clone()));
        let waiting = config.abuseipdb.look_ups_waiting;
        let (desk, tickets) = Desk::new(waiting, budget, metrics.clone());
        let (reporter, reports) = Reporter::new(
            Arc::clone(&abuseipdb),
            Arc::clone(&keeper),
            clock.clone(),
            metrics.clone(),
        );
        let live = Self {
            known: KnownReputations::new(config.reputation.clone()),
            asks: AtomicBool::new(false),
            apiban: Apiban::new(
                (Arc::clone(&cache), Arc::clone(&keeper)),
                clock.clone(),
                metrics.clone(),
            ),
            blacklist: Blacklist::new(
                Arc::clone(&abuseipdb),
                (Arc::clone(&cache), Arc::clone(&keeper)),
                clock.clone(),
                &config.data_dir,
            ),
            abuseipdb,
            cache,
            desk,
            reporter,
            keeper,
            clock,
            metrics,
            changed: Default::default(),
            work: Mutex::new(Some(Work {
                tickets,
                at_once: config.abuseipdb.look_ups_at_once,
                reports,
            })),
        };
        live.set(settings);
        live.restore(&*store).await?;
        Ok(live)
    }

    /// Takes new settings: sources that were disabled are asked again.
    pub fn set(&self, settings: ServiceSettings) {
        self.asks
            .store(settings.abuseipdb.is_some(), Ordering::Relaxed);
        self.abuseipdb.set(settings.abuseipdb);
        self.apiban.set(settings.apiban);
        self.blacklist.try_again();
        for changed in &self.changed {
            changed.notify_one();
        }
    }

    /// Looks up, fetches, reports and keeps, until it is dropped.
    pub async fn run(self: Arc<Self>) {
        let Some(work) = self.work.lock().take() else {
            return;
        };
        let mut chores = JoinSet::new();
        // Unknown accounts can keep half of them busy, the others are there for known ones.
        for place in 0..work.at_once {
            let also_unknown = 2 * place < work.at_once;
            let (live, tickets) = (Arc::clone(&self), work.tickets.clone());
            chores.spawn(async move { live.serve(tickets, also_unknown).await });
        }
        let live = Arc::clone(&self);
        chores.spawn(async move { live.reporter.run(work.reports).await });
        let live = Arc::clone(&self);
        chores.spawn(async move { live.keeper.run().await });
        let live = Arc::clone(&self);
        chores.spawn(async move {
            loop {
                live.rest(live.blacklist.turn().await, &live.changed[0])
                    .await;
            }
        });
        let live = Arc::clone(&self);
        chores.spawn(async move {
            loop {
                live.rest(live.apiban.turn().await, &live.changed[1]).await;
            }
        });
        loop {
            tokio::select! {
                () = sleep(SWEEP_EVERY) => self.cache.sweep(self.clock.now()),
                Some(ended) = chores.join_next() => {
                    if let Err(error) = ended && error.is_panic() {
                        tracing::error!(%error, "a task about reputations ended: restart the server");
                    }
                }
            }
        }
    }

    /// Writes what is to be kept.
    pub async fn flush(&self) {
        self.keeper.flush().await;
    }

    /// Where the sources stand.
    pub fn statuses(&self) -> Vec<SourceStatus> {
        let at = self.clock.now();
        let service = &self.abuseipdb;
        vec![
            service.checks.status(self.cache.answers() as u64, at),
            service
                .blacklist
                .status(self.cache.blacklisted() as u64, at),
            service.reports.status(0, at),
            self.apiban.source.status(self.cache.bans() as u64, at),
        ]
    }

    /// What an operator should know of look-ups.
    pub fn notice(&self) -> Option<String> {
        self.asks
            .load(Ordering::Relaxed)
            .then(|| self.abuseipdb.budget.notice(self.clock.now()))
            .flatten()
    }

    async fn restore(&self, store: &dyn Store) -> Result<(), StoreError> {
        let at = self.clock.now();
        let (asks, lists) = (
            self.asks.load(Ordering::Relaxed),
            self.apiban.key_mark().is_some(),
        );
        store
            .load_reputations(at, &mut |record| match record.source {
                ReputationSource::AbuseIpdb if asks && record.answered_at <= at => {
                    self.cache
                        .answered(record.ip, record.confidence, record.answered_at);
                }
                ReputationSource::Apiban if lists => {
                    self.cache.banned(record.ip, record.expires_at);
                }
                ReputationSource::AbuseIpdb | ReputationSource::Apiban => {}
            })
            .await?;
        let abuse_mark = self
            .abuseipdb
            .settings()
            .map(|settings| settings.key_mark.clone());
        for mark in store.source_marks().await? {
            let sources = [
                (&self.abuseipdb.checks, &abuse_mark),
                (&self.abuseipdb.blacklist, &abuse_mark),
                (&self.abuseipdb.reports, &abuse_mark),
                (&self.apiban.source, &self.apiban.key_mark()),
            ];
            for (source, key_mark) in sources {
                // What was said of another key is not said of this one.
                let of_it = source.name() == mark.name
                    && key_mark.as_ref() == Some(&mark.key_mark)
                    && source.may_be_asked(Timestamp::MAX);
                if of_it {
                    let paused = mark.retry_at.filter(|until| *until > at);
                    source.resume(mark.refreshed_at, paused);
                }
            }
            if lists && mark.name == self.apiban.source.name() {
                self.apiban.resume(mark.position, mark.refreshed_at);
            }
        }
        self.blacklist.restore();
        Ok(())
    }

    /// Looks addresses up, one after the other.
    async fn serve(&self, tickets: Tickets, also_unknown: bool) {
        loop {
            let Some(ticket) = tickets.next(also_unknown).await else {
                return;
            };
            // It may have been paused since this one was put in the queue.
            if self.abuseipdb.checks.may_be_asked(self.clock.now()) {
                self.ask_abuseipdb(ticket.ip).await;
            }
        }
    }

    async fn ask_abuseipdb(&self, ip: IpAddr) {
        let told = self.abuseipdb.check(ip).await;
        let at = self.clock.now();
        let source = &self.abuseipdb.checks;
        self.metrics.asked(source.name(), result(&told));
        match told {
            Ok(confidence) => {
                source.answered(at);
                self.cache.answered(ip, confidence, at);
                self.keeper.keep(ReputationRecord {
                    source: ReputationSource::AbuseIpdb,
                    ip,
                    confidence,
                    answered_at: at,
                    expires_at: later(at, Duration::from_secs(KEPT.into())),
                });
            }
            Err(fault) => {
                source.failed(at, &fault, false);
                match fault {
                    Fault::NoAnswer(_) => self.cache.not_answered(ip, at, NO_ANSWER),
                    Fault::Failed(_) => self.cache.not_answered(ip, at, FAILED),
                    Fault::Limited { .. } => {
                        if let Some(settings) = self.abuseipdb.settings() {
                            self.keeper.mark(source, String::new(), &settings.key_mark);
                        }
                    }
                    Fault::Refused(_) => {}
                }
            }
        }
    }

    /// Sleeps until something is due, or settings are taken.
    async fn rest(&self, due: Option<Timestamp>, changed: &Notify) {
        let now = self.clock.now();
        let rest = due.map_or(LONGEST_SLEEP, |due| {
            Duration::try_from(due.duration_since(now))
                .unwrap_or_default()
                .min(LONGEST_SLEEP)
        });
        // The clock is told to the millisecond.
        let _ = timeout(rest + Duration::from_millis(1), changed.notified()).await;
    }
}

impl LiveReputations {
    /// What is known in memory, and what is to be counted of it: nothing where AbuseIPDB is not asked anyway.
    fn remember(&self, ip: IpAddr, asker: Asker, at: Timestamp) -> (Recalled, Option<&Counter>) {
        let known = self.known.of(ip);
        let (abuse, listed) = self.cache.recall(ip, at);
        let mut recalled = Recalled::default();
        recalled.reputation.apiban = known
            .and_then(|known| known.apiban)
            .or_else(|| self.apiban.says(listed));
        let confidence = &mut recalled.reputation.abuse_confidence;
        if let Some(known) = known
            && known.abuse_confidence.is_some()
        {
            *confidence = known.abuse_confidence;
            recalled.reputation.told_by = ToldBy::Configuration;
            return (recalled, None);
        }
        if !self.asks.load(Ordering::Relaxed) {
            return (recalled, None);
        }
        let counter = match abuse {
            Abuse::Answered {
                confidence: told,
                stale,
            } => {
                *confidence = Some(told);
                recalled.reputation.told_by = ToldBy::LookUp;
                if stale {
                    let asked = self.abuseipdb.checks.may_be_asked(at)
                        && self.desk.ask(ip, Wanted::SomeTime, asker, at).is_some();
                    if !asked {
                        self.cache.put_off(ip, at, PUT_OFF);
                    }
                }
                &self.metrics.known
            }
            Abuse::Blacklisted(told) => {
                *confidence = Some(told);
                recalled.reputation.told_by = ToldBy::Blacklist;
                &self.metrics.known
            }
            Abuse::Unknown if self.abuseipdb.checks.may_be_asked(at) => {
                recalled.more = true;
                &self.metrics.unknown
            }
            Abuse::Unknown | Abuse::NoAnswer => &self.metrics.unavailable,
        };
        (recalled, Some(counter))
    }
}

#[async_trait]
impl Reputations for LiveReputations {
    fn recall(&self, ip: IpAddr, asker: Asker, at: Timestamp) -> Recalled {
        let (recalled, counter) = self.remember(asked_about(ip), asker, at);
        if let Some(counter) = counter {
            counter.inc();
        }
        recalled
    }

    async fn look_up(
        &self,
        ip: IpAddr,
        asker: Asker,
        at: Timestamp,
        patience: Duration,
    ) -> Option<Reputation> {
        let ip = asked_about(ip);
        let Some(awaited) = self.desk.ask(ip, Wanted::Now, asker, at) else {
            return Some(self.remember(ip, asker, at).0.reputation);
        };
        if patience.is_zero() || timeout(patience, awaited.ended()).await.is_err() {
            return None;
        }
        Some(self.remember(ip, asker, self.clock.now()).0.reputation)
    }

    fn reports(&self, code: Code) -> bool {
        self.abuseipdb.reports(code)
    }

    fn denied(&self, ip: IpAddr, code: Code, at: Timestamp) {
        let ip = asked_about(ip);
        // The operator vouches for what he has configured.
        if self.known.of(ip).is_none() {
            self.reporter.denied(ip, code, at);
        }
    }
}
