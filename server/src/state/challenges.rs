//! The challenges that wait for their callers.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::Hash,
};

use jiff::Timestamp;
use parking_lot::Mutex;
use tfps_engine::{
    call::AccountId, decision::Purpose, network::SourceNetwork, number::Country, usage::Origin,
};

/// Challenges of one account that wait at the most.
const OF_ACCOUNT: usize = 32;
/// Challenges of unknown accounts from one network that wait at the most, those that the IVR has opened apart.
const OF_NETWORK: usize = 100;
/// The part of a class that one domain can fill, as one in so many: a tenant may have any number of accounts.
const OF_DOMAIN: usize = 2;

/// What a challenge is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum About {
    /// What Check found in a call.
    Call(Purpose),
    /// The limits, which the caller wants to change. No call is about them, so Check can't issue it.
    Limits,
}

impl About {
    /// About the limits, in words.
    pub const LIMITS: &'static str = "limits";

    /// In words, as lists and logs name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Call(purpose) => purpose.as_str(),
            Self::Limits => Self::LIMITS,
        }
    }

    /// The country that would be opened, where it is one.
    pub fn country(self) -> Option<Country> {
        match self {
            Self::Call(purpose) => purpose.country(),
            Self::Limits => None,
        }
    }
}

/// A challenge that waits for its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its id.
    pub id: String,
    /// The account that it was issued for.
    pub account: AccountId,
    /// What it is about.
    pub about: About,
    /// The number that was dialed; empty where no call is behind it.
    pub dialed: String,
    /// Where the last call came from that it was issued for.
    pub origin: Origin,
    /// Until when it can be passed.
    pub expires_at: Timestamp,
}

/// Every challenge that waits. Calls make it grow, and when there is no room, what has waited longest goes: of the same account, of the
/// same network, of the same domain, of the same class. So strangers, who can invent accounts, displace nobody but strangers; and of
/// these, not those who are in the IVR already, unless they get there from the same network.
#[derive(Debug)]
pub struct Challenges {
    inner: Mutex<Inner>,
    capacity: usize,
}

/// Whose challenges displace each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Known accounts'.
    Known,
    /// Unknown accounts'.
    Unknown,
    /// Unknown accounts' that the IVR has opened.
    Opened,
}

impl Class {
    fn of(known: bool) -> Self {
        if known { Self::Known } else { Self::Unknown }
    }

    /// How many can wait.
    fn room(self, capacity: usize) -> usize {
        let share = match self {
            Self::Known => capacity,
            Self::Unknown => capacity / 2,
            Self::Opened => capacity / 4,
        };
        share.max(1)
    }
}

/// Where a challenge is kept: its class, and when it was issued beside others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place(Class, u64);

#[derive(Debug, Default)]
struct Inner {
    classes: [Waiting; 3],
    by_id: HashMap<String, Place>,
    /// An account's, in the order in which they were issued.
    by_account: HashMap<AccountId, Vec<Place>>,
    issued: u64,
}

/// The challenges of a class, each by when it was issued.
#[derive(Debug, Default)]
struct Waiting {
    all: BTreeMap<u64, Pending>,
    by_domain: HashMap<Box<str>, BTreeSet<u64>>,
    /// Those of unknown accounts.
    by_network: HashMap<SourceNetwork, Vec<u64>>,
}

impl Waiting {
    /// The one that goes before another of a domain is put in, which has room for so many.
    fn displaced(&self, domain: &str, at: Timestamp, room: usize) -> Option<u64> {
        let (issued, oldest) = self.all.first_key_value()?;
        if oldest.expires_at <= at || self.all.len() >= room {
            return Some(*issued);
        }
        let own = self.by_domain.get(domain)?;
        own.first()
            .copied()
            .filter(|_| own.len() >= (room / OF_DOMAIN).max(1))
    }

    fn put(&mut self, issued: u64, pending: Pending) {
        let domain = pending.account.domain();
        match self.by_domain.get_mut(domain) {
            Some(own) => {
                own.insert(issued);
            }
            None => {
                self.by_domain.insert(domain.into(), [issued].into());
            }
        }
        self.all.insert(issued, pending);
    }

    fn remove(&mut self, issued: u64) -> Option<Pending> {
        let pending = self.all.remove(&issued)?;
        let domain = pending.account.domain();
        if let Some(own) = self.by_domain.get_mut(domain) {
            own.remove(&issued);
            if own.is_empty() {
                self.by_domain.remove(domain);
            }
        }
        self.leave(pending.origin.network, issued);
        Some(pending)
    }

