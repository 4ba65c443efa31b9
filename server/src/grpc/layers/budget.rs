//! What one token may have going on: more requests or streams at once than its role has are refused, so that one token can't take
//! the places of all. It stands behind authentication, which tells whose request it is.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::future::Either;
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::body::Body;
use tower::{Layer, Service};

use super::{RefusedOr, refuse};
use crate::{
    auth::{Caller, Counted, Role, Taken},
    config::Requests,
    grpc::status,
    telemetry::Metrics,
};

/// What stays open as long as the client, or the server, likes.
const STREAMS: [&str; 5] = [
    "/tfps.v1.CheckService/StreamChecks",
    "/tfps.v1.CheckService/WatchHangUps",
    "/tfps.v1.AdminService/WatchDecisions",
    "/tfps.v1.AdminService/ImportEntries",
    "/tfps.v1.AdminService/TrainAccounts",
];

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
            metrics,
        }
    }

    fn most(&self, role: Role, counted: Counted) -> (usize, &'static str) {
        let (most, keys) = match role {
            Role::Admin | Role::Switch => (
                self.switches,
                [
                    "requests.max_in_flight_per_switch",
                    "requests.max_streams_per_switch",
                ],
            ),
            Role::DomainAdmin | Role::ReadOnly => (
                self.people,
                [
                    "requests.max_in_flight_per_token",
                    "requests.max_streams_per_token",
                ],
            ),
        };
        match counted {
            Counted::Request => (most.requests, keys[0]),
            Counted::Stream => (most.streams, keys[1]),
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
                is_stream: false,
            });
        };
        let counted = Self::counted(request.uri().path());
        let (most, key) = self.layer.most(principal.role, counted);
        let Some(taken) = principal.load.take(counted, most) else {
            self.layer.metrics.shed.inc();
            return refuse(status::over_budget(&principal.name, counted, most, key));
        };
        Either::Right(Budgeted {
            inner: self.inner.call(request),
            taken: Some(taken),
            is_stream: counted == Counted::Stream,
        })
    }
}

pin_project! {
    /// A request that counts for its token.
    pub struct Budgeted<F> {
        #[pin]
        inner: F,
        taken: Option<Taken>,
        is_stream: bool,
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
        if !*this.is_stream {
            return Poll::Ready(answer);
        }
        // It counts until its last message.
        Poll::Ready(answer.map(|response| {
            response.map(|inner| {
                Body::new(Counting {
                    inner,
                    _taken: this.taken.take(),
                })
            })
        }))
    }
}

pin_project! {
    /// The answers of a stream that counts for its token.
    struct Counting {
        #[pin]
        inner: Body,
        _taken: Option<Taken>,
    }
}

impl http_body::Body for Counting {
    type Data = <Body as http_body::Body>::Data;
    type Error = <Body as http_body::Body>::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.project().inner.poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
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
        let mut counted = STREAMS.map(str::to_owned);
        counted.sort_unstable();
        assert_eq!(streams, counted);
    }
}
