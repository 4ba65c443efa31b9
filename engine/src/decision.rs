//! What is decided: the verdict, its code and its reason.

use std::{borrow::Cow, fmt, str::FromStr};

use crate::number::Country;

/// What to do with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Let it through.
    Allow,
    /// Refuse it.
    Deny,
    /// Relay it to the IVR, where the caller proves to be the account's human.
    Challenge,
}

impl Verdict {
    /// `allow`, `deny` or `challenge`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Challenge => "challenge",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! codes {
    ($($code:ident $meaning:literal,)*) => {
        /// A code: one meaning each, for good.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $meaning] $code,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$code,)*];

            /// The code as it is sent.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$code => stringify!($code),)* }
            }

            /// What it means, in words.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$code => $meaning,)* }
            }
        }
    };
}

codes! {
    A00 "authorized",
    R01 "user agent on the block list",
    R02 "the caller's IP has a bad reputation",
    R03 "dialed number on the block list",
    R04 "source country not allowed",
    R05 "source country unknown",
    R06 "destination country not allowed",
    R07 "no such international prefix",
    R08 "too many concurrent calls, off hours",
    R09 "daily quota exceeded, off hours",
    R10 "too many concurrent calls, business hours",
    R11 "daily quota exceeded, business hours",
    R12 "malformed or injected input",
    R13 "same account and destination too often",
    R14 "the caller's IP is on the operator's block list",
    R15 "the caller's IP is listed by APIBAN",
    R16 "account blocked by the operator",
    R17 "too many failed verifications",
    R18 "predicted fraud",
    R19 "too many requests from this source",
    R20 "account unknown",
    R21 "the day's calls have cost, or lasted abroad, as much as they may",
    V01 "unknown account: onboarding",
    V02 "new source country",
    V03 "new destination country",
    V04 "daily quota reached, business hours",
    V05 "daily quota reached, off hours",
    V06 "the risk score asks for a human",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No such code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no code; codes are A00, R01 to R21 and V01 to V06")]
pub struct UnknownCode(pub String);

impl FromStr for Code {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownCode(text.to_owned()))
    }
}

/// What a challenge is about, and so what passing it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The account is unknown; passing creates it.
    Onboarding,
    /// Opens a source country.
    SourceCountry(Country),
    /// Opens a destination country.
    DestinationCountry(Country),
    /// Raises the quota of business hours.
    Quota,
    /// Raises the quota of off hours.
    QuotaOffHours,
    /// Lets a risky call through.
    Risk,
}

impl Purpose {
    /// The letter that a media server's extension starts with.
    pub fn media_prefix(self) -> char {
        match self {
            Self::Onboarding => 'o',
            Self::SourceCountry(_) => 'i',
            Self::DestinationCountry(_) => 'd',
            Self::Quota => 'q',
            Self::QuotaOffHours => 'n',
            Self::Risk => 's',
        }
    }

    /// The country that would be opened, where it is one.
    pub fn country(self) -> Option<Country> {
        match self {
            Self::SourceCountry(country) | Self::DestinationCountry(country) => Some(country),
            Self::Onboarding | Self::Quota | Self::QuotaOffHours | Self::Risk => None,
        }
    }

    /// The purpose in words, as lists and logs name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Onboarding => "onboarding",
            Self::SourceCountry(_) => "source-country",
            Self::DestinationCountry(_) => "destination-country",
            Self::Quota => "quota",
            Self::QuotaOffHours => "quota-off-hours",
            Self::Risk => "risk",
        }
    }
}

/// The outcome for one call, or what it would have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// What to do.
    pub verdict: Verdict,
    /// Which rule decided.
    pub code: Code,
    /// Why, for an operator to read.
    pub reason: Cow<'static, str>,
    /// With a challenge: what it is about.
    pub purpose: Option<Purpose>,
}

impl Ruling {
    /// Nothing objects.
    pub fn authorized() -> Self {
        Self {
            verdict: Verdict::Allow,
            code: Code::A00,
            reason: Cow::Borrowed(Code::A00.meaning()),
            purpose: None,
        }
    }

    /// A call for help passes, whatever else is known.
    pub fn emergency() -> Self {
        Self {
            reason: Cow::Borrowed("an emergency number"),
            ..Self::authorized()
        }
    }
}

/// A ruling, and what it would have been where a rule or the whole policy only reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What is answered.
    pub ruling: Ruling,
    /// The first objection that was only reported.
    pub monitored: Option<Ruling>,
}

impl Judgement {
    /// That of a call for help.
    pub fn emergency() -> Self {
        Self {
            ruling: Ruling::emergency(),
            monitored: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_written_as_they_are_sent() {
        assert_eq!("r06".parse(), Ok(Code::R06));
        assert_eq!(Code::V03.to_string(), "V03");
        assert_eq!("R22".parse::<Code>(), Err(UnknownCode("R22".into())));
        assert_eq!(Code::ALL.len(), 28);
    }
}
