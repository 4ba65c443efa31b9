//! What comes out of several turns.

use std::fmt;

/// A median, and what it lies between.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Of some values; of none, not a number.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        Self {
            median: quantile(&sorted, 0.5),
            least: sorted.first().copied().unwrap_or(f64::NAN),
            most: sorted.last().copied().unwrap_or(f64::NAN),
        }
    }

    /// `median (least–most)`, with so many decimals.
    pub(crate) fn show(&self, decimals: usize) -> String {
        format!("{self:.decimals$}")
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().unwrap_or(2);
        let Self {
            median,
            least,
            most,
        } = self;
        write!(
            f,
            "{median:.decimals$} ({least:.decimals$}–{most:.decimals$})"
        )
    }
}

/// The value that a part of the sorted values does not exceed: with 0.5 the median, between two values their mean.
pub(crate) fn quantile(sorted: &[f64], part: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = part * last as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    let share = place - place.floor();
    sorted[below] * (1.0 - share) + sorted[above] * share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_and_the_spread_the_ends() {
        let spread = Spread::of([3.0, 1.0, 10.0]);
        assert_eq!(spread.show(1), "3.0 (1.0–10.0)");
        assert_eq!(Spread::of([1.0, 2.0]).median, 1.5);
        assert!(Spread::of([]).median.is_nan());
    }

    #[test]
    fn the_99th_percentile_of_a_hundred_and_one_is_the_last_but_one() {
        let sorted: Vec<f64> = (0..=100).map(f64::from).collect();
        assert_eq!(quantile(&sorted, 0.99), 99.0);
    }
}
