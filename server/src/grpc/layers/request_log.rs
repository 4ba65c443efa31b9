//! The request log: one line a request, at level debug of `tfps::request`.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use futures::future::Either;
use pin_project_lite::pin_project;
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};

/// Logs every request when somebody reads it; otherwise nothing is formatted.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestLogLayer;

impl<S> Layer<S> for RequestLogLayer {
    type Service = RequestLog<S>;

    fn layer(&self, inner: S) -> RequestLog<S> {
        RequestLog { inner }
    }
}

/// Logs every request.
#[derive(Clone, Debug)]
pub struct RequestLog<S> {
    inner: S,
}

impl<S, B> Service<http::Request<B>> for RequestLog<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, Logged<S::Future>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        if !tracing::enabled!(target: "tfps::request", tracing::Level::DEBUG) {
            return Either::Left(self.inner.call(request));
        }
        let path = request.uri().path().to_owned();
        Either::Right(Logged {
            inner: self.inner.call(request),
            path,
            started: Instant::now(),
        })
    }
}

pin_project! {
    /// A request that is logged when its answer starts.
    pub struct Logged<F> {
        #[pin]
        inner: F,
        path: String,
        started: Instant,
    }
}

impl<F, E> Future for Logged<F>
where
    F: Future<Output = Result<http::Response<Body>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let answer = std::task::ready!(this.inner.poll(context));
        let took_us = u64::try_from(this.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        if let Ok(response) = &answer {
            // An answer that starts well has its status in the trailers.
            let status = Status::from_header_map(response.headers());
            let (code, message) = status
                .as_ref()
                .map_or((Code::Ok, ""), |status| (status.code(), status.message()));
            tracing::debug!(target: "tfps::request", path = this.path.as_str(), status = ?code, message, took_us);
        }
        Poll::Ready(answer)
    }
}
