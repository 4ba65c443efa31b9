//! How well fraud is told from the ordinary.

use serde::{Deserialize, Serialize};

/// The part of fraud that is told, with so many false alarms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recall {
    /// One in a thousand.
    #[serde(rename = "0.001")]
    pub at_0_1_percent: f64,
    /// Three in a thousand.
    #[serde(rename = "0.003")]
    pub at_0_3_percent: f64,
    /// One in a hundred.
    #[serde(rename = "0.01")]
    pub at_1_percent: f64,
}

impl Recall {
    /// Read from a curve.
    pub fn of(curve: &Curve) -> Self {
        let at = |rate| (curve.recall(rate) * 1e4).round() / 1e4;
        Self {
            at_0_1_percent: at(0.001),
            at_0_3_percent: at(0.003),
            at_1_percent: at(0.01),
        }
    }
}

/// How fraud that is told and false alarms go together (the receiver operating characteristic).
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// From the highest score down.
    points: Vec<Point>,
}

/// What a threshold comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// What is at least as high alarms.
    pub threshold: f32,
    /// The part of the ordinary that alarms.
    pub false_alarms: f64,
    /// The part of fraud that alarms.
    pub recall: f64,
}

impl Curve {
    /// From what fraud and the ordinary score.
    pub fn of(fraud: &[f32], ordinary: &[f32]) -> Self {
        let mut scored: Vec<(f32, bool)> = fraud
            .iter()
            .map(|score| (*score, true))
            .chain(ordinary.iter().map(|score| (*score, false)))
            .collect();
        scored.sort_unstable_by(|one, other| other.0.total_cmp(&one.0));
        let (mut told, mut alarms) = (0_usize, 0_usize);
        let points = scored
            .chunk_by(|one, next| one.0 == next.0)
            .map(|alike| {
                told += alike.iter().filter(|(_, fraud)| *fraud).count();
                alarms += alike.iter().filter(|(_, fraud)| !fraud).count();
                Point {
                    threshold: alike[0].0,
                    false_alarms: alarms as f64 / ordinary.len().max(1) as f64,
                    recall: told as f64 / fraud.len().max(1) as f64,
                }
            })
            .collect();
        Self { points }
    }

    /// The points, from the highest threshold down.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// The most that is told with no more than a rate of false alarms; the point of its threshold.
    pub fn at(&self, rate: f64) -> Option<Point> {
        let within = self
            .points
            .partition_point(|point| point.false_alarms <= rate);
        within.checked_sub(1).map(|last| self.points[last])
    }

    /// The part of fraud that is told with no more than a rate of false alarms.
    pub fn recall(&self, rate: f64) -> f64 {
        self.at(rate).map_or(0.0, |point| point.recall)
    }
}

/// Scores in a span, and how much of them was fraud, as if there were as many of both.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Span {
    /// The lowest score.
    pub from: u8,
    /// The highest.
    pub to: u8,
    /// How many fraud numbers have these scores.
    pub fraud: usize,
    /// How many ordinary ones.
    pub ordinary: usize,
    /// The mean score of them, weighed alike.
    pub mean_score: f64,
    /// The part that is fraud, in percent, weighed alike: in a calibrated model as much as the mean score.
    pub fraud_percent: f64,
}

/// Whether scores mean what they say: by tens.
pub fn reliability(fraud: &[u8], ordinary: &[u8]) -> Vec<Span> {
    let weight = |all: usize| 1.0 / all.max(1) as f64;
    let (of_fraud, of_ordinary) = (weight(fraud.len()), weight(ordinary.len()));
    (0..10)
        .filter_map(|ten| {
            let (from, to): (u8, u8) = (10 * ten, if ten == 9 { 100 } else { 10 * ten + 9 });
            let within = |scores: &[u8]| -> Vec<f64> {
                let here = scores.iter().filter(|score| (from..=to).contains(*score));
                here.map(|score| f64::from(*score)).collect()
            };
            let (fraud, ordinary) = (within(fraud), within(ordinary));
            let mass = fraud.len() as f64 * of_fraud + ordinary.len() as f64 * of_ordinary;
            let sum = |scores: &[f64], weight: f64| scores.iter().sum::<f64>() * weight;
            (mass > 0.0).then(|| Span {
                from,
                to,
                fraud: fraud.len(),
                ordinary: ordinary.len(),
                mean_score: (sum(&fraud, of_fraud) + sum(&ordinary, of_ordinary)) / mass,
                fraud_percent: 100.0 * fraud.len() as f64 * of_fraud / mass,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recall_is_counted_at_the_lowest_threshold_that_the_rate_allows() {
        let ordinary: Vec<f32> = (0..1_000).map(|score| score as f32).collect();
        // 998.5 is passed by one ordinary number, 997.5 by two, 10 by nearly all.
        let curve = Curve::of(&[2_000.0, 998.5, 997.5, 10.0], &ordinary);
        assert_eq!(curve.recall(0.0), 0.25);
        assert_eq!(curve.recall(0.001), 0.5);
        assert_eq!(curve.recall(0.0019), 0.5);
        assert_eq!(curve.recall(0.002), 0.75);
        assert_eq!(curve.recall(1.0), 1.0);
        assert_eq!(curve.at(0.001).unwrap().threshold, 998.5);
    }

    #[test]
    fn alike_scores_alarm_together() {
        let curve = Curve::of(&[1.0, 1.0], &[1.0, 0.0]);
        assert_eq!(curve.recall(0.4), 0.0);
        assert_eq!(curve.recall(0.5), 1.0);
        assert_eq!(Curve::of(&[], &[]).recall(1.0), 0.0);
    }

    #[test]
    fn reliability_weighs_both_alike() {
        // Ten times as many ordinary numbers are no reason for fewer percent.
        let spans = reliability(&[95, 95, 5, 95], &[[5; 30].as_slice(), &[95; 10]].concat());
        assert_eq!(spans.len(), 2);
        assert_eq!((spans[1].fraud, spans[1].ordinary), (3, 10));
        assert_eq!(spans[1].fraud_percent, 75.0);
        assert_eq!(spans[1].mean_score, 95.0);
        assert_eq!((spans[0].from, spans[1].to), (0, 100));
    }
}
