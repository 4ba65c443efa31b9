//! Which countries: those that an account has used, those that a policy allows.

use std::fmt;
use std::str::FromStr;

use serde::de::Deserializer;
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::country::{Country, UnknownCountry};

/// A set of countries: a bit each, so it is copied and asked at no cost.
///
/// Written as a list, `DE,US`; read from a list with commas, spaces or both. Serialized as a list of codes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct CountrySet {
    words: [u32; WORDS],
}

const WORDS: usize = Country::COUNT.div_ceil(u32::BITS as usize);

impl CountrySet {
    /// The set without any country.
    #[must_use]
    pub const fn new() -> Self {
        Self { words: [0; WORDS] }
    }

    /// Adds a country; says whether it is new.
    pub fn insert(&mut self, country: Country) -> bool {
        let (word, bit) = place(country);
        let new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        new
    }

    /// Takes a country out; says whether it was in.
    pub fn remove(&mut self, country: Country) -> bool {
        let (word, bit) = place(country);
        let was_in = self.words[word] & bit != 0;
        self.words[word] &= !bit;
        was_in
    }

    /// Whether a country is in.
    #[must_use]
    pub const fn contains(&self, country: Country) -> bool {
        let (word, bit) = place(country);
        self.words[word] & bit != 0
    }

    /// Whether there is no country in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// How many countries are in.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }

    /// The countries, by code.
    pub fn iter(&self) -> impl Iterator<Item = Country> + use<> {
        let set = *self;
        Country::all().filter(move |country| set.contains(*country))
    }
}

const fn place(country: Country) -> (usize, u32) {
    let bits = u32::BITS as usize;
    (country.index() / bits, 1 << (country.index() % bits))
}

impl FromIterator<Country> for CountrySet {
    fn from_iter<I: IntoIterator<Item = Country>>(countries: I) -> Self {
        let mut set = Self::new();
        set.extend(countries);
        set
    }
}

impl Extend<Country> for CountrySet {
    fn extend<I: IntoIterator<Item = Country>>(&mut self, countries: I) {
        for country in countries {
            self.insert(country);
        }
    }
}

impl FromStr for CountrySet {
    type Err = UnknownCountry;

    /// Reads codes with commas or spaces between them; an empty text is the empty set.
    fn from_str(list: &str) -> Result<Self, UnknownCountry> {
        list.split([',', ' ', '\t'])
            .filter(|code| !code.is_empty())
            .map(Country::from_code)
            .collect()
    }
}

impl fmt::Display for CountrySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, country) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{country}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for CountrySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CountrySet({self})")
    }
}

impl Serialize for CountrySet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for CountrySet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Country>::deserialize(deserializer)?
            .into_iter()
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn country(code: &str) -> Country {
        code.parse().unwrap()
    }

    #[test]
    fn countries_come_and_go() {
        let mut set = CountrySet::new();
        assert!(set.is_empty());
        assert!(set.insert(country("US")));
        assert!(!set.insert(country("US")));
        assert!(set.contains(country("US")));
        assert!(!set.contains(country("CA")));
        assert!(set.remove(country("US")));
        assert!(!set.remove(country("US")));
        assert_eq!(set, CountrySet::default());
    }

    #[test]
    fn a_list_is_read_and_written_in_order() {
        let set: CountrySet = "us, DE,,881 gb".parse().unwrap();
        assert_eq!(set.to_string(), "881,DE,GB,US");
        assert_eq!(set.len(), 4);
        assert_eq!("".parse(), Ok(CountrySet::new()));
        assert_eq!(
            "DE,UK".parse::<CountrySet>(),
            Err(Country::from_code("UK").unwrap_err())
        );
    }

    #[test]
    fn it_has_room_for_every_country() {
        let all: CountrySet = Country::all().collect();
        assert_eq!(all.len(), Country::all().len());
        assert!(all.iter().eq(Country::all()));
        assert!(size_of::<CountrySet>() <= 40);
    }

    #[test]
    fn documents_hold_it_as_codes() {
        #[derive(Serialize, Deserialize)]
        struct Document {
            allowed: CountrySet,
        }
        let document: Document = toml::from_str("allowed = ['us', 'DE']").unwrap();
        assert_eq!(
            toml::to_string(&document).unwrap(),
            "allowed = [\"DE\", \"US\"]\n"
        );
        assert!(toml::from_str::<Document>("allowed = ['UK']").is_err());
    }

    proptest! {
        #[test]
        fn it_is_a_set(
            steps in prop::collection::vec((any::<bool>(), 0..Country::all().len()), 0..100),
        ) {
            let mut set = CountrySet::new();
            let mut model = BTreeSet::new();
            for (insert, nth) in steps {
                let country = Country::all().nth(nth).unwrap();
                if insert {
                    prop_assert_eq!(set.insert(country), model.insert(country));
                } else {
                    prop_assert_eq!(set.remove(country), model.remove(&country));
                }
            }
            prop_assert_eq!(set.len(), model.len());
            prop_assert!(set.iter().eq(model));
            prop_assert_eq!(set.to_string().parse(), Ok(set));
        }
    }
}
