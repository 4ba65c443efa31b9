//! How numbers are dialed where the calls come from.

use serde::{Deserialize, Serialize};

use super::{
    country::Country,
    dialing::ShortUse,
    prefix::{Prefix, PrefixError},
};

/// How numbers are dialed at the place where the calls come from; [`read`](Self::read) reads them.
///
/// As a document:
///
/// ```toml
/// home_country = "DE"
/// # What follows is the default for Germany.
/// national_prefix = "0"    # "" for none
/// bare_numbers = "auto"
/// # Beside the country's own.
/// international_prefixes = []
/// carrier_codes = []
/// emergency_numbers = []
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Document", into = "Document")]
pub struct DialPlan {
    home: Country,
    international_prefixes: Vec<Prefix>,
    carrier_codes: Vec<Prefix>,
    national_prefix: Option<String>,
    bare: BareNumbers,
    emergency_numbers: Vec<String>,
}

/// What a number without any prefix is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BareNumbers {
    /// What people dial in the home country: a national number where none has a prefix or it can be left out, and is valid; otherwise
    /// E.164.
    #[default]
    Auto,
    /// A number in the form of E.164 whose `+` was left out, as switches usually send it; a national one where it is none.
    E164,
    /// A number of the home country.
    National,
}

impl DialPlan {
    /// The longest national prefix or emergency number that can be set.
    pub const MAX_PREFIX_DIGITS: usize = 8;
    /// How many international prefixes can be set, and how many carrier codes.
    pub const MAX_PREFIXES: usize = 16;
    /// How many emergency numbers can be set.
    pub const MAX_EMERGENCY_NUMBERS: usize = 32;

    /// Understood by every telephone (3GPP TS 22.101, 10.1).
    const EMERGENCY_EVERYWHERE: [&[u8]; 2] = [b"112", b"911"];

    /// The usual plan of a country.
    #[must_use]
    pub fn for_country(home: Country) -> Self {
        Self {
            home,
            international_prefixes: Vec::new(),
            carrier_codes: Vec::new(),
            national_prefix: home.national_prefix().map(str::to_owned),
            bare: BareNumbers::default(),
            emergency_numbers: Vec::new(),
        }
    }

    /// The same plan, with these international prefixes beside the country's own.
    ///
    /// # Errors
    ///
    /// When there are more than [`MAX_PREFIXES`](Self::MAX_PREFIXES).
    pub fn with_international_prefixes(self, prefixes: Vec<Prefix>) -> Result<Self, DialPlanError> {
        few(&prefixes)?;
        Ok(Self {
            international_prefixes: prefixes,
            ..self
        })
    }

    /// The same plan, with codes that choose a carrier and stand before everything else.
    ///
    /// # Errors
    ///
    /// When there are more than [`MAX_PREFIXES`](Self::MAX_PREFIXES).
    pub fn with_carrier_codes(self, codes: Vec<Prefix>) -> Result<Self, DialPlanError> {
        few(&codes)?;
        Ok(Self {
            carrier_codes: codes,
            ..self
        })
    }

    /// The same plan, with another national prefix, or none.
    ///
    /// # Errors
    ///
    /// When it is empty, has anything but digits or more than [`MAX_PREFIX_DIGITS`](Self::MAX_PREFIX_DIGITS).
    pub fn with_national_prefix(self, prefix: Option<String>) -> Result<Self, DialPlanError> {
        if let Some(prefix) = &prefix {
            check_national_prefix(prefix)?;
        }
        Ok(Self {
            national_prefix: prefix,
            ..self
        })
    }

    /// The same plan, with these emergency numbers beside the usual ones.
    ///
    /// # Errors
    ///
    /// When one has anything but digits, less than two or more than [`MAX_PREFIX_DIGITS`](Self::MAX_PREFIX_DIGITS), or there are
    /// more than [`MAX_EMERGENCY_NUMBERS`](Self::MAX_EMERGENCY_NUMBERS).
    pub fn with_emergency_numbers(self, numbers: Vec<String>) -> Result<Self, DialPlanError> {
        if numbers.len() > Self::MAX_EMERGENCY_NUMBERS {
            return Err(DialPlanError::TooManyEmergencyNumbers {
                count: numbers.len(),
            });
        }
        for number in &numbers {
            let digits = number.bytes().all(|byte| byte.is_ascii_digit());
            if !digits || !(2..=Self::MAX_PREFIX_DIGITS).contains(&number.len()) {
                return Err(DialPlanError::InvalidEmergencyNumber {
                    number: shown(number),
                });
            }
        }
        Ok(Self {
            emergency_numbers: numbers,
            ..self
        })
    }

