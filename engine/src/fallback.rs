//! What is answered for a call when no server decides, by where the call goes.
//!
//! A bridge that gets no decision in time still has to answer. An overload must not be a way in: who floods the server would
//! otherwise make an expensive call pass unasked. So what is expensive is denied unless the operator says otherwise, and a call
//! for help always passes.

use serde::{Deserialize, Serialize};

use crate::{
    decision::Verdict,
    number::{Called, Country, CountrySet, DialPlan, NeitherCountryNorGroup, ShortUse},
    risk::pays,
};

/// Where a call goes, as far as the dialed digits tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DestinationClass {
    /// An emergency number of the dial plan.
    Emergency,
    /// An ordinary number of the home country.
    Home,
    /// An ordinary number abroad.
    Ordinary,
    /// A country of the high-risk list, an international network, a kind of number that costs more, a number that the numbering
    /// plans do not have, or what reads as no number at all.
    HighRisk,
}

impl DestinationClass {
    /// As the configuration and metrics name it: `emergency`, `home`, `ordinary` or `high_risk`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Emergency => "emergency",
            Self::Home => "home",
            Self::Ordinary => "ordinary",
            Self::HighRisk => "high_risk",
        }
    }
}

/// A verdict for each class of destination, and how dialed numbers are read.
///
/// As a document:
///
/// ```toml
/// home = "allow"
/// ordinary = "allow"
/// high_risk = "deny"
/// high_risk_countries = ["high-risk"]
///
/// [dial_plan]
/// home_country = "US"
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Document", into = "Document")]
pub struct Fallback {
    home: FallbackVerdict,
    ordinary: FallbackVerdict,
    high_risk: FallbackVerdict,
    high_risk_countries: Vec<String>,
    risky: CountrySet,
    dial_plan: DialPlan,
}

/// A verdict as the configuration writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FallbackVerdict {
    /// The call passes.
    Allow,
    /// The call is refused.
    Deny,
    /// The call goes to the media server.
    Challenge,
}

impl From<FallbackVerdict> for Verdict {
    fn from(verdict: FallbackVerdict) -> Self {
        match verdict {
            FallbackVerdict::Allow => Self::Allow,
            FallbackVerdict::Deny => Self::Deny,
            FallbackVerdict::Challenge => Self::Challenge,
        }
    }
}

impl Fallback {
    /// What a call to this dialed number gets, and why.
    #[must_use]
    pub fn verdict(&self, dialed: &str) -> (Verdict, DestinationClass) {
        let class = self.class(dialed);
        let verdict = match class {
            DestinationClass::Emergency => Verdict::Allow,
            DestinationClass::Home => self.home.into(),
            DestinationClass::Ordinary => self.ordinary.into(),
            DestinationClass::HighRisk => self.high_risk.into(),
        };
        (verdict, class)
    }

    /// Where a call to this dialed number goes.
    #[must_use]
    pub fn class(&self, dialed: &str) -> DestinationClass {
        let facts = match self.dial_plan.read(dialed).called {
            Ok(Called::Number(_, facts)) => facts,
            Ok(Called::Emergency) => return DestinationClass::Emergency,
            Ok(Called::Short(ShortUse::Premium)) | Err(_) => return DestinationClass::HighRisk,
            Ok(Called::Short(_) | Called::Local) => return DestinationClass::Home,
        };
        let home = self.dial_plan.home_country();
        let Some(country) = facts.country.filter(|_| facts.validity.is_valid()) else {
            return DestinationClass::HighRisk;
        };
        if country == home {
            return match pays(&facts, home) {
                true => DestinationClass::HighRisk,
                false => DestinationClass::Home,
            };
        }
        if self.risky.contains(country) || country.is_network() || pays(&facts, country) {
            return DestinationClass::HighRisk;
        }
        DestinationClass::Ordinary
    }

    /// The verdicts in the order home, ordinary, high risk.
    #[must_use]
    pub fn verdicts(&self) -> [Verdict; 3] {
        [self.home, self.ordinary, self.high_risk].map(Verdict::from)
    }
}

