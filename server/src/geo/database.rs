//! A database of addresses in the MMDB format (<https://maxmind.github.io/MaxMind-DB/>), in memory.

use std::{borrow::Cow, collections::HashSet, net::IpAddr};

use jiff::Timestamp;
use maxminddb::{LookupResult, MaxMindDbError, PathElement, Reader, WithinOptions, path};
use serde::de::IgnoredAny;
use tfps_engine::number::Country;

use super::Place;

/// Countries by address: iptoasn.com's table of 2026-06-17, as ip-location-db made an MMDB of it; in the public domain (PDDL-1.0).
static BUILT_IN: &[u8] = include_bytes!("../../data/iptoasn-country.mmdb");

type Bytes = Cow<'static, [u8]>;
type Record<'a> = LookupResult<'a, Bytes>;

/// A database. Its bytes are kept in memory, so that nobody who writes the file can hurt the server.
#[derive(Debug)]
pub struct Database {
    reader: Reader<Bytes>,
    country: Option<CountryField>,
    asn: Option<AsnField>,
    networks: u64,
}

/// Why a file is none that can be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// It is no MMDB, or a broken one.
    #[error("it is no MMDB that can be read: {0}")]
    Broken(#[from] MaxMindDbError),
    /// Its tree leads from everywhere to everywhere.
    #[error("it is no MMDB that can be read: its search tree has more networks than it can have")]
    Endless,
    /// It is one of something else.
    #[error("it is an MMDB ({kind}) with no country and no ASN in any of its {networks} networks")]
    Foreign {
        /// What it says it is.
        kind: String,
        /// How many networks were looked at.
        networks: u64,
    },
}

impl Database {
    /// The one that comes with the server.
    ///
    /// # Errors
    /// [`DatabaseError::Broken`], in a program that is broken itself.
    pub fn built_in() -> Result<Self, DatabaseError> {
        /// As [`Self::open`] counts them; it is not asked, since it takes its time.
        const NETWORKS: u64 = 400_859;
        Ok(Self {
            reader: Reader::from_source(Cow::Borrowed(BUILT_IN))?,
            country: Some(CountryField::Code),
            asn: None,
            networks: NETWORKS,
        })
    }

    /// One of an operator's. Every record is read once: what can't be read later is found now.
    ///
    /// # Errors
    /// When it is none, or has neither countries nor ASNs.
    pub fn open(bytes: Vec<u8>) -> Result<Self, DatabaseError> {
        let reader = Reader::from_source(Cow::Owned(bytes))?;
        let (mut country, mut asn, mut networks) = (None, None, 0);
        let mut read = HashSet::new();
        // A tree of so many nodes has one leaf more; the networks of IPv4 may be told again where IPv6 has them.
        let mut leaves = 3 * u64::from(reader.metadata().node_count) + 3;
        for network in reader.networks(WithinOptions::default().include_networks_without_data())? {
            let record = network?;
            leaves = leaves.checked_sub(1).ok_or(DatabaseError::Endless)?;
            let Some(offset) = record.offset() else {
                continue;
            };
            networks += 1;
            if !read.insert(offset) {
                continue;
            }
            record.decode::<IgnoredAny>()?;
            country = country.or_else(|| CountryField::found_in(&record));
            asn = asn.or_else(|| AsnField::found_in(&record));
        }
        if country.is_none() && asn.is_none() {
            let kind = reader.metadata().database_type.clone();
            return Err(DatabaseError::Foreign { kind, networks });
        }
        Ok(Self {
            reader,
            country,
            asn,
            networks,
        })
    }

    /// Whether it knows countries.
    pub fn has_countries(&self) -> bool {
        self.country.is_some()
    }

    /// Whether it knows autonomous systems.
    pub fn has_asns(&self) -> bool {
        self.asn.is_some()
    }

    /// How many networks it knows.
    pub fn networks(&self) -> u64 {
        self.networks
    }

    /// When it was made; none where it does not say.
    pub fn built_at(&self) -> Option<Timestamp> {
        let seconds = i64::try_from(self.reader.metadata().build_epoch).ok()?;
        Timestamp::from_second(seconds).ok().filter(|_| seconds > 0)
    }

    /// Where an address is. An IPv4-mapped one is its IPv4.
    pub fn place(&self, ip: IpAddr) -> Place {
        // One of IPv4 alone knows no IPv6.
        let Ok(record) = self.reader.lookup(ip.to_canonical()) else {
            return Place::default();
        };
        Place {
            country: self.country.and_then(|field| field.of(&record)),
            asn: self.asn.and_then(|field| field.of(&record)),
        }
    }
}