    /// The same plan, with another reading of numbers without any prefix.
    #[must_use]
    pub fn with_bare_numbers(self, bare: BareNumbers) -> Self {
        Self { bare, ..self }
    }

    /// The country in which numbers are dialed.
    #[must_use]
    pub const fn home_country(&self) -> Country {
        self.home
    }

    /// Whether a call to this country stays in the home country. Countries that share a calling code are still several.
    #[must_use]
    pub fn is_home(&self, country: Country) -> bool {
        country == self.home
    }

    /// What is dialed before a number with its calling code, beside the country's own prefixes.
    pub fn international_prefixes(&self) -> impl ExactSizeIterator<Item = &Prefix> {
        self.international_prefixes.iter()
    }

    /// What chooses a carrier, before everything else.
    pub fn carrier_codes(&self) -> impl ExactSizeIterator<Item = &Prefix> {
        self.carrier_codes.iter()
    }

    /// What is dialed before a number of the home country.
    #[must_use]
    pub fn national_prefix(&self) -> Option<&str> {
        self.national_prefix.as_deref()
    }

    /// What is dialed in an emergency beside 112, 911 and the home country's own.
    #[must_use]
    pub fn emergency_numbers(&self) -> &[String] {
        &self.emergency_numbers
    }

    /// Whether exactly these digits are dialed in an emergency: nothing that follows them, and no prefix before them.
    pub(super) fn is_emergency_number(&self, digits: &[u8]) -> bool {
        digits.len() <= Self::MAX_PREFIX_DIGITS
            && digits.iter().all(u8::is_ascii_digit)
            && (Self::EMERGENCY_EVERYWHERE.contains(&digits)
                || self.home.dialing().short_number(digits) == Some(ShortUse::Emergency)
                || self
                    .emergency_numbers
                    .iter()
                    .any(|own| own.as_bytes() == digits))
    }

    /// What a number without any prefix is.
    #[must_use]
    pub const fn bare_numbers(&self) -> BareNumbers {
        self.bare
    }
}

fn few(prefixes: &[Prefix]) -> Result<(), DialPlanError> {
    if prefixes.len() > DialPlan::MAX_PREFIXES {
        return Err(DialPlanError::TooManyPrefixes {
            count: prefixes.len(),
        });
    }
    Ok(())
}

/// Why a dial plan can't be as it was described.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialPlanError {
    /// More prefixes than are searched for each call.
    #[error("{count} prefixes: at most {} are possible", DialPlan::MAX_PREFIXES)]
    TooManyPrefixes {
        /// How many there are.
        count: usize,
    },
    /// More emergency numbers than are searched for each call.
    #[error(
        "{count} emergency numbers: at most {} are possible",
        DialPlan::MAX_EMERGENCY_NUMBERS
    )]
    TooManyEmergencyNumbers {
        /// How many there are.
        count: usize,
    },
    /// An emergency number that is none.
    #[error("emergency number `{}`: expected 2 to {} digits such as 112", .number.escape_debug(), DialPlan::MAX_PREFIX_DIGITS)]
    InvalidEmergencyNumber {
        /// What was given, cut off where it is far too long.
        number: String,
    },
    /// A prefix that is none.
    #[error(transparent)]
    Prefix(#[from] PrefixError),
    /// A national prefix that is not a short string of digits.
    #[error("national prefix `{}`: expected 1 to {} digits such as 0", .prefix.escape_debug(), DialPlan::MAX_PREFIX_DIGITS)]
    InvalidNationalPrefix {
        /// What was given, cut off where it is far too long.
        prefix: String,
    },
}

fn check_national_prefix(prefix: &str) -> Result<(), DialPlanError> {
    let fits = (1..=DialPlan::MAX_PREFIX_DIGITS).contains(&prefix.len());
    if !fits || !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DialPlanError::InvalidNationalPrefix {
            prefix: shown(prefix),
        });
    }
    Ok(())
}

fn shown(text: &str) -> String {
    text.chars().take(2 * DialPlan::MAX_PREFIX_DIGITS).collect()
}

/// The dial plan as it is written; what is left out is the country's default.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    home_country: Country,
    #[serde(default)]
    international_prefixes: Vec<Prefix>,
    #[serde(default)]
    carrier_codes: Vec<Prefix>,
    national_prefix: Option<String>,
    #[serde(default)]
    bare_numbers: BareNumbers,
    #[serde(default)]
    emergency_numbers: Vec<String>,
}

