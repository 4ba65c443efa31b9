//! Grows boosted trees.

use super::{chance::Chance, samples::Samples};
use crate::risk::{
    number_features::{FEATURES, Measured},
    trees::{Tree, Trees},
};

/// How trees are grown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// How many trees.
    pub trees: usize,
    /// How many levels each has.
    pub levels: usize,
    /// How much of what a tree would say counts.
    pub rate: f64,
    /// How many samples, by their weights, a leaf is drawn to nothing by.
    pub shrinkage: f64,
    /// The part of the measurements that a level may ask for.
    pub measurements: f64,
    /// The part of the samples that a tree sees.
    pub samples: f64,
}

/// The most borders that a measurement is cut by.
const BORDERS: usize = 120;

/// Grows trees whose sum is the log-odds of a sample's being 1.
pub(super) fn grow(samples: &Samples, growth: &Growth, chance: &mut Chance) -> Trees {
    let borders: Vec<Vec<f32>> = (0..FEATURES)
        .map(|place| borders(&samples.rows, place))
        .collect();
    let columns: Vec<Vec<u8>> = borders
        .iter()
        .enumerate()
        .map(|(place, borders)| {
            let bin = |row: &Measured| borders.partition_point(|border| row[place] > *border) as u8;
            samples.rows.iter().map(bin).collect()
        })
        .collect();
    let rows = samples.rows.len();
    let bias = log_odds(samples);
    let mut sums = vec![bias; rows];
    let mut trees = Vec::with_capacity(growth.trees);
    for _ in 0..growth.trees {
        let slopes: Vec<Slope> = (0..rows)
            .map(|row| {
                let likely = sigmoid(sums[row]);
                let weight = f64::from(samples.weights[row]);
                Slope {
                    gradient: (f64::from(samples.labels[row]) - likely) * weight,
                    curvature: likely * (1.0 - likely) * weight,
                }
            })
            .collect();
        let seen: Vec<usize> = (0..rows)
            .filter(|_| chance.below_one() < growth.samples)
            .collect();
        let splits = splits(&columns, &borders, &slopes, &seen, growth, chance);
        let mut leaf_of = vec![0_u8; rows];
        for (level, (place, bin)) in splits.iter().enumerate() {
            for (leaf, value) in leaf_of.iter_mut().zip(&columns[*place]) {
                *leaf |= u8::from(value > bin) << level;
            }
        }
        let mut leaves = vec![Slope::default(); 1 << splits.len()];
        for row in &seen {
            leaves[usize::from(leaf_of[*row])].add(slopes[*row]);
        }
        let leaves: Vec<f32> = leaves
            .iter()
            .map(|sum| growth.rate * sum.gradient / (sum.curvature + growth.shrinkage))
            // More digits would tell nothing, and make the file twice as long.
            .map(|leaf| ((leaf * 1e5).round() / 1e5) as f32)
            .collect();
        for (sum, leaf) in sums.iter_mut().zip(&leaf_of) {
            *sum += f64::from(leaves[usize::from(*leaf)]);
        }
        trees.push(Tree {
            splits: splits
                .into_iter()
                .map(|(place, bin)| (place as u8, borders[place][usize::from(bin)]))
                .collect(),
            leaves,
        });
    }
    Trees {
        bias: bias as f32,
        trees,
    }
}

/// The first and second derivative of the likelihood.
#[derive(Clone, Copy, Debug, Default)]
struct Slope {
    gradient: f64,
    curvature: f64,
}

impl Slope {
    fn add(&mut self, other: Self) {
        self.gradient += other.gradient;
        self.curvature += other.curvature;
    }

    /// How much the likelihood gains by a leaf of these samples.
    fn gain(self, shrinkage: f64) -> f64 {
        self.gradient * self.gradient / (self.curvature + shrinkage)
    }
}

