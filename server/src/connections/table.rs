//! Which connections there are, and which of them have shown a token.
//!
//! A connection counts as unauthenticated until a request on it brings a valid token (or its TLS handshake a client
//! certificate), and again once that token holds no longer. Unauthenticated connections never keep anybody out: when there is no
//! room, the address that has the most of them loses its oldest. A token authenticates only so many.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::{sync::Notify, time::sleep};

use crate::{
    auth::{Counted, Principal, Role, Taken},
    telemetry::Metrics,
};

/// Requests in a row that are refused, for their token or as too many, after which a connection is cut: answers to them that nobody reads would
/// otherwise fill the memory.
const MAX_REFUSED: u32 = 64;
/// How long the answers that say so may take to be sent.
const LAST_ANSWERS: Duration = Duration::from_millis(50);
/// How often the log tells that connections are refused or cut.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// In all.
    pub(crate) all: usize,
    /// From one address, or one IPv6 /64.
    pub(crate) per_peer: usize,
    /// Unauthenticated ones, in all.
    pub(crate) unauthenticated: usize,
    /// Unauthenticated ones from one address, or one IPv6 /64.
    pub(crate) unauthenticated_per_peer: usize,
    /// Those that one token of a domain-admin or reader authenticates.
    pub(crate) per_token: usize,
    /// Those that one token of a switch or admin authenticates.
    pub(crate) per_switch: usize,
}

impl Limits {
    fn of_token(&self, role: Role) -> TooMany {
        match role {
            Role::Admin | Role::Switch => TooMany {
                most: self.per_switch,
                key: "connections.max_per_switch",
            },
            Role::DomainAdmin | Role::ReadOnly => TooMany {
                most: self.per_token,
                key: "connections.max_per_token",
            },
        }
    }
}

/// A token has authenticated as many connections as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany {
    /// How many that is.
    pub(crate) most: usize,
    /// The key that says so.
    pub(crate) key: &'static str,
}

/// The connections of one listener.
#[derive(Debug)]
pub(crate) struct Connections {
    limits: Limits,
    listener: &'static str,
    table: Mutex<Table>,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct Table {
    all: usize,
    next: u64,
    peers: HashMap<IpAddr, Peer>,
    /// By their number: the oldest first.
    unauthenticated: BTreeMap<u64, Arc<Connection>>,
    /// Those that a token has authenticated.
    of_tokens: HashMap<u64, OfToken>,
    told: Option<Instant>,
    untold: u64,
}

#[derive(Debug)]
struct OfToken {
    connection: Arc<Connection>,
    principal: Arc<Principal>,
    _taken: Taken,
}

#[derive(Debug, Default)]
struct Peer {
    all: usize,
    unauthenticated: usize,
    open: Arc<OpenRequests>,
}

/// What is answered to anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenKind {
    /// Whether the server lives.
    Check,
    /// The same, told whenever it changes.
    Watch,
    /// What the API is.
    Reflection,
}

/// What is being answered without a token, by its kind.
#[derive(Debug, Default)]
pub(crate) struct OpenRequests([AtomicUsize; 3]);

impl OpenRequests {
    /// How many there are of this kind.
    pub(crate) fn of(&self, kind: OpenKind) -> &AtomicUsize {
        &self.0[kind as usize]
    }
}

/// A connection, as its requests know it.
#[derive(Debug)]
pub(crate) struct Connection {
    number: u64,
    peer: IpAddr,
    has_certificate: AtomicBool,
    has_token: AtomicBool,
    refused: AtomicU32,
    is_cut: AtomicBool,
    cut: Notify,
    open: OpenRequests,
    open_to_peer: Arc<OpenRequests>,
    connections: Arc<Connections>,
}

/// A connection's place, which is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Connection>);

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// All places are taken by connections with a token.
    All,
    /// All places of this address are.
    Peer,
}

impl Connections {
    /// No connections yet.
    pub(crate) fn new(limits: Limits, listener: &'static str, metrics: Metrics) -> Arc<Self> {
        Arc::new(Self {
            limits,
            listener,
            table: Mutex::default(),
            metrics,
        })
    }