/// Where a record has the country.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CountryField {
    /// `country_code`: ip-location-db, IPinfo.
    Code,
    /// `country.iso_code`, or who registered the network: MaxMind, DB-IP.
    IsoCode,
    /// `country`: IPinfo of old.
    Country,
}

impl CountryField {
    fn found_in(record: &Record<'_>) -> Option<Self> {
        [Self::Code, Self::IsoCode, Self::Country]
            .into_iter()
            .find(|field| field.of(record).is_some())
    }

    fn of(self, record: &Record<'_>) -> Option<Country> {
        let at = |path: &[PathElement<'_>]| {
            let code: &str = record.decode_path(path).ok()??;
            Country::from_code(code)
                .ok()
                .filter(|country| !country.is_network())
        };
        match self {
            Self::Code => at(&path!["country_code"]),
            Self::IsoCode => at(&path!["country", "iso_code"])
                .or_else(|| at(&path!["registered_country", "iso_code"])),
            Self::Country => at(&path!["country"]),
        }
    }
}

/// Where a record has the ASN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AsnField {
    /// `autonomous_system_number`: MaxMind, DB-IP, ip-location-db.
    Number,
    /// `asn`, as `AS64496`: IPinfo.
    Text,
}

impl AsnField {
    fn found_in(record: &Record<'_>) -> Option<Self> {
        [Self::Number, Self::Text]
            .into_iter()
            .find(|field| field.of(record).is_some())
    }

    fn of(self, record: &Record<'_>) -> Option<u32> {
        let number = match self {
            Self::Number => record
                .decode_path(&path!["autonomous_system_number"])
                .ok()??,
            Self::Text => {
                let text: &str = record.decode_path(&path!["asn"]).ok()??;
                text.strip_prefix("AS").unwrap_or(text).parse().ok()?
            }
        };
        Some(number).filter(|number| *number > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn country_of(database: &Database, ip: &str) -> String {
        let place = database.place(ip.parse().unwrap());
        place
            .country
            .map(|country| country.code().to_owned())
            .unwrap_or_default()
    }

    #[test]
    fn the_built_in_one_is_as_it_says() {
        let built_in = Database::built_in().unwrap();
        let opened = Database::open(BUILT_IN.to_vec()).unwrap();
        assert_eq!(opened.networks(), built_in.networks());
        assert_eq!(opened.country, built_in.country);
        assert_eq!(opened.asn, None);
        let built = built_in.built_at().unwrap().to_string();
        assert!(built.starts_with("2026-06-17"), "{built}");
    }

    #[test]
    fn addresses_of_both_kinds_have_a_country() {
        let built_in = Database::built_in().unwrap();
        for (ip, country) in [
            ("8.8.8.8", "US"),
            ("::ffff:8.8.8.8", "US"),
            ("81.2.69.142", "GB"),
            ("41.33.0.1", "EG"),
            ("200.160.0.1", "BR"),
            ("2001:4860:4860::8888", "US"),
            ("2a01:4f8::1", "DE"),
            // For documentation (RFC 5737, RFC 3849): nobody's.
            ("203.0.113.9", ""),
            ("2001:db8::1", ""),
            ("10.0.0.1", ""),
        ] {
            assert_eq!(country_of(&built_in, ip), country, "{ip}");
        }
    }

    #[test]
    fn what_is_no_database_says_so() {
        let told = |bytes: &[u8]| Database::open(bytes.to_vec()).unwrap_err().to_string();
        for garbage in [&b""[..], b"<html>", &BUILT_IN[..2_000_000]] {
            let told = told(garbage);
            assert!(told.starts_with("it is no MMDB that can be read"), "{told}");
        }
    }

    #[test]
    fn a_tree_without_an_end_is_refused() {
        // Both sides of a node, of three bytes each, lead to the next: 2^128 networks in 128 nodes.
        let mut bytes = BUILT_IN.to_vec();
        let (nodes, _) = bytes.as_chunks_mut::<6>();
        let nowhere = Database::built_in().unwrap();
        let nowhere = nowhere.reader.metadata().node_count;
        for (number, node) in (1..).zip(&mut nodes[..128]) {
            let next: u32 = if number == 128 { nowhere } else { number };
            let [_, side @ ..] = next.to_be_bytes();
            *node = [side, side].concat().try_into().unwrap();
        }
        let error = Database::open(bytes).unwrap_err();
        assert!(matches!(error, DatabaseError::Endless), "{error}");
    }
}
