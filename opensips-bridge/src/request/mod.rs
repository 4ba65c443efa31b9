//! What a switch asks, read from what it sent: [`form`] and [`json`] find the [`fields`], [`headers`] reads the SIP
//! headers that it passed on as they came, [`check`] and [`call`] make typed requests of it all, [`help`] one of what does not
//! read. Pure: no I/O, no clock.

pub mod call;
pub mod check;
pub mod fields;
pub mod form;
pub mod headers;
pub mod help;
mod identity;
pub mod json;

pub use self::{
    fields::{Field, Fields},
    identity::{DEFAULT_DOMAIN, WhoPays},
};

/// What is wrong with a request: which field, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct BadField {
    /// The field, as the switch named it; `body` or `query` where it is none in particular.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
}

impl BadField {
    pub(crate) fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            problem: problem.into(),
        }
    }
}

/// Bounds of the API (check.proto), in bytes.
mod bounds {
    pub(super) const USERNAME: usize = 64;
    pub(super) const DOMAIN: usize = 253;
    pub(super) const DIALED: usize = 128;
    pub(super) const NUMBER: usize = 64;
    pub(super) const HEADER: usize = 256;
    pub(super) const TRUNK: usize = 64;
}

/// The text, if it is not longer than it may be.
fn bounded(field: &str, text: &str, limit: usize) -> Result<String, BadField> {
    if text.len() <= limit {
        return Ok(text.to_owned());
    }
    Err(BadField::new(
        field,
        format!("is {} bytes long, at most {limit} are taken", text.len()),
    ))
}

/// A number of this range.
fn whole_number(field: &str, text: &str, highest: u32) -> Result<u32, BadField> {
    text.parse()
        .ok()
        .filter(|number| *number <= highest && text.bytes().all(|byte| byte.is_ascii_digit()))
        .ok_or_else(|| BadField::new(field, format!("must be a number from 0 to {highest}")))
}
