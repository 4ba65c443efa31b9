//! Serves gRPC on connections.

use std::{convert::Infallible, io, pin::pin, sync::Arc, time::Duration};

use futures::future::{Either, Pending, pending};
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tonic::body::Body;
use tower::Service;

use super::{Connection, LiveTls, Place, message::Arriving, preface};
use crate::telemetry::Metrics;

/// Requests of one connection that are answered at once; a client keeps what is over it.
const STREAMS: u32 = 1_024;
/// What of a stream may be under way unread: some nineteen hundred Checks of 64 bytes.
const STREAM_WINDOW: u32 = 128 << 10;
/// What of a connection may be under way unread.
///
/// h2 ends a connection (GOAWAY, `too_many_data_frames`) whose small DATA frames wait unread: a frame of n < 256 bytes is
/// charged 256 - n against half of this window. A stream full of messages of 64 bytes is charged some 360 KB, one full of
/// empty messages 6.6 MB; so the windows of 47 and 2 such streams are full, and hold the client back, before that.
const CONNECTION_WINDOW: u32 = 32 << 20;
/// What of an answer may wait to be sent.
const SEND_BUFFER: usize = 64 << 10;
/// How long a stop waits for a connection without a token, which may not even answer the PING by which HTTP/2 ends.
const FAREWELL: Duration = Duration::from_secs(1);
/// The headers of a request, in bytes.
const HEADERS: u32 = 16 << 10;

/// Serves gRPC.
pub(crate) struct GrpcServer<S> {
    http2: http2::Builder<TokioExecutor>,
    service: S,
    tls: Option<Arc<LiveTls>>,
    handshake: Duration,
    draining: watch::Receiver<bool>,
    metrics: Metrics,
}

impl<S> GrpcServer<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
{
    /// Answers with `service`; TLS and the beginning of HTTP/2 take at most `handshake`. Once `draining` is true,
    /// connections end when what they have asked for is answered.
    pub(crate) fn new(
        service: S,
        tls: Option<Arc<LiveTls>>,
        handshake: Duration,
        draining: watch::Receiver<bool>,
        metrics: Metrics,
    ) -> Self {
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(20))
            .max_concurrent_streams(STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .max_header_list_size(HEADERS);
        Self {
            http2,
            service,
            tls,
            handshake,
            draining,
            metrics,
        }
    }

    /// Serves a connection to its end.
    pub(crate) async fn serve(&self, stream: TcpStream, place: Place) {
        let connection = place.connection();
        tokio::select! {
            biased;
            () = self.begin(stream, connection) => {}
            () = connection.to_be_cut() => {}
        }
    }

    async fn begin(&self, stream: TcpStream, connection: &Arc<Connection>) {
        let Some(tls) = &self.tls else {
            match timeout(self.handshake, preface::begun(stream)).await {
                Ok(Ok(stream)) => self.http2(stream, connection).await,
                Ok(Err(error)) => self.not_begun(&error),
                Err(_) => self.not_begun(&io::ErrorKind::TimedOut.into()),
            }
            return;
        };
        let begin = async {
            let stream = TlsAcceptor::from(tls.current()).accept(stream).await?;
            // It is asked for where clients need one, and then was found to be good.
            if stream.get_ref().1.peer_certificates().is_some() {
                connection.certified();
            }
            preface::begun(stream).await
        };
        match timeout(self.handshake, begin).await {
            Ok(Ok(stream)) => self.http2(stream, connection).await,
            Ok(Err(error)) => self.not_begun(&error),
            Err(_) => self.not_begun(&io::ErrorKind::TimedOut.into()),
        }
    }

    async fn http2<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        stream: I,
        connection: &Arc<Connection>,
    ) {
        let requests = Requests {
            service: self.service.clone(),
            connection: Arc::clone(connection),
        };
        let mut serving = pin!(self.http2.serve_connection(TokioIo::new(stream), requests));
        let mut draining = self.draining.clone();
        tokio::select! {
            ended = &mut serving => return told(ended),
            _ = draining.wait_for(|draining| *draining) => serving.as_mut().graceful_shutdown(),
        }
        if connection.is_authenticated() {
            told(serving.await);
        } else if let Ok(ended) = timeout(FAREWELL, serving).await {
            told(ended);
        }
    }

    fn not_begun(&self, error: &io::Error) {
        self.metrics.handshakes_failed.inc();
        tracing::debug!(%error, "a connection did not begin");
    }
}

fn told(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

/// Brings the requests of a connection to who answers them.
struct Requests<S> {
    service: S,
    connection: Arc<Connection>,
}

impl<S> hyper::service::Service<Request<Incoming>> for Requests<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, Pending<Result<Self::Response, Infallible>>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        // A thousand requests may have come before the connection is seen to end.
        if self.connection.is_cut() {
            return Either::Right(pending());
        }
        let is_stream = is_stream(request.uri().path());
        let mut request = request.map(|body| {
            if is_stream {
                Body::new(body)
            } else {
                Body::new(Arriving::new(body))
            }
        });
        request
            .extensions_mut()
            .insert(Arc::clone(&self.connection));
        Either::Left(self.service.clone().call(request))
    }
}

/// Whether messages follow each other at the client's leisure.
fn is_stream(path: &str) -> bool {
    matches!(
        path,
        "/tfps.v1.CheckService/StreamChecks" | "/tfps.v1.AdminService/ImportEntries"
    ) || path.starts_with("/grpc.reflection.")
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[test]
    fn every_client_stream_is_one() {
        let files =
            prost_types::FileDescriptorSet::decode(tfps_proto::FILE_DESCRIPTOR_SET).unwrap();
        for file in &files.file {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    assert_eq!(is_stream(&path), method.client_streaming(), "{path}");
                }
            }
        }
    }
}