    /// A place for a connection from this address; another that is unauthenticated may lose its own.
    ///
    /// # Errors
    /// When all that could be cut have shown a token.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Place, Full> {
        let peer = peer_of(address);
        let mut table = self.table.lock();
        let (all, unauthenticated) = table
            .peers
            .get(&peer)
            .map_or((0, 0), |peer| (peer.all, peer.unauthenticated));
        if all >= self.limits.per_peer || unauthenticated >= self.limits.unauthenticated_per_peer {
            if !self.cut_oldest(&mut table, peer) {
                self.metrics.connections_refused.inc();
                table.tell(self.listener, "refused", peer);
                return Err(Full::Peer);
            }
        } else if (table.all >= self.limits.all
            || table.unauthenticated.len() >= self.limits.unauthenticated)
            && !self.cut_of_most(&mut table)
        {
            self.metrics.connections_refused.inc();
            table.tell(self.listener, "refused", peer);
            return Err(Full::All);
        }
        let number = table.next;
        table.next += 1;
        table.all += 1;
        let record = table.peers.entry(peer).or_default();
        record.all += 1;
        record.unauthenticated += 1;
        let connection = Arc::new(Connection {
            number,
            peer,
            has_certificate: AtomicBool::new(false),
            has_token: AtomicBool::new(false),
            refused: AtomicU32::new(0),
            is_cut: AtomicBool::new(false),
            cut: Notify::new(),
            open: OpenRequests::default(),
            open_to_peer: Arc::clone(&record.open),
            connections: Arc::clone(self),
        });
        table
            .unauthenticated
            .insert(number, Arc::clone(&connection));
        self.count(&table);
        Ok(Place(connection))
    }

    /// Cuts an unauthenticated connection, of the address that has the most; whether there was one.
    pub(crate) fn make_room(&self) -> bool {
        self.cut_of_most(&mut self.table.lock())
    }

    fn cut_of_most(&self, table: &mut Table) -> bool {
        let most = table
            .peers
            .iter()
            .max_by_key(|(_, peer)| peer.unauthenticated)
            .map(|(peer, _)| *peer);
        most.is_some_and(|peer| self.cut_oldest(table, peer))
    }

    fn cut_oldest(&self, table: &mut Table, peer: IpAddr) -> bool {
        let oldest = table
            .unauthenticated
            .values()
            .find(|connection| connection.peer == peer)
            .map(|connection| connection.number);
        let Some(connection) = oldest.and_then(|oldest| table.unauthenticated.remove(&oldest))
        else {
            return false;
        };
        connection.cut();
        table.leave(peer, true);
        self.metrics.connections_cut.inc();
        table.tell(self.listener, "cut", peer);
        true
    }

    /// Connections whose token no longer holds are unauthenticated again.
    pub(crate) fn disown(&self, at: Timestamp) {
        let mut table = self.table.lock();
        let over = |of_token: &OfToken| !of_token.principal.holds(at);
        let over: Vec<u64> = table
            .of_tokens
            .iter()
            .filter_map(|(number, of_token)| over(of_token).then_some(*number))
            .collect();
        for number in over {
            let Some(OfToken { connection, .. }) = table.of_tokens.remove(&number) else {
                continue;
            };
            connection.has_token.store(false, Ordering::Relaxed);
            if connection.is_authenticated() {
                continue;
            }
            let peer = connection.peer;
            let unauthenticated = table.peers.get_mut(&peer).map_or(0, |record| {
                record.unauthenticated += 1;
                record.unauthenticated
            });
            table.unauthenticated.insert(number, connection);
            if unauthenticated > self.limits.unauthenticated_per_peer {
                self.cut_oldest(&mut table, peer);
            } else if table.unauthenticated.len() > self.limits.unauthenticated {
                self.cut_of_most(&mut table);
            }
        }
        self.count(&table);
    }

    fn certify(&self, connection: &Connection) {
        let mut table = self.table.lock();
        if table.authenticate(connection) {
            connection.has_certificate.store(true, Ordering::Relaxed);
            self.count(&table);
        }
    }

    fn authenticate(
        &self,
        connection: &Arc<Connection>,
        principal: &Arc<Principal>,
    ) -> Result<(), TooMany> {
        let limit = self.limits.of_token(principal.role);
        let Some(taken) = principal.load.take(Counted::Connection, limit.most) else {
            self.metrics.connections_refused.inc();
            return Err(limit);
        };
        let mut table = self.table.lock();
        if table.authenticate(connection) || connection.has_certificate.load(Ordering::Relaxed) {
            let of_token = OfToken {
                connection: Arc::clone(connection),
                principal: Arc::clone(principal),
                _taken: taken,
            };
            table.of_tokens.insert(connection.number, of_token);
            connection.has_token.store(true, Ordering::Relaxed);
            self.count(&table);
        }
        Ok(())
    }

    fn leave(&self, connection: &Connection) {
        let mut table = self.table.lock();
        table.of_tokens.remove(&connection.number);
        // A connection that was cut has left already.
        if table.unauthenticated.remove(&connection.number).is_some() {
            table.leave(connection.peer, true);
        } else if connection.is_authenticated() {
            table.leave(connection.peer, false);
        }
        self.count(&table);
    }

    fn count(&self, table: &Table) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.metrics.connections(
            self.listener,
            number(table.all),
            number(table.unauthenticated.len()),
        );
    }
}

