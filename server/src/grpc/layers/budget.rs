//! What one token may have going on: more requests or streams at once than its role has are refused, so that one token can't take
//! the places of all. It stands behind authentication, which tells whose request it is.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures::future::Either;
use pin_project_lite::pin_project;
use tonic::body::Body;
use tower::{Layer, Service};

use super::{RefusedOr, refuse, unread};
use crate::{
    auth::{Caller, Counted, Permission, Principal, Role, Taken},
    config::Requests,
    connections::Connection,
    grpc::{is_bulk, status},
    telemetry::Metrics,
};

/// What stays open as long as the client, or the server, likes.
const STREAMS: [&str; 4] = [
    "/tfps.v1.CheckService/StreamChecks",
    "/tfps.v1.CheckService/WatchHangUps",
    "/tfps.v1.AdminService/WatchDecisions",
    "/tfps.v1.AdminService/TrainAccounts",
];
/// What is answered from the database, at length.
const ADMIN: &str = "/tfps.v1.AdminService/";
/// How many changes of many entries one token may have going on.
const MOST_BULK: usize = 4;

/// How much one token may have going on.
#[derive(Clone, Copy, Debug)]
struct Most {
    requests: usize,
    streams: usize,
}

/// Bounds what one token has going on.
#[derive(Clone, Debug)]
pub struct BudgetLayer {
    people: Most,
    switches: Most,
    bound_switches: Most,
    metrics: Metrics,
}

impl BudgetLayer {
    /// With the bounds of the configuration.
    pub fn new(requests: &Requests, metrics: Metrics) -> Self {
        Self {
            people: Most {
                requests: requests.max_in_flight_per_token,
                streams: requests.max_streams_per_token,
            },
            switches: Most {
                requests: requests.max_in_flight_per_switch,
                streams: requests.max_streams_per_switch,
            },
            bound_switches: Most {
                requests: requests.max_in_flight_per_bound_switch,
                streams: requests.max_streams_per_switch,
            },
            metrics,
        }
    }

    fn most(&self, principal: &Principal, counted: Counted) -> (usize, &'static str) {
        let (most, keys) = match (principal.role, &principal.domain) {
            (Role::Switch, Some(_)) => (
                self.bound_switches,
                [
                    "requests.max_in_flight_per_bound_switch",
                    "requests.max_streams_per_switch",
                ],
            ),
            (Role::Admin | Role::Switch, _) => (
                self.switches,
                [
                    "requests.max_in_flight_per_switch",
                    "requests.max_streams_per_switch",
                ],
            ),
            (Role::DomainAdmin | Role::ReadOnly, _) => (
                self.people,
                [
                    "requests.max_in_flight_per_token",
                    "requests.max_streams_per_token",
                ],
            ),
        };
        match counted {
            Counted::Stream => (most.streams, keys[1]),
            Counted::Bulk => (MOST_BULK, "PutEntries, ImportEntries"),
            Counted::Request | Counted::Connection => (most.requests, keys[0]),
        }
    }
}

impl<S> Layer<S> for BudgetLayer {
    type Service = Budget<S>;

    fn layer(&self, inner: S) -> Budget<S> {
        Budget {
            inner,
            layer: self.clone(),
        }
    }
}

/// Bounds what one token has going on.
#[derive(Clone, Debug)]
pub struct Budget<S> {
    inner: S,
    layer: BudgetLayer,
}

impl<S> Budget<S> {
    fn counted(path: &str) -> Counted {
        if STREAMS.contains(&path) {
            Counted::Stream
        } else if is_bulk(path) {
            Counted::Bulk
        } else {
            Counted::Request
        }
    }
}

impl<S, B> Service<http::Request<B>> for Budget<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = RefusedOr<Budgeted<S::Future>, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        // What is open to anybody has no token.
        let Some(Caller(principal)) = request.extensions().get() else {
            return Either::Right(Budgeted {
                inner: self.inner.call(request),
                taken: None,
                counts: Counts::WhileAnswered,
            });
        };
        let path = request.uri().path();
        let counted = Self::counted(path);
        // Before a message comes that may be large.
        if counted == Counted::Bulk
            && let Err(refusal) = principal.require(Permission::Change)
        {
            return refuse(refusal.into());
        }
        let (most, key) = self.layer.most(principal, counted);
        let Some(taken) = principal.load.take(counted, most) else {
            self.layer.metrics.shed.inc();
            return refuse(status::over_budget(&principal.name, counted, most, key));
        };
        let connection = request.extensions().get::<Arc<Connection>>();
        let counts = match connection {
            _ if counted == Counted::Stream => Counts::UntilSent,
            Some(connection) if path.starts_with(ADMIN) => {
                Counts::UntilSentOrCut(Arc::clone(connection))
            }
            _ => Counts::WhileAnswered,
        };
        Either::Right(Budgeted {
            inner: self.inner.call(request),
            taken: Some(taken),
            counts,
        })
    }
}

/// How long a request counts for its token.
enum Counts {
    /// Until its answer is there.
    WhileAnswered,
    /// Until its answers are sent.
    UntilSent,
    /// The same; a client that takes nothing of it loses its connection.
    UntilSentOrCut(Arc<Connection>),
}

pin_project! {
    /// A request that counts for its token.
    pub struct Budgeted<F> {
        #[pin]
        inner: F,
        taken: Option<Taken>,
        counts: Counts,
    }
}

impl<F, E> Future for Budgeted<F>
where
    F: Future<Output = Result<http::Response<Body>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let answer = ready!(this.inner.poll(context));
        let taken = this.taken.take();
        Poll::Ready(match this.counts {
            Counts::WhileAnswered => answer,
            Counts::UntilSent => {
                answer.map(|answer| answer.map(|body| unread::counted(body, taken)))
            }
            Counts::UntilSentOrCut(connection) => answer.map(|answer| {
                answer.map(|body| unread::awaited(body, taken, Arc::clone(connection)))
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;

    #[test]
    fn every_stream_of_the_api_is_counted_as_one() {
        let files = FileDescriptorSet::decode(tfps_proto::FILE_DESCRIPTOR_SET).unwrap();
        let mut streams = Vec::new();
        for file in files.file.iter().filter(|file| file.package() == "tfps.v1") {
            for service in &file.service {
                let methods = service.method.iter();
                let streaming =
                    methods.filter(|method| method.client_streaming() || method.server_streaming());
                streams.extend(
                    streaming
                        .map(|method| format!("/tfps.v1.{}/{}", service.name(), method.name())),
                );
            }
        }
        streams.sort_unstable();
        let mut counted = STREAMS.map(str::to_owned).to_vec();
        counted.push("/tfps.v1.AdminService/ImportEntries".to_owned());
        counted.sort_unstable();
        assert_eq!(streams, counted);
    }
}
