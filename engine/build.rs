//! Compiles the numbering plans of the world into tables that the engine walks digit by digit.
//!
//! libphonenumber describes every territory by regular expressions. Matching them takes microseconds a number; a
//! decision has two in all. So all patterns of all territories are determinized here into one automaton over digits, and the
//! prefixes and short numbers, which are few and short, are listed as sequences of digits.
//!
//! ```text
//! metadata  (patterns by territory)  ──▶ automaton (one row of ten successors a state)  ──▶ tables (OUT_DIR)
//! ```

#[path = "build/automaton.rs"]
mod automaton;
#[path = "build/metadata.rs"]
mod metadata;
#[path = "src/number/iso3166.rs"]
mod places;
#[path = "build/sequences.rs"]
mod sequences;
#[path = "build/short_numbers.rs"]
mod short_numbers;
#[path = "build/tables.rs"]
mod tables;

use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    for input in [
        "build.rs",
        "build",
        "src/number/iso3166.rs",
        "data/short-numbers.tsv",
    ] {
        println!("cargo::rerun-if-changed={input}");
    }
    let out_dir = PathBuf::from(std::env::var("OUT_DIR")?);

    let calling_codes = metadata::calling_codes()?;
    let mut automaton = automaton::Automaton::default();
    let mut starts = Vec::with_capacity(calling_codes.len());
    for calling_code in &calling_codes {
        starts.push(automaton.add(calling_code)?);
    }

    let short_numbers =
        short_numbers::ShortNumbers::read(&std::fs::read_to_string("data/short-numbers.tsv")?)?;
    let outcomes = tables::outcomes(&automaton);
    std::fs::write(
        out_dir.join("states.bin"),
        tables::states(&automaton, &outcomes)?,
    )?;
    for (file, table) in [
        (
            "calling_codes.rs",
            tables::calling_codes(&calling_codes, &starts),
        ),
        ("first_digits.rs", tables::first_digits(&calling_codes)?),
        ("territories.rs", tables::territories(&calling_codes)),
        ("outcomes.rs", tables::outcomes_table(&outcomes)),
        (
            "dialing.rs",
            tables::dialing(&calling_codes, &short_numbers),
        ),
    ] {
        std::fs::write(out_dir.join(file), table)?;
    }
    Ok(())
}
