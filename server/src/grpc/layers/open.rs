//! Health and reflection: anybody is answered, without a token, within bounds of their own, so that who only asks whether the
//! server lives takes nothing away from calls.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures::future::{BoxFuture, Either};
use http_body::Frame;
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};
use tonic::{Status, body::Body, service::Routes};
use tower::{Layer, Service};

use crate::{
    connections::{Connection, OpenKind},
    grpc::{Stopping, status},
    telemetry::Metrics,
};

/// The largest message that is taken without a token, in bytes.
pub const LARGEST_MESSAGE: usize = 4 << 10;
/// How long an answer, or the beginning of a stream, may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// A reflection stream on which nothing is asked for so long ends.
const IDLE: Duration = Duration::from_secs(10);
/// How long what has ended may take to be read.
const UNREAD: Duration = Duration::from_secs(5);

/// What may be open at once.
struct Limits {
    /// To one address, or to one connection where it has shown a token.
    one: usize,
    /// To all that have shown none.
    unauthenticated: usize,
    /// To all that have.
    authenticated: usize,
}

fn limits(kind: OpenKind) -> Limits {
    let (one, unauthenticated, authenticated) = match kind {
        OpenKind::Check => (64, 4_096, 8_192),
        OpenKind::Watch => (256, 2_048, 8_192),
        OpenKind::Reflection => (8, 64, 256),
    };
    Limits {
        one,
        unauthenticated,
        authenticated,
    }
}

/// What is open, by its kind.
type OpenInAll = Arc<[AtomicUsize; 3]>;

/// Answers what is open to anybody itself, and passes on everything else.
#[derive(Clone, Debug)]
pub struct OpenLayer {
    routes: Routes,
    stopping: Stopping,
    unauthenticated: OpenInAll,
    authenticated: OpenInAll,
    metrics: Metrics,
}

impl OpenLayer {
    /// Answered by these, until the server stops.
    pub fn new(routes: Routes, stopping: Stopping, metrics: Metrics) -> Self {
        Self {
            routes: routes.prepare(),
            stopping,
            unauthenticated: Arc::default(),
            authenticated: Arc::default(),
            metrics,
        }
    }
}

impl<S> Layer<S> for OpenLayer {
    type Service = Open<S>;

    fn layer(&self, inner: S) -> Open<S> {
        Open {
            inner,
            layer: self.clone(),
        }
    }
}

/// Answers what is open to anybody.
#[derive(Clone, Debug)]
pub struct Open<S> {
    inner: S,
    layer: OpenLayer,
}

type Answer = Result<http::Response<Body>, Infallible>;

impl<S> Service<http::Request<Body>> for Open<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Either<BoxFuture<'static, Answer>, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        match kind_of(request.uri().path()) {
            None => Either::Right(self.inner.call(request)),
            Some(kind) => {
                let layer = self.layer.clone();
                Either::Left(Box::pin(
                    async move { Ok(layer.answer(kind, request).await) },
                ))
            }
        }
    }
}

impl OpenLayer {
    async fn answer(
        mut self,
        kind: OpenKind,
        request: http::Request<Body>,
    ) -> http::Response<Body> {
        let Some(connection) = request.extensions().get::<Arc<Connection>>().cloned() else {
            return status::without_connection().into_http();
        };
        let Some(place) = self.place(kind, &connection) else {
            self.metrics.open_refused.inc();
            // Answers to it that nobody reads would fill the memory as well.
            connection.refused();
            return status::too_many_open(limits(kind).one).into_http();
        };
        let (request, seen) = if kind == OpenKind::Watch {
            (request, None)
        } else {
            let (request, seen) = seen(request);
            (request, Some(seen))
        };
        let Ok(Ok(response)) = timeout(PATIENCE, self.routes.call(request)).await else {
            return status::late(PATIENCE).into_http();
        };
        let (finished, until_finished) = oneshot::channel::<Infallible>();
        if let Some(seen) = seen {
            tokio::spawn(end_idle(seen, until_finished, connection));
        }
        response.map(|body| {
            let mut stopping = self.stopping.clone();
            Body::new(Held {
                body,
                stopped: Box::pin(async move {
                    let _ = stopping.wait_for(|stopping| *stopping).await;
                }),
                _place: place,
                _finished: finished,
            })
        })
    }

    fn place(&self, kind: OpenKind, connection: &Arc<Connection>) -> Option<OpenPlace> {
        let limits = limits(kind);
        let is_authenticated = connection.is_authenticated();
        let (all, most) = if is_authenticated {
            (&self.authenticated, limits.authenticated)
        } else {
            (&self.unauthenticated, limits.unauthenticated)
        };
        let place = OpenPlace {
            kind,
            connection: Arc::clone(connection),
            of_connection: is_authenticated,
            all: Arc::clone(all),
        };
        // Both, so that the place gives both back.
        let one = place.counter().fetch_add(1, Ordering::Relaxed);
        let in_all = all[kind as usize].fetch_add(1, Ordering::Relaxed);
        (one < limits.one && in_all < most).then_some(place)
    }
}