    /// Counts a challenge among those of its network; the oldest of them, if there are too many.
    fn join(&mut self, network: Option<SourceNetwork>, issued: u64) -> Option<u64> {
        let neighbours = self.by_network.entry(network?).or_default();
        neighbours.push(issued);
        (neighbours.len() > OF_NETWORK).then(|| neighbours[0])
    }

    fn leave(&mut self, network: Option<SourceNetwork>, issued: u64) {
        if let Some(network) = network {
            forget(&mut self.by_network, &network, &issued);
        }
    }
}

impl Challenges {
    /// None waits yet; at most so many of known accounts will, and three quarters as many of unknown ones.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            inner: Mutex::default(),
            capacity: capacity.max(1),
        }
    }

    /// The challenge that waits of the same account about the same, or this new one: who dials again gets no new chances. Its id is
    /// made when it is needed.
    pub fn issue(
        &self,
        new: Pending,
        known: bool,
        at: Timestamp,
        new_id: impl FnOnce() -> String,
    ) -> Pending {
        let mut inner = self.inner.lock();
        if let Some(place) = inner.of_account(&new.account, |own| own.about == new.about)
            && let Some(waiting) = inner.comes_from(place, &new.origin)
        {
            if waiting.expires_at > at {
                let waiting = waiting.clone();
                if known && place.0 != Class::Known {
                    inner.remove(place);
                    inner.put(Class::Known, waiting.clone(), at, self.capacity);
                }
                return waiting;
            }
            inner.remove(place);
        }
        let pending = Pending {
            id: new_id(),
            ..new
        };
        inner.put(Class::of(known), pending.clone(), at, self.capacity);
        pending
    }

    /// Puts a challenge that was issued before a restart.
    pub fn restore(&self, pending: Pending, known: bool, at: Timestamp) {
        if pending.expires_at > at {
            let mut inner = self.inner.lock();
            if let Some(place) =
                inner.of_account(&pending.account, |own| own.about == pending.about)
            {
                inner.remove(place);
            }
            inner.put(Class::of(known), pending, at, self.capacity);
        }
    }

    /// A challenge that waits.
    pub fn get(&self, id: &str, at: Timestamp) -> Option<Pending> {
        self.inner
            .lock()
            .of_id(id)
            .filter(|pending| pending.expires_at > at)
            .cloned()
    }

    /// Whether a challenge waits.
    pub fn waits(&self, id: &str, at: Timestamp) -> bool {
        let inner = self.inner.lock();
        inner
            .of_id(id)
            .is_some_and(|pending| pending.expires_at > at)
    }

    /// The newest challenge that waits of an account, for a purpose of this sort.
    pub fn newest(&self, account: &AccountId, purpose: &str, at: Timestamp) -> Option<Pending> {
        let inner = self.inner.lock();
        let place = inner.of_account(account, |pending| {
            pending.about.as_str() == purpose && pending.expires_at > at
        })?;
        inner.pending(place).cloned()
    }

    /// The IVR has opened a challenge: its caller is there.
    pub fn opened(&self, id: &str, at: Timestamp) {
        let mut inner = self.inner.lock();
        let Some(place @ Place(Class::Unknown, _)) = inner.by_id.get(id).copied() else {
            return;
        };
        let Some(pending) = inner.remove(place) else {
            return;
        };
        inner.put(Class::Opened, pending, at, self.capacity);
    }

    /// Removes a challenge that was passed.
    pub fn remove(&self, id: &str) {
        let mut inner = self.inner.lock();
        if let Some(place) = inner.by_id.get(id).copied() {
            inner.remove(place);
        }
    }

    /// Removes those of an account.
    pub fn remove_account(&self, account: &AccountId) {
        let mut inner = self.inner.lock();
        for place in inner.by_account.get(account).cloned().unwrap_or_default() {
            inner.remove(place);
        }
    }

    /// How many wait.
    pub fn len(&self, at: Timestamp) -> usize {
        self.inner
            .lock()
            .classes
            .iter()
            .flat_map(|class| class.all.values())
            .filter(|pending| pending.expires_at > at)
            .count()
    }
}

