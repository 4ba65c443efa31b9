//! Learns from numbers that were fraud and numbers that were not.

mod boosting;
mod calls;
mod chance;
mod figures;
mod samples;

pub use boosting::Growth;
pub use calls::{JudgedCall, learn_circumstances};
pub use figures::{CallFigures, Figures, OrdinaryFigures};

use boosting::grow;
use chance::Chance;
use samples::{Samples, also_called};

use super::{
    background::Background,
    calibration::{Calibration, Judged},
    circumstances::Worth,
    evaluation::{Curve, Recall},
    known_numbers::{FULL_WEIGHT, KnownNumbers, Surroundings},
    model::{ModelFile, VERSION},
    number_features::{Feature, measure},
    trees::{Grove, Trees},
};
use crate::number::{E164, plan};

/// Ordinary numbers that are alike: those of a file.
#[derive(Clone, Copy, Debug)]
pub struct Ordinary<'a> {
    /// What they are called.
    pub name: &'a str,
    /// The numbers.
    pub numbers: &'a [E164],
}

/// How training goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Training {
    /// How trees are grown.
    pub growth: Growth,
    /// What chance starts from: with the same one and the same numbers the same model comes out.
    pub seed: u64,
    /// How often numbers are divided into known and judged ones.
    pub rounds: usize,
    /// The part that is known in a round.
    pub kept: f64,
    /// The parts that are known to those who have just begun.
    pub beginners: [f64; 4],
    /// How many ordinary calls go to a number with a wrong digit.
    pub misdialed: f64,
    /// How many ordinary calls go to a number that is neither a fixed line's nor a mobile telephone's, or that the plan does not have
    /// yet. Lists that are generated have none, and it would be learned that all of these are fraud.
    pub uncommon: f64,
    /// By how much counts are blurred.
    pub blur: f64,
    /// In how many parts numbers are divided for the figures and the calibration.
    pub folds: usize,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            // Half as many trees that say twice as much tell as much fraud, but take whole ranges of carriers for it by chance.
            growth: Growth {
                trees: 200,
                levels: 6,
                rate: 0.07,
                shrinkage: 3.0,
                measurements: 0.3,
                samples: 0.8,
            },
            seed: 1,
            rounds: 20,
            kept: 0.8,
            beginners: [0.3, 0.1, 0.02, 0.0],
            misdialed: 0.002,
            uncommon: 0.005,
            blur: 0.2,
            folds: 5,
        }
    }
}

/// Why there is nothing to learn from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too few {what} to learn from: {found}; at least {needed} are needed")]
pub struct TooFew {
    /// Of what.
    pub what: &'static str,
    /// How many there are.
    pub found: usize,
    /// How many are needed.
    pub needed: usize,
}

/// So many of each are needed.
const NEEDED: usize = 100;

/// Trains a model. `done` is told how many of how many steps are done.
///
/// # Errors
/// When there are too few numbers.
pub fn train(
    fraud: &[E164],
    ordinary: &[Ordinary<'_>],
    training: &Training,
    mut done: impl FnMut(usize, usize),
) -> Result<ModelFile, TooFew> {
    let enough = |what, found| {
        let needed = NEEDED;
        let error = TooFew {
            what,
            found,
            needed,
        };
        if found < needed { Err(error) } else { Ok(()) }
    };
    enough("fraud numbers", fraud.len())?;
    let all = ordinary.iter().map(|ordinary| ordinary.numbers.len()).sum();
    enough("ordinary numbers", all)?;
    let steps = training.folds + 1;
    let mut chance = Chance::new(training.seed);
    let mut kept_back = KeptBack::new(fraud, ordinary, training, &mut chance);
    for fold in 0..training.folds {
        kept_back.judge(fold, training, &mut chance);
        done(fold + 1, steps);
    }
    let calibration = kept_back.calibration();
    let learned = Learned::from(fraud, ordinary, training, &mut chance);
    done(steps, steps);
    let everyone = ordinary.iter().flat_map(|ordinary| ordinary.numbers);
    let alone = everyone.map(|number| learned.sum(number, &Surroundings::default()));
    let mean = alone.sum::<f32>() / all as f32;
    let figures = Figures {
        fraud: fraud.len(),
        ordinary: kept_back.figures(),
        ordinary_log_odds: calibration.apply(mean),
        seed: training.seed,
        calls: None,
    };
    Ok(ModelFile {
        version: VERSION,
        figures,
        calibration,
        features: Feature::names().map(str::to_owned).collect(),
        background: learned.background,
        circumstances: Worth::default(),
        trees: learned.trees,
    })
}

/// What trees say, and what they ask for beside the known numbers.
struct Learned {
    background: Background,
    trees: Trees,
    grove: Grove,
}

impl Learned {
    fn from(
        fraud: &[E164],
        ordinary: &[Ordinary<'_>],
        training: &Training,
        chance: &mut Chance,
    ) -> Self {
        let everyone = ordinary.iter().flat_map(|ordinary| ordinary.numbers);
        let background = Background::count(fraud.iter(), everyone);
        let samples = Samples::draw(fraud, ordinary, training, chance);
        let trees = grow(&samples, &training.growth, chance);
        let grove = Grove::new(&trees);
        Self {
            background,
            trees,
            grove,
        }
    }

    fn sum(&self, number: &E164, around: &Surroundings) -> f32 {
        let plan = plan::look_up(number);
        let behind = self.background.of(number, &plan);
        self.grove.sum(&measure(number, &plan, around, &behind))
    }
}

/// Numbers divided into folds, each of which is judged by a model that the others trained.
struct KeptBack<'a> {
    fraud: Folds<'a>,
    ordinary: Vec<(&'a str, Folds<'a>)>,
    /// The sums of trees for the fraud numbers.
    fraud_sums: Vec<f32>,
    /// Those for the ordinary ones, by their files.
    ordinary_sums: Vec<Vec<f32>>,
    /// Those for what is called beside the ordinary numbers: no figures are made of them, but a score is to be right for them too.
    also_called_sums: Vec<f32>,
}

struct Folds<'a> {
    numbers: &'a [E164],
    fold_of: Vec<usize>,
}

