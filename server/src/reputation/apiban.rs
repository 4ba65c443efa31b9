//! APIBAN: the addresses that attack SIP honeypots. Its list is fetched piece by piece and kept; it is never asked about a
//! call. It takes 11 requests in two minutes.

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;
use parking_lot::Mutex;
use reqwest::Url;
use serde::Deserialize;
use tfps_engine::facts::is_public;

use super::{
    Cache, Keeper,
    abuseipdb::pause,
    metrics::{Instruments, result},
    settings::{address, key_mark},
};
use crate::{
    clock::Clock,
    config::{self, ConfigError, Secret},
    outbound::{Answer, Bounds, Sender},
    sources::{Fault, Source, later},
    store::{ReputationRecord, ReputationSource},
};

/// How long an address stays on the list.
const LISTED: Duration = Duration::from_secs(7 * 24 * 3_600);
/// So many requests (one fewer than are allowed) in so long.
const REQUESTS: usize = 10;
const WINDOW: Duration = Duration::from_secs(120);
/// The largest piece, in bytes: 250 addresses.
const BYTES: usize = 256 << 10;
/// The most addresses that are taken from one piece.
const PIECE: usize = 10_000;
/// The most that are kept at all.
const ALL: usize = 1_000_000;

/// Keeps APIBAN's list.
#[derive(Debug)]
pub(super) struct Apiban {
    settings: ArcSwapOption<Settings>,
    pub(super) source: Source,
    /// Whether who is not on the list is known not to be.
    complete: AtomicBool,
    cache: Arc<Cache>,
    keeper: Arc<Keeper>,
    clock: Clock,
    metrics: Instruments,
    progress: Mutex<Progress>,
}

/// How far the list has been read.
#[derive(Debug, Default)]
struct Progress {
    /// Where to go on; empty: at the beginning.
    position: String,
    /// The last requests, oldest first.
    requests: VecDeque<Timestamp>,
    /// When the end was last reached or a request failed.
    rested_at: Option<Timestamp>,
}

/// How the service is asked.
#[derive(Debug)]
pub(super) struct Settings {
    sender: Sender,
    key: Secret,
    key_mark: String,
    url: Url,
    poll: Duration,
    time: Duration,
}

/// A piece of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Addresses, and where to go on.
    Addresses(Vec<IpAddr>, String),
    /// There is nothing new.
    End,
}

impl Settings {
    /// Of a configuration; `None` where there is no key.
    ///
    /// # Errors
    /// When something in it is wrong.
    pub(super) fn of(
        config: &config::Apiban,
        sender: &Sender,
    ) -> Result<Option<Self>, ConfigError> {
        let Some(key) = config.key()? else {
            return Ok(None);
        };
        Ok(Some(Self {
            sender: sender.clone(),
            key_mark: key_mark(&key),
            key,
            url: address("apiban.url", &config.url)?,
            poll: Duration::from_secs(config.poll_seconds.into()),
            time: Duration::from_millis(config.timeout_ms),
        }))
    }
}

impl Apiban {
    pub(super) fn new(
        (cache, keeper): (Arc<Cache>, Arc<Keeper>),
        clock: Clock,
        metrics: Instruments,
    ) -> Self {
        Self {
            settings: ArcSwapOption::empty(),
            source: Source::new("apiban"),
            complete: AtomicBool::new(false),
            cache,
            keeper,
            clock,
            metrics,
            progress: Mutex::default(),
        }
    }

    /// Takes settings; none turns it off and forgets the list.
    pub(super) fn set(&self, settings: Option<Settings>) {
        let on = settings.is_some();
        let key_mark = settings.as_ref().map(|settings| settings.key_mark.clone());
        let before = self.settings.swap(settings.map(Arc::new));
        if before.is_some_and(|before| Some(&before.key_mark) != key_mark.as_ref()) {
            self.source.forget_pause();
        }
        if on {
            self.source.turn_on();
            // What is wrong with it may be put right: it is asked at once.
            self.progress.lock().rested_at = None;
        } else {
            self.source.turn_off();
            self.complete.store(false, Ordering::Relaxed);
            self.cache.forget_bans();
            *self.progress.lock() = Progress::default();
        }
    }

