//! The sentences that a caller hears. Their words are in `prompts/`, a file a language.

use tfps_client::v1::Purpose;

/// A sentence; its name is that of its sound file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prompt {
    WhyOnboarding,
    WhySourceCountry,
    WhyDestinationCountry,
    WhyQuota,
    WhyQuotaOffHours,
    WhyRisk,
    WhyLimits,
    CaptchaListen,
    CaptchaType,
    SumListen,
    SumSecond,
    SumType,
    WordsListen,
    WordsKeep,
    WordsSkip,
    PinType,
    NothingTyped,
    Wrong,
    AttemptsLeft,
    Locked,
    NotPossible,
    Unavailable,
    Right,
    DoneOnboarding,
    DoneSourceCountry,
    DoneDestinationCountry,
    DoneQuota,
    DoneRisk,
    Redial,
    Connecting,
    Goodbye,
    LimitsConcurrent,
    LimitsDaily,
    LimitsMost,
    LimitsAreConcurrent,
    LimitsAreDaily,
    LimitsLearned,
    LimitsUnchanged,
    Denied,
}

impl Prompt {
    /// All of them.
    #[cfg(test)]
    const ALL: [Self; 39] = [
        Self::WhyOnboarding,
        Self::WhySourceCountry,
        Self::WhyDestinationCountry,
        Self::WhyQuota,
        Self::WhyQuotaOffHours,
        Self::WhyRisk,
        Self::WhyLimits,
        Self::CaptchaListen,
        Self::CaptchaType,
        Self::SumListen,
        Self::SumSecond,
        Self::SumType,
        Self::WordsListen,
        Self::WordsKeep,
        Self::WordsSkip,
        Self::PinType,
        Self::NothingTyped,
        Self::Wrong,
        Self::AttemptsLeft,
        Self::Locked,
        Self::NotPossible,
        Self::Unavailable,
        Self::Right,
        Self::DoneOnboarding,
        Self::DoneSourceCountry,
        Self::DoneDestinationCountry,
        Self::DoneQuota,
        Self::DoneRisk,
        Self::Redial,
        Self::Connecting,
        Self::Goodbye,
        Self::LimitsConcurrent,
        Self::LimitsDaily,
        Self::LimitsMost,
        Self::LimitsAreConcurrent,
        Self::LimitsAreDaily,
        Self::LimitsLearned,
        Self::LimitsUnchanged,
        Self::Denied,
    ];

    /// Why the caller hears all this.
    pub(crate) fn why(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Onboarding | Purpose::Unspecified => Self::WhyOnboarding,
            Purpose::SourceCountry => Self::WhySourceCountry,
            Purpose::DestinationCountry => Self::WhyDestinationCountry,
            Purpose::Quota => Self::WhyQuota,
            Purpose::QuotaOffHours => Self::WhyQuotaOffHours,
            Purpose::Risk => Self::WhyRisk,
            Purpose::Limits => Self::WhyLimits,
        }
    }

    /// What passing has changed; digits follow where it is a quota.
    pub(crate) fn done(purpose: Purpose) -> Option<Self> {
        match purpose {
            Purpose::Onboarding => Some(Self::DoneOnboarding),
            Purpose::SourceCountry => Some(Self::DoneSourceCountry),
            Purpose::DestinationCountry => Some(Self::DoneDestinationCountry),
            Purpose::Quota | Purpose::QuotaOffHours => Some(Self::DoneQuota),
            Purpose::Risk => Some(Self::DoneRisk),
            Purpose::Limits | Purpose::Unspecified => None,
        }
    }

    /// The name of its sound file, without folder and ending.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::WhyOnboarding => "why-onboarding",
            Self::WhySourceCountry => "why-source-country",
            Self::WhyDestinationCountry => "why-destination-country",
            Self::WhyQuota => "why-quota",
            Self::WhyQuotaOffHours => "why-quota-off-hours",
            Self::WhyRisk => "why-risk",
            Self::WhyLimits => "why-limits",
            Self::CaptchaListen => "captcha-listen",
            Self::CaptchaType => "captcha-type",
            Self::SumListen => "sum-listen",
            Self::SumSecond => "sum-second",
            Self::SumType => "sum-type",
            Self::WordsListen => "words-listen",
            Self::WordsKeep => "words-keep",
            Self::WordsSkip => "words-skip",
            Self::PinType => "pin-type",
            Self::NothingTyped => "nothing-typed",
            Self::Wrong => "wrong",
            Self::AttemptsLeft => "attempts-left",
            Self::Locked => "locked",
            Self::NotPossible => "not-possible",
            Self::Unavailable => "unavailable",
            Self::Right => "right",
            Self::DoneOnboarding => "done-onboarding",
            Self::DoneSourceCountry => "done-source-country",
            Self::DoneDestinationCountry => "done-destination-country",
            Self::DoneQuota => "done-quota",
            Self::DoneRisk => "done-risk",
            Self::Redial => "redial",
            Self::Connecting => "connecting",
            Self::Goodbye => "goodbye",
            Self::LimitsConcurrent => "limits-concurrent",
            Self::LimitsDaily => "limits-daily",
            Self::LimitsMost => "limits-most",
            Self::LimitsAreConcurrent => "limits-are-concurrent",
            Self::LimitsAreDaily => "limits-are-daily",
            Self::LimitsLearned => "limits-learned",
            Self::LimitsUnchanged => "limits-unchanged",
            Self::Denied => "denied",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

    use super::*;

    #[test]
    fn every_sentence_is_written_in_every_language_and_no_other() {
        let said: BTreeSet<_> = Prompt::ALL.iter().map(|prompt| prompt.name()).collect();
        assert_eq!(said.len(), Prompt::ALL.len());
        for language in crate::config::Ivr::default().languages {
            let file = format!("{}/prompts/{language}.txt", env!("CARGO_MANIFEST_DIR"));
            let text = fs::read_to_string(&file).expect(&file);
            let written: BTreeSet<_> = text
                .lines()
                .filter(|line| !line.starts_with('#'))
                .filter_map(|line| line.split_once('='))
                .map(|(name, _)| name.trim())
                .filter(|name| !name.starts_with("digit-"))
                .collect();
            assert_eq!(written, said, "{language}");
        }
    }
}
