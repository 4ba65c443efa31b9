//! Boosted trees, all of whose branches at one level ask the same (oblivious trees), so that a tree is a few answers side by side and one
//! look at its leaves.
//!
//! After Dorogush, Ershov, Gulin: CatBoost: gradient boosting with categorical features support (2018).

mod grove;

use serde::{Deserialize, Serialize};

pub(super) use self::grove::Grove;

/// The most levels of a tree.
pub(super) const MAX_LEVELS: usize = 6;

/// Room for so many measurements.
pub(super) const PLACES: usize = 64;

/// A sum of trees over measurements.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trees {
    /// What is added to all trees.
    pub bias: f32,
    /// The trees.
    pub trees: Vec<Tree>,
}

/// One tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tree {
    /// What is asked at each level: whether the measurement at a place is above a border.
    pub splits: Vec<(u8, f32)>,
    /// What each combination of answers adds; the first level's answer is the lowest bit.
    pub leaves: Vec<f32>,
}

/// Why trees can't be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TreesError {
    /// A tree has too many levels, or leaves that are not twice as many for each level.
    #[error("tree {tree} has {levels} levels and {leaves} leaves")]
    Shape {
        /// Which.
        tree: usize,
        /// Its levels.
        levels: usize,
        /// Its leaves.
        leaves: usize,
    },
    /// A tree asks for a measurement that there is not.
    #[error("tree {tree} asks for the measurement {place}, of {measurements}")]
    Place {
        /// Which.
        tree: usize,
        /// What it asks for.
        place: u8,
        /// How many there are.
        measurements: usize,
    },
    /// A tree has a number that is none.
    #[error("tree {tree} has a border or a leaf that is no finite number")]
    NotFinite {
        /// Which.
        tree: usize,
    },
}

impl Trees {
    /// Checks the trees for so many measurements.
    ///
    /// # Errors
    /// When they don't fit.
    pub fn check(&self, measurements: usize) -> Result<(), TreesError> {
        for (tree, of) in self.trees.iter().enumerate() {
            let (levels, leaves) = (of.splits.len(), of.leaves.len());
            if levels > MAX_LEVELS || leaves != 1 << levels {
                return Err(TreesError::Shape {
                    tree,
                    levels,
                    leaves,
                });
            }
            let place = of.splits.iter().map(|(place, _)| *place);
            if let Some(place) = place
                .max()
                .filter(|place| usize::from(*place) >= measurements)
            {
                return Err(TreesError::Place {
                    tree,
                    place,
                    measurements,
                });
            }
            let mut values = of.splits.iter().map(|(_, border)| border).chain(&of.leaves);
            if !values.all(|value| value.is_finite()) {
                return Err(TreesError::NotFinite { tree });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn tree(splits: &[(u8, f32)], leaves: &[f32]) -> Tree {
        Tree {
            splits: splits.to_vec(),
            leaves: leaves.to_vec(),
        }
    }

    #[test]
    fn trees_that_do_not_fit_are_refused() {
        let of = |splits: &[(u8, f32)], leaves: &[f32]| {
            Trees {
                bias: 0.0,
                trees: vec![tree(splits, leaves)],
            }
            .check(3)
        };
        assert_eq!(of(&[(2, 0.0)], &[1.0, 2.0]), Ok(()));
        assert!(matches!(
            of(&[(3, 0.0)], &[1.0, 2.0]),
            Err(TreesError::Place { .. })
        ));
        assert!(matches!(
            of(&[(0, 0.0)], &[1.0]),
            Err(TreesError::Shape { .. })
        ));
        assert!(matches!(
            of(&[(0, 0.0); 7], &[0.0; 128]),
            Err(TreesError::Shape { .. })
        ));
        assert!(matches!(
            of(&[(0, f32::NAN)], &[1.0, 2.0]),
            Err(TreesError::NotFinite { .. })
        ));
    }
}
