//! Chance that a seed decides.

use crate::random::Random;

/// What a seed decides: the same on every machine.
#[derive(Clone, Debug)]
pub struct Chance(Random);

impl Chance {
    /// From a seed and what it is for, so that one more draw here changes nothing there.
    pub fn new(seed: u64, what: &str) -> Self {
        let hash = what.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3_u64)
        });
        let mut chance = Self(Random(seed ^ hash));
        chance.0.next();
        chance
    }

    /// From 0 to below 1.
    pub fn part(&mut self) -> f64 {
        (self.0.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something happens that happens so often.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.part() < probability
    }

    /// From the first to the last, both included.
    pub fn between(&mut self, first: u64, last: u64) -> u64 {
        first + (self.part() * (last - first + 1) as f64) as u64
    }

    /// One of some; there must be one.
    pub fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[(self.part() * of.len() as f64) as usize]
    }

    /// One of some, each with its weight.
    pub fn weighed<T: Copy>(&mut self, of: &[(T, f64)]) -> T {
        let total: f64 = of.iter().map(|(_, weight)| weight).sum();
        let mut left = self.part() * total;
        for (one, weight) in of {
            left -= weight;
            if left < 0.0 {
                return *one;
            }
        }
        of[of.len() - 1].0
    }

    /// Around 0 with a standard deviation of 1, near enough to normal.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.part()).sum::<f64>() - 6.0
    }

    /// How often what happens so often on average happens (Poisson, by Knuth; near enough to normal from 30 on).
    pub fn count(&mut self, mean: f64) -> u64 {
        if mean > 30.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as u64;
        }
        let limit = (-mean).exp();
        let mut product = self.part();
        let mut count = 0;
        while product > limit {
            product *= self.part();
            count += 1;
        }
        count
    }

    /// A time that passes until what has a mean time happens.
    pub fn waiting(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.part()).ln()
    }
}