impl Table {
    /// Takes a connection from among the unauthenticated ones; whether it was one.
    fn authenticate(&mut self, connection: &Connection) -> bool {
        let was_unauthenticated = self.unauthenticated.remove(&connection.number).is_some();
        if was_unauthenticated && let Some(peer) = self.peers.get_mut(&connection.peer) {
            peer.unauthenticated -= 1;
        }
        was_unauthenticated
    }

    fn leave(&mut self, peer: IpAddr, unauthenticated: bool) {
        self.all -= 1;
        if let Some(record) = self.peers.get_mut(&peer) {
            record.all -= 1;
            record.unauthenticated -= usize::from(unauthenticated);
            if record.all == 0 {
                self.peers.remove(&peer);
            }
        }
    }

    fn tell(&mut self, listener: &str, what: &str, peer: IpAddr) {
        self.untold += 1;
        if self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            tracing::warn!(
                listener,
                %peer,
                connections = self.all,
                unauthenticated = self.unauthenticated.len(),
                count = self.untold,
                "too many connections: some were {what}; see [connections] in the configuration"
            );
            self.told = Some(Instant::now());
            self.untold = 0;
        }
    }
}

impl Connection {
    /// Its TLS handshake has brought a certificate of a client.
    pub(crate) fn certified(&self) {
        self.connections.certify(self);
    }

