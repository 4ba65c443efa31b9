//! Deadlines: a request that is not answered in time gets DEADLINE_EXCEEDED, and its handler is dropped.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tonic::body::Body;
use tower::{Layer, Service};

use crate::{config::Requests, grpc::status, telemetry::Metrics};

/// Takes as long as its list is: only a deadline that the client sets bounds it.
const UNBOUNDED: &str = "/tfps.v1.AdminService/ImportEntries";

/// How long requests may take, in milliseconds; it may change.
#[derive(Debug)]
pub struct Deadlines {
    default_ms: AtomicU64,
    max_ms: AtomicU64,
}

impl Deadlines {
    /// As configured.
    pub fn of(config: &Requests) -> Self {
        let deadlines = Self {
            default_ms: AtomicU64::default(),
            max_ms: AtomicU64::default(),
        };
        deadlines.set(config);
        deadlines
    }

    /// Takes another configuration.
    pub fn set(&self, config: &Requests) {
        self.default_ms
            .store(config.default_deadline_ms, Ordering::Relaxed);
        self.max_ms.store(config.max_deadline_ms, Ordering::Relaxed);
    }

    fn max(&self) -> Duration {
        Duration::from_millis(self.max_ms.load(Ordering::Relaxed))
    }

    fn default(&self) -> Duration {
        Duration::from_millis(self.default_ms.load(Ordering::Relaxed))
    }
}

/// Bounds how long a request may take: by its grpc-timeout up to the maximum, or by the default.
#[derive(Clone, Debug)]
pub struct DeadlineLayer {
    deadlines: Arc<Deadlines>,
    metrics: Metrics,
}

impl DeadlineLayer {
    /// With deadlines that may change.
    pub fn new(deadlines: Arc<Deadlines>, metrics: Metrics) -> Self {
        Self { deadlines, metrics }
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline {
            inner,
            layer: self.clone(),
        }
    }
}

/// Bounds how long a request may take.
#[derive(Clone, Debug)]
pub struct Deadline<S> {
    inner: S,
    layer: DeadlineLayer,
}

impl<S, B> Service<http::Request<B>> for Deadline<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Bounded<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let asked = request
            .headers()
            .get("grpc-timeout")
            .and_then(|value| parse(value.to_str().ok()?));
        let limit = match asked {
            Some(asked) => {
                // Told a moment before the client's own clock says so, as an answer.
                let asked = asked
                    .saturating_sub(Duration::from_millis(2))
                    .max(Duration::from_micros(1));
                let max = self.layer.deadlines.max();
                if asked > max && request.uri().path() != UNBOUNDED {
                    Some(max)
                } else {
                    Some(asked)
                }
            }
            None if request.uri().path() == UNBOUNDED => None,
            None => Some(self.layer.deadlines.default()),
        };
        Bounded {
            inner: self.inner.call(request),
            limit,
            sleep: None,
            metrics: self.layer.metrics.clone(),
        }
    }
}

pin_project! {
    /// A request with a deadline.
    pub struct Bounded<F> {
        #[pin]
        inner: F,
        limit: Option<Duration>,
        // Made when the answer is not there at once: most are.
        #[pin]
        sleep: Option<Sleep>,
        metrics: Metrics,
    }
}

impl<F, E> Future for Bounded<F>
where
    F: Future<Output = Result<http::Response<Body>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        if let Poll::Ready(answer) = this.inner.poll(context) {
            return Poll::Ready(answer);
        }
        let Some(limit) = *this.limit else {
            return Poll::Pending;
        };
        if this.sleep.is_none() {
            this.sleep.set(Some(sleep(limit)));
        }
        match this.sleep.as_pin_mut().map(|sleep| sleep.poll(context)) {
            Some(Poll::Ready(())) => {
                this.metrics.late.inc();
                Poll::Ready(Ok(status::late(limit).into_http()))
            }
            _ => Poll::Pending,
        }
    }
}

/// At most eight digits and a unit.
fn parse(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let digits = text.strip_suffix(unit)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        'H' => Duration::from_secs(amount * 3_600),
        'M' => Duration::from_secs(amount * 60),
        'S' => Duration::from_secs(amount),
        'm' => Duration::from_millis(amount),
        'u' => Duration::from_micros(amount),
        'n' => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_reads_as_the_protocol_says() {
        assert_eq!(parse("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parse("3S"), Some(Duration::from_secs(3)));
        assert_eq!(
            parse("99999999H"),
            Some(Duration::from_secs(99_999_999 * 3_600))
        );
        for wrong in ["", "m", "-1m", "123456789m", "5x", "5é"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
