//! What calls cost, and how much an account can lose in a day.

mod caps;
mod estimate;
mod money;
mod rate_sheet;
mod rates;

pub use caps::{Caps, Exposure, Tariff};
pub use estimate::estimate;
pub use money::{Money, NotMoney};
pub use rate_sheet::{RateSheetError, read};
pub use rates::{NotAPrefix, Rates};