    /// A request on it has brought a valid token. The first counts for it.
    ///
    /// # Errors
    /// When the token has too many connections: this one stays unauthenticated.
    pub(crate) fn authenticated(
        self: &Arc<Self>,
        principal: &Arc<Principal>,
    ) -> Result<(), TooMany> {
        if !self.has_token.load(Ordering::Relaxed) {
            self.connections.authenticate(self, principal)?;
        }
        if self.refused.load(Ordering::Relaxed) != 0 {
            self.refused.store(0, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Whether its handshake has brought a certificate, or a request on it a token that holds.
    pub(crate) fn is_authenticated(&self) -> bool {
        self.has_token.load(Ordering::Relaxed) || self.has_certificate.load(Ordering::Relaxed)
    }

    /// A request on it was refused: it has brought no valid token, or there are too many of its kind.
    pub(crate) fn refused(&self) {
        if self.refused.fetch_add(1, Ordering::Relaxed) >= MAX_REFUSED {
            self.cut();
        }
    }

    /// Ends it at once.
    pub(crate) fn cut(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
        self.cut.notify_one();
    }

    /// Whether it is to end.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }

    /// Waits until it is to end. Where too many requests in a row were refused, the answers that say so have a moment to be sent.
    pub(crate) async fn to_be_cut(&self) {
        self.cut.notified().await;
        if self.refused.load(Ordering::Relaxed) > MAX_REFUSED {
            sleep(LAST_ANSWERS).await;
        }
    }

    /// What is being answered on it without a token.
    pub(crate) fn open(&self) -> &OpenRequests {
        &self.open
    }

    /// What is being answered without a token to its address, on connections that have shown none.
    pub(crate) fn open_to_peer(&self) -> &OpenRequests {
        &self.open_to_peer
    }
}

impl Place {
    /// The connection whose place it is.
    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.connections.leave(&self.0);
    }
}

/// Who is counted as one: an IPv4 address, or an IPv6 /64, which is what one customer is given.
fn peer_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use futures::FutureExt;
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits {
        all: 6,
        per_peer: 4,
        unauthenticated: 3,
        unauthenticated_per_peer: 2,
        per_token: 3,
        per_switch: 5,
    };

    fn principal(role: Role) -> Arc<Principal> {
        Arc::new(Principal {
            id: "1".into(),
            name: "test".into(),
            role,
            domain: None,
            expires_at: None,
            load: Arc::default(),
        })
    }

    /// Shows a token that has no other connection.
    fn authenticate(place: &Place) {
        let shown = place.connection().authenticated(&principal(Role::Switch));
        assert_eq!(shown, Ok(()));
    }

    fn connections() -> Arc<Connections> {
        Connections::new(LIMITS, "listen", Metrics::default())
    }

    fn address(last: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, last).into()
    }

    fn is_cut(place: &Place) -> bool {
        place.connection().to_be_cut().now_or_never().is_some()
    }

    #[test]
    fn the_address_with_the_most_unauthenticated_ones_loses_its_oldest() {
        let connections = connections();
        let honest = connections.admit(address(1)).unwrap();
        let first = connections.admit(address(2)).unwrap();
        let second = connections.admit(address(2)).unwrap();
        let third = connections.admit(address(2)).unwrap();
        assert!(is_cut(&first) && !is_cut(&second) && !is_cut(&third));
        let _other = connections.admit(address(3)).unwrap();
        assert!(is_cut(&second) && !is_cut(&honest));
        drop(first);
        drop(second);
        assert_eq!(connections.table.lock().all, 3);
    }

    #[test]
    fn one_that_has_shown_a_token_is_never_cut_for_another() {
        let connections = connections();
        let known: Vec<_> = (0..4)
            .map(|_| {
                let place = connections.admit(address(1)).unwrap();
                authenticate(&place);
                place
            })
            .collect();
        assert_eq!(connections.admit(address(1)).unwrap_err(), Full::Peer);
        let more: Vec<_> = (2..4)
            .map(|last| {
                let place = connections.admit(address(last)).unwrap();
                authenticate(&place);
                place
            })
            .collect();
        assert_eq!(connections.admit(address(9)).unwrap_err(), Full::All);
        assert!(!known.iter().chain(&more).any(is_cut));
        drop(known);
        assert!(connections.admit(address(9)).is_ok());
    }

    #[test]
    fn an_ipv6_network_is_one_peer() {
        let connections = connections();
        let admit = |text: &str| connections.admit(text.parse().unwrap()).unwrap();
        let first = admit("2001:db8::1");
        let _second = admit("2001:db8::ffff:2");
        let _third = admit("2001:db8::3");
        assert!(is_cut(&first));
        assert_eq!(peer_of("::ffff:192.0.2.1".parse().unwrap()), address(1));
    }

    #[test]
    fn refused_tokens_end_a_connection_unless_a_valid_one_comes_between() {
        let connections = connections();
        let place = connections.admit(address(1)).unwrap();
        for _ in 0..3 {
            for _ in 0..MAX_REFUSED {
                place.connection().refused();
            }
            authenticate(&place);
        }
        assert!(!is_cut(&place));
        for _ in 0..=MAX_REFUSED {
            place.connection().refused();
        }
        assert!(place.connection().is_cut());
    }

