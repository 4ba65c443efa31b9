//! Whose number it is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::dialing::Dialing;
use super::iso3166::PLACES;

/// A country, territory or country-less network that numbers belong to.
///
/// These are all of ISO 3166-1; `AC` (Ascension), `TA` (Tristan da Cunha) and `XK` (Kosovo), which have number ranges of
/// their own; and the networks to which ITU-T E.164 gives a calling code but no country, named by that code, such as
/// `881` for satellite telephones. Ordered by code, networks first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub struct Country(u16);

impl Country {
    /// How many there are.
    pub(super) const COUNT: usize = PLACES.len();

    /// `US`.
    pub const UNITED_STATES: Self = Self::known("US");

    /// Looks a code up, in upper or lower case.
    ///
    /// # Errors
    ///
    /// When there is no such country; the error says what would be right where that is known.
    pub fn from_code(code: &str) -> Result<Self, UnknownCountry> {
        let upper = code.to_ascii_uppercase();
        match PLACES.binary_search_by_key(&upper.as_str(), |(code, _)| code) {
            Ok(place) => Ok(Self(place as u16)),
            Err(_) => Err(UnknownCountry::new(code)),
        }
    }

    /// All of them, in the order of their codes.
    pub fn all() -> impl ExactSizeIterator<Item = Self> + Clone {
        (0..Self::COUNT as u16).map(Self)
    }

    /// The ISO 3166-1 alpha-2 code in upper case, or a network's calling code.
    #[must_use]
    pub fn code(self) -> &'static str {
        PLACES[self.index()].0
    }

    /// The short name in English.
    #[must_use]
    pub fn name(self) -> &'static str {
        PLACES[self.index()].1
    }

    /// The calling code, such as 49. Countries may share one: +1 is that of 25.
    ///
    /// None for the few places that have no numbers of their own, such as Antarctica (`AQ`).
    #[must_use]
    pub fn calling_code(self) -> Option<u16> {
        self.dialing().calling_code
    }

    /// What is dialed before a national number inside the country, such as 0; not all countries have such a prefix.
    #[must_use]
    pub fn national_prefix(self) -> Option<&'static str> {
        self.dialing().national_prefix
    }

    /// What is dialed before an international number in the country, such as 00 or 011.
    ///
    /// None where there are several, of which none is preferred (as in Brazil, one a carrier), or none is known.
    #[must_use]
    pub fn international_prefix(self) -> Option<&'static str> {
        self.dialing().international_prefix
    }

    /// Whether this is one of E.164's networks and services without a country.
    #[must_use]
    pub fn is_network(self) -> bool {
        self.code().as_bytes()[0].is_ascii_digit()
    }

    /// How numbers are dialed there.
    pub(super) fn dialing(self) -> &'static Dialing {
        Dialing::at(self.index())
    }

    /// The country at a place in the table, as generated tables name it.
    pub(super) const fn at(place: u16) -> Self {
        assert!((place as usize) < Self::COUNT, "no such place");
        Self(place)
    }

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    /// Looks a code up while compiling; a code that does not exist does not compile.
    const fn known(code: &str) -> Self {
        let code = code.as_bytes();
        let mut place = 0;
        loop {
            let candidate = PLACES[place].0.as_bytes();
            if candidate.len() == 2 && candidate[0] == code[0] && candidate[1] == code[1] {
                return Self(place as u16);
            }
            place += 1;
        }
    }
}

impl FromStr for Country {
    type Err = UnknownCountry;

    fn from_str(code: &str) -> Result<Self, UnknownCountry> {
        Self::from_code(code)
    }
}

impl TryFrom<String> for Country {
    type Error = UnknownCountry;

    fn try_from(code: String) -> Result<Self, UnknownCountry> {
        Self::from_code(&code)
    }
}

impl From<Country> for &'static str {
    fn from(country: Country) -> Self {
        country.code()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Country({})", self.code())
    }
}

/// A code that names no country.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown country `{}`: {}", .code.escape_debug(), self.hint())]
pub struct UnknownCountry {
    /// What was given, cut off where it is longer than any code could be.
    pub code: String,
}

impl UnknownCountry {
    const LONGEST_SHOWN: usize = 16;

    fn new(code: &str) -> Self {
        Self {
            code: code.chars().take(Self::LONGEST_SHOWN).collect(),
        }
    }