impl Default for Fallback {
    fn default() -> Self {
        let countries = vec!["high-risk".to_owned()];
        Self {
            home: FallbackVerdict::Allow,
            ordinary: FallbackVerdict::Allow,
            high_risk: FallbackVerdict::Deny,
            risky: CountrySet::named(&countries).unwrap_or_default(),
            high_risk_countries: countries,
            dial_plan: DialPlan::for_country(Country::UNITED_STATES),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    default,
    expecting = "a table with the keys home, ordinary, high_risk, high_risk_countries and dial_plan"
)]
struct Document {
    home: FallbackVerdict,
    ordinary: FallbackVerdict,
    high_risk: FallbackVerdict,
    high_risk_countries: Vec<String>,
    dial_plan: DialPlan,
}

impl Default for Document {
    fn default() -> Self {
        Fallback::default().into()
    }
}

/// A list of countries that names something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("high_risk_countries: {0}")]
pub struct FallbackError(#[from] NeitherCountryNorGroup);

impl TryFrom<Document> for Fallback {
    type Error = FallbackError;

    fn try_from(document: Document) -> Result<Self, FallbackError> {
        Ok(Self {
            home: document.home,
            ordinary: document.ordinary,
            high_risk: document.high_risk,
            risky: CountrySet::named(&document.high_risk_countries)?,
            high_risk_countries: document.high_risk_countries,
            dial_plan: document.dial_plan,
        })
    }
}

impl From<Fallback> for Document {
    fn from(fallback: Fallback) -> Self {
        Self {
            home: fallback.home,
            ordinary: fallback.ordinary,
            high_risk: fallback.high_risk,
            high_risk_countries: fallback.high_risk_countries,
            dial_plan: fallback.dial_plan,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Fallback {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_destination_is_classed_as_the_dial_plan_reads_it() {
        let american = Fallback::default();
        let german = read("[dial_plan]\nhome_country = \"DE\"");
        for (fallback, dialed, class) in [
            (&american, "911", DestinationClass::Emergency),
            (&german, "110", DestinationClass::Emergency),
            (&american, "+12125550123", DestinationClass::Home),
            (&german, "030 123456", DestinationClass::Home),
            (&american, "+442079460123", DestinationClass::Ordinary),
            (&german, "0044 20 7946 0123", DestinationClass::Ordinary),
            // Cuba, Somalia, Jamaica, a satellite network.
            (&american, "0115378321234", DestinationClass::HighRisk),
            (&american, "+25261512345", DestinationClass::HighRisk),
            (&american, "+18765551234", DestinationClass::HighRisk),
            (&german, "+881612345678", DestinationClass::HighRisk),
            // Premium rate, at home and abroad; numbers that can't be; no number.
            (&american, "+19002345678", DestinationClass::HighRisk),
            (&american, "+449098790123", DestinationClass::HighRisk),
            (&american, "+1187655501234", DestinationClass::HighRisk),
            (&american, "+44", DestinationClass::HighRisk),
            (&american, "12' OR 1", DestinationClass::HighRisk),
            (&american, "", DestinationClass::HighRisk),
        ] {
            assert_eq!(fallback.class(dialed), class, "{dialed}");
        }
    }

    #[test]
    fn what_is_expensive_is_denied_unless_the_operator_says_otherwise() {
        let fallback = Fallback::default();
        assert_eq!(fallback.verdict("+25261512345").0, Verdict::Deny);
        assert_eq!(fallback.verdict("+442079460123").0, Verdict::Allow);
        let fallback = read("home = \"deny\"\nordinary = \"challenge\"\nhigh_risk = \"allow\"");
        assert_eq!(fallback.verdict("+25261512345").0, Verdict::Allow);
        assert_eq!(fallback.verdict("+442079460123").0, Verdict::Challenge);
        assert_eq!(fallback.verdict("+12125550123").0, Verdict::Deny);
        // A call for help passes whatever is written.
        assert_eq!(fallback.verdict("911").0, Verdict::Allow);
    }

    #[test]
    fn the_operator_names_the_countries_of_high_risk() {
        let fallback = read("high_risk_countries = [\"high-risk\", \"GB\", \"-SO\"]");
        assert_eq!(fallback.class("+442079460123"), DestinationClass::HighRisk);
        assert_eq!(fallback.class("+252612345678"), DestinationClass::Ordinary);
        let error = toml::from_str::<Fallback>("high_risk_countries = [\"XX\"]").unwrap_err();
        assert!(error.to_string().contains("XX"), "{error}");
    }

    #[test]
    fn a_document_reads_back_as_it_was() {
        let fallback = read("high_risk = \"challenge\"\n[dial_plan]\nhome_country = \"IT\"");
        assert_eq!(read(&toml::to_string(&fallback).unwrap()), fallback);
    }
}
