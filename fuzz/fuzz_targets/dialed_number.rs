//! What was dialed: whatever it is, it is a number within E.164 or an error, and `+` and the number read as themselves.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tfps_engine::number::{BareNumbers, Country, DialPlan, plan};

fuzz_target!(|dialed: &str| {
    for code in ["US", "DE", "RU", "IT", "882"] {
        let Ok(home) = Country::from_code(code) else { continue };
        for bare in [BareNumbers::Auto, BareNumbers::E164, BareNumbers::National] {
            let dial_plan = DialPlan::for_country(home).with_bare_numbers(bare);
            if let Ok(number) = dial_plan.destination(dialed) {
                assert_eq!(dial_plan.destination(&number.to_string()), Ok(number));
                let _ = plan::look_up(&number);
            }
        }
    }
});
