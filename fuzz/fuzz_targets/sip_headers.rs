//! SIP headers that a switch hands over as they came.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tfps_opensips_bridge::request::headers::{PTfps, address, diversion, x_tfps};

fuzz_target!(|value: &str| {
    if let Ok(header) = PTfps::read(value) {
        assert!(!header.username.is_empty() && !header.username.contains(';'));
        assert!(header.concurrent_calls.bytes().all(|byte| byte.is_ascii_digit()));
    }
    if let Ok((username, _)) = x_tfps(value) {
        assert!(!username.is_empty());
    }
    let _ = diversion(value);
    if let Ok(ip) = address("source_ip", value) {
        assert_eq!(address("source_ip", &ip.to_string()), Ok(ip));
    }
});
