//! What a token has going on: requests in flight, open streams, connections, each bounded, so that one token can't take what all
//! need.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// What a token has going on. All requests of the token share it, and it stays when the tokens are read anew.
#[derive(Debug, Default)]
pub struct Load {
    in_flight: AtomicUsize,
    streams: AtomicUsize,
    bulk: AtomicUsize,
    connections: AtomicUsize,
    revoked: AtomicBool,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// A request that is being answered.
    Request,
    /// A stream that is open.
    Stream,
    /// Many entries of the lists at once: its messages may be large.
    Bulk,
    /// A connection that the token has authenticated.
    Connection,
}

impl Load {
    fn counter(&self, counted: Counted) -> &AtomicUsize {
        match counted {
            Counted::Request => &self.in_flight,
            Counted::Stream => &self.streams,
            Counted::Bulk => &self.bulk,
            Counted::Connection => &self.connections,
        }
    }

    /// The token is no more.
    pub(crate) fn revoke(&self) {
        self.revoked.store(true, Ordering::Relaxed);
    }

    /// Whether the token is no more.
    pub(super) fn is_revoked(&self) -> bool {
        self.revoked.load(Ordering::Relaxed)
    }

    /// One more; `None` where there are so many already.
    pub fn take(self: &Arc<Self>, counted: Counted, most: usize) -> Option<Taken> {
        let taken = Taken {
            load: Arc::clone(self),
            counted,
        };
        let before = self.counter(counted).fetch_add(1, Ordering::Relaxed);
        (before < most).then_some(taken)
    }
}

/// One of what a token has going on, until it is dropped.
#[derive(Debug)]
pub struct Taken {
    load: Arc<Load>,
    counted: Counted,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.load
            .counter(self.counted)
            .fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let load = Arc::new(Load::default());
        let first = load.take(Counted::Stream, 2).unwrap();
        let second = load.take(Counted::Stream, 2).unwrap();
        assert!(load.take(Counted::Stream, 2).is_none());
        assert!(load.take(Counted::Request, 1).is_some());
        drop(first);
        assert!(load.take(Counted::Stream, 2).is_some());
        drop(second);
    }
}
