//! What AbuseIPDB and APIBAN answer.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use libfuzzer_sys::fuzz_target;
use tfps_server::reputation::{Piece, read_banned, read_blacklist, read_check};

fuzz_target!(|body: &[u8]| {
    let ip = IpAddr::V4(Ipv4Addr::new(118, 25, 6, 39));
    if let Ok(confidence) = read_check(body, ip) {
        assert!(confidence <= 100);
    }
    if let Ok(list) = read_blacklist(body, 5) {
        assert!((1..=5).contains(&list.len()));
    }
    if let Ok(Piece::Addresses(_, position)) = read_banned(body, "1") {
        assert!(!position.is_empty() && !position.contains('/'));
    }
});
