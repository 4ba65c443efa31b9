//! A database of addresses, as an operator's file may be.
#![no_main]

use std::net::{Ipv4Addr, Ipv6Addr};

use libfuzzer_sys::fuzz_target;
use tfps_server::geo::Database;

fuzz_target!(|file: &[u8]| {
    let Ok(database) = Database::open(file.to_vec()) else {
        return;
    };
    assert!(database.has_countries() || database.has_asns());
    let _ = database.built_at();
    for ip in [0, 0x0808_0808, u32::MAX] {
        let _ = database.place(Ipv4Addr::from(ip).into());
    }
    for ip in [0, 1, 0xffff << 32, 0x2a01_04f8 << 96, u128::MAX] {
        let place = database.place(Ipv6Addr::from(ip).into());
        assert!(place.asn != Some(0));
    }
});
