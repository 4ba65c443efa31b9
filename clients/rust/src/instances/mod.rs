//! Several instances of the same TFPS, as a bridge needs them: which of them answer, who is asked, and what is done when one does
//! not answer. The same call is always asked of the same instance, as long as that answers.

mod backlog;
mod hang_ups;
mod instance;

use std::{
    cmp::Reverse,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tfps_proto::v1::{
    CallEvent, CallProgress, CheckRequest, CheckResponse, LearnRequest, learn_request::Lesson,
};
use tokio::time::{Instant, sleep_until, timeout_at};

use self::instance::{Instance, Link};
pub use self::{
    backlog::{Backlog, Kept},
    hang_ups::HangUps,
};
use crate::{Client, Code, Config, ConfigError, Error, calls::is_repeatable};

/// While an instance has been away for less than this, a call waits for it to come back, within its deadline.
const RESTART: Duration = Duration::from_secs(2);
/// The first pause before an instance that has too much to do is asked again; each further one is twice as long.
const OVERLOADED: Duration = Duration::from_millis(10);

/// All instances.
#[derive(Debug)]
pub struct Instances {
    instances: Vec<Arc<Instance>>,
    /// Spreads requests that have no name.
    next: AtomicU64,
    deadline: Duration,
}

/// Is told what happens, for metrics.
pub trait Observer: std::fmt::Debug + Send + Sync {
    /// An instance answers, or does so no more.
    fn answers(&self, _instance: &str, _answers: bool) {}
    /// The connection to an instance broke.
    fn lost(&self, _instance: &str) {}
    /// So many events of calls wait for an instance.
    fn waiting(&self, _events: usize) {}
    /// What became of a call's event: `told`, `refused` or `dropped`.
    fn reported(&self, _event: &'static str, _result: &'static str) {}
}

/// How an instance is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health<'a> {
    /// Where it is, as it was configured.
    pub address: &'a str,
    /// Why it does not answer, where it does not.
    pub trouble: Option<String>,
    /// How often a connection to it was lost.
    pub lost: u64,
}

/// Why no instance did what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// A field of the request is wrong.
    #[error("{field} {why}")]
    Refused {
        /// The field.
        field: String,
        /// What is wrong with it.
        why: String,
    },
    /// The token is not for this.
    #[error("{0}")]
    Forbidden(String),
    /// No instance answers.
    #[error("{0}")]
    Unavailable(Cause),
}

/// Why no instance answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// No answer in time.
    #[error("no answer in time")]
    Deadline,
    /// No connection, or one that broke.
    #[error("no server is reached")]
    Connection,
    /// The instance has too much to do.
    #[error("the server has too much to do")]
    Overload,
    /// The instance does not know the token.
    #[error("the server does not know the bridge's token")]
    Token,
    /// The instance failed.
    #[error("the server failed")]
    Failure,
}

impl Cause {
    /// In a word, as metrics and headers name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Connection => "connection",
            Self::Overload => "overload",
            Self::Token => "token",
            Self::Failure => "failure",
        }
    }
}

/// The name of a call's event, as switches and metrics have it.
pub fn event_name(call: &CallProgress) -> &'static str {
    match call.event() {
        CallEvent::Started => "started",
        CallEvent::Answered => "answered",
        CallEvent::Ended | CallEvent::Unspecified => "ended",
    }
}

impl Instances {
    /// Begins to connect to each of them, and goes on for ever. A call is decided within the deadline or not at all; other
    /// requests have that of their configuration. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// When there is none, or a configuration can't work, such as one whose token can't be read.
    pub fn start(
        configs: Vec<Config>,
        deadline: Duration,
        observer: &Arc<dyn Observer>,
    ) -> Result<Self, ConfigError> {
        if configs.is_empty() {
            return Err(ConfigError::NoServer);
        }
        for config in &configs {
            Client::prepare(config.clone())?;
        }
        let instances = configs
            .into_iter()
            .map(|config| Instance::start(config, Arc::clone(observer)))
            .collect();
        Ok(Self {
            instances,
            next: AtomicU64::new(0),
            deadline,
        })
    }

    /// Has a call decided within the deadline, beginning now ([`Self::check_since`]).
    ///
    /// # Errors
    /// Why there is no decision.
    pub async fn check(&self, request: CheckRequest) -> Result<CheckResponse, Unanswered> {
        self.check_since(request, Instant::now()).await
    }

