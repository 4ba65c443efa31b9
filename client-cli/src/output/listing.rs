//! Many things of a kind, page by page, in the format that was asked for.

use super::{Column, Rows, csv, json};
use crate::{
    console::{Console, Format},
    failure::Failure,
    reflection::{Described, dynamic},
};

/// Writes a list as its pages come in.
pub struct Listing<T: 'static> {
    rows: Rows<T>,
    count: u64,
    /// JSON Lines rather than an array.
    endless: bool,
    begun: bool,
}

impl<T: Described> Listing<T> {
    /// A list that has an end: a JSON array.
    pub fn new(columns: &'static [Column<T>], console: &Console) -> Self {
        Self {
            rows: Rows::new(columns, &[], console),
            count: 0,
            endless: false,
            begun: false,
        }
    }

    /// A list that may have none: JSON Lines, and columns that start as wide as `widths` says.
    pub fn endless(columns: &'static [Column<T>], widths: &[u16], console: &Console) -> Self {
        Self {
            rows: Rows::new(columns, widths, console),
            count: 0,
            endless: true,
            begun: false,
        }
    }

    /// Writes a page.
    ///
    /// # Errors
    ///
    /// When standard output can't be written.
    pub fn page(&mut self, things: &[T], console: &mut Console) -> Result<(), Failure> {
        match console.format() {
            Format::Table => self.rows.write(things, console)?,
            Format::Json if self.endless => {
                things
                    .iter()
                    .try_for_each(|thing| console.write(&(json::line(&dynamic(thing)) + "\n")))?;
            }
            Format::Json => {
                for (at, thing) in (self.count..).zip(things) {
                    let before = if at == 0 { "[\n  " } else { ",\n  " };
                    console.write(&format!("{before}{}", json::line(&dynamic(thing))))?;
                }
            }
            Format::Csv => {
                if !self.begun {
                    console.write(&csv::header(&T::message_descriptor()))?;
                }
                things
                    .iter()
                    .try_for_each(|thing| console.write(&csv::row(&dynamic(thing))))?;
            }
        }
        self.begun = true;
        self.count += things.len() as u64;
        console.flush()
    }

    /// Writes what belongs at the end. `nothing` is said where nothing was listed.
    ///
    /// # Errors
    ///
    /// When standard output can't be written.
    pub fn finish(self, nothing: &str, console: &mut Console) -> Result<(), Failure> {
        match (console.format(), self.count) {
            (Format::Table, 0) => console.say(nothing),
            (Format::Json, 0) if !self.endless => console.write("[]\n")?,
            (Format::Json, _) if !self.endless => console.write("\n]\n")?,
            (Format::Csv, _) if !self.begun => {
                console.write(&csv::header(&T::message_descriptor()))?;
            }
            _ => {}
        }
        Ok(())
    }
}