impl Inner {
    /// Puts a challenge as the newest of its class, for which others make room.
    fn put(&mut self, class: Class, pending: Pending, at: Timestamp, capacity: usize) {
        let room = class.room(capacity);
        let domain = pending.account.domain();
        while let Some(displaced) = self.classes[class as usize].displaced(domain, at, room) {
            self.remove(Place(class, displaced));
        }
        self.issued += 1;
        let place = Place(class, self.issued);
        let network = pending.origin.network;
        self.by_id.insert(pending.id.clone(), place);
        let own = self.by_account.entry(pending.account.clone()).or_default();
        own.push(place);
        let displaced = (own.len() > OF_ACCOUNT).then(|| own[0]);
        self.classes[class as usize].put(self.issued, pending);
        if let Some(displaced) = displaced {
            self.remove(displaced);
        }
        self.join(network, place);
    }

    fn remove(&mut self, place: Place) -> Option<Pending> {
        let pending = self.classes[place.0 as usize].remove(place.1)?;
        self.by_id.remove(&pending.id);
        forget(&mut self.by_account, &pending.account, &place);
        Some(pending)
    }

    /// The call came anew, perhaps from elsewhere.
    fn comes_from(&mut self, place: Place, origin: &Origin) -> Option<&Pending> {
        let Place(class, issued) = place;
        let waiting = &mut self.classes[class as usize];
        let pending = waiting.all.get_mut(&issued)?;
        if pending.origin != *origin {
            let before = std::mem::replace(&mut pending.origin, origin.clone());
            if before.network != origin.network {
                waiting.leave(before.network, issued);
                self.join(origin.network, place);
            }
        }
        self.pending(place)
    }

    /// Counts a challenge of an unknown account among those of its network, of which the oldest makes room.
    fn join(&mut self, network: Option<SourceNetwork>, Place(class, issued): Place) {
        if class == Class::Known {
            return;
        }
        if let Some(displaced) = self.classes[class as usize].join(network, issued) {
            self.remove(Place(class, displaced));
        }
    }

    fn pending(&self, Place(class, issued): Place) -> Option<&Pending> {
        self.classes[class as usize].all.get(&issued)
    }

    fn of_id(&self, id: &str) -> Option<&Pending> {
        self.pending(*self.by_id.get(id)?)
    }

    /// An account's newest that is as it should be.
    fn of_account(&self, account: &AccountId, fits: impl Fn(&Pending) -> bool) -> Option<Place> {
        let own = self.by_account.get(account)?;
        own.iter()
            .rev()
            .find(|place| self.pending(**place).is_some_and(&fits))
            .copied()
    }
}

