//! The configuration file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tfps_server::config::Config;

fuzz_target!(|text: &str| {
    let _ = toml::from_str::<Config>(text);
});