impl<'a> Folds<'a> {
    fn new(numbers: &'a [E164], folds: usize, chance: &mut Chance) -> Self {
        let fold_of = numbers.iter().map(|_| chance.below(folds)).collect();
        Self { numbers, fold_of }
    }

    fn numbers(&self, wanted: impl Fn(usize) -> bool) -> Vec<E164> {
        let numbers = self.numbers.iter().zip(&self.fold_of);
        numbers
            .filter(|(_, fold)| wanted(**fold))
            .map(|(number, _)| *number)
            .collect()
    }
}

impl<'a> KeptBack<'a> {
    fn new(
        fraud: &'a [E164],
        ordinary: &[Ordinary<'a>],
        training: &Training,
        chance: &mut Chance,
    ) -> Self {
        let mut folds = |numbers| Folds::new(numbers, training.folds, chance);
        Self {
            fraud: folds(fraud),
            ordinary: ordinary
                .iter()
                .map(|ordinary| (ordinary.name, folds(ordinary.numbers)))
                .collect(),
            fraud_sums: Vec::new(),
            ordinary_sums: vec![Vec::new(); ordinary.len()],
            also_called_sums: Vec::new(),
        }
    }

    fn judge(&mut self, fold: usize, training: &Training, chance: &mut Chance) {
        let fraud = self.fraud.numbers(|other| other != fold);
        let others: Vec<Vec<E164>> = self
            .ordinary
            .iter()
            .map(|(_, folds)| folds.numbers(|other| other != fold))
            .collect();
        let ordinary: Vec<Ordinary<'_>> = others
            .iter()
            .zip(&self.ordinary)
            .map(|(numbers, (name, _))| Ordinary { name, numbers })
            .collect();
        let learned = Learned::from(&fraud, &ordinary, training, chance);
        let known = KnownNumbers::new(fraud.iter().map(|number| (*number, FULL_WEIGHT)));
        let sums = |numbers: Vec<E164>| -> Vec<f32> {
            let sum = |number: &E164| learned.sum(number, &known.around(number));
            numbers.iter().map(sum).collect()
        };
        self.fraud_sums
            .extend(sums(self.fraud.numbers(|other| other == fold)));
        for (all, (_, folds)) in self.ordinary_sums.iter_mut().zip(&self.ordinary) {
            let numbers = folds.numbers(|other| other == fold);
            let beside = numbers
                .iter()
                .flat_map(|number| also_called(number, training, chance))
                .collect();
            self.also_called_sums.extend(sums(beside));
            all.extend(sums(numbers));
        }
    }

    /// Calibrated for a world in which fraud is as frequent as the ordinary.
    fn calibration(&self) -> Calibration {
        let ordinary: Vec<f32> = self
            .ordinary_sums
            .iter()
            .flatten()
            .chain(&self.also_called_sums)
            .copied()
            .collect();
        let weight = |of: usize| 1.0 / of.max(1) as f64;
        let one = |fraud, weight| {
            move |sum: &f32| Judged {
                sum: *sum,
                fraud,
                weight,
            }
        };
        let fraud = self
            .fraud_sums
            .iter()
            .map(one(true, weight(self.fraud_sums.len())));
        let others = ordinary.iter().map(one(false, weight(ordinary.len())));
        // Newton's method needs no more than that the weights are not tiny.
        let judged: Vec<Judged> = fraud
            .chain(others)
            .map(|judged| Judged {
                weight: judged.weight * 1e4,
                ..judged
            })
            .collect();
        Calibration::fit(&judged)
    }

    fn figures(&self) -> Vec<OrdinaryFigures> {
        self.ordinary
            .iter()
            .zip(&self.ordinary_sums)
            .map(|((name, folds), sums)| OrdinaryFigures {
                name: (*name).to_owned(),
                numbers: folds.numbers.len(),
                recall_at_fpr: Recall::of(&Curve::of(&self.fraud_sums, sums)),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{RiskModel, score_of};

    /// Twenty rented ranges of a country, and another country's ordinary numbers.
    fn world() -> (Vec<E164>, Vec<E164>) {
        let mut chance = Chance::new(7);
        let number = |digits: String| E164::from_digits(&digits).unwrap();
        let ranges: Vec<usize> = (0..20).map(|_| 10_000 + chance.below(89_999)).collect();
        let fraud = (0..400)
            .map(|at| number(format!("2526{}{:03}", ranges[at % 20], chance.below(1_000))))
            .collect();
        let ordinary = (0..800)
            .map(|at| {
                let country = if at % 2 == 0 { "2526" } else { "4420" };
                number(format!("{country}{:08}", chance.below(100_000_000)))
            })
            .collect();
        (fraud, ordinary)
    }

    fn quick() -> Training {
        let training = Training::default();
        Training {
            growth: Growth {
                trees: 20,
                levels: 4,
                ..training.growth
            },
            rounds: 3,
            folds: 2,
            ..training
        }
    }

    #[test]
    fn a_range_is_caught_before_the_number_is() {
        let (fraud, ordinary) = world();
        let sets = [Ordinary {
            name: "ordinary",
            numbers: &ordinary,
        }];
        let mut steps = Vec::new();
        let file = train(&fraud, &sets, &quick(), |step, of| steps.push((step, of))).unwrap();
        assert_eq!(steps, [(1, 3), (2, 3), (3, 3)]);
        assert!(file.figures.ordinary[0].recall_at_fpr.at_1_percent > 0.8);
        let model = RiskModel::try_from(file).unwrap();
        let known = KnownNumbers::new(fraud.iter().map(|number| (*number, FULL_WEIGHT)));
        let score = |number: &str| {
            let number = E164::from_digits(number).unwrap();
            score_of(model.log_odds(&number, &plan::look_up(&number), &known.around(&number)))
        };
        let in_a_range = (0..1_000)
            .map(|tail| format!("{}{tail:03}", &fraud[0].as_str()[..9]))
            .find(|number| !fraud.iter().any(|known| known.as_str() == number))
            .unwrap();
        assert!(score(&in_a_range) > 80, "{}", score(&in_a_range));
        assert!(score("442071234567") < 20, "{}", score("442071234567"));
    }

    #[test]
    fn the_same_seed_trains_the_same_model_and_it_survives_its_file() {
        let (fraud, ordinary) = world();
        let sets = [Ordinary {
            name: "ordinary",
            numbers: &ordinary,
        }];
        let file = train(&fraud, &sets, &quick(), |_, _| {}).unwrap();
        assert_eq!(file, train(&fraud, &sets, &quick(), |_, _| {}).unwrap());
        let other = Training { seed: 2, ..quick() };
        assert_ne!(file, train(&fraud, &sets, &other, |_, _| {}).unwrap());
        let text = serde_json::to_string(&file).unwrap();
        assert_eq!(serde_json::from_str::<ModelFile>(&text).unwrap(), file);
        assert!(RiskModel::read(&text).is_ok());
    }

    #[test]
    fn too_few_numbers_teach_nothing() {
        let (fraud, ordinary) = world();
        let sets = [Ordinary {
            name: "ordinary",
            numbers: &ordinary[..99],
        }];
        let error = train(&fraud, &sets, &quick(), |_, _| {}).unwrap_err();
        assert_eq!(
            error.to_string(),
            "too few ordinary numbers to learn from: 99; at least 100 are needed"
        );
    }
}
