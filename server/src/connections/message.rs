//! The message of a request as it arrives.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http_body::{Body, Frame, SizeHint};
use hyper::body::{Bytes, Incoming};
use tokio::time::{Sleep, sleep};
use tonic::Status;

use crate::grpc::late_message;

/// How long the next part of a message may take to arrive.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The body of a request with one message: a part that does not arrive in time ends the request with
/// DEADLINE_EXCEEDED, so that a half-sent request does not stay.
pub(super) struct Arriving {
    body: Incoming,
    // Made when the message has not arrived with its headers: almost all have.
    patience: Option<Pin<Box<Sleep>>>,
}

impl Arriving {
    pub(super) fn new(body: Incoming) -> Self {
        Self {
            body,
            patience: None,
        }
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let own = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut own.body).poll_frame(context) {
            own.patience = None;
            return Poll::Ready(
                frame.map(|frame| frame.map_err(|error| Status::from_error(Box::new(error)))),
            );
        }
        let patience = own
            .patience
            .get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
        patience
            .as_mut()
            .poll(context)
            .map(|()| Some(Err(late_message(PATIENCE))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