    /// Has a call decided within the deadline, which began when its switch asked. A call with a Call-ID or an attempt's key is asked about again, elsewhere where there
    /// is an elsewhere, when an instance breaks off: it counts once. An instance that has too much to do is asked again until the
    /// deadline.
    ///
    /// # Errors
    /// Why there is no decision.
    pub async fn check_since(
        &self,
        request: CheckRequest,
        since: Instant,
    ) -> Result<CheckResponse, Unanswered> {
        let deadline = since + self.deadline;
        let key = self.key(or(&request.call_id, &request.attempt_key));
        let repeatable = request.dry_run || is_repeatable(&request);
        let mut avoid: Option<&Arc<Instance>> = None;
        let mut cause = Cause::Connection;
        let mut pause = OVERLOADED;
        loop {
            let asked = Instant::now();
            if asked >= deadline {
                return Err(Unanswered::Unavailable(Cause::Deadline));
            }
            let Some((instance, link)) = self.find(key, avoid, deadline).await else {
                return Err(Unanswered::Unavailable(cause));
            };
            // With somebody else to ask, half of the time is left for it.
            let patience = if repeatable && avoid.is_none() && self.answering() > 1 {
                asked + deadline.saturating_duration_since(asked) / 2
            } else {
                deadline
            };
            cause = match timeout_at(patience, link.check(&request)).await {
                Ok(Ok(decision)) => {
                    link.answered();
                    return Ok(decision);
                }
                Ok(Err(error)) => {
                    let cause = match judge(error)? {
                        // A stream that is reset ends with a status like that of one check that failed.
                        Cause::Failure if link.is_broken() => Cause::Connection,
                        cause => cause,
                    };
                    if matches!(cause, Cause::Connection | Cause::Token) {
                        instance.lost(&link);
                    } else {
                        link.answered();
                    }
                    cause
                }
                Err(_) => {
                    // Who was given a moment may still answer.
                    if asked.elapsed() >= self.deadline / 4 && link.stayed_silent(asked) {
                        instance.lost(&link);
                    }
                    Cause::Deadline
                }
            };
            // Who has too much to do has decided nothing.
            let again = repeatable || cause == Cause::Overload;
            if !again || Instant::now() >= deadline {
                return Err(Unanswered::Unavailable(cause));
            }
            let alone = self.answering() < 2 || avoid.is_some();
            match cause {
                // Asked again at once it would say the same.
                Cause::Failure if alone => return Err(Unanswered::Unavailable(cause)),
                Cause::Overload if alone => {
                    let next = Instant::now() + pause;
                    if next >= deadline {
                        return Err(Unanswered::Unavailable(cause));
                    }
                    sleep_until(next).await;
                    pause *= 2;
                    avoid = None;
                    continue;
                }
                _ => {}
            }
            avoid = Some(instance);
        }
    }

    /// Tells the instance that decided a call what happened to it.
    ///
    /// # Errors
    /// Why it could not be told.
    pub async fn learn(&self, call: CallProgress) -> Result<(), Unanswered> {
        let key = self.key(or(&call.call_id, &call.attempt_key));
        let Some((instance, link)) = self.best(key, None) else {
            return Err(Unanswered::Unavailable(Cause::Connection));
        };
        let request = LearnRequest {
            lesson: Some(Lesson::Call(call)),
        };
        match link.learn(request).await {
            Ok(_) => Ok(()),
            Err(error) => {
                let cause = judge(error)?;
                if matches!(cause, Cause::Connection | Cause::Token) {
                    instance.lost(&link);
                }
                Err(Unanswered::Unavailable(cause))
            }
        }
    }

    /// A client of each instance that answers, the one that a call belongs to first; where none answers, one that has just
    /// been lost is waited for, within the deadline.
    pub async fn clients(&self, call_id: &str) -> Vec<Client> {
        let deadline = Instant::now() + self.deadline;
        let key = self.key(call_id);
        if self.find(key, None, deadline).await.is_none() {
            return Vec::new();
        }
        let mut links: Vec<_> = self.links(None).collect();
        links.sort_by_key(|(index, ..)| Reverse(mixed(key, *index)));
        links.iter().map(|(.., link)| link.client()).collect()
    }

    /// How long anything may take that a switch waits for.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// How many of them answer.
    pub fn answering(&self) -> usize {
        self.instances
            .iter()
            .filter(|instance| instance.link().is_some())
            .count()
    }

    /// How each of them is.
    pub fn health(&self) -> impl Iterator<Item = Health<'_>> {
        self.instances.iter().map(|instance| instance.health())
    }

    /// What decides which instance is asked: the same call is the same instance's.
    fn key(&self, name: &str) -> u64 {
        if name.is_empty() {
            return self.next.fetch_add(1, Ordering::Relaxed);
        }
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        hasher.finish()
    }

    /// An instance that answers, awaited where one has just been lost.
    async fn find(
        &self,
        key: u64,
        avoid: Option<&Arc<Instance>>,
        deadline: Instant,
    ) -> Option<(&Arc<Instance>, Arc<Link>)> {
        loop {
            if let Some(found) = self.best(key, avoid).or_else(|| self.best(key, None)) {
                return Some(found);
            }
            let restarting = self
                .instances
                .iter()
                .find(|instance| instance.away() < RESTART)?;
            timeout_at(deadline, restarting.back()).await.ok()?;
        }
    }

    /// Of the instances that answer, the one with the highest hash together with the key: each instance's calls move only
    /// when it goes, and then to all others alike.
    fn best(&self, key: u64, avoid: Option<&Arc<Instance>>) -> Option<(&Arc<Instance>, Arc<Link>)> {
        self.links(avoid)
            .max_by_key(|(index, ..)| mixed(key, *index))
            .map(|(_, instance, link)| (instance, link))
    }

    /// The instances that answer, with their place in the configuration.
    fn links<'a, 'b>(
        &'a self,
        avoid: Option<&'b Arc<Instance>>,
    ) -> impl Iterator<Item = (u64, &'a Arc<Instance>, Arc<Link>)> + use<'a, 'b> {
        self.instances
            .iter()
            .enumerate()
            .filter(move |(_, instance)| avoid.is_none_or(|avoid| !Arc::ptr_eq(avoid, instance)))
            .filter_map(|(index, instance)| Some((index as u64, instance, instance.link()?)))
    }
}