impl TryFrom<Document> for DialPlan {
    type Error = DialPlanError;

    fn try_from(document: Document) -> Result<Self, DialPlanError> {
        let default = Self::for_country(document.home_country);
        let national_prefix = match document.national_prefix {
            None => default.national_prefix.clone(),
            Some(none) if none.is_empty() => None,
            given => given,
        };
        default
            .with_national_prefix(national_prefix)?
            .with_international_prefixes(document.international_prefixes)?
            .with_carrier_codes(document.carrier_codes)?
            .with_bare_numbers(document.bare_numbers)
            .with_emergency_numbers(document.emergency_numbers)
    }
}

impl From<DialPlan> for Document {
    fn from(plan: DialPlan) -> Self {
        Self {
            home_country: plan.home,
            international_prefixes: plan.international_prefixes,
            carrier_codes: plan.carrier_codes,
            // No prefix must not be read back as the default.
            national_prefix: Some(plan.national_prefix.unwrap_or_default()),
            bare_numbers: plan.bare,
            emergency_numbers: plan.emergency_numbers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(home: &str) -> DialPlan {
        DialPlan::for_country(home.parse().unwrap())
    }

    #[test]
    fn an_emergency_is_dialed_exactly() {
        let with = |numbers: &[&str]| {
            let numbers = numbers.iter().map(|number| (*number).to_owned());
            plan("AU").with_emergency_numbers(numbers.collect())
        };
        let plan = with(&["9911"]).unwrap();
        for emergency in [
            "112",
            "911",
            "000",
            "106",
            "9911",
            "+112",
            "112 ",
            "1 1-2",
            "112#",
            "tel:112",
            "urn:service:sos.fire",
        ] {
            assert!(plan.is_emergency(emergency), "{emergency}");
        }
        for none in [
            "",
            "1",
            "0",
            "00",
            "0000",
            "1121",
            "91112345678",
            "999",
            "urn:service:counseling",
        ] {
            assert!(!plan.is_emergency(none), "{none}");
        }
        for wrong in ["", "1", "11a", "+112", "123456789"] {
            let error = with(&[wrong]).unwrap_err().to_string();
            assert!(error.contains("2 to 8 digits such as 112"), "{error}");
        }
        assert!(
            with(&["112"; 33])
                .unwrap_err()
                .to_string()
                .contains("at most 32")
        );
    }

    #[test]
    fn home_is_one_country_not_a_calling_code() {
        let plan = plan("US");
        assert!(plan.is_home(Country::UNITED_STATES));
        assert!(!plan.is_home("JM".parse().unwrap()));
    }

    #[test]
    fn a_document_says_what_differs_from_the_country() {
        let read = |document: &str| toml::from_str::<DialPlan>(document);
        assert_eq!(read("home_country = 'DE'").unwrap(), plan("DE"));
        let own = read(
            "home_country = 'DE'\ninternational_prefixes = ['900']\nnational_prefix = ''\nbare_numbers = 'national'",
        )
        .unwrap();
        assert!(own.international_prefixes().map(Prefix::as_str).eq(["900"]));
        assert_eq!(own.national_prefix(), None);
        assert_eq!(own.bare_numbers(), BareNumbers::National);
        assert_eq!(
            own.destination("900 44 20 7946 0123"),
            Ok("+442079460123".parse().unwrap())
        );
        for plan in [own, plan("DE"), plan("IT")] {
            assert_eq!(read(&toml::to_string(&plan).unwrap()).unwrap(), plan);
        }
    }

    #[test]
    fn a_wrong_document_is_refused() {
        let wrong = |rest: &str| {
            let document = format!("home_country = 'DE'\n{rest}");
            toml::from_str::<DialPlan>(&document)
                .unwrap_err()
                .to_string()
        };
        assert!(wrong("international_prefixes = ['+']").contains("+ is always understood"));
        assert!(wrong("international_prefixes = ['']").contains("an empty prefix"));
        assert!(wrong("national_prefix = '123456789'").contains("1 to 8 digits"));
        assert!(wrong(&format!("international_prefixes = {:?}", ["1"; 17])).contains("at most 16"));
        assert!(wrong("bare_numbers = 'local'").contains("`national`"));
        assert!(wrong("trunk_prefix = '0'").contains("unknown field"));
    }
}
