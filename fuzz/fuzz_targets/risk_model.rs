//! A model of the prediction, as an operator's file may be.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tfps_engine::{
    number::{E164, plan},
    risk::{KnownNumbers, RiskModel},
};

fuzz_target!(|file: &str| {
    let Ok(model) = RiskModel::read(file) else {
        return;
    };
    let known = KnownNumbers::new(std::iter::empty());
    for digits in ["37128054190", "442079460123", "882", "999999999999999"] {
        let Ok(number) = E164::from_digits(digits) else {
            continue;
        };
        let log_odds = model.log_odds(&number, &plan::look_up(&number), &known.around(&number));
        let _ = tfps_engine::risk::score_of(log_odds);
    }
});