/// What names a call: its Call-ID, which all that is asked and told of it has, or else the key of its attempt.
fn or<'a>(call_id: &'a str, attempt_key: &'a str) -> &'a str {
    if call_id.is_empty() {
        attempt_key
    } else {
        call_id
    }
}

/// The finalizer of SplitMix64.
fn mixed(key: u64, index: u64) -> u64 {
    let mut mixed = key.wrapping_add((index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// What an error of the instance means for a call.
///
/// # Errors
/// What the switch did wrong, or may not.
fn judge(error: Error) -> Result<Cause, Unanswered> {
    let rejection = match error {
        Error::Deadline { .. } => return Ok(Cause::Deadline),
        Error::Status(rejection) => rejection,
        _ => return Ok(Cause::Connection),
    };
    match rejection.code {
        Code::InvalidArgument => {
            let (field, why) = match rejection.violations.first() {
                None => ("request", rejection.message),
                Some(violation) => {
                    let field = violation.field.rsplit('.').next().unwrap_or_default();
                    (field, violation.description.clone())
                }
            };
            Err(Unanswered::Refused {
                field: field.to_owned(),
                why,
            })
        }
        Code::PermissionDenied => Err(Unanswered::Forbidden(rejection.message)),
        Code::Unauthenticated => Ok(Cause::Token),
        Code::ResourceExhausted => Ok(Cause::Overload),
        Code::DeadlineExceeded => Ok(Cause::Deadline),
        Code::Unavailable | Code::Cancelled => Ok(Cause::Connection),
        _ => Ok(Cause::Failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Token;

    #[derive(Debug)]
    struct Nobody;

    impl Observer for Nobody {}

    #[tokio::test]
    async fn a_configuration_that_cannot_work_is_refused_at_once() {
        let start = |config| Instances::start(vec![config], Duration::ZERO, &observer());
        let good = Config::new("http://127.0.0.1:9");
        assert!(start(good.clone()).is_ok());
        assert!(matches!(
            start(Config::new("127.0.0.1:9")),
            Err(ConfigError::Address { .. })
        ));
        assert!(matches!(
            start(good.token(Token::secret(""))),
            Err(ConfigError::EmptyToken { .. })
        ));
    }

    #[tokio::test]
    async fn what_no_instance_can_be_told_waits_as_long_as_there_is_room() {
        let instances = Instances::start(
            vec![Config::new("http://127.0.0.1:9")],
            Duration::from_millis(10),
            &observer(),
        );
        let instances = Arc::new(instances.unwrap());
        let backlog = Backlog::start(Arc::clone(&instances), 2, &observer());
        assert!(backlog.is_empty());
        for (kept, waiting) in [(Kept::Waits, 1), (Kept::Waits, 2), (Kept::Full, 2)] {
            let became = backlog.report(&instances, CallProgress::default()).await;
            assert_eq!((became, backlog.len()), (Ok(kept), waiting));
        }
    }

    #[test]
    fn an_event_has_the_name_that_switches_send() {
        let name = |event| {
            event_name(&CallProgress {
                event: i32::from(event),
                ..CallProgress::default()
            })
        };
        assert_eq!(name(CallEvent::Started), "started");
        assert_eq!(name(CallEvent::Answered), "answered");
        assert_eq!(name(CallEvent::Ended), "ended");
    }

    #[test]
    fn calls_are_shared_evenly_and_stay_where_they_are() {
        let mut counts = [0; 3];
        for key in 0..30_000 {
            let best = (0..3).max_by_key(|index| mixed(key, *index)).unwrap();
            counts[best as usize] += 1;
            let without_the_third = (0..2).max_by_key(|index| mixed(key, *index)).unwrap();
            assert!(best == 2 || best == without_the_third);
        }
        assert!(
            counts.iter().all(|count| (9_500..10_500).contains(count)),
            "{counts:?}"
        );
    }

    fn observer() -> Arc<dyn Observer> {
        Arc::new(Nobody)
    }
}
