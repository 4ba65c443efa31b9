//! What calls cost.

mod money;
mod rate_sheet;
mod rates;

pub use money::{Money, NotMoney};
pub use rate_sheet::{RateSheetError, read};
pub use rates::{NotAPrefix, Rates};
