//! Business hours: when a policy's limits for business hours apply, and when those for off hours.
//!
//! An operator writes a [`HoursDocument`]: spans by weekday, or a time recurrence string as in OpenSIPS, and
//! holidays. It is compiled once, when the policy is loaded, into [`BusinessHours`], which every call asks.
//!
//! ```
//! use tfps_engine::schedule::{BusinessHours, HoursDocument, zone};
//!
//! let zone = zone("America/New_York")?;
//! let hours = BusinessHours::compile(&HoursDocument::default(), &zone)?;
//! assert!(hours.is_open("2022-06-06T09:00:00-04:00".parse()?));
//! assert!(!hours.is_open("2022-06-06T17:00:00-04:00".parse()?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # By the clock on the wall
//!
//! Hours are what the clock on the wall of the policy's time zone shows. When clocks go forward, hours that are
//! skipped do not happen; when they go back, the hour that is shown twice has the same answer twice. Only the far
//! bounds of a recurrence (DTSTART, UNTIL, the end of one that does not repeat) are moments: of a time that is shown
//! twice the first, of one that is skipped the one just after.
//!
//! # Nights
//!
//! A weekly span over midnight belongs to the day on which it begins: 18:00 to 08:00 on Friday ends on Saturday
//! morning. On a holiday all is off hours: a span that began the evening before ends at midnight, and one that would
//! begin on the holiday does not, so that the morning after it is off hours too. A recurrence, as in OpenSIPS, looks
//! at the day that it is now: 18:00 to 08:00 on Friday is open on Friday before 08:00 and from 18:00. Its holidays
//! take away just their own day.
//!
//! What recurrence strings mean in full is told in [`recurrence`].

mod business_hours;
mod document;
mod error;
mod local_time;
mod notice;
pub mod recurrence;
mod weekday;
mod weekly;
mod zone;

pub use self::business_hours::{BusinessHours, MAX_HOLIDAYS};
pub use self::document::{ClockTime, HoursDocument, InvalidClockTime, WeeklySpan};
pub use self::error::HoursError;
pub use self::notice::Notice;
pub use self::weekday::{UnknownWeekday, Weekday};
pub use self::weekly::MAX_WEEKLY_SPANS;
pub use self::zone::{UnknownTimeZone, zone};
