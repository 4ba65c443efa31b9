//! The lines of a file that can't be taken.

use super::AttemptError;
use crate::{commands::things, failure::Failure, output::count};

/// How many are told.
const TOLD: usize = 10;

/// How many there are, and what is wrong with the first ones.
#[derive(Debug, Default)]
pub struct WrongLines {
    wrong: u64,
    told: Vec<String>,
}

impl WrongLines {
    /// One more; says whether nothing can be read after it.
    pub fn add(&mut self, error: &AttemptError) -> bool {
        self.wrong += 1;
        if self.told.len() < TOLD {
            self.told.push(error.to_string());
        }
        matches!(error, AttemptError::Unreadable(_))
    }

    /// Refuses the file where there is any.
    ///
    /// # Errors
    ///
    /// All of them, and what this means for the whole: `nothing was sent`.
    pub fn refuse(mut self, file: &str, so: &str) -> Result<(), Failure> {
        if self.wrong == 0 {
            return Ok(());
        }
        let untold = self.wrong - self.told.len() as u64;
        if untold > 0 {
            self.told.push(format!("and {} more", count(untold)));
        }
        let lines = things(self.wrong, "line", "lines");
        Err(Failure {
            details: self.told,
            ..Failure::usage(format!("{file} has {lines} that cannot be taken; {so}"))
        })
    }
}
