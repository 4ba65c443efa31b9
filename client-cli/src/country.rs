//! Lists of countries, as the command line takes them.

use std::str::FromStr;

/// A list of countries, or what is to change about one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Countries {
    /// `US,GB`: these and no others. `none`: none.
    Exactly(Vec<String>),
    /// `+FR,-US`: these more, those less.
    Change {
        /// More.
        more: Vec<String>,
        /// Less.
        less: Vec<String>,
    },
}

/// Why a text is no list of countries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CountryError {
    /// Not a code.
    #[error(
        "`{0}` is not a country: write ISO 3166 codes such as `US,GB`, or a network's calling code such as `882`"
    )]
    NoCountry(String),
    /// The code that people expect, but not the one that is.
    #[error("`UK` is not a country's code: Great Britain is `GB`")]
    Britain,
    /// Some with a sign and some without.
    #[error("`{0}` mixes a list (`US,GB`) with changes to one (`+FR,-US`)")]
    Mixed(String),
}

impl Countries {
    /// The list after this was done to `present`.
    pub fn apply(&self, present: &[String]) -> Vec<String> {
        match self {
            Self::Exactly(countries) => countries.clone(),
            Self::Change { more, less } => {
                let mut countries: Vec<_> = present
                    .iter()
                    .filter(|country| !less.contains(country))
                    .cloned()
                    .collect();
                for country in more {
                    if !countries.contains(country) {
                        countries.push(country.clone());
                    }
                }
                countries
            }
        }
    }

    /// Whether the present list must be known to do this.
    pub fn is_change(&self) -> bool {
        matches!(self, Self::Change { .. })
    }
}

impl FromStr for Countries {
    type Err = CountryError;

    fn from_str(text: &str) -> Result<Self, CountryError> {
        let (mut exactly, mut more, mut less) = (Vec::new(), Vec::new(), Vec::new());
        if text.trim().eq_ignore_ascii_case("none") || text.trim().is_empty() {
            return Ok(Self::Exactly(exactly));
        }
        for part in text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let (list, name) = if let Some(name) = part.strip_prefix('+') {
                (&mut more, name)
            } else if let Some(name) = part.strip_prefix('-') {
                (&mut less, name)
            } else {
                (&mut exactly, part)
            };
            let country = country(name)?;
            if !list.contains(&country) {
                list.push(country);
            }
        }
        match (exactly.is_empty(), more.is_empty() && less.is_empty()) {
            (false, false) => Err(CountryError::Mixed(text.to_owned())),
            (true, true) => Err(CountryError::NoCountry(text.to_owned())),
            (false, true) => Ok(Self::Exactly(exactly)),
            (true, false) => Ok(Self::Change { more, less }),
        }
    }
}

/// A country's code in capitals, by its form; the server knows which there are.
fn country(text: &str) -> Result<String, CountryError> {
    let text = text.trim();
    let is_code = text.len() == 2 && text.chars().all(|c| c.is_ascii_alphabetic());
    let is_network = (2..=4).contains(&text.len()) && text.chars().all(|c| c.is_ascii_digit());
    match text.to_ascii_uppercase() {
        code if code == "UK" => Err(CountryError::Britain),
        code if is_code || is_network => Ok(code),
        _ => Err(CountryError::NoCountry(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Result<Countries, CountryError> {
        text.parse()
    }

    #[test]
    fn a_list_replaces_and_signs_change() {
        let present = ["US".to_owned(), "CA".to_owned()];
        assert_eq!(parsed("us, gb,US").unwrap().apply(&present), ["US", "GB"]);
        assert_eq!(parsed("+FR,-US,+CA").unwrap().apply(&present), ["CA", "FR"]);
        assert_eq!(parsed("-DE").unwrap().apply(&present), present);
        assert_eq!(parsed("882").unwrap().apply(&present), ["882"]);
        assert!(parsed("none").unwrap().apply(&present).is_empty());
    }

    #[test]
    fn what_is_no_list_is_refused() {
        assert_eq!(
            parsed("US,+GB"),
            Err(CountryError::Mixed("US,+GB".to_owned()))
        );
        assert_eq!(parsed("UK"), Err(CountryError::Britain));
        assert_eq!(
            parsed("US;GB"),
            Err(CountryError::NoCountry("US;GB".to_owned()))
        );
        assert_eq!(
            parsed("--quota"),
            Err(CountryError::NoCountry("-quota".to_owned()))
        );
        assert_eq!(parsed(","), Err(CountryError::NoCountry(",".to_owned())));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = parsed(&text);
        }
    }
}
