//! Values of the lists: what is read is written so that it reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tfps_engine::lists::{EntryKind, EntryValue};

fuzz_target!(|text: &str| {
    for kind in [EntryKind::Ip, EntryKind::Number, EntryKind::UserAgent] {
        if let Ok(value) = EntryValue::parse(kind, text) {
            assert_eq!(EntryValue::parse(kind, &value.to_string()), Ok(value));
        }
    }
});
