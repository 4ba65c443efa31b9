//! One list of others: read from its file or fetched, checked, and put in place of what it was.

use std::{io, sync::Arc, time::Duration};

use jiff::Timestamp;
use parking_lot::Mutex;
use tfps_engine::lists::Feed;
use tokio::{sync::Notify, task::spawn_blocking, time::sleep};

use super::{
    Shared,
    copy::Provenance,
    download::{self, Fetched},
    reader::{self, Form, Unreadable},
};
use crate::{
    config::{ListFormat, ListSource},
    sources::{SourceState, SourceStatus},
    watched_file::{Stamp, WatchedFileError, read_if_changed},
};

/// How often a file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long after a failure the source is tried again; then twice as long, up to its interval.
const FIRST_RETRY: Duration = Duration::from_secs(60);

/// A list of others, and what became of it.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) config: ListSource,
    told: Mutex<Told>,
    /// Told when it is to be had anew at once.
    wanted: Notify,
}

/// What is known about it.
#[derive(Clone, Debug, Default)]
struct Told {
    entries: usize,
    provenance: Provenance,
    /// What is wrong with single lines.
    remark: String,
    /// What was wrong the last time.
    error: String,
    retry_at: Option<Timestamp>,
    /// How the file was when it was read.
    stamp: Option<Stamp>,
}

/// Why a list is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    /// The file can't be read.
    #[error("{0}")]
    File(WatchedFileError),
    /// It is too large.
    #[error("{0}: raise max_bytes if that is meant")]
    TooLong(WatchedFileError),
    /// It can't be fetched.
    #[error(transparent)]
    Download(#[from] download::DownloadError),
    /// It is none.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Nothing is in it.
    #[error("there is nothing in it, where {0} entries were: it is not believed")]
    Emptied(usize),
    /// The machine fails.
    #[error("{0}")]
    Broken(String),
}

impl From<WatchedFileError> for SourceError {
    fn from(error: WatchedFileError) -> Self {
        match error {
            WatchedFileError::Unreadable { .. } => Self::File(error),
            WatchedFileError::TooLong(_) => Self::TooLong(error),
        }
    }
}

impl Source {
    pub(super) fn new(config: ListSource) -> Self {
        Self {
            config,
            told: Mutex::default(),
            wanted: Notify::new(),
        }
    }

    /// Puts the copy of it in place, where there is one; a file is read at once.
    pub(super) async fn begin(self: &Arc<Self>, shared: &Shared) {
        let (copies, own) = (shared.copies.clone(), Arc::clone(self));
        let loaded = spawn_blocking(move || copies.load(&own.config.name)).await;
        match loaded.map_err(|error| io::Error::other(error.to_string())) {
            Ok(Ok(Some((provenance, body)))) => match self.built(body, provenance.fetched_at).await
            {
                Ok(built) => {
                    // One that is asked for elsewhere now, or in another way, is fetched anew.
                    let same = provenance.place == self.config.place();
                    let provenance = if same {
                        provenance
                    } else {
                        Provenance::default()
                    };
                    self.install(built, provenance, shared).await;
                }
                Err(error) => self.failed(&error, "its copy on disk is not used"),
            },
            Ok(Ok(None)) => {}
            Ok(Err(error)) | Err(error) => {
                tracing::warn!(list = self.config.name, %error, "its copy on disk is not used");
            }
        }
        if self.is_file() {
            let _ = self.refresh(shared).await;
        }
    }

