//! What indicators are worth.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::indicator::{Circumstance, INDICATORS, Indicator, Indicators, JUDGED};

/// The most that one indicator is worth, in log-odds: none decides alone.
pub(in crate::risk) const MOST: f32 = 4.0;

/// What each indicator is worth, in log-odds: by judgement, or as calls have taught it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, f32>", into = "BTreeMap<String, f32>")]
pub struct Worth([f32; INDICATORS]);

impl Default for Worth {
    /// By judgement.
    fn default() -> Self {
        Self(JUDGED)
    }
}

impl Worth {
    /// By how much a call is likelier fraud, in log-odds.
    pub(in crate::risk) fn of(&self, indicators: &Indicators) -> f32 {
        let worth = self.0.iter().zip(&indicators.0);
        worth.map(|(worth, part)| worth * part).sum()
    }

    /// What one adds.
    pub(in crate::risk) fn of_one(&self, indicators: &Indicators, indicator: Indicator) -> f32 {
        self.0[indicator as usize] * indicators.0[indicator as usize]
    }

    /// What those of a signal add.
    pub(in crate::risk) fn of_signal(&self, indicators: &Indicators, signal: Circumstance) -> f32 {
        let of_signal = Indicator::ALL.iter().filter(|one| one.signal() == signal);
        of_signal.map(|one| self.of_one(indicators, *one)).sum()
    }

    /// Between which figures what one is worth must be: what speaks for fraud may be worth nothing, and can't speak against it.
    pub(in crate::risk) fn limits(indicator: Indicator) -> (f32, f32) {
        let judged = JUDGED[indicator as usize];
        if judged > 0.0 {
            (0.0, MOST)
        } else if judged < 0.0 {
            (-MOST, 0.0)
        } else {
            (-MOST, MOST)
        }
    }

    /// Replaces what one is worth, as far as it may be.
    pub(in crate::risk) fn set(&mut self, indicator: Indicator, worth: f32) {
        let (least, most) = Self::limits(indicator);
        self.0[indicator as usize] = worth.clamp(least, most);
    }

    /// What one is worth.
    pub(in crate::risk) fn get(&self, indicator: Indicator) -> f32 {
        self.0[indicator as usize]
    }

    /// What each is worth, by its name.
    pub fn by_name(&self) -> impl Iterator<Item = (&'static str, f32)> {
        Indicator::ALL
            .iter()
            .map(|one| (one.name(), self.get(*one)))
    }
}

/// A worth that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("circumstances.{indicator} {problem}")]
pub struct WorthError {
    indicator: String,
    problem: String,
}

impl TryFrom<BTreeMap<String, f32>> for Worth {
    type Error = WorthError;

    fn try_from(mut written: BTreeMap<String, f32>) -> Result<Self, WorthError> {
        let mut worth = Self::default();
        for indicator in Indicator::ALL {
            let (least, most) = Self::limits(*indicator);
            let error = |problem: String| WorthError {
                indicator: indicator.name().to_owned(),
                problem,
            };
            match written.remove(indicator.name()) {
                Some(value) if (least..=most).contains(&value) => worth.set(*indicator, value),
                Some(value) => {
                    return Err(error(format!("is {value}, not from {least} to {most}")));
                }
                None => return Err(error("is missing".to_owned())),
            }
        }
        match written.into_keys().next() {
            None => Ok(worth),
            Some(indicator) => Err(WorthError {
                indicator,
                problem: "is nothing that this version knows".to_owned(),
            }),
        }
    }
}

impl From<Worth> for BTreeMap<String, f32> {
    fn from(worth: Worth) -> Self {
        let named = worth.by_name();
        named
            .map(|(name, worth)| (name.to_owned(), worth))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_indicator_must_be_there_and_speak_the_way_it_does() {
        let written = BTreeMap::from(Worth::default());
        assert_eq!(Worth::try_from(written.clone()), Ok(Worth::default()));
        let why = |indicator: &str, value: Option<f32>| {
            let mut changed = written.clone();
            changed.remove(indicator);
            changed.extend(value.map(|value| (indicator.to_owned(), value)));
            Worth::try_from(changed).unwrap_err().to_string()
        };
        assert_eq!(why("off-hours", None), "circumstances.off-hours is missing");
        assert_eq!(
            why("usual-range", Some(0.5)),
            "circumstances.usual-range is 0.5, not from -4 to 0"
        );
        assert_eq!(
            why("new-agent", Some(f32::NAN)),
            "circumstances.new-agent is NaN, not from 0 to 4"
        );
        assert_eq!(
            why("moon", Some(1.0)),
            "circumstances.moon is nothing that this version knows"
        );
    }

    #[test]
    fn what_is_learned_stays_within_what_one_may_be_worth() {
        let mut worth = Worth::default();
        worth.set(Indicator::Forwarded, 9.0);
        worth.set(Indicator::OffHours, -1.0);
        worth.set(Indicator::UsualRange, 1.0);
        assert_eq!(worth.get(Indicator::Forwarded), MOST);
        assert_eq!(worth.get(Indicator::OffHours), 0.0);
        assert_eq!(worth.get(Indicator::UsualRange), 0.0);
    }
}