    /// The mark of the key in force.
    pub(super) fn key_mark(&self) -> Option<String> {
        let settings = self.settings.load_full()?;
        Some(settings.key_mark.clone())
    }

    /// Goes on where it was before the start: the list is in the cache.
    pub(super) fn resume(&self, position: String, refreshed_at: Option<Timestamp>) {
        let at = self.clock.now();
        // What is older than the list's entries says nothing of who is not on it.
        let fresh = refreshed_at.filter(|last| *last <= at && later(*last, LISTED) > at);
        if fresh.is_some() {
            let mut progress = self.progress.lock();
            progress.position = position;
            progress.rested_at = fresh;
            self.complete.store(true, Ordering::Relaxed);
        }
    }

    /// What is said of an address that is or is not on the list.
    pub(super) fn says(&self, listed: bool) -> Option<bool> {
        (listed || self.complete.load(Ordering::Relaxed)).then_some(listed)
    }

    /// Does what is due, and tells when something will be.
    pub(super) async fn turn(&self) -> Option<Timestamp> {
        let settings = self.settings.load_full()?;
        loop {
            let at = self.clock.now();
            if !self.source.may_be_asked(at) {
                return self.source.paused_until();
            }
            let due = self.due(&settings, at);
            if due > at {
                return Some(due);
            }
            let position = {
                let mut progress = self.progress.lock();
                progress.requests.push_back(at);
                if progress.requests.len() > REQUESTS {
                    progress.requests.pop_front();
                }
                progress.position.clone()
            };
            let told = settings.fetch(&position, at).await;
            self.metrics.asked(self.source.name(), result(&told));
            // Settings that were taken meanwhile are for the next turn.
            let current = self.settings.load_full();
            if current.is_none_or(|current| current.key_mark != settings.key_mark) {
                return Some(self.clock.now());
            }
            self.take(&settings, told);
        }
    }

    fn take(&self, settings: &Settings, told: Result<Piece, Fault>) {
        let at = self.clock.now();
        let mut progress = self.progress.lock();
        match told {
            Ok(Piece::Addresses(addresses, position)) => {
                let until = later(at, LISTED);
                let mut room = ALL.saturating_sub(self.cache.bans());
                for ip in addresses {
                    if room == 0 {
                        break;
                    }
                    room -= 1;
                    self.cache.banned(ip, until);
                    self.keeper.keep(ReputationRecord {
                        source: ReputationSource::Apiban,
                        ip,
                        confidence: 100,
                        answered_at: at,
                        expires_at: until,
                    });
                }
                progress.position = position;
                self.source.answered(at);
            }
            Ok(Piece::End) => {
                progress.rested_at = Some(at);
                self.complete.store(true, Ordering::Relaxed);
                self.source.answered(at);
            }
            Err(fault) => {
                progress.rested_at = Some(at);
                self.source.failed(at, &fault, true);
                self.source.asked_again_at(later(at, settings.poll));
            }
        }
        // Before the end was reached for the first time, a restart begins anew.
        if self.complete.load(Ordering::Relaxed) || self.source.paused_until().is_some() {
            let position = progress.position.clone();
            self.keeper.mark(&self.source, position, &settings.key_mark);
        }
    }

    /// When the next request may be sent: at once while there is more, after a rest where there was an end, and never more
    /// than the service takes.
    fn due(&self, settings: &Settings, at: Timestamp) -> Timestamp {
        let progress = self.progress.lock();
        let rested = progress
            .rested_at
            .map_or(at, |rested| later(rested, settings.poll));
        let allowed = match progress.requests.front() {
            Some(first) if progress.requests.len() >= REQUESTS => later(*first, WINDOW),
            _ => at,
        };
        let going_on = progress
            .requests
            .back()
            .is_some_and(|last| progress.rested_at.is_none_or(|rested| rested < *last));
        if going_on {
            allowed
        } else {
            rested.max(allowed)
        }
    }
}

