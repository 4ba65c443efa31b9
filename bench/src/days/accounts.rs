//! Who calls.

use std::net::{IpAddr, Ipv4Addr};

use jiff::tz::TimeZone;
use tfps_engine::{account::Limits, call::AccountId, number::E164};

use super::{
    chance::Chance,
    numbers::{Partner, at_home},
};

/// What an account is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A telephone on a desk.
    Extension,
    /// Somebody who works at home, on a line whose address changes.
    Home,
    /// Many telephones of one department that call all day.
    CallCentre,
    /// A PBX that calls for a whole company.
    Trunk,
}

/// An account, and how it is used.
#[derive(Clone, Debug)]
pub struct Subscriber {
    /// Its name.
    pub id: AccountId,
    /// What it is used for.
    pub kind: Kind,
    /// How many calls it makes on a working day.
    pub(super) calls_a_day: f64,
    /// How many of them go abroad, as a part.
    pub(super) abroad: f64,
    /// The countries that it has to do with.
    pub(super) partners: Vec<Partner>,
    /// The numbers that it calls again and again: abroad, and at home.
    pub(super) contacts: Vec<E164>,
    pub(super) neighbours: Vec<E164>,
    /// Where its calls come from.
    pub(super) address: Ipv4Addr,
    /// What its calls are made with.
    pub(super) agent: &'static str,
}

const AGENTS: [&str; 7] = [
    "Yealink SIP-T46S 66.85.0.5",
    "Grandstream GXP2170 1.0.11.64",
    "PolycomVVX-VVX_411-UA/6.4.1.2",
    "Cisco/SPA504G-7.6.2b",
    "Zoiper rv2.10.20.4",
    "FPBX-16.0.40(18.20.2)",
    "Asterisk PBX 20.5.0",
];

impl Subscriber {
    fn draw(number: usize, chance: &mut Chance) -> Self {
        let kind = chance.weighed(&[
            (Kind::Extension, 72.0),
            (Kind::Home, 18.0),
            (Kind::CallCentre, 7.0),
            (Kind::Trunk, 3.0),
        ]);
        let calls_a_day = match kind {
            Kind::Extension | Kind::Home => 3.0 + chance.waiting(7.0),
            Kind::CallCentre => 60.0 + chance.waiting(60.0),
            Kind::Trunk => 120.0 + chance.waiting(150.0),
        };
        let abroad = chance.weighed(&[(0.01, 55.0), (0.05, 25.0), (0.2, 15.0), (0.6, 5.0)]);
        let wanted = 1 + chance.count(2.0 + 10.0 * abroad) as usize;
        let partners: Vec<Partner> = (0..wanted).map(|_| Partner::draw(chance)).collect();
        let contacts = (0..2 + chance.count(3.0 + 20.0 * abroad))
            .map(|_| {
                let partner = *chance.one(&partners);
                partner.number(chance)
            })
            .collect();
        let neighbours = (0..8).map(|_| at_home(chance)).collect();
        let agent = match kind {
            Kind::Trunk | Kind::CallCentre => AGENTS[5 + number % 2],
            Kind::Extension | Kind::Home => AGENTS[number % 5],
        };
        let host = chance.between(1, 254) as u8;
        // An office of ten shares its network.
        let office = number / 10;
        let network = [
            23,
            16 + (office / 256 % 64) as u8,
            (office % 256) as u8,
            host,
        ];
        let id = format!("{}{number}@company{office}.example", "ext");
        Self {
            id: id.parse().expect("the name was made to be one"),
            kind,
            calls_a_day,
            abroad,
            partners,
            contacts,
            neighbours,
            address: Ipv4Addr::from(network),
            agent,
        }
    }

    /// The limits that an operator who knows his customers would give it: twice what it uses on a day.
    pub fn limits(&self) -> Limits {
        let calls = (2.0 * self.calls_a_day).ceil() as u32 + 5;
        let concurrent = match self.kind {
            Kind::Extension | Kind::Home => 3,
            Kind::CallCentre | Kind::Trunk => calls / 12 + 5,
        };
        Limits {
            concurrent_calls: concurrent,
            concurrent_calls_off_hours: concurrent,
            daily_quota: calls,
            daily_quota_off_hours: calls / 2 + 4,
        }
    }

    /// Where a call comes from on a day: a home's address changes every week, and now and then somebody travels.
    pub(super) fn address_on(&self, day: i64, chance: &mut Chance) -> IpAddr {
        let [a, b, c, d] = self.address.octets();
        let week = (day / 7) as u8;
        let address = match self.kind {
            Kind::Home => [a, b.wrapping_add(week % 32), c.wrapping_add(week), d],
            Kind::Extension if chance.happens(0.004) => [
                24,
                chance.between(0, 255) as u8,
                chance.between(0, 255) as u8,
                d,
            ],
            _ => [a, b, c, d],
        };
        IpAddr::V4(Ipv4Addr::from(address))
    }
}

/// Who calls, and in which time zone.
#[derive(Clone, Debug)]
pub struct World {
    pub(super) seed: u64,
    pub(super) zone: TimeZone,
    /// The accounts.
    pub subscribers: Vec<Subscriber>,
}

impl World {
    /// So many accounts.
    pub fn new(seed: u64, accounts: usize) -> Self {
        let mut chance = Chance::new(seed, "world");
        Self {
            seed,
            zone: TimeZone::get("America/New_York").unwrap_or(TimeZone::UTC),
            subscribers: (0..accounts)
                .map(|number| Subscriber::draw(number, &mut chance))
                .collect(),
        }
    }
}
