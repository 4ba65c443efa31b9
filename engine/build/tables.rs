//! The automaton and what belongs to it, as `number::plan` and `number::country` include them: the states as bytes, the
//! small tables as Rust expressions.

use std::error::Error;

use crate::automaton::{Automaton, Outcome};
use crate::metadata::{CallingCode, Form, Rewrite};
use crate::places::PLACES;
use crate::short_numbers::ShortNumbers;

/// Marks, among the calling codes by their first three digits, that there is none.
const NO_CALLING_CODE: u8 = u8::MAX;

/// What can be known of a number where its digits end or leave the plan, each once.
pub(crate) fn outcomes(automaton: &Automaton) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for row in automaton.rows() {
        if !outcomes.contains(&row.outcome) {
            outcomes.push(row.outcome);
        }
    }
    outcomes
}

/// Eleven little-endian 16-bit cells a state: the successors for the digits 0 to 9, then the index of the outcome.
pub(crate) fn states(
    automaton: &Automaton,
    outcomes: &[Outcome],
) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut bytes = Vec::new();
    for row in automaton.rows() {
        let outcome = outcomes
            .iter()
            .position(|outcome| *outcome == row.outcome)
            .ok_or("a state has an outcome that was not collected")?;
        for cell in row.next.into_iter().chain([u16::try_from(outcome)?]) {
            bytes.extend(cell.to_le_bytes());
        }
    }
    Ok(bytes)
}

/// The calling codes in ascending order: `&[CallingCode]`.
pub(crate) fn calling_codes(calling_codes: &[CallingCode], starts: &[u16]) -> String {
    let mut first_territory = 0;
    slice(calling_codes.iter().zip(starts).map(|(calling_code, start)| {
        let entry = format!(
            "CallingCode {{ code: {}, digits: {}, start: {start}, first_territory: {first_territory} }}",
            calling_code.code,
            calling_code.digits(),
        );
        first_territory += calling_code.territories.len();
        entry
    }))
}

/// For each first three digits the index of the calling code: `[u8; 1000]`.
pub(crate) fn first_digits(calling_codes: &[CallingCode]) -> Result<String, Box<dyn Error>> {
    let mut table = [NO_CALLING_CODE; 1000];
    for (index, calling_code) in calling_codes.iter().enumerate() {
        let width = 10_usize.pow(3 - u32::try_from(calling_code.digits())?);
        let from = usize::from(calling_code.code) * width;
        let index = u8::try_from(index)?;
        if index == NO_CALLING_CODE {
            return Err("more calling codes than one byte can count".into());
        }
        table[from..from + width].fill(index);
    }
    Ok(format!("{table:?}"))
}

/// The territories, main country first, calling code by calling code: `&[Territory]`.
pub(crate) fn territories(calling_codes: &[CallingCode]) -> String {
    slice(
        calling_codes
            .iter()
            .flat_map(|calling_code| &calling_code.territories)
            .map(|territory| {
                format!(
                    "Territory {{ country: Country::at({}), lengths: {:#b} }}",
                    territory.place,
                    territory.general.lengths.e164_bits(),
                )
            }),
    )
}

/// The outcomes: `&[Outcome]`.
pub(crate) fn outcomes_table(outcomes: &[Outcome]) -> String {
    slice(outcomes.iter().map(|outcome| {
        let kind = match outcome.kind {
            Some(kind) => format!("Some(NumberKind::{kind:?})"),
            None => "None".to_owned(),
        };
        format!(
            "Outcome {{ kind: {kind}, slot: {}, slot_beyond: {}, valid_in: {:#b} }}",
            outcome.slot, outcome.slot_beyond, outcome.valid_in,
        )
    }))
}

/// What is dialed to and in each place, in the order of `PLACES`: `&[Dialing]`.
pub(crate) fn dialing(calling_codes: &[CallingCode], short_numbers: &ShortNumbers) -> String {
    slice((0..PLACES.len()).map(|place| {
        let known = calling_codes.iter().find_map(|calling_code| {
            let territory = calling_code.territories.iter().find(|t| t.place == place)?;
            Some((calling_code.code, territory))
        });
        let territory = known.map(|(_, territory)| territory);
        format!(
            "Dialing {{ calling_code: {:?}, national_prefix: {:?}, international_prefix: {:?}, international_prefixes: {}, \
             rewrites: {}, forms: {}, local_lengths: {:#b}, short_numbers: {} }}",
            known.map(|(code, _)| code),
            territory.and_then(|territory| territory.national_prefix.as_deref()),
            territory.and_then(|territory| territory.international_prefix.as_deref()),
            slice(
                territory
                    .iter()
                    .flat_map(|territory| &territory.international_prefixes)
                    .map(|prefix| digits(&prefix.digits)),
            ),
            slice(territory.iter().flat_map(|territory| &territory.rewrites).map(rewrite)),
            slice(territory.iter().flat_map(|territory| &territory.forms).map(form)),
            territory.map_or(0, |territory| territory.local_lengths.e164_bits()),
            slice(short_numbers.of(PLACES[place].0).map(|(usage, form)| format!(
                "ShortNumber {{ usage: ShortUse::{usage}, digits: {} }}",
                digits(&form.digits),
            ))),
        )
    }))
}

fn rewrite(rewrite: &Rewrite) -> String {
    format!(
        "Rewrite {{ digits: {}, to_the_end: {}, insert: {:?}, keep: {:?} }}",
        digits(&rewrite.form.digits),
        rewrite.form.to_the_end,
        rewrite.insert,
        rewrite.keep,
    )
}

fn form(form: &Form) -> String {
    format!(
        "Form {{ leading: {}, lengths: {:#b}, prefixed: {} }}",
        slice(form.leading.iter().map(|leading| digits(&leading.digits))),
        form.lengths.e164_bits(),
        form.prefixed,
    )
}

fn digits(classes: &[u16]) -> String {
    format!("&{classes:?}")
}

fn slice(entries: impl Iterator<Item = String>) -> String {
    format!("&[\n{}\n]", entries.collect::<Vec<_>>().join(",\n"))
}
