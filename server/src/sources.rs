//! What the server knows from elsewhere (reputations, lists, countries): where each source stands, and whether it may be
//! asked.

use std::{
    borrow::Cow,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

/// Failures in a row after which a source is left alone for a while.
const TOLERATED: u32 = 3;
/// The first such while, in seconds; it doubles.
const FIRST_PAUSE: i64 = 1;
/// The longest.
const LONGEST_PAUSE: i64 = 60;
/// How long a source that says "too many" without saying until when is left alone.
const UNTOLD_PAUSE: Duration = Duration::from_secs(3_600);
/// The shortest and the longest that it can ask for.
const SHORTEST_LIMIT: Duration = Duration::from_secs(1);
const LONGEST_LIMIT: Duration = Duration::from_secs(48 * 3_600);

/// How a source is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SourceState {
    /// It is not configured.
    #[default]
    Off,
    /// It answers.
    Ok,
    /// It has said "too many" and is not asked until its time has come.
    Paused,
    /// It has refused the key and is not asked until the configuration is taken anew.
    Disabled,
    /// It does not answer as it should, and is asked again.
    Failing,
}

impl SourceState {
    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Ok => "ok",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
            Self::Failing => "failing",
        }
    }
}

/// Where a source stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceStatus {
    /// Its name, such as `abuseipdb`.
    pub name: Cow<'static, str>,
    /// How it is.
    pub state: SourceState,
    /// What is known from it: addresses, entries, networks.
    pub entries: u64,
    /// When it last answered as it should.
    pub refreshed_at: Option<Timestamp>,
    /// When it is asked again.
    pub retry_at: Option<Timestamp>,
    /// What it last did wrong; empty where it answers.
    pub error: String,
}

impl SourceStatus {
    /// What an operator should know of it.
    pub fn warning(&self) -> Option<String> {
        let Self { name, error, .. } = self;
        let until = self.retry_at.map_or_else(String::new, |at| {
            format!(", until {}", at.strftime("%Y-%m-%dT%H:%M:%SZ"))
        });
        match self.state {
            SourceState::Off | SourceState::Ok => None,
            SourceState::Paused => Some(format!("{name} is paused{until}: {error}")),
            SourceState::Disabled => Some(format!(
                "{name} is disabled until the configuration is taken anew: {error}"
            )),
            SourceState::Failing => Some(format!("{name} is failing: {error}")),
        }
    }
}

/// What a source did instead of answering.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It refuses the key, or the key's plan does not hold this.
    #[error("{0}")]
    Refused(String),
    /// Too many requests.
    #[error("{error}")]
    Limited {
        /// What it said.
        error: String,
        /// For how long it wants to be left alone, where it said so.
        pause: Option<Duration>,
    },
    /// It works, and has no answer to this.
    #[error("{0}")]
    NoAnswer(String),
    /// It does not work.
    #[error("{0}")]
    Failed(String),
}

/// A source, and whether it may be asked.
#[derive(Debug)]
pub struct Source {
    name: &'static str,
    /// From when on it may be asked, in milliseconds: one load on the way of a call.
    open_from: AtomicI64,
    standing: Mutex<Standing>,
}

#[derive(Debug, Default)]
struct Standing {
    state: SourceState,
    refreshed_at: Option<Timestamp>,
    retry_at: Option<Timestamp>,
    error: String,
    failures: u32,
}

