//! One instance: a connection with a stream of checks, made anew whenever it breaks.

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tfps_proto::v1::{AccountKey, CheckRequest, CheckResponse, LearnRequest, LearnResponse};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};
use tracing::{info, warn};

use super::{Health, Observer};
use crate::{CheckStream, Client, Code, Config, Error};

/// Checks in flight at once; as many as the instance decides at once on a stream.
const WINDOW: usize = 256;
/// Checks in a row without an answer in time after which an instance counts as away.
const SILENCES: u32 = 5;
/// How long an instance may take to show that it decides.
const PROBE: Duration = Duration::from_secs(1);
/// The pause before an instance that did not answer is tried again, at first and at the most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// An instance, there or not.
#[derive(Debug)]
pub(super) struct Instance {
    address: String,
    state: RwLock<State>,
    /// Told when it is back.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    link: Option<Arc<Link>>,
    since: Instant,
    trouble: String,
    /// How often a connection was lost.
    lost: u64,
}

impl State {
    /// Why it does not answer, where it does not.
    fn trouble(&self) -> Option<String> {
        self.link.is_none().then(|| self.trouble.clone())
    }
}

/// A connection that has shown that its instance decides.
#[derive(Debug)]
pub(super) struct Link {
    client: Client,
    stream: CheckStream,
    /// Checks in a row that were not answered in time, while no other check was answered either.
    silences: AtomicU32,
    /// When a check was last answered, in milliseconds since `began`.
    answered_at: AtomicU64,
    began: Instant,
    /// Told when nobody is to use it any more.
    given_up: Notify,
}

impl Link {
    pub(super) async fn check(&self, request: &CheckRequest) -> Result<CheckResponse, Error> {
        self.stream.check(request.clone()).await
    }

    pub(super) async fn learn(&self, request: LearnRequest) -> Result<LearnResponse, Error> {
        self.client.learn(request).await
    }

    /// Whether no check can be asked on it any more.
    pub(super) fn is_broken(&self) -> bool {
        self.stream.is_broken()
    }

    /// A client on the same connection.
    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    pub(super) fn answered(&self) {
        self.answered_at
            .fetch_max(self.milliseconds(Instant::now()), Ordering::Relaxed);
        if self.silences.load(Ordering::Relaxed) != 0 {
            self.silences.store(0, Ordering::Relaxed);
        }
    }

    /// Counts a check that was asked then and not answered; whether there were too many. An instance that has answered others
    /// since is busy, not away: a burst that it can't serve in time must not cost it its connection.
    pub(super) fn stayed_silent(&self, asked: Instant) -> bool {
        if self.answered_at.load(Ordering::Relaxed) >= self.milliseconds(asked) {
            return false;
        }
        self.silences.fetch_add(1, Ordering::Relaxed) + 1 >= SILENCES
    }

    fn milliseconds(&self, at: Instant) -> u64 {
        u64::try_from(at.duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
    }
}

impl Instance {
    /// Keeps a connection to it, for ever.
    pub(super) fn start(config: Config, observer: Arc<dyn Observer>) -> Arc<Self> {
        let instance = Arc::new(Self {
            address: config.servers.join(", "),
            state: RwLock::new(State {
                link: None,
                since: Instant::now(),
                trouble: "not yet connected".to_owned(),
                lost: 0,
            }),
            changed: Notify::new(),
        });
        tokio::spawn(keep(Arc::clone(&instance), config, observer));
        instance
    }

    /// How it is.
    pub(super) fn health(&self) -> Health<'_> {
        let state = self.read();
        Health {
            address: &self.address,
            trouble: state.trouble(),
            lost: state.lost,
        }
    }

    /// The connection, where the instance answers.
    pub(super) fn link(&self) -> Option<Arc<Link>> {
        self.read().link.clone()
    }

    /// For how long it has not answered.
    pub(super) fn away(&self) -> Duration {
        let state = self.read();
        match state.link {
            Some(_) => Duration::ZERO,
            None => state.since.elapsed(),
        }
    }

    /// Waits until it answers.
    pub(super) async fn back(&self) {
        loop {
            let changed = self.changed.notified();
            if self.read().link.is_some() {
                return;
            }
            changed.await;
        }
    }

    /// Nobody is to use this connection any more.
    pub(super) fn lost(&self, link: &Arc<Link>) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state
            .link
            .as_ref()
            .is_some_and(|own| Arc::ptr_eq(own, link))
        {
            state.link = None;
            state.lost += 1;
            state.since = Instant::now();
            state.trouble = if link.stream.is_broken() {
                "the connection broke".to_owned()
            } else {
                "it does not answer in time".to_owned()
            };
            link.given_up.notify_one();
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connects, waits until the connection is lost, and begins again.
async fn keep(instance: Arc<Instance>, config: Config, observer: Arc<dyn Observer>) {
    observer.answers(&instance.address, false);
    let mut pause = PAUSES.0;
    let mut told = String::new();
    loop {
        match connect(config.clone()).await {
            Ok(link) => {
                info!(server = instance.address, "connected");
                let link = Arc::new(link);
                {
                    let mut state = instance
                        .state
                        .write()
                        .unwrap_or_else(PoisonError::into_inner);
                    state.link = Some(Arc::clone(&link));
                    state.since = Instant::now();
                }
                observer.answers(&instance.address, true);
                instance.changed.notify_waiters();
                let why = tokio::select! {
                    error = link.stream.broken() => error.to_string(),
                    () = link.given_up.notified() => instance.read().trouble().unwrap_or_default(),
                };
                instance.lost(&link);
                observer.answers(&instance.address, false);
                observer.lost(&instance.address);
                warn!(server = instance.address, why, "connection lost");
                (pause, told) = (PAUSES.0, String::new());
            }
            Err(why) => {
                let since = {
                    let mut state = instance
                        .state
                        .write()
                        .unwrap_or_else(PoisonError::into_inner);
                    state.trouble.clone_from(&why);
                    state.since
                };
                observer.answers(&instance.address, false);
                // An instance that is just restarted is no news.
                if told != why && since.elapsed() > PAUSES.1 {
                    warn!(server = instance.address, why, "not reached; trying on");
                    told = why;
                }
                sleep(pause).await;
                pause = (pause * 2).min(PAUSES.1);
            }
        }
    }
}

/// A connection on which a check has been answered.
async fn connect(config: Config) -> Result<Link, String> {
    let client = Client::connect_lazy(config).map_err(|error| error.to_string())?;
    let stream = client.with_deadline(None).stream_checks(WINDOW);
    let probe = CheckRequest {
        account: Some(AccountKey {
            username: "probe".to_owned(),
            domain: "tfps.invalid".to_owned(),
        }),
        dialed_number: "0".to_owned(),
        dry_run: true,
        ..CheckRequest::default()
    };
    match timeout(PROBE, stream.check(probe)).await {
        Err(_) => Err(format!("no answer within {} s", PROBE.as_secs())),
        // A token that is bound to a domain may not ask about others, and shows by it that it is known.
        Ok(Err(error)) if error.code() != Code::PermissionDenied || stream.is_broken() => {
            Err(match error.code() {
                Code::Unauthenticated => format!("the token is not taken: {error}"),
                _ => error.to_string(),
            })
        }
        Ok(_) => Ok(Link {
            client,
            stream,
            silences: AtomicU32::new(0),
            answered_at: AtomicU64::new(0),
            began: Instant::now(),
            given_up: Notify::new(),
        }),
    }
}
