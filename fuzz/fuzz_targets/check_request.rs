//! A Check request off the wire: decoded, bounded, parsed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prost::Message;
use tfps_engine::call::{RawAttempt, printable};
use tfps_proto::v1::CheckRequest;

fuzz_target!(|bytes: &[u8]| {
    let Ok(request) = CheckRequest::decode(bytes) else { return };
    let account = request.account.unwrap_or_default();
    let raw = RawAttempt {
        username: account.username,
        domain: account.domain,
        dialed: request.dialed_number,
        caller: request.caller_number,
        source_ip: request.source_ip,
        user_agent: request.user_agent,
        concurrent_calls: request.concurrent_calls,
        call_id: request.call_id,
        forwarded_from: request.forwarded_from,
        trunk: request.trunk,
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
        Err(tampered) => assert!(tampered.0.0.is_injection() || !tampered.0.to_string().is_empty()),
    }
});