impl Source {
    /// One that is off.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            open_from: AtomicI64::new(i64::MAX),
            standing: Mutex::default(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Turns it on: what was wrong is forgotten, but not until when it wants to be left alone.
    pub fn turn_on(&self) {
        let mut standing = self.standing.lock();
        if standing.state == SourceState::Paused {
            return;
        }
        standing.begin(SourceState::Ok);
        self.open(&standing);
    }

    /// Turns it off.
    pub fn turn_off(&self) {
        let mut standing = self.standing.lock();
        standing.begin(SourceState::Off);
        standing.refreshed_at = None;
        self.open(&standing);
    }

    /// Turns it on with what is remembered of it from before the start.
    pub fn resume(&self, refreshed_at: Option<Timestamp>, retry_at: Option<Timestamp>) {
        let mut standing = self.standing.lock();
        standing.begin(SourceState::Ok);
        standing.refreshed_at = refreshed_at;
        if retry_at.is_some() {
            standing.state = SourceState::Paused;
            standing.retry_at = retry_at;
            "too many requests, before the last start".clone_into(&mut standing.error);
        }
        self.open(&standing);
    }

    /// Whether it may be asked.
    pub fn may_be_asked(&self, at: Timestamp) -> bool {
        at.as_millisecond() >= self.open_from.load(Ordering::Relaxed)
    }

    /// It answered as it should.
    pub fn answered(&self, at: Timestamp) {
        let mut standing = self.standing.lock();
        // An answer that was under way when the source was turned off or refused the key changes nothing.
        if matches!(standing.state, SourceState::Off | SourceState::Disabled) {
            return;
        }
        if standing.state == SourceState::Failing {
            tracing::info!(source = self.name, "the source answers again");
        }
        if !standing.is_paused(at) {
            standing.begin(SourceState::Ok);
        }
        standing.refreshed_at = Some(at);
        self.open(&standing);
    }

    /// It did not. Who asks at times of its own, and not for every call, has `patient` set: the source then stays open.
    pub fn failed(&self, at: Timestamp, fault: &Fault, patient: bool) {
        let mut standing = self.standing.lock();
        if matches!(standing.state, SourceState::Off | SourceState::Disabled) {
            return;
        }
        let before = standing.state;
        match fault {
            Fault::NoAnswer(_) => {
                drop(standing);
                return self.answered(at);
            }
            Fault::Refused(_) => {
                standing.begin(SourceState::Disabled);
            }
            Fault::Limited { pause, .. } => {
                let pause = pause
                    .unwrap_or(UNTOLD_PAUSE)
                    .clamp(SHORTEST_LIMIT, LONGEST_LIMIT);
                standing.begin(SourceState::Paused);
                standing.retry_at = Some(later(at, pause));
            }
            Fault::Failed(_) if standing.is_paused(at) => return,
            Fault::Failed(_) => {
                standing.failures += 1;
                if patient || standing.failures >= TOLERATED {
                    standing.state = SourceState::Failing;
                }
                if !patient && standing.failures >= TOLERATED {
                    let pause = FIRST_PAUSE << (standing.failures - TOLERATED).min(16);
                    let pause = SignedDuration::from_secs(pause.min(LONGEST_PAUSE));
                    standing.retry_at = Some(at.saturating_add(pause).unwrap_or(at));
                }
            }
        }
        standing.error = fault.to_string();
        self.open(&standing);
        if standing.state != before {
            tracing::warn!(
                source = self.name,
                state = standing.state.as_str(),
                retry_at = standing.retry_at.map(tracing::field::display),
                error = standing.error,
                "the source does not answer"
            );
        }
    }

    /// Says when it is asked again, where who asks knows.
    pub fn asked_again_at(&self, at: Timestamp) {
        let mut standing = self.standing.lock();
        if standing.state == SourceState::Failing {
            standing.retry_at = Some(at);
        }
    }

    /// Until when it wants to be left alone.
    pub fn paused_until(&self) -> Option<Timestamp> {
        let standing = self.standing.lock();
        standing
            .retry_at
            .filter(|_| standing.state == SourceState::Paused)
    }

    /// When it last answered as it should.
    pub fn refreshed_at(&self) -> Option<Timestamp> {
        self.standing.lock().refreshed_at
    }

    /// Forgets a pause that was another key's.
    pub fn forget_pause(&self) {
        let mut standing = self.standing.lock();
        if standing.state == SourceState::Paused {
            standing.begin(SourceState::Ok);
            self.open(&standing);
        }
    }

    /// Where it stands.
    pub fn status(&self, entries: u64, at: Timestamp) -> SourceStatus {
        let standing = self.standing.lock();
        let over = standing.state == SourceState::Paused && !standing.is_paused(at);
        SourceStatus {
            name: Cow::Borrowed(self.name),
            state: if over {
                SourceState::Ok
            } else {
                standing.state
            },
            entries,
            refreshed_at: standing.refreshed_at,
            retry_at: standing.retry_at.filter(|_| !over),
            error: if over {
                String::new()
            } else {
                standing.error.clone()
            },
        }
    }

    fn open(&self, standing: &Standing) {
        let from = match standing.state {
            SourceState::Off | SourceState::Disabled => i64::MAX,
            SourceState::Ok => i64::MIN,
            SourceState::Paused | SourceState::Failing => standing
                .retry_at
                .map_or(i64::MIN, Timestamp::as_millisecond),
        };
        self.open_from.store(from, Ordering::Relaxed);
    }
}

impl Standing {
    fn is_paused(&self, at: Timestamp) -> bool {
        self.state == SourceState::Paused && self.retry_at.is_some_and(|until| until > at)
    }

