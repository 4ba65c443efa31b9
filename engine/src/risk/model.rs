//! What was learned of fraud, and how a number is scored by it.

use serde::{Deserialize, Serialize};

use super::{
    assessment::Signal,
    background::{Background, Behind},
    calibration::Calibration,
    circumstances::Worth,
    evidence,
    known_numbers::Surroundings,
    number_features::{Feature, measure},
    training::Figures,
    trees::{Grove, Trees, TreesError},
};
use crate::number::{E164, NumberFacts};

/// The version of the files that this version reads.
pub const VERSION: u32 = 2;

/// The file of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// [`VERSION`].
    pub version: u32,
    /// What it was trained with, and what came out.
    pub figures: Figures,
    /// How a sum of trees becomes a score.
    pub calibration: Calibration,
    /// What the trees ask for: the names of all features, in their order.
    pub features: Vec<String>,
    /// What numbers are like before any is known around them.
    pub background: Background,
    /// What the circumstances of a call are worth.
    pub circumstances: Worth,
    /// The trees.
    pub trees: Trees,
}

const BUILT_IN: &str = include_str!("../../data/risk-model.json");

impl ModelFile {
    /// The model that comes with this version.
    pub fn built_in() -> Self {
        serde_json::from_str(BUILT_IN).expect("a test reads the file that is compiled in")
    }
}

/// Why a model can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// It is no model, or a part of it is wrong.
    #[error("is no risk model: {0}")]
    NotRead(#[from] serde_json::Error),
    /// It is another version's.
    #[error(
        "is a risk model of version {found}; this version reads version {VERSION}: train it anew with `tfpsctl risk train`"
    )]
    Version {
        /// Its version.
        found: u32,
    },
    /// It asks for other features.
    #[error("is a risk model of other features: train it anew with `tfpsctl risk train`")]
    Features,
    /// Its trees don't fit.
    #[error("is a broken risk model: {0}")]
    Trees(#[from] TreesError),
    /// Its calibration is none.
    #[error("is a broken risk model: the calibration must rise, with finite numbers")]
    Calibration,
}

/// What was learned of fraud.
#[derive(Clone, Debug)]
pub struct RiskModel {
    figures: Figures,
    calibration: Calibration,
    background: Background,
    worth: Worth,
    grove: Grove,
}

impl RiskModel {
    /// The model that comes with this version.
    pub fn built_in() -> Self {
        Self::try_from(ModelFile::built_in()).expect("a test reads the file that is compiled in")
    }

    /// Reads a model's file.
    ///
    /// # Errors
    /// When it is none, or not this version's.
    pub fn read(file: &str) -> Result<Self, ModelError> {
        #[derive(Deserialize)]
        #[serde(expecting = "the file of a risk model")]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } = serde_json::from_str(file)?;
        if version != VERSION {
            return Err(ModelError::Version { found: version });
        }
        Self::try_from(serde_json::from_str::<ModelFile>(file)?)
    }

    /// What it was trained with, and what came out.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// What the circumstances of a call are worth.
    pub fn worth(&self) -> &Worth {
        &self.worth
    }

    /// The log-odds of a number's being fraud, as if there were as many ordinary ones.
    pub fn log_odds(&self, number: &E164, plan: &NumberFacts, around: &Surroundings) -> f32 {
        let behind = self.background.of(number, plan);
        self.calibration
            .apply(self.grove.sum(&measure(number, plan, around, &behind)))
    }

    /// What speaks for and against a number; `weight` says what log-odds come to in points.
    pub(super) fn signals(
        &self,
        number: &E164,
        plan: &NumberFacts,
        around: &Surroundings,
        weight: impl Fn(f32) -> i32,
    ) -> Vec<Signal> {
        let behind = self.background.of(number, plan);
        let nothing = Surroundings::default();
        let of = |around, behind: &Behind| {
            self.calibration
                .apply(self.grove.sum(&measure(number, plan, around, behind)))
        };
        let with_range = of(around, &behind);
        let with_country = of(&nothing, &behind);
        let by_plan = of(&nothing, &behind.of_any_country());
        vec![
            Signal {
                name: "plan",
                weight: weight(by_plan - self.figures.ordinary_log_odds),
                evidence: evidence::plan(number, plan),
            },
            Signal {
                name: "country",
                weight: weight(with_country - by_plan),
                evidence: evidence::country(plan, behind.country_odds),
            },
            Signal {
                name: "range",
                weight: weight(with_range - with_country),
                evidence: evidence::range(number, around),
            },
        ]
    }
}

