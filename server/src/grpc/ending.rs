//! What ends a stream before its client does: the server stops, or its token is revoked or expires.

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use futures::future::{Either, select};
use tokio::sync::oneshot;
use tonic::Status;

use super::{Stopping, status};
use crate::{
    auth::{End, Principal, Tokens},
    clock::Clock,
};

/// Knows what ends streams.
#[derive(Clone)]
pub struct Endings {
    stopping: Stopping,
    tokens: Arc<Tokens>,
    clock: Clock,
}

impl Endings {
    /// Of a server that stops when it is told, with these tokens.
    pub fn new(stopping: Stopping, tokens: Arc<Tokens>, clock: Clock) -> Self {
        Self {
            stopping,
            tokens,
            clock,
        }
    }

    /// Whether the server stops.
    pub(super) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// What ends a stream of this caller. Somebody else waits for it, so that asking at every message costs next to nothing.
    pub(super) fn of(&self, caller: &Arc<Principal>) -> Ending {
        let (mut told, over) = oneshot::channel();
        let status = Arc::new(OnceLock::new());
        let (own, caller, set) = (self.clone(), Arc::clone(caller), Arc::clone(&status));
        tokio::spawn(async move {
            tokio::select! {
                () = told.closed() => return,
                status = own.status(&caller) => {
                    let _ = set.set(status);
                }
            }
            let _ = told.send(());
        });
        Ending { over, status }
    }

    async fn status(mut self, caller: &Principal) -> Status {
        tokio::select! {
            _ = self.stopping.wait_for(|stopping| *stopping) => status::stopping(),
            end = self.tokens.end_of(caller, &self.clock) => match end {
                End::Revoked => status::token_revoked(&caller.name),
                End::Expired => status::token_expired(&caller.name),
            },
        }
    }
}

/// Comes true when a stream is to end, with the status to end it with.
#[derive(Debug)]
pub(super) struct Ending {
    over: oneshot::Receiver<()>,
    status: Arc<OnceLock<Status>>,
}

impl Ending {
    /// Where the status is once the stream is to end.
    pub(super) fn slot(&self) -> Arc<OnceLock<Status>> {
        Arc::clone(&self.status)
    }

    /// The status, if the stream is to end.
    pub(super) fn now(&self) -> Option<Status> {
        self.status.get().cloned()
    }

    /// What a client sends next, unless the stream is to end.
    ///
    /// # Errors
    /// The status that the stream ends with.
    pub(super) async fn or<T>(
        &mut self,
        next: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Status> {
        match select(&mut *self, std::pin::pin!(next)).await {
            Either::Left((status, _)) => Err(status),
            Either::Right((next, _)) => next,
        }
    }
}

impl Future for Ending {
    type Output = Status;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Status> {
        if let Some(status) = self.status.get() {
            return Poll::Ready(status.clone());
        }
        // Nobody can tell any more when the runtime ends.
        let _ = ready!(Pin::new(&mut self.over).poll(context));
        Poll::Ready(self.now().unwrap_or_else(status::stopping))
    }
}