    fn begin(&mut self, state: SourceState) {
        self.state = state;
        self.retry_at = None;
        self.error.clear();
        self.failures = 0;
    }
}

/// A moment after another; never out of range.
pub(crate) fn later(at: Timestamp, after: Duration) -> Timestamp {
    SignedDuration::try_from(after)
        .ok()
        .and_then(|after| at.checked_add(after).ok())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> Timestamp {
        "2026-06-08T12:00:00Z".parse().unwrap()
    }

    fn after(seconds: i64) -> Timestamp {
        noon() + SignedDuration::from_secs(seconds)
    }

    fn failed() -> Fault {
        Fault::Failed("status 500".to_owned())
    }

    fn on() -> Source {
        let source = Source::new("abuseipdb");
        assert!(!source.may_be_asked(noon()));
        source.turn_on();
        assert!(source.may_be_asked(noon()));
        source
    }

    #[test]
    fn too_many_requests_are_answered_with_patience() {
        let source = on();
        let fault = Fault::Limited {
            error: "daily limit".to_owned(),
            pause: Some(Duration::from_secs(29_000)),
        };
        source.failed(noon(), &fault, false);
        assert!(!source.may_be_asked(after(28_999)));
        assert!(source.may_be_asked(after(29_000)));
        let status = source.status(7, noon());
        assert_eq!(
            (status.state, status.entries, status.retry_at),
            (SourceState::Paused, 7, Some(after(29_000)))
        );
        assert!(status.warning().unwrap().contains("2026-06-08T20:03:20Z"));
        // Neither an answer that was under way nor a reload shortens it.
        source.answered(after(1));
        source.turn_on();
        source.failed(after(2), &failed(), false);
        assert_eq!(source.paused_until(), Some(after(29_000)));
        assert!(!source.may_be_asked(after(28_999)));
        let status = source.status(7, after(29_000));
        assert_eq!((status.state, status.warning()), (SourceState::Ok, None));
        // What goes wrong after it is a failure like any other.
        for _ in 0..3 {
            source.failed(after(29_001), &failed(), false);
        }
        let failing = source.status(7, after(29_001));
        assert_eq!(failing.state, SourceState::Failing);
        source.answered(after(29_001));
        assert_eq!(source.paused_until(), None);
    }

    #[test]
    fn an_absurd_pause_is_bounded() {
        let source = on();
        let fault = |pause| Fault::Limited {
            error: String::new(),
            pause,
        };
        source.failed(noon(), &fault(Some(Duration::MAX)), false);
        assert!(source.may_be_asked(after(48 * 3_600)));
        source.failed(after(48 * 3_600), &fault(None), false);
        assert!(source.may_be_asked(after(49 * 3_600)));
    }

    #[test]
    fn a_refused_key_ends_it_until_the_configuration_is_taken_anew() {
        let source = on();
        source.failed(noon(), &Fault::Refused("401".to_owned()), false);
        source.answered(after(1));
        assert!(!source.may_be_asked(Timestamp::MAX));
        let status = source.status(0, after(1_000_000));
        assert_eq!(status.state, SourceState::Disabled);
        assert!(status.warning().unwrap().contains("401"));
        source.turn_on();
        assert!(source.may_be_asked(noon()));
        assert_eq!(source.status(0, noon()).warning(), None);
    }

    #[test]
    fn failures_in_a_row_are_left_alone_for_longer_and_longer() {
        let source = on();
        source.failed(noon(), &failed(), false);
        source.failed(noon(), &failed(), false);
        assert!(source.may_be_asked(noon()));
        assert_eq!(source.status(0, noon()).state, SourceState::Ok);
        let mut at = noon();
        let mut pauses = Vec::new();
        for _ in 0..8 {
            source.failed(at, &failed(), false);
            let status = source.status(0, at);
            assert_eq!(status.state, SourceState::Failing);
            let until = status.retry_at.unwrap();
            assert!(!source.may_be_asked(until - SignedDuration::from_millis(1)));
            pauses.push(until.duration_since(at).as_secs());
            at = until;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        source.answered(at);
        assert_eq!(source.status(0, at).state, SourceState::Ok);
        source.failed(at, &failed(), false);
        assert!(source.may_be_asked(at));
    }

    #[test]
    fn what_has_no_answer_is_no_failure() {
        let source = on();
        for _ in 0..10 {
            source.failed(noon(), &Fault::NoAnswer("422".to_owned()), false);
        }
        assert!(source.may_be_asked(noon()));
        assert_eq!(source.status(0, noon()).state, SourceState::Ok);
    }
}
