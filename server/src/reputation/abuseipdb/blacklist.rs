//! AbuseIPDB's blacklist: fetched once a day, kept in a file, so that most bad addresses cost no look-up. The free plan has
//! it five times a day.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, BufWriter, Write},
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use parking_lot::Mutex;

use super::AbuseIpdb;
use crate::{
    clock::Clock,
    reputation::{Cache, Keeper},
    sources::{Fault, later},
};

/// How old a list is when the next is fetched.
const FRESH: Duration = Duration::from_secs(24 * 3_600);
/// How old a list may become while there is no newer one.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3_600);
/// How long is waited after a failure; it doubles, up to six hours.
const AFTER_FAILURE: Duration = Duration::from_secs(600);
const AFTER_FAILURES: Duration = Duration::from_secs(6 * 3_600);
/// The first line of the file, before the time.
const HEAD: &str = "# AbuseIPDB's blacklist, fetched at ";

/// Keeps the blacklist up to date.
#[derive(Debug)]
pub(in crate::reputation) struct Blacklist {
    service: Arc<AbuseIpdb>,
    cache: Arc<Cache>,
    keeper: Arc<Keeper>,
    clock: Clock,
    file: PathBuf,
    held: Mutex<Held>,
}

/// The list that is held.
#[derive(Debug, Default)]
struct Held {
    fetched_at: Option<Timestamp>,
    failures: u32,
    /// Not to be tried before.
    not_before: Option<Timestamp>,
    /// How many addresses were asked for.
    limit: u32,
}

impl Blacklist {
    /// Keeps it in a file of a folder.
    pub(in crate::reputation) fn new(
        service: Arc<AbuseIpdb>,
        (cache, keeper): (Arc<Cache>, Arc<Keeper>),
        clock: Clock,
        folder: &Path,
    ) -> Self {
        Self {
            service,
            cache,
            keeper,
            clock,
            file: folder.join("abuseipdb-blacklist"),
            held: Mutex::default(),
        }
    }

    /// Takes the list of the file.
    pub(in crate::reputation) fn restore(&self) {
        let Some(settings) = self.service.settings() else {
            return;
        };
        if settings.blacklist_limit == 0 || !self.file.exists() {
            return;
        }
        match read(&self.file) {
            Ok((fetched_at, list)) => {
                let at = self.clock.now();
                if fetched_at > at || later(fetched_at, KEPT) <= at {
                    return;
                }
                self.cache.blacklist(&list, fetched_at);
                self.service.blacklist.answered(fetched_at);
                let mut held = self.held.lock();
                held.fetched_at = Some(fetched_at);
                held.limit = settings.blacklist_limit;
            }
            Err(error) => {
                let file = self.file.display();
                tracing::warn!(%file, %error, "the blacklist's file does not read: it is fetched anew");
            }
        }
    }

    /// Does what is due, and tells when something will be.
    pub(in crate::reputation) async fn turn(&self) -> Option<Timestamp> {
        let at = self.clock.now();
        let Some(settings) = self
            .service
            .settings()
            .filter(|settings| settings.blacklist_limit > 0)
        else {
            self.drop_list();
            return None;
        };
        let held = self.held.lock().fetched_at;
        if held.is_some_and(|fetched_at| later(fetched_at, KEPT) <= at) {
            self.drop_list();
        }
        let due = self.due(settings.blacklist_limit);
        if due.is_some_and(|due| due > at) {
            return due;
        }
        if !self.service.blacklist.may_be_asked(at) {
            // Paused, or disabled until the configuration is taken anew.
            return self.service.blacklist.paused_until();
        }
        match self.service.fetch_blacklist().await {
            Ok(list) => self.take(list, settings.blacklist_limit).await,
            Err(fault) => self.failed(&fault),
        }
        self.due(settings.blacklist_limit)
    }

    /// Tries again at once, whatever failed before: the configuration was taken anew.
    pub(in crate::reputation) fn try_again(&self) {
        let mut held = self.held.lock();
        held.not_before = None;
        held.failures = 0;
    }

