//! A policy as an operator writes it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tfps_engine::policy::{Policy, PolicyDocument};

fuzz_target!(|text: &str| {
    if let Ok(document) = toml::from_str::<PolicyDocument>(text)
        && let Ok(policy) = Policy::compile(document)
    {
        let written = toml::to_string(&policy.document).expect("what compiled can be written");
        let again: PolicyDocument = toml::from_str(&written).expect("what was written can be read");
        assert_eq!(again, policy.document);
    }
});