    fn hint(&self) -> &'static str {
        match self.code.to_ascii_uppercase().as_str() {
            "UK" | "EN" => "Great Britain is `GB`",
            "EL" => "Greece is `GR`",
            "AN" => "the Netherlands Antilles have become `BQ`, `CW` and `SX`",
            "CS" | "YU" => "it has become `ME` and `RS`",
            "TP" => "Timor-Leste is `TL`",
            "ZR" => "it has become `CD`",
            _ => {
                "expected two letters of ISO 3166-1 such as `DE`, or a network's calling code such as `881`"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn country(code: &str) -> Country {
        code.parse().unwrap()
    }

    #[test]
    fn a_country_knows_its_names() {
        assert_eq!(country("de"), country("DE"));
        assert_eq!(country("De").code(), "DE");
        assert_eq!(country("DE").to_string(), "DE");
        assert_eq!(country("DE").name(), "Germany");
        assert_eq!(Country::UNITED_STATES.code(), "US");
    }

    #[test]
    fn all_of_iso_3166_is_there_and_what_e164_has_beside_it() {
        let networks: Vec<_> = Country::all()
            .filter(|country| country.is_network())
            .map(Country::code)
            .collect();
        assert_eq!(
            networks,
            [
                "800", "808", "870", "878", "881", "882", "883", "888", "979"
            ]
        );
        // ISO 3166-1 has 249 entries; AC, TA and XK are not among them.
        assert_eq!(Country::all().len(), 249 + 3 + networks.len());
        for own in ["AC", "TA", "XK"] {
            assert!(country(own).calling_code().is_some(), "{own}");
        }
    }

    #[test]
    fn the_table_is_sorted_and_every_code_is_found() {
        let codes: Vec<_> = Country::all().map(Country::code).collect();
        assert!(codes.is_sorted_by(|a, b| a < b));
        for country in Country::all() {
            assert_eq!(Country::from_code(country.code()), Ok(country));
            assert_eq!(
                Country::from_code(&country.code().to_lowercase()),
                Ok(country)
            );
            assert!(!country.name().is_empty());
        }
    }

    #[test]
    fn a_code_that_is_none_is_explained() {
        for not_a_code in ["", "D", "DEU", "ZZ", "49", "ü", "D E", " DE"] {
            assert!(Country::from_code(not_a_code).is_err(), "{not_a_code}");
        }
        assert_eq!(
            Country::from_code("uk").unwrap_err().to_string(),
            "unknown country `uk`: Great Britain is `GB`"
        );
        assert!(
            Country::from_code("LH")
                .unwrap_err()
                .to_string()
                .contains("ISO 3166-1")
        );
        let endless = "x".repeat(100_000);
        assert!(Country::from_code(&endless).unwrap_err().to_string().len() < 150);
    }

    #[test]
    fn it_is_known_how_a_country_is_called() {
        assert_eq!(country("DE").calling_code(), Some(49));
        assert_eq!(country("JM").calling_code(), Some(1));
        assert_eq!(country("881").calling_code(), Some(881));
        assert_eq!(country("AQ").calling_code(), None);
    }

    #[test]
    fn it_is_known_what_is_dialed_inside() {
        let prefixes = |code| {
            (
                country(code).national_prefix(),
                country(code).international_prefix(),
            )
        };
        assert_eq!(prefixes("DE"), (Some("0"), Some("00")));
        assert_eq!(prefixes("US"), (Some("1"), Some("011")));
        assert_eq!(prefixes("RU"), (Some("8"), Some("810")));
        assert_eq!(prefixes("HU"), (Some("06"), Some("00")));
        assert_eq!(prefixes("IT"), (None, Some("00")));
        // Australia has many prefixes and prefers one; Brazil has one a carrier.
        assert_eq!(prefixes("AU"), (Some("0"), Some("0011")));
        assert_eq!(prefixes("BR"), (Some("0"), None));
        assert_eq!(prefixes("881"), (None, None));
    }

    #[test]
    fn documents_hold_it_as_its_code() {
        #[derive(Serialize, Deserialize)]
        struct Document {
            home: Country,
        }
        let document: Document = toml::from_str("home = 'gb'").unwrap();
        assert_eq!(toml::to_string(&document).unwrap(), "home = \"GB\"\n");
        let error = toml::from_str::<Document>("home = 'UK'")
            .map(|_| ())
            .unwrap_err();
        assert!(
            error.to_string().contains("Great Britain is `GB`"),
            "{error}"
        );
    }
}
