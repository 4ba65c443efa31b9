//! Look-ups: one at a time for an address however many calls wait for it, so many at once, so many that wait.

use std::{net::IpAddr, sync::Arc};

use hashbrown::{HashMap, hash_map::Entry};
use jiff::Timestamp;
use parking_lot::Mutex;
use tfps_engine::network::SourceNetwork;
use tokio::sync::{mpsc, watch};

use super::{
    budget::{Asker, Budget, Spent},
    metrics::Instruments,
};

/// Takes addresses to look up.
#[derive(Debug)]
pub(super) struct Desk {
    open: Arc<Open>,
    queues: Queues<mpsc::Sender<Ticket>>,
    budget: Budget,
    metrics: Instruments,
}

/// Those of known accounts, and those of unknown ones: the former never wait for the latter.
#[derive(Clone, Debug)]
pub(super) struct Queues<Q> {
    known: Q,
    unknown: Q,
}

/// The look-ups that wait or are under way.
#[derive(Debug)]
struct Open {
    look_ups: Mutex<HashMap<SourceNetwork, Awaited>>,
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
    _spent: Spent,
}

/// The tickets in their order.
pub(super) type Tickets = Queues<Arc<tokio::sync::Mutex<mpsc::Receiver<Ticket>>>>;

impl Tickets {
    /// The next one of a known account; with `also_unknown` one of an unknown account, where there is none of the former. `None`: there will
    /// be no more.
    pub(super) async fn next(&self, also_unknown: bool) -> Option<Ticket> {
        tokio::select! {
            biased;
            ticket = async { self.known.lock().await.recv().await } => ticket,
            ticket = async { self.unknown.lock().await.recv().await }, if also_unknown => ticket,
        }
    }
}

/// How much a look-up is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A call waits for it.
    Now,
    /// An older answer serves meanwhile: while many wait, it can wait itself.
    SomeTime,
}

impl Desk {
    /// One where so many may wait, and half as many for unknown accounts.
    pub(super) fn new(waiting: usize, budget: Budget, metrics: Instruments) -> (Self, Tickets) {
        let (known, known_tickets) = mpsc::channel(waiting.max(1));
        let (unknown, unknown_tickets) = mpsc::channel(waiting.div_ceil(2).max(1));
        let open = Arc::new(Open {
            look_ups: Mutex::default(),
            metrics: metrics.clone(),
        });
        let desk = Self {
            open,
            queues: Queues { known, unknown },
            budget,
            metrics,
        };
        let shared = |tickets| Arc::new(tokio::sync::Mutex::new(tickets));
        let tickets = Queues {
            known: shared(known_tickets),
            unknown: shared(unknown_tickets),
        };
        (desk, tickets)
    }

