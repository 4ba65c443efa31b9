//! Load shedding: more requests at once than can be answered in time are refused at once.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures::future::Either;
use pin_project_lite::pin_project;
use tonic::body::Body;
use tower::{Layer, Service};

use super::{RefusedOr, refuse};
use crate::{grpc::status, telemetry::Metrics};

/// Admits so many requests at once.
#[derive(Clone, Debug)]
pub struct AdmissionLayer {
    limit: usize,
    metrics: Metrics,
}

impl AdmissionLayer {
    /// Admits so many requests at once.
    pub fn new(limit: usize, metrics: Metrics) -> Self {
        Self { limit, metrics }
    }
}

impl<S> Layer<S> for AdmissionLayer {
    type Service = Admission<S>;

    fn layer(&self, inner: S) -> Admission<S> {
        Admission {
            inner,
            layer: self.clone(),
        }
    }
}

/// Admits so many requests at once.
#[derive(Clone, Debug)]
pub struct Admission<S> {
    inner: S,
    layer: AdmissionLayer,
}

impl<S, B> Service<http::Request<B>> for Admission<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = RefusedOr<Admitted<S::Future>, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let place = Place(self.layer.metrics.clone());
        let before = usize::try_from(place.0.in_flight.inc()).unwrap_or_default();
        if before >= self.layer.limit {
            self.layer.metrics.shed.inc();
            return refuse(status::overloaded(self.layer.limit));
        }
        Either::Right(Admitted {
            inner: self.inner.call(request),
            _place: place,
        })
    }
}

/// A place among the requests in flight, given back when dropped.
#[derive(Debug)]
struct Place(Metrics);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.in_flight.dec();
    }
}

pin_project! {
    /// An admitted request.
    #[derive(Debug)]
    pub struct Admitted<F> {
        #[pin]
        inner: F,
        _place: Place,
    }
}

impl<F: Future> Future for Admitted<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.project().inner.poll(context)
    }
}
