//! What a switch sends to the bridge, as a form and as JSON: refused with a field's name, or within the API's bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tfps_opensips_bridge::request::{Fields, WhoPays, call, check, form, json};

fuzz_target!(|bytes: &[u8]| {
    for read in [form::read, |bytes: &[u8], fields: &mut Fields<'_>| json::read(bytes, fields)] {
        let mut fields = Fields::default();
        match read(bytes, &mut fields) {
            Err(bad) => assert!(bad.field.len() <= 200),
            Ok(()) => {
                let _ = call::read(&fields, WhoPays::default());
                if let Ok(check) = check::read(&fields, WhoPays::default()) {
                    let account = check.account.expect("a check names an account");
                    assert!((1..=64).contains(&account.username.len()));
                    assert!((1..=253).contains(&account.domain.len()));
                    assert!((1..=64).contains(&check.dialed_number.len()));
                    assert!(check.attempt_key.len() <= 256);
                    assert!(check.user_agent.len() <= 256 && check.forwarded_from.len() <= 256);
                }
            }
        }
    }
});