/// What each level of a tree asks: a measurement, and the last bin that is not above.
fn splits(
    columns: &[Vec<u8>],
    borders: &[Vec<f32>],
    slopes: &[Slope],
    seen: &[usize],
    growth: &Growth,
    chance: &mut Chance,
) -> Vec<(usize, u8)> {
    let mut splits = Vec::with_capacity(growth.levels);
    let mut leaf_of = vec![0_usize; slopes.len()];
    for level in 0..growth.levels {
        let leaves = 1 << level;
        let mut best: Option<(f64, usize, u8)> = None;
        for (place, column) in columns.iter().enumerate() {
            if borders[place].is_empty() || chance.below_one() >= growth.measurements {
                continue;
            }
            let bins = borders[place].len() + 1;
            let mut sums = vec![Slope::default(); leaves * bins];
            for row in seen {
                sums[leaf_of[*row] * bins + usize::from(column[*row])].add(slopes[*row]);
            }
            let mut gains = vec![0.0; bins - 1];
            for leaf in sums.chunks_exact(bins) {
                let mut all = Slope::default();
                for sum in leaf {
                    all.add(*sum);
                }
                let mut low = Slope::default();
                for (gain, sum) in gains.iter_mut().zip(leaf) {
                    low.add(*sum);
                    let high = Slope {
                        gradient: all.gradient - low.gradient,
                        curvature: all.curvature - low.curvature,
                    };
                    *gain += low.gain(growth.shrinkage) + high.gain(growth.shrinkage);
                }
            }
            for (bin, gain) in gains.into_iter().enumerate() {
                if best.is_none_or(|(other, ..)| gain > other) {
                    best = Some((gain, place, bin as u8));
                }
            }
        }
        let Some((_, place, bin)) = best else { break };
        splits.push((place, bin));
        for row in seen {
            leaf_of[*row] |= usize::from(columns[place][*row] > bin) << level;
        }
    }
    splits
}

/// Borders between the values of a measurement, as many samples between each.
fn borders(rows: &[Measured], place: usize) -> Vec<f32> {
    let mut values: Vec<f32> = rows.iter().map(|row| row[place]).collect();
    values.sort_unstable_by(f32::total_cmp);
    let mut borders: Vec<f32> = Vec::new();
    let distinct: Vec<f32> = values
        .chunk_by(|one, next| one == next)
        .map(|same| same[0])
        .collect();
    if distinct.len() <= BORDERS {
        borders.extend(distinct.windows(2).map(|pair| between(pair[0], pair[1])));
    } else {
        for border in 1..=BORDERS {
            let at = border * values.len() / (BORDERS + 1);
            let next = values[at..].iter().find(|value| **value > values[at]);
            borders.extend(next.map(|next| between(values[at], *next)));
        }
        borders.dedup();
    }
    borders
}

/// A border that the upper value is above and the lower is not.
fn between(low: f32, high: f32) -> f32 {
    let middle = low + (high - low) / 2.0;
    if middle < high { middle } else { low }
}

fn log_odds(samples: &Samples) -> f64 {
    let (mut ones, mut all) = (1.0, 2.0);
    for (label, weight) in samples.labels.iter().zip(&samples.weights) {
        ones += f64::from(label * weight);
        all += f64::from(*weight);
    }
    (ones / (all - ones)).ln()
}

fn sigmoid(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::trees::{Grove, PLACES};

    #[test]
    fn what_takes_two_questions_is_learned() {
        // Fraud where exactly one of two measurements is high; a third one says nothing.
        let mut chance = Chance::new(3);
        let mut samples = Samples::default();
        for _ in 0..2_000 {
            let mut row = [0.0; PLACES];
            for value in &mut row[..3] {
                *value = chance.below_one() as f32;
            }
            samples
                .labels
                .push(f32::from(u8::from((row[0] > 0.5) != (row[1] > 0.5))));
            samples.rows.push(row);
            samples.weights.push(1.0);
        }
        let growth = Growth {
            trees: 30,
            levels: 2,
            rate: 0.3,
            shrinkage: 1.0,
            measurements: 1.0,
            samples: 0.7,
        };
        let trees = grow(&samples, &growth, &mut chance);
        trees.check(FEATURES).unwrap();
        let grove = Grove::new(&trees);
        let sum = |one: f32, two: f32| {
            let mut row = [0.0; PLACES];
            (row[0], row[1], row[2]) = (one, two, 0.5);
            grove.sum(&row)
        };
        assert!(sum(0.9, 0.1) > 2.0 && sum(0.1, 0.9) > 2.0);
        assert!(sum(0.9, 0.9) < -2.0 && sum(0.1, 0.1) < -2.0);
    }

    #[test]
    fn a_border_parts_neighbours() {
        assert_eq!(between(1.0, 2.0), 1.5);
        let next = 1.0_f32.next_up();
        assert!((1.0..next).contains(&between(1.0, next)));
    }
}
