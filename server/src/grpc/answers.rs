//! The answers to a stream of requests: one that can be answered at once is, one that waits lets the others pass.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures::{
    Stream, StreamExt,
    stream::{Fuse, FuturesUnordered},
};
use tokio_util::sync::ReusableBoxFuture;

/// What [`answers`] gives.
pub(super) struct Answers<S: Stream, F, A> {
    requests: Fuse<S>,
    answer: F,
    /// Answers that wait for something, a look-up say.
    waiting: FuturesUnordered<ReusableBoxFuture<'static, A>>,
    /// The memory of an answer that did not wait, for the next.
    spare: Option<ReusableBoxFuture<'static, A>>,
    most: usize,
}

/// Answers each request, in the order in which they come as far as none waits. At the most `most` wait at once.
///
/// It does what `buffer_unordered` does with less work for those that need not wait, which are almost all.
pub(super) fn answers<S, F, Fut, A>(requests: S, most: usize, answer: F) -> Answers<S, F, A>
where
    S: Stream,
    F: FnMut(S::Item) -> Fut,
    Fut: Future<Output = A> + Send + 'static,
    A: 'static,
{
    Answers {
        requests: requests.fuse(),
        answer,
        waiting: FuturesUnordered::new(),
        spare: None,
        most,
    }
}

impl<S, F, Fut, A> Stream for Answers<S, F, A>
where
    S: Stream + Unpin,
    F: FnMut(S::Item) -> Fut + Unpin,
    Fut: Future<Output = A> + Send + 'static,
    A: 'static,
{
    type Item = A;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<A>> {
        let own = &mut *self;
        loop {
            if let Poll::Ready(Some(answer)) = own.waiting.poll_next_unpin(cx) {
                return Poll::Ready(Some(answer));
            }
            if own.waiting.len() >= own.most {
                return Poll::Pending;
            }
            let request = match own.requests.poll_next_unpin(cx) {
                Poll::Ready(Some(request)) => request,
                Poll::Ready(None) if own.waiting.is_empty() => return Poll::Ready(None),
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            };
            let answer = (own.answer)(request);
            let mut answer = match own.spare.take() {
                Some(mut spare) => {
                    spare.set(answer);
                    spare
                }
                None => ReusableBoxFuture::new(answer),
            };
            match answer.poll(cx) {
                Poll::Ready(answered) => {
                    own.spare = Some(answer);
                    return Poll::Ready(Some(answered));
                }
                Poll::Pending => own.waiting.push(answer),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use futures::{FutureExt, stream};
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn one_that_waits_lets_the_others_pass() {
        let gate = Arc::new(Semaphore::new(0));
        let answer = |request: u32| {
            let gate = Arc::clone(&gate);
            async move {
                if request == 1 {
                    let _opened = gate.acquire().await;
                }
                request
            }
        };
        let mut answers = answers(stream::iter(0..4), 8, answer);
        assert_eq!(answers.next().await, Some(0));
        assert_eq!(answers.next().await, Some(2));
        assert_eq!(answers.next().await, Some(3));
        assert_eq!(answers.next().now_or_never(), None);
        gate.add_permits(1);
        assert_eq!(answers.next().await, Some(1));
        assert_eq!(answers.next().await, None);
    }

    #[tokio::test]
    async fn no_more_wait_than_may() {
        let gate = Arc::new(Semaphore::new(0));
        let begun = Arc::new(AtomicUsize::new(0));
        let answer = |request: usize| {
            let (gate, begun) = (Arc::clone(&gate), Arc::clone(&begun));
            async move {
                begun.fetch_add(1, Ordering::Relaxed);
                let _opened = gate.acquire().await;
                request
            }
        };
        let mut answers = answers(stream::iter(0..10), 3, answer);
        assert_eq!(answers.next().now_or_never(), None);
        assert_eq!(begun.load(Ordering::Relaxed), 3);
        gate.add_permits(1);
        let mut all = answers.collect::<Vec<_>>().await;
        all.sort_unstable();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
    }
}
