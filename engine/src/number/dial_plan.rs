//! How numbers are dialed where the calls come from.

use serde::{Deserialize, Serialize};

use super::{country::Country, emergency};

/// How numbers are dialed at the place where the calls come from; [`normalize`](Self::normalize) reads them.
///
/// As a document:
///
/// ```toml
/// home_country = "DE"
/// # What follows is the default for Germany.
/// international_prefixes = ["00", "011"]
/// national_prefix = "0"    # "" for none
/// bare_numbers = "e164"
/// # Beside 112, 911 and the country's own.
/// emergency_numbers = []
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Document", into = "Document")]
pub struct DialPlan {
    home: Country,
    international_prefixes: Vec<String>,
    national_prefix: Option<String>,
    bare: BareNumbers,
    emergency_numbers: Vec<String>,
}

/// What a number without any prefix is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BareNumbers {
    /// A number in the form of E.164 whose `+` was left out, as switches usually send it.
    #[default]
    E164,
    /// A number of the home country.
    National,
}

impl DialPlan {
    /// The longest prefix that can be set.
    pub const MAX_PREFIX_DIGITS: usize = 8;
    /// How many international prefixes can be set.
    pub const MAX_INTERNATIONAL_PREFIXES: usize = 16;
    /// How many emergency numbers can be set.
    pub const MAX_EMERGENCY_NUMBERS: usize = 32;

    /// What most places understand as an international prefix, as telephones and PBXs are set up so.
    const USUAL_INTERNATIONAL_PREFIXES: [&str; 2] = ["00", "011"];

    /// The usual plan of a country: its own prefixes, `00` and `011`, and bare numbers in the form of E.164.
    #[must_use]
    pub fn for_country(home: Country) -> Self {
        let own = home
            .international_prefix()
            .filter(|own| !Self::USUAL_INTERNATIONAL_PREFIXES.contains(own));
        Self {
            home,
            international_prefixes: Self::USUAL_INTERNATIONAL_PREFIXES
                .into_iter()
                .chain(own)
                .map(str::to_owned)
                .collect(),
            national_prefix: home.national_prefix().map(str::to_owned),
            bare: BareNumbers::default(),
            emergency_numbers: Vec::new(),
        }
    }

    /// A plan with prefixes of its own, and no emergency numbers beside the usual ones. `+` is understood without being listed.
    ///
    /// # Errors
    ///
    /// When a prefix is empty, has anything but digits or more than [`MAX_PREFIX_DIGITS`](Self::MAX_PREFIX_DIGITS), or
    /// there are more than [`MAX_INTERNATIONAL_PREFIXES`](Self::MAX_INTERNATIONAL_PREFIXES).
    pub fn new(
        home: Country,
        international_prefixes: Vec<String>,
        national_prefix: Option<String>,
        bare: BareNumbers,
    ) -> Result<Self, DialPlanError> {
        if international_prefixes.len() > Self::MAX_INTERNATIONAL_PREFIXES {
            return Err(DialPlanError::TooManyPrefixes {
                count: international_prefixes.len(),
            });
        }
        for prefix in international_prefixes.iter().chain(&national_prefix) {
            check_prefix(prefix)?;
        }
        Ok(Self {
            home,
            international_prefixes,
            national_prefix,
            bare,
            emergency_numbers: Vec::new(),
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

    /// What is dialed before a number with its calling code.
    #[must_use]
    pub fn international_prefixes(&self) -> &[String] {
        &self.international_prefixes
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

    /// Whether exactly this is dialed in an emergency: nothing that follows it, and no prefix before it.
    #[must_use]
    pub fn is_emergency(&self, dialed: &str) -> bool {
        dialed.len() <= Self::MAX_PREFIX_DIGITS
            && (emergency::usual(self.home).any(|usual| usual == dialed)
                || self.emergency_numbers.iter().any(|own| own == dialed))
    }

    /// What a number without any prefix is.
    #[must_use]
    pub const fn bare_numbers(&self) -> BareNumbers {
        self.bare
    }
}

/// Why a dial plan can't be as it was described.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialPlanError {
    /// More international prefixes than are searched for each call.
    #[error(
        "{count} international prefixes: at most {} are possible",
        DialPlan::MAX_INTERNATIONAL_PREFIXES
    )]
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
    /// A prefix that would match everything.
    #[error("an empty prefix: expected digits such as 00")]
    EmptyPrefix,
    /// A prefix that is not a short string of digits.
    #[error("prefix `{}`: expected 1 to {} digits such as 00; + is always understood", .prefix.escape_debug(), DialPlan::MAX_PREFIX_DIGITS)]
    InvalidPrefix {
        /// What was given, cut off where it is far too long.
        prefix: String,
    },
}

fn check_prefix(prefix: &str) -> Result<(), DialPlanError> {
    if prefix.is_empty() {
        return Err(DialPlanError::EmptyPrefix);
    }
    if prefix.len() > DialPlan::MAX_PREFIX_DIGITS
        || !prefix.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Err(DialPlanError::InvalidPrefix {
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
    international_prefixes: Option<Vec<String>>,
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
        Self::new(
            document.home_country,
            document
                .international_prefixes
                .unwrap_or(default.international_prefixes),
            match document.national_prefix {
                None => default.national_prefix,
                Some(none) if none.is_empty() => None,
                given => given,
            },
            document.bare_numbers,
        )?
        .with_emergency_numbers(document.emergency_numbers)
    }
}

impl From<DialPlan> for Document {
    fn from(plan: DialPlan) -> Self {
        Self {
            home_country: plan.home,
            international_prefixes: Some(plan.international_prefixes),
            // No prefix must not be read back as the default.
            national_prefix: Some(plan.national_prefix.unwrap_or_default()),
            bare_numbers: plan.bare,
            emergency_numbers: plan.emergency_numbers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::NotANumber, *};

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
        for emergency in ["112", "911", "000", "106", "9911"] {
            assert!(plan.is_emergency(emergency), "{emergency}");
            assert_eq!(plan.destination(emergency), Err(NotANumber::Emergency));
        }
        for none in [
            "",
            "1",
            "0",
            "00",
            "0000",
            "+112",
            "112 ",
            "1121",
            "91112345678",
            "999",
        ] {
            assert!(!plan.is_emergency(none), "{none}");
            assert_eq!(plan.destination(none), plan.normalize(none));
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
        assert_eq!(own.international_prefixes(), ["900"]);
        assert_eq!(own.national_prefix(), None);
        assert_eq!(own.bare_numbers(), BareNumbers::National);
        assert_eq!(
            own.normalize("900 44 20 7946"),
            Ok("+44207946".parse().unwrap())
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
