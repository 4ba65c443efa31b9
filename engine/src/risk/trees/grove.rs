//! Trees as they are asked.
//!
//! Each measurement is compared with its borders once. How many of them it is above gives the answers to all questions of all trees for
//! it, as a row of bits; the rows of all measurements together are the leaves of all trees. So a tree costs little more than its leaf.
//!
//! After Lucchese et al.: QuickScorer: a fast algorithm to rank documents with additive ensembles of regression trees (2015).

use super::{MAX_LEVELS, PLACES, Tree, Trees};

/// So many trees have their answers in one word.
const OF_WORD: usize = u64::BITS as usize / MAX_LEVELS;
/// So many words are answered at once.
const WORDS: usize = 10;
/// So many trees are.
const OF_WOOD: usize = OF_WORD * WORDS;
const LEAVES: usize = 1 << MAX_LEVELS;
/// Borders are compared by so many.
const STEP: usize = 8;

/// Trees as they are asked.
#[derive(Clone, Debug)]
pub(in crate::risk) struct Grove {
    bias: f32,
    woods: Box<[Wood]>,
}

/// As many trees as are answered at once.
#[derive(Clone, Debug)]
struct Wood {
    asked: Box<[Asked]>,
    borders: Box<[[f32; STEP]]>,
    rows: Box<[Row]>,
    leaves: Box<[[f32; LEAVES]]>,
}

/// The answers of all trees, [`MAX_LEVELS`] bits each. A level that a tree lacks is never answered with yes.
type Row = [u64; WORDS];

/// A measurement that is asked for.
#[derive(Clone, Copy, Debug)]
struct Asked {
    place: u8,
    /// How many steps its borders take; those that are missing to a step are never passed.
    steps: u8,
    /// Where its rows start: one for none of its borders passed, and one more for each.
    rows: u16,
}

impl Grove {
    /// From trees that were checked.
    pub(in crate::risk) fn new(trees: &Trees) -> Self {
        Self {
            bias: trees.bias,
            woods: trees.trees.chunks(OF_WOOD).map(Wood::new).collect(),
        }
    }

    /// What the trees say of measurements: their sum.
    pub(in crate::risk) fn sum(&self, measured: &[f32; PLACES]) -> f32 {
        let sums = self.woods.iter().map(|wood| wood.sum(measured));
        self.bias + sums.sum::<f32>()
    }
}

