//! The servers behind the bridge: which of them answer, who is asked, and what is done when one does not answer.

mod backlog;
mod server;

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tfps_client::{
    Code, Error,
    v1::{CallProgress, CheckRequest, CheckResponse, LearnRequest, learn_request::Lesson},
};
use tokio::time::{Instant, timeout_at};

pub(crate) use self::backlog::{Backlog, Kept};
use self::server::{Link, Server};
use crate::{config::Config, request::BadField, telemetry::Metrics};

/// While a server has been away for less than this, a call waits for it to come back, within its deadline.
const RESTART: Duration = Duration::from_secs(2);

/// All servers.
#[derive(Debug)]
pub(crate) struct Servers {
    servers: Vec<Arc<Server>>,
    /// Spreads requests that have no Call-ID.
    next: AtomicU64,
    deadline: Duration,
}

/// Why there is no decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoDecision {
    /// The server refuses a field.
    Bad(BadField),
    /// The bridge's token is not for this.
    Forbidden(String),
    /// No server decides.
    Unavailable(Cause),
}

/// Why no server decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// No answer in time.
    Deadline,
    /// No connection, or one that broke.
    Connection,
    /// The server has too much to do.
    Overload,
    /// The server does not know the bridge's token.
    Token,
    /// The server failed.
    Failure,
}

impl Cause {
    /// As metrics and headers name it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Connection => "connection",
            Self::Overload => "overload",
            Self::Token => "token",
            Self::Failure => "failure",
        }
    }
}

impl Servers {
    /// Begins to connect to each of them, and goes on for ever.
    pub(crate) fn start(config: &Config, metrics: &Metrics) -> Self {
        let servers = config
            .server
            .iter()
            .map(|address| Server::start(address, config.client(address), metrics))
            .collect();
        Self {
            servers,
            next: AtomicU64::new(0),
            deadline: Duration::from_millis(config.deadline_ms),
        }
    }

    /// Has a call decided within the deadline. A call with a Call-ID is asked about again, elsewhere where there is
    /// an elsewhere, when a server breaks off: it counts once.
    ///
    /// # Errors
    /// Why there is no decision.
    pub(crate) async fn check(&self, request: CheckRequest) -> Result<CheckResponse, NoDecision> {
        let deadline = Instant::now() + self.deadline;
        let key = self.key(&request.call_id);
        let repeatable = request.dry_run || !request.call_id.is_empty();
        let mut avoid: Option<&Arc<Server>> = None;
        let mut cause = Cause::Connection;
        loop {
            let Some((server, link)) = self.find(key, avoid, deadline).await else {
                return Err(NoDecision::Unavailable(cause));
            };
            // With somebody else to ask, half of the time is left for it.
            let patience = if repeatable && avoid.is_none() && self.answering() > 1 {
                Instant::now() + deadline.saturating_duration_since(Instant::now()) / 2
            } else {
                deadline
            };
            cause = match timeout_at(patience, link.check(&request)).await {
                Ok(Ok(decision)) => {
                    link.answered();
                    return Ok(decision);
                }
                Ok(Err(error)) => {
                    let cause = judge(error)?;
                    if matches!(cause, Cause::Connection | Cause::Token) {
                        server.lost(&link);
                    } else {
                        link.answered();
                    }
                    cause
                }
                Err(_) => {
                    if link.stayed_silent() {
                        server.lost(&link);
                    }
                    Cause::Deadline
                }
            };
            if !repeatable || Instant::now() >= deadline {
                return Err(NoDecision::Unavailable(cause));
            }
            if cause == Cause::Overload || cause == Cause::Failure {
                // Asked again at once it would say the same.
                if self.answering() < 2 || avoid.is_some() {
                    return Err(NoDecision::Unavailable(cause));
                }
            }
            avoid = Some(server);
        }
    }

    /// Tells the server that decided a call what happened to it.
    ///
    /// # Errors
    /// Why it could not be told.
    pub(crate) async fn learn(&self, call: CallProgress) -> Result<(), NoDecision> {
        let key = self.key(&call.call_id);
        let Some((server, link)) = self.best(key, None) else {
            return Err(NoDecision::Unavailable(Cause::Connection));
        };
        let request = LearnRequest {
            lesson: Some(Lesson::Call(call)),
        };
        match link.learn(request).await {
            Ok(_) => Ok(()),
            Err(error) => {
                let cause = judge(error)?;
                if matches!(cause, Cause::Connection | Cause::Token) {
                    server.lost(&link);
                }
                Err(NoDecision::Unavailable(cause))
            }
        }
    }

    /// How long anything may take that a switch waits for.
    pub(crate) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// How many servers answer.
    pub(crate) fn answering(&self) -> usize {
        self.servers
            .iter()
            .filter(|server| server.link().is_some())
            .count()
    }

    /// Each server, and why it does not answer where it does not.
    pub(crate) fn troubles(&self) -> impl Iterator<Item = (&str, Option<String>)> {
        self.servers
            .iter()
            .map(|server| (server.address(), server.trouble()))
    }

    /// What decides which server is asked: the same call is the same server's.
    fn key(&self, call_id: &str) -> u64 {
        if call_id.is_empty() {
            return self.next.fetch_add(1, Ordering::Relaxed);
        }
        let mut hasher = DefaultHasher::new();
        call_id.hash(&mut hasher);
        hasher.finish()
    }

    /// A server that answers, awaited where one has just been lost.
    async fn find(
        &self,
        key: u64,
        avoid: Option<&Arc<Server>>,
        deadline: Instant,
    ) -> Option<(&Arc<Server>, Arc<Link>)> {
        loop {
            if let Some(found) = self.best(key, avoid).or_else(|| self.best(key, None)) {
                return Some(found);
            }
            let restarting = self.servers.iter().find(|server| server.away() < RESTART)?;
            timeout_at(deadline, restarting.back()).await.ok()?;
        }
    }

    /// Of the servers that answer, the one with the highest hash together with the key: each server's calls move only
    /// when it goes, and then to all others alike.
    fn best(&self, key: u64, avoid: Option<&Arc<Server>>) -> Option<(&Arc<Server>, Arc<Link>)> {
        self.servers
            .iter()
            .enumerate()
            .filter(|(_, server)| avoid.is_none_or(|avoid| !Arc::ptr_eq(avoid, server)))
            .filter_map(|(index, server)| Some((index as u64, server, server.link()?)))
            .max_by_key(|(index, ..)| mixed(key, *index))
            .map(|(_, server, link)| (server, link))
    }
}

/// The finalizer of SplitMix64.
fn mixed(key: u64, index: u64) -> u64 {
    let mut mixed = key.wrapping_add((index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// What an error of the server means for a call.
///
/// # Errors
/// What the switch did wrong, or may not.
fn judge(error: Error) -> Result<Cause, NoDecision> {
    let rejection = match error {
        Error::Deadline { .. } => return Ok(Cause::Deadline),
        Error::Status(rejection) => rejection,
        _ => return Ok(Cause::Connection),
    };
    match rejection.code {
        Code::InvalidArgument => {
            let bad = match rejection.violations.first() {
                None => BadField::new("request", rejection.message),
                Some(violation) => {
                    let field = violation.field.rsplit('.').next().unwrap_or_default();
                    BadField::new(field, &*violation.description)
                }
            };
            Err(NoDecision::Bad(bad))
        }
        Code::PermissionDenied => Err(NoDecision::Forbidden(rejection.message)),
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
}