    /// Keeps it up to date, for ever.
    pub(super) async fn keep(self: Arc<Self>, shared: Arc<Shared>) {
        if self.is_file() {
            loop {
                sleep(LOOK_EVERY).await;
                let _ = self.refresh(&shared).await;
            }
        }
        let whole = Duration::from_secs(60 * u64::from(self.config.every_minutes));
        let mut retry = FIRST_RETRY;
        self.rest(self.due(whole, shared.clock.now())).await;
        loop {
            let (left_alone, pause) = match self.refresh(&shared).await {
                Ok(()) => {
                    retry = FIRST_RETRY;
                    (Duration::ZERO, whole)
                }
                Err(asked) => {
                    let asked = asked.unwrap_or_default();
                    let pause = asked.max(retry.min(whole));
                    retry = (retry * 2).min(whole);
                    (asked, pause)
                }
            };
            let next = i64::try_from(pause.as_secs()).unwrap_or(i64::MAX);
            let next = shared.clock.now().as_second().saturating_add(next);
            self.told.lock().retry_at = Timestamp::from_second(next).ok();
            // Whoever wants to be left alone is, whatever we want.
            sleep(left_alone).await;
            self.rest(pause - left_alone).await;
        }
    }

    /// Has it had anew at once, if it is fetched.
    pub(super) fn want(&self) {
        self.wanted.notify_one();
    }

    async fn rest(&self, pause: Duration) {
        tokio::select! {
            () = sleep(pause) => {}
            () = self.wanted.notified() => {}
        }
    }

    /// How it is.
    pub(super) fn status(&self) -> SourceStatus {
        let told = self.told.lock();
        let fetched = told.provenance.fetched_at;
        SourceStatus {
            name: self.config.name.clone().into(),
            state: if told.error.is_empty() {
                SourceState::Ok
            } else {
                SourceState::Failing
            },
            entries: told.entries as u64,
            refreshed_at: Timestamp::from_second(fetched)
                .ok()
                .filter(|_| fetched != 0),
            retry_at: told.retry_at,
            error: if told.error.is_empty() {
                told.remark.clone()
            } else {
                told.error.clone()
            },
        }
    }

    fn is_file(&self) -> bool {
        self.config.url.is_empty()
    }

    /// How long after a start it is fetched: a copy that is young enough is good enough.
    fn due(&self, whole: Duration, now: Timestamp) -> Duration {
        let fetched = self.told.lock().provenance.fetched_at;
        let age = u64::try_from(now.as_second().saturating_sub(fetched)).unwrap_or(0);
        whole.saturating_sub(Duration::from_secs(age))
    }

    /// Reads or fetches it, and puts it in place where it has changed.
    ///
    /// # Errors
    /// How long the source wants to be left alone, where it says so.
    async fn refresh(self: &Arc<Self>, shared: &Shared) -> Result<(), Option<Duration>> {
        let refreshed = if self.is_file() {
            self.reread(shared).await
        } else {
            self.refetch(shared).await
        };
        let error = match refreshed {
            Ok(Had::Good) => {
                self.told.lock().error.clear();
                return Ok(());
            }
            Ok(Had::AsBefore) => return Ok(()),
            Err(error) => error,
        };
        let asked = match &error {
            SourceError::Download(error) => error.retry_after(),
            _ => None,
        };
        let consequence = if self.told.lock().provenance.fetched_at == 0 {
            "there is no list yet"
        } else {
            "the old list stays"
        };
        self.failed(&error, consequence);
        Err(asked)
    }

    async fn reread(self: &Arc<Self>, shared: &Shared) -> Result<Had, SourceError> {
        let (file, most) = (self.config.file.clone(), self.config.max_bytes);
        // One that could not be read is read even where it comes back as it was.
        let stamp = self.told.lock().stamp.take();
        let read = spawn_blocking(move || read_if_changed(&file, most, stamp)).await;
        let Some((body, stamp)) = read.map_err(|error| broken(&error))?? else {
            self.told.lock().stamp = stamp;
            return Ok(Had::AsBefore);
        };
        // A file that is wrong is read once, not with every look.
        self.told.lock().stamp = Some(stamp);
        let provenance = Provenance {
            place: self.config.place(),
            fetched_at: shared.clock.now().as_second(),
            ..Provenance::default()
        };
        let built = self.built(body, provenance.fetched_at).await?;
        self.take(built, provenance, shared).await
    }

