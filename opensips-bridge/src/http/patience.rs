//! A connection whose client may not be slow: idle between requests for so long, in the middle of one for less.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// How far a connection has got with its request, and since when it waits for one.
#[derive(Clone, Debug)]
pub(super) struct Phase(Arc<State>);

#[derive(Debug)]
struct State {
    phase: AtomicU8,
    /// Milliseconds since `opened`.
    waits_since: AtomicU64,
    /// When the request began to come, in milliseconds since `opened`.
    asked: AtomicU64,
    opened: Instant,
}

impl Default for Phase {
    fn default() -> Self {
        Self(Arc::new(State {
            phase: AtomicU8::new(IDLE),
            waits_since: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            opened: Instant::now(),
        }))
    }
}

/// Nothing of a request has come.
const IDLE: u8 = 0;
/// Some of its head has come.
const BEGUN: u8 = 1;
/// It is being answered. Its body is watched by who reads it.
const ANSWERED: u8 = 2;

impl Phase {
    /// A request's head has come whole.
    pub(super) fn answering(&self) {
        self.set(ANSWERED);
    }

    /// The answer is ready.
    pub(super) fn idle(&self) {
        self.0.waits_since.store(self.now(), Ordering::Relaxed);
        self.set(IDLE);
    }

    /// When the request began to come, as well as it is known: what is there when it is first looked for may have come with its
    /// connection.
    pub(super) fn asked(&self) -> Instant {
        self.0.opened + Duration::from_millis(self.0.asked.load(Ordering::Relaxed))
    }

    /// A request begins to come, or may have come already.
    pub(super) fn asks(&self) {
        self.0.asked.store(self.now(), Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Since when it waits for a request, whole or the rest of one; none while one is being answered.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        let waited = Duration::from_millis(self.0.waits_since.load(Ordering::Relaxed));
        (self.get() != ANSWERED).then_some(self.0.opened + waited)
    }

    fn get(&self) -> u8 {
        self.0.phase.load(Ordering::Relaxed)
    }

    fn set(&self, phase: u8) {
        self.0.phase.store(phase, Ordering::Relaxed);
    }
}

/// A stream that fails once its client is too slow.
#[derive(Debug)]
pub(super) struct Patient<S> {
    stream: S,
    phase: Phase,
    idle: Duration,
    request: Duration,
    /// When something last came or went.
    last: Instant,
    /// When the request began whose head is coming.
    begun: Instant,
    /// Nothing has been read yet, and whether it was waited for.
    first: Option<bool>,
    reading: Option<Pin<Box<Sleep>>>,
    writing: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    /// Watches a stream.
    pub(super) fn new(stream: S, phase: Phase, idle: Duration, request: Duration) -> Self {
        let now = Instant::now();
        // A client that connects is to ask.
        phase.set(BEGUN);
        Self {
            stream,
            phase,
            idle,
            request,
            last: now,
            begun: now,
            first: Some(false),
            reading: None,
            writing: None,
        }
    }

    /// Whether the client has been waited for too long. The timer is set anew only when it must ring earlier, or has rung.
    fn too_slow(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            let until = match self.phase.get() {
                IDLE => self.last + self.idle,
                BEGUN => self.begun + self.request,
                _ => return Poll::Pending,
            };
            let timer = self
                .reading
                .get_or_insert_with(|| Box::pin(sleep_until(until)));
            if timer.deadline() > until {
                timer.as_mut().reset(until);
            }
            ready!(timer.as_mut().poll(cx));
            if until <= Instant::now() {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            timer.as_mut().reset(until);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let own = self.get_mut();
        let before = buffer.filled().len();
        match Pin::new(&mut own.stream).poll_read(cx, buffer) {
            Poll::Ready(read) => {
                if buffer.filled().len() > before {
                    if own.phase.get() == IDLE {
                        own.begun = Instant::now();
                        own.phase.asks();
                        own.phase.set(BEGUN);
                    } else if own.first == Some(true) {
                        own.phase.asks();
                    }
                    own.first = None;
                }
                Poll::Ready(read)
            }
            Poll::Pending => {
                own.first = own.first.map(|_| true);
                own.too_slow(cx).map(Err)
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> Patient<S> {
    fn written<T>(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match result {
            Poll::Ready(result) => {
                self.last = Instant::now();
                self.writing = None;
                Poll::Ready(result)
            }
            Poll::Pending => {
                let limit = self.request;
                let timer = self
                    .writing
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
                ready!(timer.as_mut().poll(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let own = self.get_mut();
        let result = Pin::new(&mut own.stream).poll_write(cx, bytes);
        own.written(cx, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let own = self.get_mut();
        let result = Pin::new(&mut own.stream).poll_write_vectored(cx, slices);
        own.written(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const IDLE_FOR: Duration = Duration::from_millis(600);
    const REQUEST: Duration = Duration::from_millis(150);

    #[tokio::test]
    async fn a_request_that_has_begun_must_come_soon() {
        let (mut client, server) = duplex(64);
        let mut watched = Patient::new(server, Phase::default(), IDLE_FOR, REQUEST);
        let started = Instant::now();
        // The head comes byte by byte, each soon after the last: that does not help.
        let trickle = tokio::spawn(async move {
            while client.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let error = loop {
            if let Err(error) = watched.read_u8().await {
                break error;
            }
        };
        trickle.abort();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!((REQUEST..IDLE_FOR).contains(&started.elapsed()));
    }

    #[tokio::test]
    async fn a_request_is_as_old_as_it_was_there_to_be_read() {
        let pause = Duration::from_millis(60);
        let phase = Phase::default();
        let opened = Instant::now();
        let (mut client, server) = duplex(64);
        client.write_all(b"x").await.unwrap();
        // As when all threads are busy.
        tokio::time::sleep(pause).await;
        let mut watched = Patient::new(server, phase.clone(), IDLE_FOR, REQUEST);
        watched.read_u8().await.unwrap();
        assert!(phase.asked() < opened + pause / 2);
        phase.answering();
        phase.idle();
        let writes = async {
            tokio::time::sleep(pause).await;
            client.write_all(b"y").await.unwrap();
        };
        let (read, ()) = tokio::join!(watched.read_u8(), writes);
        read.unwrap();
        assert!(phase.asked() >= opened + 2 * pause - Duration::from_millis(1));
        // One that connects beforehand is not late.
        let phase = Phase::default();
        let (mut client, server) = duplex(64);
        let mut watched = Patient::new(server, phase.clone(), IDLE_FOR, REQUEST);
        let writes = async {
            tokio::time::sleep(pause).await;
            client.write_all(b"z").await.unwrap();
        };
        let opened = Instant::now();
        let (read, ()) = tokio::join!(watched.read_u8(), writes);
        read.unwrap();
        assert!(phase.asked() >= opened + pause - Duration::from_millis(2));
    }

    #[tokio::test]
    async fn between_requests_a_client_may_rest() {
        let (_client, server) = duplex(64);
        let phase = Phase::default();
        let mut watched = Patient::new(server, phase.clone(), IDLE_FOR, REQUEST);
        phase.answering();
        phase.idle();
        let started = Instant::now();
        let error = watched.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() >= IDLE_FOR);
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_given_up() {
        let (_client, server) = duplex(4);
        let mut watched = Patient::new(server, Phase::default(), IDLE_FOR, REQUEST);
        let error = watched.write_all(b"0123456789").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
