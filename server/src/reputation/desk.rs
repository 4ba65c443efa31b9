//! Look-ups: one at a time for an address however many calls wait for it, so many at once, so many that wait.

use std::{net::IpAddr, sync::Arc};

use hashbrown::{HashMap, hash_map::Entry};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use super::metrics::Instruments;

/// Takes addresses to look up.
#[derive(Debug)]
pub(super) struct Desk {
    open: Arc<Open>,
    queue: mpsc::Sender<Ticket>,
    metrics: Instruments,
}

/// The look-ups that wait or are under way.
#[derive(Debug)]
struct Open {
    look_ups: Mutex<HashMap<IpAddr, Awaited>>,
    metrics: Instruments,
}

/// Ends when the look-up has ended, whatever came of it.
#[derive(Clone, Debug)]
pub(super) struct Awaited(watch::Receiver<()>);

/// Somebody has to look this address up. When it is dropped, the look-up has ended.
#[derive(Debug)]
pub(super) struct Ticket {
    /// The address.
    pub(super) ip: IpAddr,
    open: Arc<Open>,
    _ended: watch::Sender<()>,
}

/// The tickets in their order.
pub(super) type Tickets = Arc<tokio::sync::Mutex<mpsc::Receiver<Ticket>>>;

/// How much a look-up is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A call waits for it.
    Now,
    /// An older answer serves meanwhile: while many wait, it can wait itself.
    SomeTime,
}

impl Desk {
    /// One where so many may wait.
    pub(super) fn new(waiting: usize, metrics: Instruments) -> (Self, Tickets) {
        let (queue, tickets) = mpsc::channel(waiting.max(1));
        let open = Arc::new(Open {
            look_ups: Mutex::default(),
            metrics: metrics.clone(),
        });
        let desk = Self {
            open,
            queue,
            metrics,
        };
        (desk, Arc::new(tokio::sync::Mutex::new(tickets)))
    }

    /// Asks for a look-up, or joins one; `None` where too many wait.
    pub(super) fn ask(&self, ip: IpAddr, wanted: Wanted) -> Option<Awaited> {
        let mut look_ups = self.open.look_ups.lock();
        let vacant = match look_ups.entry(ip) {
            Entry::Occupied(open) => return Some(open.get().clone()),
            Entry::Vacant(vacant) => vacant,
        };
        if wanted == Wanted::SomeTime && self.queue.capacity() * 2 < self.queue.max_capacity() {
            return None;
        }
        let Ok(place) = self.queue.try_reserve() else {
            if wanted == Wanted::Now {
                self.metrics.overflowed.inc();
            }
            return None;
        };
        let (ended, awaited) = watch::channel(());
        let awaited = Awaited(awaited);
        vacant.insert(awaited.clone());
        self.metrics.waiting.inc();
        drop(look_ups);
        place.send(Ticket {
            ip,
            open: Arc::clone(&self.open),
            _ended: ended,
        });
        Some(awaited)
    }
}

impl Awaited {
    /// Waits until the look-up has ended.
    pub(super) async fn ended(mut self) {
        // Nothing is ever sent: the sender goes.
        let _ = self.0.changed().await;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.open.look_ups.lock().remove(&self.ip);
        self.open.metrics.waiting.dec();
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Duration};

    use futures::future::join_all;
    use prometheus_client::registry::Registry;
    use tokio::time::timeout;

    use super::*;

    fn desk(waiting: usize) -> (Desk, Tickets) {
        Desk::new(waiting, Instruments::register(&mut Registry::default()))
    }

    fn ip(number: u32) -> IpAddr {
        Ipv4Addr::from(0xC633_6400 + number).into()
    }

    #[tokio::test]
    async fn many_that_ask_for_one_address_wait_for_one_look_up() {
        let (desk, tickets) = desk(4);
        let waiting: Vec<_> = (0..50)
            .map(|_| desk.ask(ip(1), Wanted::Now).unwrap())
            .collect();
        assert_eq!(desk.metrics.waiting.get(), 1);
        let ticket = tickets.lock().await.recv().await.unwrap();
        assert_eq!(ticket.ip, ip(1));
        // While it is under way it can still be joined.
        let late = desk.ask(ip(1), Wanted::Now).unwrap();
        assert!(tickets.lock().await.try_recv().is_err());
        let all = join_all(waiting.into_iter().chain([late]).map(Awaited::ended));
        tokio::pin!(all);
        assert!(timeout(Duration::from_millis(10), &mut all).await.is_err());
        drop(ticket);
        timeout(Duration::from_secs(5), all).await.unwrap();
        assert_eq!(desk.metrics.waiting.get(), 0);
        desk.ask(ip(1), Wanted::Now).unwrap();
        assert!(tickets.lock().await.try_recv().is_ok());
    }

    #[tokio::test]
    async fn when_too_many_wait_there_is_no_answer_at_once() {
        let (desk, tickets) = desk(4);
        let mut kept = Vec::new();
        for number in 0..3 {
            kept.push(desk.ask(ip(number), Wanted::Now).unwrap());
        }
        assert!(desk.ask(ip(10), Wanted::SomeTime).is_none());
        kept.push(desk.ask(ip(3), Wanted::Now).unwrap());
        for number in 4..10_000 {
            assert!(desk.ask(ip(number), Wanted::Now).is_none());
        }
        assert_eq!(desk.metrics.overflowed.get(), 9_996);
        assert_eq!(desk.open.look_ups.lock().len(), 4);
        // Who asked for one that waits is not turned away.
        assert!(desk.ask(ip(2), Wanted::Now).is_some());
        while let Ok(ticket) = tickets.lock().await.try_recv() {
            drop(ticket);
        }
        assert!(desk.ask(ip(10), Wanted::SomeTime).is_some());
        assert_eq!(desk.open.look_ups.lock().len(), 1);
    }
}
