//! Answers that a client may leave unread: they count for their token until they are sent, and hold no connection up for ever.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use http_body::Frame;
use hyper::body::Bytes;
use pin_project_lite::pin_project;
use tokio::{sync::oneshot, time::timeout};
use tonic::body::Body;

use crate::{auth::Taken, connections::Connection};

/// What is handed on at once. HTTP/2 takes the next piece when the client has a window for some of it, and holds what has none:
/// no more than this of an answer. The last piece is a byte, so that an answer counts until all before it has a window.
const CHUNK: usize = 16 << 10;
/// A client that takes nothing of an answer for so long has no use for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// The answers of a stream, which count until the last is sent; a client may take them at its leisure.
pub(super) fn counted(body: Body, taken: Option<Taken>) -> Body {
    Body::new(Unread {
        body,
        left: Bytes::new(),
        taken,
        watched: None,
    })
}

/// An answer that counts until it is sent, and whose connection is cut when its client takes nothing of it.
pub(super) fn awaited(body: Body, taken: Option<Taken>, connection: Arc<Connection>) -> Body {
    if http_body::Body::is_end_stream(&body) {
        return body;
    }
    let parts = Arc::<AtomicU64>::default();
    let (finished, until_finished) = oneshot::channel();
    tokio::spawn(cut(Arc::clone(&parts), until_finished, connection));
    Body::new(Unread {
        body,
        left: Bytes::new(),
        taken,
        watched: Some((parts, finished)),
    })
}

async fn cut(
    parts: Arc<AtomicU64>,
    mut finished: oneshot::Receiver<Infallible>,
    connection: Arc<Connection>,
) {
    let mut before = parts.load(Ordering::Relaxed);
    while timeout(PATIENCE, &mut finished).await.is_err() {
        let now = parts.load(Ordering::Relaxed);
        if now == before {
            connection.cut();
            return;
        }
        before = now;
    }
}

pin_project! {
    struct Unread {
        #[pin]
        body: Body,
        // What has been taken from the body, and not handed on.
        left: Bytes,
        taken: Option<Taken>,
        // What has been handed on, and who waits for the end.
        watched: Option<(Arc<AtomicU64>, oneshot::Sender<Infallible>)>,
    }
}

impl http_body::Body for Unread {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        let this = self.project();
        if let Some((parts, _)) = this.watched {
            parts.fetch_add(1, Ordering::Relaxed);
        }
        if this.left.is_empty() {
            match ready!(this.body.poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => *this.left = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                end => return Poll::Ready(end),
            }
        }
        let next = match this.watched {
            Some(_) => (this.left.len() - 1).clamp(1, CHUNK),
            None => this.left.len(),
        };
        let next = this.left.split_to(next);
        Poll::Ready(Some(Ok(Frame::data(next))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && self.body.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use http_body::Body as _;

    use super::*;
    use crate::auth::{Counted, Load};

    #[tokio::test]
    async fn a_long_answer_is_handed_on_piece_by_piece_and_counts_until_the_last() {
        let bytes: Bytes = (0..=255).cycle().take(100_000).collect();
        let load = Arc::new(Load::default());
        let taken = load.take(Counted::Request, 1);
        let mut body = Box::pin(Unread {
            body: Body::new(axum::body::Body::from(bytes.clone())),
            left: Bytes::new(),
            taken,
            watched: Some((Arc::default(), oneshot::channel().0)),
        });
        let mut last = 0;
        let mut read = Vec::new();
        while let Some(frame) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
            assert!(load.take(Counted::Request, 1).is_none());
            let data = frame.unwrap().into_data().unwrap();
            assert!((1..=CHUNK).contains(&data.len()));
            last = data.len();
            read.extend_from_slice(&data);
        }
        assert_eq!((read, last), (bytes.to_vec(), 1));
        drop(body);
        assert!(load.take(Counted::Request, 1).is_some());
    }
}
