//! The fields of a call attempt, a line each: bounded, then parsed or found to be tampered with.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tfps_engine::call::{RawAttempt, printable};

fuzz_target!(|text: &str| {
    let mut fields = text.split('\n').map(str::to_owned);
    let mut next = || fields.next().unwrap_or_default();
    let raw = RawAttempt {
        username: next(),
        domain: next(),
        dialed: next(),
        caller: next(),
        source_ip: next(),
        user_agent: next(),
        concurrent_calls: None,
        call_id: next(),
        attempt_key: next(),
        forwarded_from: next(),
        trunk: next(),
    };
    assert!(!printable(&raw.user_agent).chars().any(char::is_control));
    if raw.check_bounds().is_err() {
        return;
    }
    let Ok(source_ip) = raw.source_ip() else { return };
    match raw.into_attempt(source_ip) {
        Ok(call) => {
            let again = call.account.as_str().parse();
            assert_eq!(again, Ok(call.account));
        }
        Err(tampered) => assert!(tampered.0.0.is_injection()),
    }
});
