//! The automaton and what belongs to it, as `number::plan` and `number::country` include them: the states as bytes, the
//! small tables as Rust expressions.

use std::error::Error;

use crate::automaton::{Automaton, Outcome};
use crate::metadata::CallingCode;
use crate::places::PLACES;

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
            "Outcome {{ kind: {kind}, slot: {}, slot_beyond: {} }}",
            outcome.slot, outcome.slot_beyond,
        )
    }))
}

/// What is dialed to and in each place, in the order of `PLACES`: `&[Dialing]`.
pub(crate) fn dialing(calling_codes: &[CallingCode]) -> String {
    slice((0..PLACES.len()).map(|place| {
        let known = calling_codes.iter().find_map(|calling_code| {
            let territory = calling_code.territories.iter().find(|t| t.place == place)?;
            Some((calling_code.code, territory))
        });
        format!(
            "Dialing {{ calling_code: {:?}, national_prefix: {:?}, international_prefix: {:?} }}",
            known.map(|(code, _)| code),
            known.and_then(|(_, territory)| territory.national_prefix.as_deref()),
            known.and_then(|(_, territory)| territory.international_prefix.as_deref()),
        )
    }))
}

fn slice(entries: impl Iterator<Item = String>) -> String {
    format!("&[\n{}\n]", entries.collect::<Vec<_>>().join(",\n"))
}
