//! What a minute costs, by prefix.

use hashbrown::HashMap;

use super::money::Money;
use crate::number::E164;

/// Prices a minute; the longest prefix counts.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    /// By the prefix, from the calling code on, as one number. Prefixes do not start with 0, so none is lost.
    by_prefix: HashMap<u64, Money>,
    longest: usize,
}

/// Why a text is no prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAPrefix {
    /// It is none.
    #[error("`{0}` is no prefix: 1 to 15 digits from the calling code on, such as 37128")]
    Malformed(String),
    /// It stands there twice.
    #[error("the prefix {0} stands there twice, with different prices")]
    Twice(String),
}

impl Rates {
    /// Adds a prefix, with or without a `+`, and its price a minute.
    ///
    /// # Errors
    /// When it is none, or is there with another price.
    pub fn put(&mut self, prefix: &str, price: Money) -> Result<(), NotAPrefix> {
        let number: E164 = prefix
            .parse()
            .map_err(|_| NotAPrefix::Malformed(prefix.to_owned()))?;
        let known = *self.by_prefix.entry(number.value()).or_insert(price);
        if known != price {
            return Err(NotAPrefix::Twice(prefix.to_owned()));
        }
        self.longest = self.longest.max(number.digits().len());
        Ok(())
    }

    /// What a minute to a number costs; `None` where no prefix covers it.
    pub fn of(&self, number: &E164) -> Option<Money> {
        let digits = number.digits().len();
        let longest = digits.min(self.longest);
        let cut = u32::try_from(digits - longest).ok()?;
        let mut prefix = number.value() / 10_u64.pow(cut);
        while prefix > 0 {
            if let Some(price) = self.by_prefix.get(&prefix) {
                return Some(*price);
            }
            prefix /= 10;
        }
        None
    }

    /// How many prefixes there are.
    pub fn len(&self) -> usize {
        self.by_prefix.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_prefix.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates() -> Rates {
        let mut rates = Rates::default();
        for (prefix, price) in [("371", "0.05"), ("+37128", "0.30"), ("1", "0.01")] {
            rates.put(prefix, price.parse().unwrap()).unwrap();
        }
        rates
    }

    #[test]
    fn the_longest_prefix_counts() {
        let price = |number: &str| {
            let price = rates().of(&number.parse().unwrap());
            price.map(|price| price.to_string())
        };
        assert_eq!(price("37128054190").as_deref(), Some("0.30"));
        assert_eq!(price("37167000000").as_deref(), Some("0.05"));
        assert_eq!(price("371").as_deref(), Some("0.05"));
        assert_eq!(price("12125550123").as_deref(), Some("0.01"));
        assert_eq!(price("442079460123"), None);
    }

    #[test]
    fn a_prefix_has_one_price() {
        let mut rates = rates();
        assert_eq!(rates.put("1", "0.01".parse().unwrap()), Ok(()));
        assert_eq!(
            rates.put("1", "0.02".parse().unwrap()),
            Err(NotAPrefix::Twice("1".to_owned()))
        );
        assert!(matches!(
            rates.put("0044", Money::NONE),
            Err(NotAPrefix::Malformed(_))
        ));
        assert_eq!(rates.len(), 3);
    }
}
