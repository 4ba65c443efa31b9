//! A carrier's rate sheet.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tfps_engine::{exposure, number::E164};

fuzz_target!(|sheet: &str| {
    match exposure::read(sheet) {
        Ok(rates) => {
            assert!(!rates.is_empty());
            if let Ok(number) = E164::from_digits("37128054190") {
                let _ = rates.of(&number).map(|price| price.for_seconds(u64::MAX));
            }
        }
        Err(error) => assert!(!error.0.is_empty()),
    }
});