/// Who may ask without a token.
fn kind_of(path: &str) -> Option<OpenKind> {
    if path == "/grpc.health.v1.Health/Watch" {
        Some(OpenKind::Watch)
    } else if path.starts_with("/grpc.health.v1.Health/") {
        Some(OpenKind::Check)
    } else {
        path.starts_with("/grpc.reflection.")
            .then_some(OpenKind::Reflection)
    }
}

/// A place among what is open, given back when dropped.
#[derive(Debug)]
struct OpenPlace {
    kind: OpenKind,
    connection: Arc<Connection>,
    of_connection: bool,
    all: OpenInAll,
}

impl OpenPlace {
    fn counter(&self) -> &AtomicUsize {
        let open = if self.of_connection {
            self.connection.open()
        } else {
            self.connection.open_to_peer()
        };
        open.of(self.kind)
    }
}

impl Drop for OpenPlace {
    fn drop(&mut self) {
        self.counter().fetch_sub(1, Ordering::Relaxed);
        self.all[self.kind as usize].fetch_sub(1, Ordering::Relaxed);
    }
}

/// What was seen of a request, and how it is brought to its end.
struct Seen {
    parts: Arc<AtomicU64>,
    end: oneshot::Sender<()>,
}

fn seen(request: http::Request<Body>) -> (http::Request<Body>, Seen) {
    let parts = Arc::new(AtomicU64::new(0));
    let (end, over) = oneshot::channel();
    let counted = Arc::clone(&parts);
    let request = request.map(|body| {
        Body::new(Asked {
            body,
            over: Some(over),
            parts: counted,
        })
    });
    (request, Seen { parts, end })
}

/// Ends a request when nothing comes any more, and its connection when not even the end is read.
async fn end_idle(
    seen: Seen,
    mut finished: oneshot::Receiver<Infallible>,
    connection: Arc<Connection>,
) {
    let mut parts = seen.parts.load(Ordering::Relaxed);
    while timeout(IDLE, &mut finished).await.is_err() {
        let now = seen.parts.load(Ordering::Relaxed);
        if now != parts {
            parts = now;
            continue;
        }
        let _ = seen.end.send(());
        tokio::select! {
            _ = &mut finished => {}
            () = sleep(UNREAD) => if !connection.is_authenticated() {
                connection.cut();
            }
        }
        return;
    }
}

/// The messages of a client, until it is over.
struct Asked {
    body: Body,
    over: Option<oneshot::Receiver<()>>,
    parts: Arc<AtomicU64>,
}

impl http_body::Body for Asked {
    type Data = <Body as http_body::Body>::Data;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Status>>> {
        let own = &mut *self;
        match &mut own.over {
            None => return Poll::Ready(None),
            Some(over) => {
                if Pin::new(over).poll(context).is_ready() {
                    own.over = None;
                    return Poll::Ready(None);
                }
            }
        }
        let frame = Pin::new(&mut own.body).poll_frame(context);
        if frame.is_ready() {
            own.parts.fetch_add(1, Ordering::Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.over.is_none() || self.body.is_end_stream()
    }
}

/// An answer, which holds its place until it is sent, and ends when the server stops.
struct Held {
    body: Body,
    stopped: BoxFuture<'static, ()>,
    _place: OpenPlace,
    _finished: oneshot::Sender<Infallible>,
}

impl http_body::Body for Held {
    type Data = <Body as http_body::Body>::Data;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Status>>> {
        let own = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut own.body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        own.stopped.as_mut().poll(context).map(|()| {
            let mut trailers = http::HeaderMap::new();
            let told = status::stopping().add_header(&mut trailers);
            told.ok().map(|()| Ok(Frame::trailers(trailers)))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_health_and_reflection_are_open() {
        assert_eq!(
            kind_of("/grpc.health.v1.Health/Check"),
            Some(OpenKind::Check)
        );
        assert_eq!(
            kind_of("/grpc.health.v1.Health/Watch"),
            Some(OpenKind::Watch)
        );
        assert_eq!(
            kind_of("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"),
            Some(OpenKind::Reflection)
        );
        for path in [
            "/tfps.v1.CheckService/Check",
            "/grpc.health.v1.Healthy/Check",
            "/grpc.reflections/X",
            "/",
            "",
        ] {
            assert_eq!(kind_of(path), None, "{path}");
        }
    }
}