    #[test]
    fn a_token_authenticates_so_many_and_none_once_it_is_revoked() {
        let connections = connections();
        let (reader, switch) = (principal(Role::ReadOnly), principal(Role::Switch));
        let admit = |last| connections.admit(address(last)).unwrap();
        let shown: Vec<_> = (0..3).map(admit).collect();
        for place in &shown {
            assert_eq!(place.connection().authenticated(&reader), Ok(()));
        }
        let one_more = admit(4);
        let refused = one_more.connection().authenticated(&reader);
        assert_eq!(refused.unwrap_err().key, "connections.max_per_token");
        assert!(!one_more.connection().is_authenticated());
        assert_eq!(one_more.connection().authenticated(&switch), Ok(()));
        reader.load.revoke();
        connections.disown("2026-06-08T12:00:00Z".parse().unwrap());
        assert!(
            !shown
                .iter()
                .any(|place| place.connection().is_authenticated())
        );
        // They make room for others.
        let other = admit(5);
        let (cut, left): (Vec<_>, Vec<_>) = shown.into_iter().partition(is_cut);
        assert_eq!(
            (cut.len(), is_cut(&one_more), is_cut(&other)),
            (1, false, false)
        );
        assert_eq!(left[0].connection().authenticated(&switch), Ok(()));
        assert!(switch.load.take(Counted::Connection, 2).is_none());
        drop((cut, left, one_more, other));
        assert_eq!(connections.table.lock().all, 0);
        assert!(switch.load.take(Counted::Connection, 1).is_some());
    }

    proptest! {
        #[test]
        fn the_limits_hold_and_every_place_is_free_in_the_end(
            steps in prop::collection::vec((0_u8..5, 0_u8..5, any::<prop::sample::Index>()), 1..200)
        ) {
            let connections = connections();
            let mut places: Vec<Place> = Vec::new();
            let mut tokens = [principal(Role::ReadOnly), principal(Role::ReadOnly)];
            let at = "2026-06-08T12:00:00Z".parse().unwrap();
            for (step, last, which) in steps {
                match step {
                    0 | 1 => places.extend(connections.admit(address(last))),
                    2 if !places.is_empty() => {
                        let token = &tokens[which.index(tokens.len())];
                        let _ = which.get(&places).connection().authenticated(token);
                    }
                    3 if !places.is_empty() => drop(places.swap_remove(which.index(places.len()))),
                    4 => {
                        let token = principal(Role::ReadOnly);
                        let revoked = std::mem::replace(&mut tokens[which.index(2)], token);
                        revoked.load.revoke();
                        connections.disown(at);
                    }
                    _ => {}
                }
                let table = connections.table.lock();
                prop_assert!(table.all <= LIMITS.all);
                prop_assert!(table.unauthenticated.len() <= LIMITS.unauthenticated);
                let sums = table.peers.values().fold((0, 0), |sums, peer| {
                    (sums.0 + peer.all, sums.1 + peer.unauthenticated)
                });
                prop_assert_eq!(sums, (table.all, table.unauthenticated.len()));
                let authenticated = table.all - table.unauthenticated.len();
                prop_assert_eq!(table.of_tokens.len(), authenticated);
                prop_assert!(authenticated <= 2 * LIMITS.per_token);
                for peer in table.peers.values() {
                    prop_assert!(peer.all <= LIMITS.per_peer);
                    prop_assert!(peer.unauthenticated <= LIMITS.unauthenticated_per_peer);
                }
            }
            places.clear();
            let table = connections.table.lock();
            prop_assert_eq!((table.all, table.unauthenticated.len(), table.peers.len()), (0, 0, 0));
            prop_assert_eq!(table.of_tokens.len(), 0);
            drop(table);
            for token in &tokens {
                prop_assert!(token.load.take(Counted::Connection, 1).is_some());
            }
        }
    }
}