impl Wood {
    fn new(trees: &[Tree]) -> Self {
        let (mut asked, mut borders, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        for place in 0..PLACES as u8 {
            let mut questions: Vec<(f32, usize)> = trees
                .iter()
                .enumerate()
                .flat_map(|(tree, of)| {
                    let bits = of.splits.iter().enumerate();
                    bits.filter(|(_, (asked, _))| *asked == place)
                        .map(move |(level, (_, border))| (*border, tree * MAX_LEVELS + level))
                })
                .collect();
            if questions.is_empty() {
                continue;
            }
            questions.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
            let mut own = Vec::new();
            let mut row: Row = [0; WORDS];
            let from = rows.len() as u16;
            rows.push(row);
            for alike in questions.chunk_by(|one, next| one.0 == next.0) {
                for (_, bit) in alike {
                    let (tree, level) = (bit / MAX_LEVELS, bit % MAX_LEVELS);
                    row[tree / OF_WORD] |= 1 << (tree % OF_WORD * MAX_LEVELS + level);
                }
                own.push(alike[0].0);
                rows.push(row);
            }
            own.resize(own.len().next_multiple_of(STEP), f32::INFINITY);
            let steps = own.as_chunks::<STEP>().0;
            asked.push(Asked {
                place,
                steps: steps.len() as u8,
                rows: from,
            });
            borders.extend_from_slice(steps);
        }
        let mut leaves: Vec<[f32; LEAVES]> = trees
            .iter()
            .map(|tree| std::array::from_fn(|leaf| tree.leaves.get(leaf).copied().unwrap_or(0.0)))
            .collect();
        leaves.resize(OF_WOOD, [0.0; LEAVES]);
        Self {
            asked: asked.into(),
            borders: borders.into(),
            rows: rows.into(),
            leaves: leaves.into(),
        }
    }

    fn sum(&self, measured: &[f32; PLACES]) -> f32 {
        let mut answers: Row = [0; WORDS];
        let mut borders = self.borders.iter();
        for asked in &self.asked {
            let value = measured[usize::from(asked.place) % PLACES];
            // Written as a loop over a slice it is not compiled to comparisons of several borders at once, and takes twice as long.
            let steps = borders.by_ref().take(asked.steps.into());
            let passed = steps.fold([0; STEP], |mut passed: [u32; STEP], step| {
                for (passed, border) in passed.iter_mut().zip(step) {
                    *passed += u32::from(value > *border);
                }
                passed
            });
            let passed = passed.iter().sum::<u32>() as usize;
            if let Some(row) = self.rows.get(usize::from(asked.rows) + passed) {
                for (answers, row) in answers.iter_mut().zip(row) {
                    *answers |= row;
                }
            }
        }
        let trees = self.leaves.as_chunks::<OF_WORD>().0;
        // Each word's trees have a sum of their own, so that no sum waits for all others.
        let sums = answers.iter().zip(trees).map(|(answers, trees)| {
            let mut answers = *answers;
            let leaf = |leaves: &[f32; LEAVES]| {
                let leaf = answers as usize % LEAVES;
                answers >>= MAX_LEVELS;
                leaves[leaf]
            };
            trees.iter().map(leaf).sum::<f32>()
        });
        sums.sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::risk::trees::tests::tree;

    #[test]
    fn a_leaf_is_found_by_the_answers_and_trees_add_up() {
        let trees = Trees {
            bias: 0.5,
            trees: vec![
                tree(&[(0, 1.0), (1, 5.0)], &[1.0, 2.0, 3.0, 4.0]),
                tree(&[], &[10.0]),
                tree(&[(1, 7.0)], &[100.0, 200.0]),
            ],
        };
        trees.check(2).unwrap();
        let grove = Grove::new(&trees);
        let sum = |one: f32, two: f32| {
            let mut measured = [0.0; PLACES];
            (measured[0], measured[1]) = (one, two);
            grove.sum(&measured)
        };
        assert_eq!(sum(1.0, 5.0), 0.5 + 1.0 + 10.0 + 100.0);
        assert_eq!(sum(1.5, 5.0), 0.5 + 2.0 + 10.0 + 100.0);
        assert_eq!(sum(1.0, 6.0), 0.5 + 3.0 + 10.0 + 100.0);
        assert_eq!(sum(2.0, 9.0), 0.5 + 4.0 + 10.0 + 200.0);
        assert_eq!(sum(f32::NAN, 9.0), 0.5 + 3.0 + 10.0 + 200.0);
    }

    proptest! {
        // More trees than are answered at once, and more borders of a measurement than are compared at once.
        #[test]
        fn the_sum_is_that_of_asking_each_tree(
            splits in proptest::collection::vec(proptest::collection::vec((0_u8..3, -30_i8..30), 0..=MAX_LEVELS), 0..250),
            values in [-31_i8..31, -31..31, -31..31],
        ) {
            let trees: Vec<Tree> = splits
                .iter()
                .enumerate()
                .map(|(place, splits)| Tree {
                    splits: splits.iter().map(|(place, border)| (*place, f32::from(*border))).collect(),
                    leaves: (0..1 << splits.len()).map(|leaf| ((leaf * 7 + place) % 50) as f32).collect(),
                })
                .collect();
            let mut measured = [0.0; PLACES];
            for (measured, value) in measured.iter_mut().zip(values) {
                *measured = value.into();
            }
            let each = trees.iter().map(|tree| {
                let answers = tree.splits.iter().enumerate();
                let yes = answers.map(|(level, (place, border))| {
                    usize::from(measured[usize::from(*place)] > *border) << level
                });
                tree.leaves[yes.sum::<usize>()]
            });
            let sum = 1.0 + each.sum::<f32>();
            prop_assert_eq!(Grove::new(&Trees { bias: 1.0, trees }).sum(&measured), sum);
        }
    }
}
