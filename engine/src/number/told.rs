//! How what was dialed was read, in words: a line for each step.

use super::{
    dial_plan::{BareNumbers, DialPlan},
    dialing::ShortUse,
    reading::{Called, Reading, Step},
    written::{Dialed, Written},
};

impl DialPlan {
    /// How [`read`](Self::read) reads what was dialed, a line for each step, and then what is called.
    #[must_use]
    pub fn told(&self, dialed: &str) -> Vec<String> {
        let reading = self.read(dialed);
        let mut lines = Vec::new();
        if let Ok(Dialed::Digits(written)) = Written::read(dialed) {
            let digits = String::from_utf8_lossy(written.digits());
            let plus = if written.plus { "+" } else { "" };
            if dialed != format!("{plus}{digits}") {
                lines.push(format!("the digits are {plus}{digits}"));
            }
            let mut rest = &*digits;
            for step in reading.steps() {
                lines.push(self.step(step, &mut rest));
            }
        }
        lines.push(self.called(&reading));
        lines
    }

    fn step(&self, step: Step, rest: &mut &str) -> String {
        let home = self.home_country().code();
        let mut taken = |length: u8| {
            let (first, others) = rest
                .split_at_checked(usize::from(length))
                .unwrap_or((rest, ""));
            *rest = others;
            first
        };
        match step {
            Step::CallerIdPrefix(length) => {
                let first = taken(length);
                format!("{first} withholds or shows the caller's number")
            }
            Step::CarrierCode(length) => {
                format!("{} chooses a carrier (carrier_codes)", taken(length))
            }
            Step::InternationalPrefix(length) => {
                let first = taken(length);
                format!("{first} is an international prefix of {home}")
            }
            Step::NationalPrefix(length) => {
                let first = taken(length);
                format!("{first} is dialed before, or as a part of, a national number of {home}")
            }
            Step::HomeCode(code) => format!(
                "a national number of {home}, whose calling code is +{code}{}",
                self.because(BareNumbers::National)
            ),
            Step::Bare => format!("E.164 without its +{}", self.because(BareNumbers::E164)),
            Step::Revealed(length) => format!(
                "behind the calling code stands an international prefix of {length} digits: carriers connect the number behind it"
            ),
            Step::TrunkPrefix(length) => format!(
                "the {length} digits behind the calling code are dialed within the country only"
            ),
        }
    }

    /// What says that digits without a prefix are read so.
    fn because(&self, read_as: BareNumbers) -> &'static str {
        match (self.bare_numbers(), read_as) {
            (BareNumbers::Auto, _) => "",
            (BareNumbers::E164, BareNumbers::E164) => " (bare_numbers = \"e164\")",
            (BareNumbers::National, BareNumbers::National) => " (bare_numbers = \"national\")",
            (BareNumbers::E164, _) => ", since it is no valid number of E.164",
            (BareNumbers::National, _) => ", since it is no valid national number",
        }
    }

    fn called(&self, reading: &Reading) -> String {
        let home = self.home_country().code();
        match reading.called {
            Ok(Called::Emergency) => "an emergency number".to_owned(),
            Ok(Called::Short(ShortUse::Premium)) => {
                format!("a short number of {home} that costs more than an ordinary call")
            }
            Ok(Called::Short(_)) => format!("a short number of {home}"),
            Ok(Called::Local) => {
                format!("a local number of {home}, without its area code")
            }
            Ok(Called::Number(number, facts)) => {
                let country = facts.country.map_or("no country", |country| country.name());
                if facts.validity.is_valid() {
                    format!("{number}: {country}, {}", facts.kind)
                } else {
                    format!("{number}: {country}, no valid number ({})", facts.validity)
                }
            }
            Err(error) => format!("no number: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(home: &str, dialed: &str) -> Vec<String> {
        DialPlan::for_country(home.parse().unwrap()).told(dialed)
    }

    #[test]
    fn each_step_is_told() {
        assert_eq!(
            told("US", "*67 011 53 7832 1234"),
            [
                "the digits are *670115378321234",
                "*67 withholds or shows the caller's number",
                "011 is an international prefix of US",
                "+5378321234: Cuba, fixed-line",
            ]
        );
        assert_eq!(
            told("GB", "01134960123"),
            [
                "0 is dialed before, or as a part of, a national number of GB",
                "a national number of GB, whose calling code is +44",
                "+441134960123: United Kingdom, fixed-line",
            ]
        );
        assert_eq!(told("GB", "999"), ["an emergency number"]);
        assert_eq!(
            told("US", "hello"),
            [
                "no number: `h` at position 1 can't be dialed: expected digits, with an optional + in front"
            ]
        );
    }
}