    async fn refetch(self: &Arc<Self>, shared: &Shared) -> Result<Had, SourceError> {
        let known = self.told.lock().provenance.clone();
        let now = shared.clock.now().as_second();
        let fetcher = shared.fetcher.load_full();
        let fetcher =
            fetcher.ok_or_else(|| SourceError::Broken("no list is fetched".to_owned()))?;
        match fetcher.fetch(&self.config, &known).await? {
            Fetched::Unchanged => {
                self.told.lock().provenance.fetched_at = now;
                Ok(Had::Good)
            }
            Fetched::New {
                body,
                etag,
                last_modified,
            } => {
                let built = self.built(body, now).await?;
                let before = self.told.lock().entries;
                if built.feed.is_empty() && before > 0 {
                    return Err(SourceError::Emptied(before));
                }
                let provenance = Provenance {
                    place: self.config.place(),
                    etag,
                    last_modified,
                    fetched_at: now,
                };
                self.take(built, provenance, shared).await
            }
        }
    }

    /// Keeps a copy and puts it in place.
    async fn take(
        self: &Arc<Self>,
        built: Built,
        provenance: Provenance,
        shared: &Shared,
    ) -> Result<Had, SourceError> {
        let (copies, name) = (shared.copies.clone(), self.config.name.clone());
        let (built, kept) = {
            let provenance = provenance.clone();
            spawn_blocking(move || {
                let kept = copies.save(&name, &provenance, &built.body);
                (built, kept)
            })
            .await
            .map_err(|error| broken(&error))?
        };
        if let Err(error) = kept {
            tracing::warn!(list = self.config.name, %error, "no copy is kept: after a restart the list is missing until it is had again");
        }
        self.install(built, provenance, shared).await;
        Ok(Had::Good)
    }

    async fn install(&self, built: Built, provenance: Provenance, shared: &Shared) {
        let entries = built.feed.len();
        tracing::info!(
            list = self.config.name,
            entries,
            left_out = built.remark,
            "a list is in place"
        );
        shared.lists.put_feed(built.feed).await;
        let mut told = self.told.lock();
        told.entries = entries;
        told.provenance = provenance;
        told.remark = built.remark;
    }

    async fn built(self: &Arc<Self>, body: Vec<u8>, at: i64) -> Result<Built, SourceError> {
        let own = Arc::clone(self);
        let built = spawn_blocking(move || build(&own.config, body, at)).await;
        built.map_err(|error| broken(&error))?
    }

    fn failed(&self, error: &SourceError, consequence: &str) {
        let error = error.to_string();
        let mut told = self.told.lock();
        if told.error != error {
            tracing::warn!(
                list = self.config.name,
                place = self.config.place(),
                error,
                "{consequence}"
            );
            told.error = error;
        }
    }
}

/// What was had.
enum Had {
    /// A list, or the word that it is the newest.
    Good,
    /// A file that was read before, and may have been wrong.
    AsBefore,
}

/// A list that is ready.
struct Built {
    feed: Feed,
    remark: String,
    body: Vec<u8>,
}

fn build(config: &ListSource, body: Vec<u8>, at: i64) -> Result<Built, SourceError> {
    let form = Form {
        kind: config.kind,
        csv: config.format == ListFormat::Csv,
        action: config.action,
        least_score: config.least_score,
        most_entries: config.max_entries,
    };
    let read = reader::read(&body, &form)?;
    let remark = match read.rejected {
        0 => String::new(),
        1 => format!("a line is left out: {}", read.told.join("; ")),
        count => format!("{count} lines are left out: {}", read.told.join("; ")),
    };
    let domain = config.domain.to_ascii_lowercase();
    let feed = Feed::new(&config.name, &domain, at, read.entries)
        .map_err(|error| Unreadable::Patterns(error.to_string()))?;
    Ok(Built { feed, remark, body })
}

fn broken(error: &tokio::task::JoinError) -> SourceError {
    SourceError::Broken(error.to_string())
}
