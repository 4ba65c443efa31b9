//! What trees are grown from: numbers among known ones, as a number of tomorrow will be.

use super::{Ordinary, Training, chance::Chance};
use crate::{
    number::{E164, NumberKind, plan},
    risk::{
        background::Background,
        known_numbers::{FULL_WEIGHT, KnownNumbers, Surroundings},
        number_features::{Measured, calling_code_digits, measure},
    },
};

/// Rows of measurements, each with what it is, 0 or 1, and how much it counts.
#[derive(Debug, Default)]
pub(super) struct Samples {
    pub(super) rows: Vec<Measured>,
    pub(super) labels: Vec<f32>,
    pub(super) weights: Vec<f32>,
}

impl Samples {
    /// Draws the samples.
    ///
    /// A fraud number must not be measured among known ones that it is one of, nor may what is known around it be just one less
    /// than what is known around its ordinary neighbours: the trees would learn to tell by that. So in each round a part is
    /// kept back and judged by the rest, and counts are blurred.
    pub(super) fn draw(
        fraud: &[E164],
        ordinary: &[Ordinary<'_>],
        training: &Training,
        chance: &mut Chance,
    ) -> Self {
        let mut samples = Self::default();
        for _ in 0..training.rounds {
            samples.round(fraud, ordinary, (training.kept, 1.0), training, chance);
        }
        // Whoever has just begun knows few numbers, or none.
        for part in training.beginners {
            let (kept, judged) = (part, 1.0 - training.kept);
            samples.round(fraud, ordinary, (kept, judged), training, chance);
        }
        samples
    }

    fn round(
        &mut self,
        fraud: &[E164],
        ordinary: &[Ordinary<'_>],
        (kept, judged_of_rest): (f64, f64),
        training: &Training,
        chance: &mut Chance,
    ) {
        let (known, rest): (Vec<E164>, Vec<E164>) =
            fraud.iter().partition(|_| chance.below_one() < kept);
        let (others, judged): (Vec<E164>, Vec<E164>) = ordinary
            .iter()
            .flat_map(|ordinary| ordinary.numbers)
            .partition(|_| chance.below_one() < training.kept);
        let background = Background::count(
            if known.is_empty() { fraud } else { &known }.iter(),
            others.iter(),
        );
        let known = KnownNumbers::new(known.into_iter().map(|number| (number, FULL_WEIGHT)));
        let mut add = |number: &E164, label: f32, weight: f32, chance: &mut Chance| {
            let plan = plan::look_up(number);
            let around = blurred(known.around(number), training.blur, chance);
            let mut behind = background.of(number, &plan);
            for odds in [&mut behind.country_odds, &mut behind.kind_odds] {
                *odds += (chance.normal() * training.blur / 2.0) as f32;
            }
            self.rows.push(measure(number, &plan, &around, &behind));
            self.labels.push(label);
            self.weights.push(weight);
        };
        for number in &rest {
            if chance.below_one() < judged_of_rest {
                add(number, 1.0, 1.0, chance);
            }
        }
        for number in &judged {
            add(number, 0.0, 1.0, chance);
            for other in also_called(number, training, chance) {
                add(&other, 0.0, 1.0, chance);
            }
        }
    }
}

/// Counts that are not known to the last one.
fn blurred(mut around: Surroundings, blur: f64, chance: &mut Chance) -> Surroundings {
    /// Smaller counts are what they are.
    const FROM: f32 = 3.0;
    let tails = [
        &mut around.tail_of_4,
        &mut around.tail_of_3,
        &mut around.as_long,
    ];
    for count in around.sharing.iter_mut().chain(tails) {
        if *count >= FROM {
            *count *= (chance.normal() * blur).exp() as f32;
        }
    }
    around
}

/// What else is called now and then by those who call a number. A list of ordinary numbers may have none of it.
pub(super) fn also_called(
    number: &E164,
    training: &Training,
    chance: &mut Chance,
) -> impl Iterator<Item = E164> + use<> {
    let wrong = (chance.below_one() < training.misdialed).then(|| misdialed(number, chance));
    let other = (chance.below_one() < training.uncommon).then(|| uncommon(number, chance));
    wrong.into_iter().chain(other)
}

/// A number with one digit too few, too many or wrong.
fn misdialed(number: &E164, chance: &mut Chance) -> E164 {
    let mut digits = number.as_str().to_owned();
    let digit = char::from(b'0' + chance.below(10) as u8);
    let last = digits.len() - 1;
    let at = 1 + chance.below(last.max(1));
    match chance.below(3) {
        0 => drop(digits.remove(at.min(last))),
        1 => digits.insert(at.min(last), digit),
        _ => digits.replace_range(at.min(last)..=at.min(last), digit.encode_utf8(&mut [0; 4])),
    }
    E164::from_digits(&digits).unwrap_or(*number)
}

/// A number of the same calling code, and as long, that is neither a fixed line's nor a mobile telephone's.
fn uncommon(number: &E164, chance: &mut Chance) -> E164 {
    /// A plan in which none is found so often has hardly any.
    const TRIES: usize = 100;
    let (code, national) = number
        .as_str()
        .split_at(calling_code_digits(&plan::look_up(number)));
    (0..TRIES)
        .filter_map(|_| {
            let digit = |_| char::from(b'0' + chance.below(10) as u8);
            let digits: String = code.chars().chain(national.chars().map(digit)).collect();
            E164::from_digits(&digits).ok()
        })
        .find(|other| {
            !matches!(
                plan::look_up(other).kind,
                NumberKind::FixedLine | NumberKind::Mobile | NumberKind::FixedLineOrMobile
            )
        })
        .unwrap_or(*number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misdialed_number_differs_by_one_digit_at_the_most() {
        let mut chance = Chance::new(1);
        let number = E164::from_digits("442071234567").unwrap();
        let mut lengths = std::collections::BTreeSet::new();
        for _ in 0..100 {
            let wrong = misdialed(&number, &mut chance);
            lengths.insert(wrong.digits().len());
            let same =
                |one: &mut dyn Iterator<Item = (&u8, &u8)>| one.take_while(|(a, b)| a == b).count();
            let head = same(&mut number.digits().iter().zip(wrong.digits()));
            let tail = same(
                &mut number
                    .digits()
                    .iter()
                    .rev()
                    .zip(wrong.digits().iter().rev()),
            );
            assert!(head + tail >= 11, "{number} {wrong}");
        }
        assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [11, 12, 13]);
    }

    #[test]
    fn an_uncommon_number_is_of_the_same_calling_code_but_of_no_common_kind() {
        let mut chance = Chance::new(1);
        for number in ["442071234567", "12125550123", "37126551234"] {
            let number = E164::from_digits(number).unwrap();
            let (code, digits) = (plan::look_up(&number).calling_code, number.digits().len());
            for _ in 0..100 {
                let other = uncommon(&number, &mut chance);
                let plan = plan::look_up(&other);
                assert_eq!((plan.calling_code, other.digits().len()), (code, digits));
                let common = [
                    NumberKind::FixedLine,
                    NumberKind::Mobile,
                    NumberKind::FixedLineOrMobile,
                ];
                assert!(!common.contains(&plan.kind), "{other} {:?}", plan.kind);
            }
        }
    }

    #[test]
    fn what_is_judged_is_not_among_what_it_is_judged_by() {
        // Ten numbers of one range: whoever is kept back sees at most nine.
        let fraud: Vec<E164> = (0..10)
            .map(|last| E164::from_digits(&format!("25261234{last}")).unwrap())
            .collect();
        let training = Training {
            rounds: 20,
            blur: 0.0,
            beginners: [0.0; 4],
            ..Training::default()
        };
        let samples = Samples::draw(&fraud, &[], &training, &mut Chance::new(1));
        let place = crate::risk::number_features::Feature::Open4 as usize;
        assert!(samples.rows.len() > 20);
        assert!(samples.rows.iter().all(|row| row[place] <= 9.0));
        assert!(samples.rows.iter().any(|row| row[place] > 5.0));
    }
}
