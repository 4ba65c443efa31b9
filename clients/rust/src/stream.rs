//! Many checks in flight on one stream.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prost::Message;
use tfps_proto::v1::{
    CheckError, CheckRequest, CheckResponse, StreamChecksRequest, StreamChecksResponse,
    stream_checks_response::Result as Answer,
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use crate::{connection::Client, error::Error};

impl Client {
    /// Opens a stream that keeps up to `window` checks in flight (at least one); must be called within a Tokio runtime.
    /// It is opened behind the scenes: where that fails, the checks on it tell why.
    pub fn stream_checks(&self, window: usize) -> CheckStream {
        let window = window.max(1);
        let (requests, outbound) = mpsc::channel(window);
        let pending = Arc::new(Mutex::new(Pending::default()));
        let (living, alive) = watch::channel(());
        tokio::spawn(receive(
            self.clone(),
            outbound,
            Arc::clone(&pending),
            living,
        ));
        CheckStream {
            requests,
            pending,
            alive,
            window: Arc::new(Semaphore::new(window)),
            deadline: self.deadline,
        }
    }
}

/// A stream of checks: many in flight, each answered as it is ready. Clones share the stream; it ends with the last.
/// Once it is broken it stays so, and [`Client::stream_checks`] opens another.
#[derive(Debug, Clone)]
pub struct CheckStream {
    requests: mpsc::Sender<StreamChecksRequest>,
    pending: Arc<Mutex<Pending>>,
    /// Closed once the stream is broken.
    alive: watch::Receiver<()>,
    window: Arc<Semaphore>,
    deadline: Option<Duration>,
}

impl CheckStream {
    /// Decides one call attempt. It waits while the window is full; the deadline runs once it is sent.
    ///
    /// # Errors
    ///
    /// [`Error::Status`] when this request could not be decided (the stream goes on) or the server ended the stream,
    /// [`Error::Connection`] when it broke, [`Error::Deadline`].
    pub async fn check(&self, check: CheckRequest) -> Result<CheckResponse, Error> {
        let _place = self.window.acquire().await;
        let (answer, answered) = oneshot::channel();
        let ticket = Ticket::issue(&self.pending, answer)?;
        let request = StreamChecksRequest {
            id: ticket.id,
            check: Some(check),
        };
        if self.requests.send(request).await.is_err() {
            return Err(self.lock().broken());
        }
        let answer = match self.deadline {
            None => answered.await,
            Some(limit) => timeout(limit, answered)
                .await
                .map_err(|_| Error::Deadline { limit })?,
        };
        answer.unwrap_or_else(|_| Err(self.lock().broken()))
    }

    /// Whether it is broken.
    pub fn is_broken(&self) -> bool {
        self.lock().error.is_some()
    }

    /// Waits until it is broken; why it is.
    pub async fn broken(&self) -> Error {
        let mut alive = self.alive.clone();
        while alive.changed().await.is_ok() {}
        self.lock().broken()
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        lock(&self.pending)
    }
}

/// The checks that wait for their answers.
#[derive(Debug, Default)]
struct Pending {
    last_id: u64,
    waiting: HashMap<u64, oneshot::Sender<Result<CheckResponse, Error>>>,
    /// Set once the stream is broken.
    error: Option<Error>,
}

impl Pending {
    fn broken(&self) -> Error {
        self.error.clone().unwrap_or_else(Error::ended)
    }
}

/// A place among those that wait; given up when the waiting ends, whoever ends it.
struct Ticket<'s> {
    id: u64,
    pending: &'s Mutex<Pending>,
}

impl<'s> Ticket<'s> {
    fn issue(
        pending: &'s Mutex<Pending>,
        answer: oneshot::Sender<Result<CheckResponse, Error>>,
    ) -> Result<Self, Error> {
        let mut held = lock(pending);
        if let Some(error) = &held.error {
            return Err(error.clone());
        }
        held.last_id += 1;
        let id = held.last_id;
        held.waiting.insert(id, answer);
        Ok(Self { id, pending })
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        lock(self.pending).waiting.remove(&self.id);
    }
}

/// Hands each answer to who waits for it; when the stream ends, tells everybody why.
async fn receive(
    client: Client,
    outbound: mpsc::Receiver<StreamChecksRequest>,
    pending: Arc<Mutex<Pending>>,
    living: watch::Sender<()>,
) {
    let error = match client
        .check_service()
        .stream_checks(ReceiverStream::new(outbound))
        .await
    {
        Err(status) => client.error(status),
        Ok(answers) => {
            let mut answers = answers.into_inner();
            loop {
                match answers.message().await {
                    Ok(Some(answer)) => deliver(answer, &client, &pending),
                    Ok(None) => break Error::ended(),
                    Err(status) => break client.error(status),
                }
            }
        }
    };
    let waiting = {
        let mut held = lock(&pending);
        held.error = Some(error.clone());
        std::mem::take(&mut held.waiting)
    };
    drop(living);
    for (_, waiter) in waiting {
        // One who no longer waits needs no answer.
        let _ = waiter.send(Err(error.clone()));
    }
}

fn deliver(answer: StreamChecksResponse, client: &Client, pending: &Mutex<Pending>) {
    let Some(waiter) = lock(pending).waiting.remove(&answer.id) else {
        return;
    };
    let result = match answer.result {
        Some(Answer::Decision(decision)) => Ok(decision),
        Some(Answer::Error(error)) => Err(client.error(status(&error))),
        None => Err(client.error(Status::internal("an answer without a decision"))),
    };
    let _ = waiter.send(result);
}

/// A CheckError's bytes are those of `google.rpc.Status`, which is what a status' details are.
fn status(error: &CheckError) -> Status {
    Status::with_details(
        Code::from_i32(error.code),
        error.message.clone(),
        error.encode_to_vec().into(),
    )
}

fn lock(pending: &Mutex<Pending>) -> MutexGuard<'_, Pending> {
    pending.lock().unwrap_or_else(PoisonError::into_inner)
}
