//! One thing, a line each fact.

use comfy_table::{ContentArrangement, Table};

use super::{
    Cell,
    rows::{dress, styled},
};
use crate::{console::Console, failure::Failure};

/// What there is to know about one thing.
#[derive(Debug, Default)]
pub struct Facts {
    rows: Vec<(String, Cell)>,
}

impl Facts {
    /// A fact.
    pub fn add(&mut self, name: &str, value: impl Into<Cell>) -> &mut Self {
        self.rows.push((name.to_owned(), value.into()));
        self
    }

    /// A fact, where there is something to say.
    pub fn add_some(&mut self, name: &str, value: impl Into<Cell>) -> &mut Self {
        let value = value.into();
        if value.text.is_empty() {
            self
        } else {
            self.add(name, value)
        }
    }

    /// More facts.
    pub fn extend(&mut self, more: Self) {
        self.rows.extend(more.rows);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes them, as wide as the terminal at the most.
    ///
    /// # Errors
    ///
    /// When standard output can't be written.
    pub fn write(&self, console: &mut Console) -> Result<(), Failure> {
        let mut table = self.table(console.colour());
        dress(&mut table, console);
        if console.width().is_some() {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        }
        console.write(&format!("{}\n", table.trim_fmt()))
    }

    /// A line each, for standard error.
    pub fn lines(&self) -> Vec<String> {
        let mut table = self.table(false);
        table
            .load_style(comfy_table::presets::NOTHING)
            .force_no_tty();
        table
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect()
    }

    fn table(&self, colour: bool) -> Table {
        let mut table = Table::new();
        for (name, value) in &self.rows {
            table.add_row([
                styled(&Cell::from(name.as_str()), colour),
                styled(value, colour),
            ]);
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        table
    }
}
