//! From a sum of trees to a score that means something.

use serde::{Deserialize, Serialize};

/// A line through log-odds. After Platt: Probabilistic outputs for support vector machines (1999).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// How steep.
    pub slope: f32,
    /// What a sum of 0 becomes.
    pub intercept: f32,
}

/// Something judged: its sum of trees, whether it was fraud, and how much it counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judged {
    pub(super) sum: f32,
    pub(super) fraud: bool,
    pub(super) weight: f64,
}

impl Calibration {
    /// The line by which what was judged is most likely, found by Newton's method.
    pub(super) fn fit(judged: &[Judged]) -> Self {
        let (mut slope, mut intercept) = (1.0, 0.0);
        for _ in 0..50 {
            let (mut by_slope, mut by_intercept) = (0.0, 0.0);
            let (mut ss, mut si, mut ii) = (1e-6, 0.0, 1e-6);
            for one in judged {
                let sum = f64::from(one.sum);
                let likely = 1.0 / (1.0 + (-(slope * sum + intercept)).exp());
                let error = one.weight * (f64::from(u8::from(one.fraud)) - likely);
                let curve = one.weight * likely * (1.0 - likely);
                by_slope += error * sum;
                by_intercept += error;
                ss += curve * sum * sum;
                si += curve * sum;
                ii += curve;
            }
            let determinant = ss * ii - si * si;
            if determinant.abs() < 1e-12 {
                break;
            }
            slope += (ii * by_slope - si * by_intercept) / determinant;
            intercept += (ss * by_intercept - si * by_slope) / determinant;
        }
        Self {
            slope: slope as f32,
            intercept: intercept as f32,
        }
    }

    /// The log-odds that a sum of trees stands for.
    pub fn apply(self, sum: f32) -> f32 {
        self.slope * sum + self.intercept
    }

    pub(super) fn rises(self) -> bool {
        self.slope.is_finite() && self.intercept.is_finite() && self.slope > 0.0
    }
}

/// Log-odds as a likelihood in percent.
pub fn score_of(log_odds: f32) -> u8 {
    (100.0 / (1.0 + (-log_odds).exp())).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_the_part_that_was_fraud() {
        // Of those with the sum 2 three in four were fraud, of those with -3 one in ten.
        let judged: Vec<Judged> = [(2.0, 75, 25), (-3.0, 10, 90)]
            .into_iter()
            .flat_map(|(sum, fraud, ordinary)| {
                let one = move |fraud| Judged {
                    sum,
                    fraud,
                    weight: 1.0,
                };
                std::iter::repeat_n(one(true), fraud)
                    .chain(std::iter::repeat_n(one(false), ordinary))
            })
            .collect();
        let calibration = Calibration::fit(&judged);
        assert!(calibration.rises());
        assert_eq!(score_of(calibration.apply(2.0)), 75);
        assert_eq!(score_of(calibration.apply(-3.0)), 10);
    }

    #[test]
    fn a_score_has_ends() {
        assert_eq!((score_of(-1e9), score_of(0.0), score_of(1e9)), (0, 50, 100));
    }
}