fn forget<K: Hash + Eq, P: PartialEq>(places: &mut HashMap<K, Vec<P>>, key: &K, place: &P) {
    if let Some(of_key) = places.get_mut(key) {
        of_key.retain(|other| other != place);
        if of_key.is_empty() {
            places.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use jiff::ToSpan;
    use proptest::prelude::*;

    use super::*;

    fn noon() -> Timestamp {
        "2026-06-08T12:00:00Z".parse().unwrap()
    }

    fn origin(ip: &str) -> Origin {
        Origin {
            network: ip.parse().ok().map(|ip: IpAddr| ip.into()),
            trunk: "".into(),
        }
    }

    fn pending(account: &str, about: About, ip: &str, at: Timestamp) -> Pending {
        Pending {
            id: String::new(),
            account: account.parse().unwrap(),
            about,
            dialed: "4420".to_owned(),
            origin: origin(ip),
            expires_at: at + 10.minutes(),
        }
    }

    /// A stranger's.
    fn issue(challenges: &Challenges, account: &str, ip: &str, at: Timestamp, id: &str) -> String {
        let about = About::Call(Purpose::Onboarding);
        let new = pending(account, about, ip, at);
        challenges.issue(new, false, at, || id.to_owned()).id
    }

    /// A known account's, about a country.
    fn known(challenges: &Challenges, account: &str, country: &str, id: &str) -> String {
        let country = Country::from_code(country).unwrap();
        let about = About::Call(Purpose::DestinationCountry(country));
        let new = pending(account, about, "203.0.113.7", noon());
        challenges.issue(new, true, noon(), || id.to_owned()).id
    }

    #[test]
    fn who_dials_again_gets_the_same_challenge_until_it_expires_or_is_passed() {
        let challenges = Challenges::with_capacity(10);
        let at = noon();
        assert_eq!(issue(&challenges, "a@b", "", at, "1"), "1");
        assert_eq!(issue(&challenges, "a@b", "", at + 9.minutes(), "2"), "1");
        assert_eq!(issue(&challenges, "a@b", "", at + 10.minutes(), "3"), "3");
        assert!(challenges.waits("3", at + 10.minutes()));
        challenges.remove("3");
        assert!(!challenges.waits("3", at + 10.minutes()));
        assert_eq!(issue(&challenges, "a@b", "", at + 11.minutes(), "4"), "4");
        assert!(challenges.get("4", at + 30.minutes()).is_none());
        assert!(!challenges.waits("4", at + 30.minutes()));
    }

    #[test]
    fn who_dials_again_from_elsewhere_verifies_from_there() {
        let challenges = Challenges::with_capacity(10);
        issue(&challenges, "a@b", "203.0.113.7", noon(), "1");
        issue(&challenges, "a@b", "203.0.113.8", noon(), "2");
        let waiting = challenges.get("1", noon()).unwrap();
        assert_eq!(waiting.origin, origin("203.0.113.8"));
        challenges.remove("1");
        let inner = challenges.inner.lock();
        assert!(
            inner
                .classes
                .iter()
                .all(|class| class.by_network.is_empty())
        );
        assert!(inner.by_account.is_empty());
    }

    /// A thousand strangers from as many addresses.
    fn flood(challenges: &Challenges, at: Timestamp) {
        for number in 0..1_000_u32 {
            let ip = IpAddr::from(number.to_be_bytes()).to_string();
            issue(
                challenges,
                &format!("{number}@b"),
                &ip,
                at,
                &number.to_string(),
            );
        }
    }

    #[test]
    fn a_flood_of_strangers_is_bounded_and_displaces_no_known_account() {
        let challenges = Challenges::with_capacity(20);
        let at = noon();
        known(&challenges, "alice@b", "GB", "alice");
        flood(&challenges, at);
        assert_eq!(challenges.len(at), 6);
        assert!(challenges.waits("alice", at) && challenges.waits("999", at));
        let newest = |account: &str, purpose| {
            let newest = challenges.newest(&account.parse().unwrap(), purpose, at);
            newest.map(|pending| pending.id)
        };
        assert_eq!(newest("999@b", "onboarding").as_deref(), Some("999"));
        assert_eq!(
            newest("alice@b", "destination-country").as_deref(),
            Some("alice")
        );
        assert_eq!(newest("alice@b", "onboarding"), None);
    }

    #[test]
    fn two_hundred_thousand_strangers_displace_nobody_who_is_known_or_in_the_ivr() {
        let challenges = Challenges::with_capacity(200_000);
        let at = noon();
        known(&challenges, "alice@b", "GB", "alice");
        issue(&challenges, "honest@b", "203.0.113.8", at, "honest");
        challenges.opened("honest", at);
        for number in 0..205_000_u32 {
            let ip = IpAddr::from(number.to_be_bytes()).to_string();
            issue(
                &challenges,
                &format!("{number}@{}", number % 3),
                &ip,
                at,
                &number.to_string(),
            );
        }
        assert_eq!(challenges.len(at), 100_002);
        assert!(challenges.waits("alice", at) && challenges.waits("honest", at));
        let alice = "alice@b".parse().unwrap();
        let asked = std::time::Instant::now();
        for _ in 0..1_000 {
            assert!(
                challenges
                    .newest(&alice, "destination-country", at)
                    .is_some()
            );
        }
        // It was 6 ms each when all challenges were gone through; this is far more than it takes, in any build.
        assert!(asked.elapsed() < std::time::Duration::from_millis(500));
    }

    #[test]
    fn strangers_of_one_network_displace_each_other_alone() {
        let challenges = Challenges::with_capacity(10_000);
        let at = noon();
        issue(&challenges, "honest@b", "203.0.113.8", at, "honest");
        for number in 0..1_000 {
            let account = format!("{number}@b");
            let ip = format!("2001:db8::{number:x}");
            issue(&challenges, &account, &ip, at, &number.to_string());
        }
        assert_eq!(challenges.len(at), OF_NETWORK + 1);
        assert!(challenges.waits("honest", at));
    }

    #[test]
    fn a_stranger_who_is_in_the_ivr_is_displaced_by_none_who_is_not() {
        let challenges = Challenges::with_capacity(20);
        let at = noon();
        issue(&challenges, "honest@b", "203.0.113.8", at, "honest");
        challenges.opened("honest", at);
        flood(&challenges, at);
        assert!(challenges.waits("honest", at));
        assert_eq!(
            issue(&challenges, "honest@b", "203.0.113.8", at, "again"),
            "honest"
        );
        assert_eq!(challenges.len(at), 6);
    }

    #[test]
    fn who_opens_challenges_and_hangs_up_displaces_none_that_others_opened() {
        let challenges = Challenges::with_capacity(200_000);
        let at = noon();
        issue(&challenges, "honest@b", "203.0.113.8", at, "honest");
        challenges.opened("honest", at);
        for number in 0..60_000 {
            let (account, id) = (format!("{number}@b"), number.to_string());
            issue(&challenges, &account, "203.0.113.7", at, &id);
            challenges.opened(&id, at);
        }
        assert_eq!(challenges.len(at), OF_NETWORK + 1);
        assert!(challenges.waits("honest", at));
        // What waits to be opened is counted apart.
        for number in 0..1_000 {
            let account = format!("new{number}@b");
            issue(
                &challenges,
                &account,
                "203.0.113.7",
                at,
                &format!("n{number}"),
            );
        }
        assert_eq!(challenges.len(at), 2 * OF_NETWORK + 1);
    }

    #[test]
    fn a_domain_displaces_its_own_however_many_accounts_it_has() {
        let challenges = Challenges::with_capacity(1_000);
        known(&challenges, "alice@b", "GB", "alice");
        for number in 0..5_000 {
            known(
                &challenges,
                &format!("{number}@c"),
                "GB",
                &number.to_string(),
            );
        }
        assert_eq!(challenges.len(noon()), 501);
        assert!(challenges.waits("alice", noon()) && challenges.waits("4999", noon()));
        assert!(!challenges.waits("4499", noon()));
    }

    #[test]
    fn an_account_displaces_its_own() {
        let challenges = Challenges::with_capacity(1_000);
        known(&challenges, "bob@b", "GB", "bob");
        for (number, country) in Country::all().enumerate().take(100) {
            known(&challenges, "alice@b", country.code(), &number.to_string());
        }
        assert_eq!(challenges.len(noon()), OF_ACCOUNT + 1);
        assert!(challenges.waits("bob", noon()) && challenges.waits("99", noon()));
        challenges.remove_account(&"alice@b".parse().unwrap());
        assert_eq!(challenges.len(noon()), 1);
    }

    proptest! {
        /// Whatever is done, what is found one way is found the other ways, and nothing is kept of what has gone.
        #[test]
        fn the_indexes_agree(steps in prop::collection::vec((0..4_u8, 0..30_u8, 0..6_u8, any::<bool>()), 0..300)) {
            let challenges = Challenges::with_capacity(12);
            let mut at = noon();
            for (number, (what, account, ip, is_known)) in steps.into_iter().enumerate() {
                let name = format!("{account}@{}", account % 3);
                let about = About::Call(if ip % 2 == 0 { Purpose::Quota } else { Purpose::Onboarding });
                let new = pending(&name, about, &format!("203.0.113.{ip}"), at);
                let pending = challenges.issue(new, is_known, at, || number.to_string());
                match what {
                    0 => challenges.remove(&pending.id),
                    1 => challenges.opened(&pending.id, at),
                    2 => at += 1.minutes(),
                    _ => {}
                }
                let inner = challenges.inner.lock();
                let count: usize = inner.classes.iter().map(|class| class.all.len()).sum();
                prop_assert!(inner.classes.iter().all(|class| class.all.len() <= 12));
                prop_assert_eq!(count, inner.by_id.len());
                prop_assert_eq!(count, inner.by_account.values().map(Vec::len).sum::<usize>());
                for (class, of_class) in [Class::Known, Class::Unknown, Class::Opened].into_iter().zip(&inner.classes) {
                    let all = of_class.all.len();
                    prop_assert_eq!(all, of_class.by_domain.values().map(BTreeSet::len).sum::<usize>());
                    let of_networks = of_class.by_network.values().map(Vec::len).sum::<usize>();
                    prop_assert_eq!(of_networks, if class == Class::Known { 0 } else { all });
                    let most = (class.room(12) / OF_DOMAIN).max(1);
                    prop_assert!(of_class.by_domain.values().all(|own| (1..=most).contains(&own.len())));
                    for (issued, pending) in &of_class.all {
                        let place = Place(class, *issued);
                        prop_assert_eq!(inner.by_id.get(&pending.id), Some(&place));
                        prop_assert!(inner.by_account[&pending.account].contains(&place));
                        prop_assert!(of_class.by_domain[pending.account.domain()].contains(issued));
                    }
                }
            }
        }
    }
}
