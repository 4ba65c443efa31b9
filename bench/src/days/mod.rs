//! Days of calls that nobody made: offices, homes, call centres and carriers' trunks as they call, and the known attacks on them.
//! The same seed gives the same days.
//!
//! A [`World`] has accounts with habits; [`World::history`] is what they did before, [`World::day`] a day of theirs, and
//! [`Attack::calls`] what a thief adds to it. [`measure`] makes them through the engine, and through thresholds as
//! switches have them ([`thresholds`]).

mod accounts;
mod attacks;
mod chance;
pub mod measure;
mod numbers;
mod ordinary;
mod ranges;
#[cfg(test)]
mod stolen_accounts;
pub mod thresholds;
mod write;

pub use accounts::{Kind, Subscriber, World};
pub use attacks::Attack;
pub use chance::Chance;
pub use ranges::{Fraud, NotNumbers};
pub use write::{Span, write};
