//! What calls cost.

mod money;
mod rates;

pub use money::{Money, NotMoney};
pub use rates::{NotAPrefix, Rates};