    fn due(&self, limit: u32) -> Option<Timestamp> {
        let held = self.held.lock();
        let fetched_at = held.fetched_at.filter(|_| held.limit == limit);
        fetched_at
            .map(|fetched_at| later(fetched_at, FRESH))
            .max(held.not_before)
    }

    async fn take(&self, list: Vec<(IpAddr, u8)>, limit: u32) {
        let at = self.clock.now();
        self.cache.blacklist(&list, at);
        self.service.blacklist.answered(at);
        *self.held.lock() = Held {
            fetched_at: Some(at),
            limit,
            ..Held::default()
        };
        tracing::info!(addresses = list.len(), "AbuseIPDB's blacklist was fetched");
        let file = self.file.clone();
        let written = tokio::task::spawn_blocking(move || write(&file, at, &list)).await;
        if let Ok(Err(error)) = written {
            let file = self.file.display();
            tracing::warn!(%file, %error, "the blacklist can't be kept: the next start fetches it anew");
        }
    }

    fn failed(&self, fault: &Fault) {
        let at = self.clock.now();
        let source = &self.service.blacklist;
        source.failed(at, fault, true);
        let again = {
            let mut held = self.held.lock();
            let pause = AFTER_FAILURE.saturating_mul(1 << held.failures.min(10));
            held.failures += 1;
            let again = later(at, pause.min(AFTER_FAILURES));
            let again = source
                .paused_until()
                .map_or(again, |until| until.max(later(at, AFTER_FAILURE)));
            held.not_before = Some(again);
            again
        };
        source.asked_again_at(again);
        if let Some(settings) = self.service.settings() {
            self.keeper.mark(source, String::new(), &settings.key_mark);
        }
    }

    fn drop_list(&self) {
        if self.held.lock().fetched_at.take().is_some() {
            self.cache.blacklist(&[], Timestamp::UNIX_EPOCH);
        }
    }
}

/// Replaces the file in one step.
fn write(file: &Path, at: Timestamp, list: &[(IpAddr, u8)]) -> std::io::Result<()> {
    let new = file.with_extension("new");
    let mut text = BufWriter::new(File::create(&new)?);
    writeln!(text, "{HEAD}{at}")?;
    for (ip, confidence) in list {
        writeln!(text, "{ip} {confidence}")?;
    }
    text.into_inner()?.sync_all()?;
    fs::rename(&new, file)
}

/// Reads a file that was written here.
fn read(file: &Path) -> std::io::Result<(Timestamp, Vec<(IpAddr, u8)>)> {
    let wrong = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
    let mut lines = BufReader::new(File::open(file)?).lines();
    let head = lines.next().ok_or_else(|| wrong("it is empty"))??;
    let at = head
        .strip_prefix(HEAD)
        .and_then(|at| at.parse().ok())
        .ok_or_else(|| wrong("its first line tells no time"))?;
    let mut list = Vec::new();
    for line in lines {
        let line = line?;
        let read = line
            .split_once(' ')
            .and_then(|(ip, confidence)| Some((ip.parse().ok()?, confidence.parse().ok()?)));
        list.push(read.ok_or_else(|| wrong("a line is no address with a confidence"))?);
    }
    Ok((at, list))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_a_torn_file_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("abuseipdb-blacklist");
        let at: Timestamp = "2026-06-08T12:00:00.5Z".parse().unwrap();
        let list: Vec<(IpAddr, u8)> = vec![
            ("5.188.10.179".parse().unwrap(), 100),
            ("2a00:1450::7".parse().unwrap(), 25),
        ];
        write(&file, at, &list).unwrap();
        write(&file, at, &list).unwrap();
        assert_eq!(read(&file).unwrap(), (at, list));
        assert!(!file.with_extension("new").exists());
        let text = fs::read_to_string(&file).unwrap();
        for torn in ["", "5.188.10.179 100\n", &text[..text.len() - 4]] {
            fs::write(&file, torn).unwrap();
            assert!(read(&file).is_err(), "{torn:?}");
        }
    }
}