impl Settings {
    async fn fetch(&self, position: &str, at: Timestamp) -> Result<Piece, Fault> {
        let mut url = self.url.clone();
        {
            let mut path = url
                .path_segments_mut()
                .map_err(|()| Fault::Failed("apiban.url can't have a path".to_owned()))?;
            path.pop_if_empty()
                .extend(["api", self.key.reveal(), "banned"]);
            if !position.is_empty() {
                path.push(position);
            }
        }
        let bounds = Bounds {
            time: self.time,
            bytes: BYTES,
        };
        let answer = self
            .sender
            .send((Method::GET, url), HeaderMap::new(), None, bounds)
            .await
            .map_err(|error| Fault::Failed(error.to_string()))?;
        read(&answer, position, at)
    }
}

#[derive(Deserialize)]
struct Banned {
    ipaddress: Vec<String>,
    #[serde(rename = "ID")]
    id: Id,
}

/// Numbers have been seen as text and as numbers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Id {
    Text(String),
    Number(u64),
}

/// What an answer says. The end of the list is a 400.
fn read(answer: &Answer, position: &str, at: Timestamp) -> Result<Piece, Fault> {
    let told = || format!("status {}", answer.status.as_u16());
    match answer.status {
        StatusCode::OK | StatusCode::BAD_REQUEST => read_banned(&answer.body, position)
            .map_err(|error| Fault::Failed(format!("{}: {error}", told()))),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Fault::Refused(told())),
        StatusCode::TOO_MANY_REQUESTS => Err(Fault::Limited {
            error: told(),
            pause: Some(pause(&answer.headers, at).unwrap_or(WINDOW)),
        }),
        status if status.is_redirection() => Err(Fault::Failed(format!(
            "{}: redirects are not followed",
            told()
        ))),
        _ => Err(Fault::Failed(told())),
    }
}