    /// Asks for a look-up, or joins one; `None` where too many wait, or the asker may not spend one.
    pub(super) fn ask(
        &self,
        ip: IpAddr,
        wanted: Wanted,
        asker: Asker,
        at: Timestamp,
    ) -> Option<Awaited> {
        let queue = match asker {
            Asker::Known(_) => &self.queues.known,
            Asker::Unknown => &self.queues.unknown,
        };
        let mut look_ups = self.open.look_ups.lock();
        let vacant = match look_ups.entry(ip.into()) {
            Entry::Occupied(open) => return Some(open.get().clone()),
            Entry::Vacant(vacant) => vacant,
        };
        if wanted == Wanted::SomeTime && queue.capacity() * 2 < queue.max_capacity() {
            return None;
        }
        let Ok(place) = queue.try_reserve() else {
            if wanted == Wanted::Now {
                self.metrics.overflowed.inc();
            }
            return None;
        };
        let spent = self.budget.spend(asker, at)?;
        let (ended, awaited) = watch::channel(());
        let awaited = Awaited(awaited);
        vacant.insert(awaited.clone());
        self.metrics.waiting.inc();
        drop(look_ups);
        place.send(Ticket {
            ip,
            open: Arc::clone(&self.open),
            _ended: ended,
            _spent: spent,
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
        self.open
            .look_ups
            .lock()
            .remove(&SourceNetwork::from(self.ip));
        self.open.metrics.waiting.dec();
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Duration};

    use futures::future::join_all;
    use prometheus_client::registry::Registry;
    use tokio::time::timeout;

    use tfps_engine::usage::Watch;

    use super::*;
    use crate::reputation::budget::Plan;

    fn desk(waiting: usize) -> (Desk, Tickets) {
        let metrics = Instruments::register(&mut Registry::default());
        let plan = Plan {
            daily: 1_000_000,
            reserved_percent: 50,
        };
        let budget = Budget::new(plan, metrics.clone(), now());
        Desk::new(waiting, budget, metrics)
    }

    fn now() -> Timestamp {
        "2026-06-08T12:00:00Z".parse().unwrap()
    }

    const ALICE: &str = "alice@example.com";

    impl Desk {
        fn asked(&self, ip: IpAddr, wanted: Wanted) -> Option<Awaited> {
            let alice = Watch::with_capacity(1).mark(ALICE);
            self.ask(ip, wanted, Asker::Known(alice), now())
        }
    }

    /// The next one that waits already.
    async fn waits(tickets: &Tickets) -> Option<Ticket> {
        timeout(Duration::from_millis(10), tickets.next(true))
            .await
            .ok()?
    }

    #[tokio::test]
    async fn those_of_known_accounts_come_first_and_have_their_room() {
        let (desk, tickets) = desk(4);
        let asked = (0..100).filter(|number| {
            desk.ask(ip(*number), Wanted::Now, Asker::Unknown, now())
                .is_some()
        });
        assert_eq!(asked.count(), 2);
        desk.asked(ip(100), Wanted::Now).unwrap();
        assert_eq!(waits(&tickets).await.unwrap().ip, ip(100));
        assert!(
            timeout(Duration::from_millis(10), tickets.next(false))
                .await
                .is_err()
        );
        assert_eq!(waits(&tickets).await.unwrap().ip, ip(0));
    }

    #[tokio::test]
    async fn addresses_of_one_network_are_one_look_up() {
        let (desk, tickets) = desk(4);
        for host in 1..1_000 {
            let ip = format!("2001:db8:1:2::{host:x}").parse().unwrap();
            desk.asked(ip, Wanted::Now).unwrap();
        }
        assert!(waits(&tickets).await.is_some());
        assert!(waits(&tickets).await.is_none());
    }

    fn ip(number: u32) -> IpAddr {
        Ipv4Addr::from(0xC633_6400 + number).into()
    }

    #[tokio::test]
    async fn many_that_ask_for_one_address_wait_for_one_look_up() {
        let (desk, tickets) = desk(4);
        let waiting: Vec<_> = (0..50)
            .map(|_| desk.asked(ip(1), Wanted::Now).unwrap())
            .collect();
        assert_eq!(desk.metrics.waiting.get(), 1);
        let ticket = waits(&tickets).await.unwrap();
        assert_eq!(ticket.ip, ip(1));
        // While it is under way it can still be joined.
        let late = desk.asked(ip(1), Wanted::Now).unwrap();
        assert!(waits(&tickets).await.is_none());
        let all = join_all(waiting.into_iter().chain([late]).map(Awaited::ended));
        tokio::pin!(all);
        assert!(timeout(Duration::from_millis(10), &mut all).await.is_err());
        drop(ticket);
        timeout(Duration::from_secs(5), all).await.unwrap();
        assert_eq!(desk.metrics.waiting.get(), 0);
        desk.asked(ip(1), Wanted::Now).unwrap();
        assert!(waits(&tickets).await.is_some());
    }

    #[tokio::test]
    async fn when_too_many_wait_there_is_no_answer_at_once() {
        let (desk, tickets) = desk(4);
        let mut kept = Vec::new();
        for number in 0..3 {
            kept.push(desk.asked(ip(number), Wanted::Now).unwrap());
        }
        assert!(desk.asked(ip(10), Wanted::SomeTime).is_none());
        kept.push(desk.asked(ip(3), Wanted::Now).unwrap());
        for number in 4..10_000 {
            assert!(desk.asked(ip(number), Wanted::Now).is_none());
        }
        assert_eq!(desk.metrics.overflowed.get(), 9_996);
        assert_eq!(desk.open.look_ups.lock().len(), 4);
        // Who asked for one that waits is not turned away.
        assert!(desk.asked(ip(2), Wanted::Now).is_some());
        while let Some(ticket) = waits(&tickets).await {
            drop(ticket);
        }
        assert!(desk.asked(ip(10), Wanted::SomeTime).is_some());
        assert_eq!(desk.open.look_ups.lock().len(), 1);
    }
}
