//! Why what was dialed means no number.

use super::{country::Country, dialing::ShortUse, e164::E164};

/// Why what was dialed means no number of E.164.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotANumber {
    /// An emergency number, which is dialed as it is and is nobody's in E.164.
    #[error("an emergency number")]
    Emergency,
    /// There is nothing, or nothing but separators.
    #[error("nothing was dialed")]
    NothingDialed,
    /// A character that is no digit, no separator and no leading `+`.
    #[error("`{}` at position {position} can't be dialed: expected digits, with an optional + in front", .character.escape_debug())]
    NotDialable {
        /// Where, counted in characters from 1.
        position: usize,
        /// What stands there.
        character: char,
    },
    /// A short number of the home country, which is nobody's in E.164.
    #[error("a short number of the home country")]
    Short(ShortUse),
    /// A number of the home country without its area code: which one is known to the switch alone.
    #[error("a local number, without its area code")]
    Local,
    /// It begins with `*` or `#`, and what follows is no number that they withhold the caller's from.
    #[error("a feature code of the switch, and no number")]
    FeatureCode,
    /// A URN other than `urn:service:sos`.
    #[error("a URN, but not urn:service:sos")]
    NoSuchService,
    /// It would be a number of the home country, which has none of that length.
    #[error(
        "a number of {home} with {digits} digits, calling code included: there are none so long"
    )]
    ImpossibleAtHome {
        /// The home country.
        home: Country,
        /// How many digits.
        digits: usize,
    },
    /// A prefix or `+`, and then nothing.
    #[error("no digits after the prefix")]
    NoDigitsAfterPrefix,
    /// What follows `+` or an international prefix starts with 0.
    #[error("no calling code starts with 0: expected 1 to 9 after + or the international prefix")]
    NoSuchCallingCode,
    /// Neither the home country nor any other has such a number.
    #[error("no number that {home} has, and none of E.164 without its +")]
    NoSuchNumber {
        /// The home country of the plan.
        home: Country,
    },
    /// What was dialed starts with 0, but with no prefix that the plan has.
    #[error(
        "no prefix of the dial plan for {home} matches, and no number without a prefix starts with 0"
    )]
    NoSuchPrefix {
        /// The home country of the plan.
        home: Country,
    },
    /// The number would be longer than E.164 allows.
    #[error(
        "a number of {digits} digits, calling code included: at most {} are possible",
        E164::MAX_DIGITS
    )]
    TooManyDigits {
        /// How many digits it would have.
        digits: usize,
    },
    /// A national number in a country that has none.
    #[error(
        "a number without calling code, and {home} has none: expected + or an international prefix"
    )]
    NoHomeCallingCode {
        /// The home country of the plan.
        home: Country,
    },
}

impl NotANumber {
    /// Whether it is called all the same, and stays in the home country.
    #[must_use]
    pub const fn is_home(&self) -> bool {
        matches!(self, Self::Short(_) | Self::Local)
    }
}