impl TryFrom<ModelFile> for RiskModel {
    type Error = ModelError;

    fn try_from(file: ModelFile) -> Result<Self, ModelError> {
        if !file
            .features
            .iter()
            .map(String::as_str)
            .eq(Feature::names())
        {
            return Err(ModelError::Features);
        }
        file.trees.check(Feature::ALL.len())?;
        if !file.calibration.rises() {
            return Err(ModelError::Calibration);
        }
        Ok(Self {
            figures: file.figures,
            calibration: file.calibration,
            background: file.background,
            worth: file.circumstances,
            grove: Grove::new(&file.trees),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        number::plan,
        risk::{FULL_WEIGHT, KnownNumbers, score_of},
    };

    fn score(model: &RiskModel, known: &KnownNumbers, number: &str) -> u8 {
        let number = E164::from_digits(number).unwrap();
        score_of(model.log_odds(&number, &plan::look_up(&number), &known.around(&number)))
    }

    #[test]
    fn the_built_in_model_tells_a_rented_range_from_an_office() {
        let model = RiskModel::built_in();
        // A range that was made up for this test.
        let known = KnownNumbers::new((0..12).map(|last| {
            let number = format!("3712805{:04}", 4_100 + 7 * last);
            (E164::from_digits(&number).unwrap(), FULL_WEIGHT)
        }));
        let latvia = score(&model, &known, "37128054190");
        assert!(latvia >= 90, "{latvia}");
        for office in ["12125550123", "442079460123", "4930227300", "33142345678"] {
            let score = score(&model, &known, office);
            assert!(score < 50, "{office} {score}");
        }
    }

    #[test]
    fn a_country_speaks_the_way_its_evidence_does() {
        let model = RiskModel::built_in();
        let country = |number: &str| {
            let number = E164::from_digits(number).unwrap();
            let plan = plan::look_up(&number);
            let nothing = Surroundings::default();
            let weight = |log_odds: f32| (100.0 * log_odds) as i32;
            let mut signals = model.signals(&number, &plan, &nothing, weight);
            signals.retain(|signal| signal.name == "country");
            (signals[0].weight, signals[0].evidence.clone())
        };
        for (number, by) in [
            ("37128054190", "fraudsters"),
            ("25261234567", "fraudsters"),
            ("4930227300", "others"),
            ("33142345678", "others"),
        ] {
            let (weight, evidence) = country(number);
            assert!(evidence.contains(&format!("{by} call there")), "{evidence}");
            assert_eq!(
                weight > 0,
                by == "fraudsters",
                "{number} {weight} {evidence}"
            );
        }
    }

    #[test]
    fn a_file_that_is_no_model_is_told_why() {
        let built_in = BUILT_IN;
        assert!(RiskModel::read(built_in).is_ok());
        let why = |text: &str| RiskModel::read(text).unwrap_err().to_string();
        assert!(why("numbers").starts_with("is no risk model: "));
        assert!(why(&built_in.replacen("\"version\":2", "\"version\":1", 1)).contains("version 1"));
        assert!(why(&built_in.replacen("\"digits\"", "\"digit\"", 1)).contains("other features"));
        assert!(why(&built_in.replacen("\"slope\":", "\"slope\":-", 1)).contains("calibration"));
        assert!(
            why(&built_in.replacen("\"off-hours\"", "\"moon\"", 1))
                .contains("circumstances.off-hours")
        );
        assert!(why(&built_in.replacen("\"FR\":", "\"XX\":", 1)).contains("country_odds"));
    }
}
