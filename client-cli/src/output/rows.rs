//! Tables: rows in columns, no lines, batch by batch.

use comfy_table::{
    Attribute, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table, Width,
    presets::NOTHING,
};

use super::{Cell, Tone, visible};
use crate::{console::Console, failure::Failure};

/// How far columns are apart.
const GAP: u16 = 2;
/// How narrow a last column may get before others have to give way.
const LEAST_WRAPPED: u16 = 20;

/// A column of a table.
pub struct Column<T> {
    title: &'static str,
    right: bool,
    from_width: u16,
    cell: fn(&T) -> Cell,
}

impl<T> Column<T> {
    /// A column of text.
    pub const fn text(title: &'static str, cell: fn(&T) -> Cell) -> Self {
        Self {
            title,
            right: false,
            from_width: 0,
            cell,
        }
    }

    /// A column of numbers.
    pub const fn number(title: &'static str, cell: fn(&T) -> Cell) -> Self {
        Self {
            title,
            right: true,
            from_width: 0,
            cell,
        }
    }

    /// A column that terminals narrower than `from_width` go without.
    pub const fn wide(title: &'static str, from_width: u16, cell: fn(&T) -> Cell) -> Self {
        Self {
            title,
            right: false,
            from_width,
            cell,
        }
    }
}

/// Writes rows as they come, the header before the first.
pub struct Rows<T: 'static> {
    columns: Vec<&'static Column<T>>,
    /// How wide the columns were so far: a later batch keeps at least that, so that columns stay in line.
    widths: Vec<u16>,
    begun: bool,
}

impl<T> Rows<T> {
    /// Columns that start at least as wide as `widths` says, where it says something.
    pub fn new(columns: &'static [Column<T>], widths: &[u16], console: &Console) -> Self {
        let widths = widths.iter().copied().chain(std::iter::repeat(0));
        let (columns, widths) = columns
            .iter()
            .zip(widths)
            .filter(|(column, _)| {
                console
                    .width()
                    .is_none_or(|width| width >= column.from_width)
            })
            .unzip();
        Self {
            columns,
            widths,
            begun: false,
        }
    }

    /// Writes some.
    ///
    /// # Errors
    ///
    /// When standard output can't be written.
    pub fn write(&mut self, things: &[T], console: &mut Console) -> Result<(), Failure> {
        if things.is_empty() {
            return Ok(());
        }
        let colour = console.colour();
        let mut table = Table::new();
        dress(&mut table, console);
        if !self.begun {
            self.begun = true;
            let title = |column: &&Column<T>| {
                let cell = comfy_table::Cell::new(column.title);
                if colour {
                    cell.add_attribute(Attribute::Bold)
                } else {
                    cell
                }
            };
            table.set_header(self.columns.iter().map(title));
        }
        for thing in things {
            table.add_row(
                self.columns
                    .iter()
                    .map(|column| styled(&(column.cell)(thing), colour)),
            );
        }
        for (width, content) in self
            .widths
            .iter_mut()
            .zip(table.column_max_content_widths())
        {
            *width = (*width).max(content + GAP);
        }
        let layout = layout(&self.widths, console.width());
        if layout == Layout::Squeezed {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        }
        let last = self.columns.len().saturating_sub(1);
        for (at, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, GAP));
            if self.columns[at].right {
                column.set_cell_alignment(CellAlignment::Right);
            }
            match layout {
                Layout::Wraps(room) if at == last => {
                    column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(room)));
                }
                Layout::Fits | Layout::Wraps(_) => {
                    column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(
                        self.widths[at],
                    )));
                }
                Layout::Squeezed => {}
            }
        }
        console.write(&format!("{}\n", table.trim_fmt()))
    }
}

/// How columns share a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// There is room for all.
    Fits,
    /// There is room when the last one wraps within this width.
    Wraps(u16),
    /// Several have to wrap.
    Squeezed,
}

/// `widths`: of the columns, gaps included.
fn layout(widths: &[u16], terminal: Option<u16>) -> Layout {
    let Some(terminal) = terminal else {
        return Layout::Fits;
    };
    let total: u32 = widths.iter().map(|&width| u32::from(width)).sum();
    // Behind the last column there is no gap.
    if total <= u32::from(terminal) + u32::from(GAP) {
        return Layout::Fits;
    }
    let before: u32 = widths
        .iter()
        .rev()
        .skip(1)
        .map(|&width| u32::from(width))
        .sum();
    match u16::try_from(before)
        .ok()
        .and_then(|before| terminal.saturating_add(GAP).checked_sub(before))
    {
        Some(room) if room >= LEAST_WRAPPED => Layout::Wraps(room),
        _ => Layout::Squeezed,
    }
}

/// No lines, no guesses: what a table looks like.
pub(super) fn dress(table: &mut Table, console: &Console) {
    table.load_style(NOTHING).force_no_tty();
    if let Some(width) = console.width() {
        table.set_width(width);
    }
    if console.colour() {
        table.enforce_styling();
    }
}

/// A cell that does to the terminal what its tone says, and nothing that its text says.
pub(super) fn styled(cell: &Cell, colour: bool) -> comfy_table::Cell {
    let shown = comfy_table::Cell::new(visible(&cell.text));
    match cell.tone {
        Tone::Good if colour => shown.fg(Color::Green),
        Tone::Caution if colour => shown.fg(Color::Yellow),
        Tone::Bad if colour => shown.fg(Color::Red),
        _ => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_column_gives_way_first() {
        assert_eq!(layout(&[20, 20, 200], None), Layout::Fits);
        assert_eq!(
            layout(&[20, 20, 42], Some(80)),
            Layout::Fits,
            "no gap is needed at the end"
        );
        assert_eq!(layout(&[20, 20, 43], Some(80)), Layout::Wraps(42));
        assert_eq!(layout(&[40, 40, 30], Some(80)), Layout::Squeezed);
        assert_eq!(
            layout(&[u16::MAX, u16::MAX, 1], Some(u16::MAX)),
            Layout::Squeezed
        );
    }
}