/// Reads the body of `banned`, as it was asked for from a position on.
///
/// # Errors
/// What is wrong with it.
pub fn read_banned(body: &[u8], position: &str) -> Result<Piece, String> {
    let banned: Banned = serde_json::from_slice(body).map_err(|error| {
        format!(
            "the answer does not read as JSON of the API ({:?}, line {}, column {})",
            error.classify(),
            error.line(),
            error.column()
        )
    })?;
    if banned.ipaddress.iter().any(|text| text == "no new bans") {
        return Ok(Piece::End);
    }
    let id = match banned.id {
        Id::Text(text) => text,
        Id::Number(number) => number.to_string(),
    };
    if id == "none" || id == position {
        return Ok(Piece::End);
    }
    let proper = !id.is_empty()
        && id.len() <= 64
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if !proper {
        return Err("the answer's ID is none to go on from".to_owned());
    }
    let addresses = banned
        .ipaddress
        .iter()
        .filter_map(|text| Some(text.trim().parse::<IpAddr>().ok()?.to_canonical()))
        .filter(|ip| is_public(*ip))
        .take(PIECE)
        .collect();
    Ok(Piece::Addresses(addresses, id))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicUsize};

    use prometheus_client::registry::Registry;
    use proptest::prelude::*;

    use super::*;
    use crate::{outbound::Redirects, store::SqliteStore};

    fn read(body: &str) -> Result<Piece, String> {
        read_banned(body.as_bytes(), "1672531200")
    }

    #[test]
    fn a_piece_has_addresses_and_where_to_go_on() {
        let body = r#"{"ipaddress":["192.0.2.1","::ffff:192.0.2.2","2001:db8::7","10.0.0.1","x"],"ID":"1672531201"}"#;
        let Ok(Piece::Addresses(addresses, id)) = read(body) else {
            panic!("{:?}", read(body));
        };
        let told: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["192.0.2.1", "192.0.2.2", "2001:db8::7"]);
        assert_eq!(id, "1672531201");
        let number = body.replace("\"1672531201\"", "1672531201");
        assert_eq!(read(&number), read(body));
    }

    #[test]
    fn the_list_has_an_end() {
        assert_eq!(
            read(r#"{"ipaddress":["no new bans"],"ID":"none"}"#),
            Ok(Piece::End)
        );
        // An answer that leads nowhere would be asked for forever.
        assert_eq!(
            read(r#"{"ipaddress":["192.0.2.1"],"ID":"1672531200"}"#),
            Ok(Piece::End)
        );
    }

    #[test]
    fn what_is_wrong_is_an_error() {
        for body in [
            "",
            "{}",
            "<html>",
            r#"{"ipaddress":"rate limit exceeded","ID":"none"}"#,
            r#"{"ipaddress":null,"ID":"1"}"#,
            r#"{"ipaddress":["192.0.2.1"]}"#,
            r#"{"ipaddress":["192.0.2.1"],"ID":null}"#,
            r#"{"ipaddress":["192.0.2.1"],"ID":"../../check"}"#,
            r#"{"ipaddress":["192.0.2.1"],"ID":""}"#,
            r#"{"ipaddress":[1],"ID":"1"}"#,
        ] {
            assert!(read(body).is_err(), "{body}");
        }
    }

    #[test]
    fn statuses_say_what_to_do() {
        let of = |status: u16, body: &str| {
            let answer = Answer {
                status: StatusCode::from_u16(status).unwrap(),
                headers: HeaderMap::new(),
                body: body.as_bytes().to_vec(),
            };
            super::read(&answer, "", "2026-06-08T12:00:00Z".parse().unwrap())
        };
        let end = r#"{"ipaddress":["no new bans"],"ID":"none"}"#;
        assert_eq!(of(400, end), Ok(Piece::End));
        assert!(matches!(
            of(403, r#"{"ipaddress":"invalid key"}"#),
            Err(Fault::Refused(_))
        ));
        assert!(matches!(
            of(429, r#"{"ipaddress":"rate limit exceeded"}"#),
            Err(Fault::Limited {
                pause: Some(WINDOW),
                ..
            })
        ));
        for status in [301, 400, 404, 500, 503] {
            assert!(
                matches!(of(status, "<html>"), Err(Fault::Failed(_))),
                "{status}"
            );
        }
    }

    /// A service whose list has no end.
    async fn endless() -> (String, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let answer = move || {
            let number = count.fetch_add(1, Ordering::Relaxed) + 1;
            async move { format!(r#"{{"ipaddress":["198.51.100.{number}"],"ID":"{number}"}}"#) }
        };
        let routes = axum::Router::new().fallback(answer);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (url, asked)
    }

    #[tokio::test]
    async fn ten_requests_in_two_minutes_and_no_more() {
        let (url, asked) = endless().await;
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("tfps.db")).await;
        let noon: Timestamp = "2026-06-08T12:00:00Z".parse().unwrap();
        let now = Arc::new(AtomicI64::new(noon.as_millisecond()));
        let cache = Arc::new(Cache::with_room(1_000));
        let apiban = Apiban::new(
            (
                Arc::clone(&cache),
                Arc::new(Keeper::new(Arc::new(store.unwrap()))),
            ),
            Clock::Set(Arc::clone(&now)),
            Instruments::register(&mut Registry::default()),
        );
        let text = format!("key = \"a-key/with?signs\"\nurl = {url:?}");
        let config: config::Apiban = toml::from_str(&text).unwrap();
        let sender = Sender::new(&config::Outbound::default(), Redirects::NotFollowed).unwrap();
        let settings = || Settings::of(&config, &sender).unwrap();
        assert_eq!(apiban.turn().await, None);
        apiban.set(settings());
        let due = apiban.turn().await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), REQUESTS);
        assert_eq!(due, later(noon, WINDOW));
        assert_eq!((cache.bans(), apiban.says(false)), (REQUESTS, None));
        // Taking the configuration anew gives no more either.
        apiban.set(settings());
        assert_eq!(apiban.turn().await, Some(due));
        assert_eq!(asked.load(Ordering::Relaxed), REQUESTS);
        now.store(due.as_millisecond(), Ordering::Relaxed);
        assert_eq!(apiban.turn().await, Some(later(due, WINDOW)));
        assert_eq!(asked.load(Ordering::Relaxed), 2 * REQUESTS);
        apiban.set(None);
        assert_eq!((cache.bans(), apiban.turn().await), (0, None));
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_banned(&body, "1");
        }
    }
}
