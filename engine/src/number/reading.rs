//! From what was dialed to the number that the exchange connects.
//!
//! What people dial can be read in several ways: as an international number after one of the country's prefixes, as a national one with
//! or without its prefix, as E.164 without the `+`. The ways are tried in the order in which exchanges try them, and the first that makes a
//! number that the plans have is taken. Where none does, the reading that leads abroad is taken before the one that stays at home.

use super::{
    NotANumber,
    country::Country,
    dial_plan::{BareNumbers, DialPlan},
    dialing::{Lengths, ShortUse},
    e164::{E164, E164Error},
    plan::{self, NumberFacts, Validity},
    written::{Dialed, Written},
};

/// How often a prefix may hide behind another.
const DEEPEST: u8 = 3;

/// What was dialed, as it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What is called.
    pub called: Result<Called, NotANumber>,
    steps: Steps,
}

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Called {
    /// Help.
    Emergency,
    /// A number of E.164, with what the plans say of it.
    Number(E164, NumberFacts),
    /// A short number of the home country.
    Short(ShortUse),
    /// A number of the home country without its area code.
    Local,
}

/// A step from the digits to the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many characters withhold the caller's number, or show it.
    CallerIdPrefix(u8),
    /// So many digits choose a carrier, as the policy says.
    CarrierCode(u8),
    /// So many digits are an international prefix.
    InternationalPrefix(u8),
    /// So many digits stand before a national number, and give way to what the plan has there.
    NationalPrefix(u8),
    /// The calling code of the home country is put in front.
    HomeCode(u16),
    /// It is E.164 without the `+`.
    Bare,
    /// After the calling code so many digits are an international prefix: the number behind it is what is connected.
    Revealed(u8),
    /// After the calling code stood so many digits that are only dialed within the country.
    TrunkPrefix(u8),
}

/// The steps, in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Steps {
    steps: [Option<Step>; Self::MOST],
    len: u8,
}

impl Steps {
    const MOST: usize = 8;

    fn and(mut self, step: Step) -> Self {
        if let Some(place) = self.steps.get_mut(usize::from(self.len)) {
            *place = Some(step);
            self.len += 1;
        }
        self
    }
}

impl Reading {
    /// The steps from the digits to the number, in their order.
    pub fn steps(&self) -> impl Iterator<Item = Step> + '_ {
        self.steps.steps.iter().copied().flatten()
    }

    /// The number that is called, in E.164, and what the plans say of it; what is called otherwise has none.
    ///
    /// # Errors
    ///
    /// When no number is meant; the error tells why. Whether there is such a number is not asked here.
    pub fn number(&self) -> Result<(E164, NumberFacts), NotANumber> {
        match self.called? {
            Called::Number(number, facts) => Ok((number, facts)),
            Called::Emergency => Err(NotANumber::Emergency),
            Called::Short(usage) => Err(NotANumber::Short(usage)),
            Called::Local => Err(NotANumber::Local),
        }
    }

    fn failed(why: NotANumber) -> Self {
        Self {
            called: Err(why),
            steps: Steps::default(),
        }
    }

    fn of(called: Called, steps: Steps) -> Self {
        Self {
            called: Ok(called),
            steps,
        }
    }

    fn is_valid(&self) -> bool {
        match self.called {
            Ok(Called::Number(_, facts)) => facts.validity.is_valid(),
            Ok(_) => true,
            Err(_) => false,
        }
    }

    /// Whether it is a number of another country, or so many digits that it may be one.
    fn leads_abroad(&self, home: Country) -> bool {
        match self.called {
            Ok(Called::Number(_, facts)) => {
                facts.calling_code.is_some()
                    && facts.country != Some(home)
                    && facts.validity != Validity::TooShort
            }
            _ => false,
        }
    }

    fn valid(self) -> Option<Self> {
        self.is_valid().then_some(self)
    }

    /// Whether the plans could have such a number.
    fn possible(self) -> Option<Self> {
        match self.called {
            Ok(Called::Number(_, facts)) => {
                matches!(facts.validity, Validity::Valid | Validity::Unallocated).then_some(self)
            }
            Ok(_) => Some(self),
            Err(_) => None,
        }
    }
}

impl DialPlan {
    /// Reads what was dialed. Nothing is allocated.
    #[must_use]
    pub fn read(&self, dialed: &str) -> Reading {
        let written = match Written::read(dialed) {
            Ok(Dialed::SosUrn) => return Reading::of(Called::Emergency, Steps::default()),
            Ok(Dialed::Digits(written)) => written,
            Err(_) if self.is_help_despite(dialed) => {
                return Reading::of(Called::Emergency, Steps::default());
            }
            Err(error) => return Reading::failed(error),
        };
        if self.is_emergency_number(written.local_digits()) {
            return Reading::of(Called::Emergency, Steps::default());
        }
        let digits = written.digits();
        if written.beyond > 0 {
            return Reading::failed(NotANumber::TooManyDigits {
                digits: digits.len() + written.beyond,
            });
        }
        if written.sign.is_none() {
            return self.in_context(&written);
        }
        let Some(prefix) = self.home_country().caller_id_prefix(digits) else {
            return Reading::failed(NotANumber::FeatureCode);
        };
        let rest = &digits[prefix..];
        if !rest.iter().all(u8::is_ascii_digit) {
            return Reading::failed(NotANumber::FeatureCode);
        }
        let steps = Steps::default().and(Step::CallerIdPrefix(prefix as u8));
        if self.is_emergency_number(rest) {
            return Reading::of(Called::Emergency, steps);
        }
        self.read_digits(rest, written.plus, steps)
    }

    /// Whether help is called, and what stands around its number can't be read.
    fn is_help_despite(&self, dialed: &str) -> bool {
        let framed = |character: char| character.is_whitespace() || "<>\"".contains(character);
        let mut rest = dialed.trim_matches(framed);
        for scheme in ["sips:", "sip:", "tel:"] {
            let start = rest.get(..scheme.len());
            if start.is_some_and(|start| start.eq_ignore_ascii_case(scheme)) {
                rest = &rest[scheme.len()..];
            }
        }
        let number = rest.split([';', '@', '?', '>']).next().unwrap_or_default();
        match Written::read(number) {
            Ok(Dialed::Digits(written)) => self.is_emergency_number(written.digits()),
            _ => false,
        }
    }

    /// A number with a phone-context (RFC 3966, 5.1.4) is read with it and without: switches that pass over the context dial the number
    /// alone, and the caller writes both.
    fn in_context(&self, written: &Written) -> Reading {
        let whole = self.read_digits(written.digits(), written.plus, Steps::default());
        if written.local_digits().len() == written.digits().len() {
            return whole;
        }
        let alone = self.read_digits(written.local_digits(), false, Steps::default());
        if alone.leads_abroad(self.home_country()) || !whole.is_valid() {
            return alone;
        }
        whole
    }

    fn read_digits(&self, digits: &[u8], plus: bool, steps: Steps) -> Reading {
        if digits.is_empty() {
            return Reading::failed(match plus {
                true => NotANumber::NoDigitsAfterPrefix,
                false => NotANumber::NothingDialed,
            });
        }
        if plus {
            return self.international(digits, steps, 0);
        }
        if let Some(usage) = self.home_country().dialing().short_number(digits) {
            return Reading::of(Called::Short(usage), steps);
        }
        let prefixes = self.prefix_lengths(digits);
        let home = self.home_country();
        let mut after_prefix: Option<Reading> = None;
        for length in prefixes {
            let steps = steps.and(Step::InternationalPrefix(length as u8));
            let reading = self.international(&digits[length..], steps, 0);
            if reading.is_valid() {
                return reading;
            }
            // The longest says what is wrong.
            after_prefix = match after_prefix {
                Some(longer) if longer.leads_abroad(home) || !reading.leads_abroad(home) => {
                    Some(longer)
                }
                _ => Some(reading),
            };
        }
        // The exchange has seen its prefix: whatever follows it, this is no call within the country.
        if let Some(reading) = after_prefix.filter(|reading| reading.leads_abroad(home)) {
            return reading;
        }
        self.without_prefix(digits, steps)
            .or_else(|| self.after_code(digits, steps))
            .or(after_prefix)
            .or_else(|| self.after_double_zero(digits, steps))
            .unwrap_or_else(|| self.not_valid(digits, steps))
    }

    /// A number after `00`, which switches understand where the country has other prefixes: no number begins with it.
    fn after_double_zero(&self, digits: &[u8], steps: Steps) -> Option<Reading> {
        let rest = digits.strip_prefix(b"00")?;
        Some(self.international(rest, steps.and(Step::InternationalPrefix(2)), 0))
    }

    /// A valid number that is dialed without an international prefix.
    fn without_prefix(&self, digits: &[u8], steps: Steps) -> Option<Reading> {
        let prefixed = || self.prefixed(digits, steps).find_map(Reading::valid);
        let national = || self.national([&[], &[], digits], steps).valid();
        let bare = || self.bare(digits, steps).valid();
        let is_unprefixed = self.home_country().dialing().is_unprefixed(digits);
        match self.bare_numbers() {
            BareNumbers::National => prefixed().or_else(national).or_else(bare),
            // What starts with 0 is no number of E.164.
            BareNumbers::E164 if digits[0] != b'0' => bare()
                .or_else(|| self.abroad(digits, steps))
                .or_else(|| self.with_surplus(digits, steps))
                .or_else(prefixed)
                .or_else(national),
            BareNumbers::Auto if self.has_trunk_prefix() && !is_unprefixed => prefixed()
                .or_else(bare)
                .or_else(|| self.with_surplus(digits, steps))
                .or_else(national),
            BareNumbers::E164 | BareNumbers::Auto => prefixed().or_else(national).or_else(bare),
        }
    }

    /// E.164 without its `+`, of another country, valid or not.
    fn abroad(&self, digits: &[u8], steps: Steps) -> Option<Reading> {
        let reading = self.bare(digits, steps);
        reading.leads_abroad(self.home_country()).then_some(reading)
    }

    /// Whether nobody dials a national number without its prefix. In North America the 1 can be left out.
    fn has_trunk_prefix(&self) -> bool {
        self.national_prefix().is_some_and(|prefix| prefix != "1")
    }

    /// A valid number after a carrier's code, or digits that withhold the caller's number.
    fn after_code(&self, digits: &[u8], steps: Steps) -> Option<Reading> {
        let carrier = self
            .carrier_codes()
            .filter(|code| code.begins(digits))
            .map(|code| (code.len(), Step::CarrierCode(code.len() as u8)));
        let caller_id = self
            .home_country()
            .caller_id_prefix(digits)
            .map(|length| (length, Step::CallerIdPrefix(length as u8)));
        carrier
            .chain(caller_id)
            .filter(|(length, _)| {
                *length < digits.len() && usize::from(steps.len) < Steps::MOST / 2
            })
            .find_map(|(length, step)| {
                let rest = &digits[length..];
                if self.is_emergency_number(rest) {
                    return Some(Reading::of(Called::Emergency, steps.and(step)));
                }
                self.read_digits(rest, false, steps.and(step)).valid()
            })
    }

    /// What no plan has: what leads abroad comes first, but after a national prefix.
    fn not_valid(&self, digits: &[u8], steps: Steps) -> Reading {
        let home = self.home_country();
        // `1 011 53…`: a prefix behind the national one.
        let revealed = home.dialing().rewrites(digits).find_map(|rewrite| {
            let length = rewrite.len();
            let steps = steps.and(Step::NationalPrefix(length as u8));
            self.revealed(home.calling_code(), &digits[length..], steps, DEEPEST - 1)
        });
        if let Some(revealed) = revealed {
            return revealed;
        }
        if home.dialing().is_local(digits.len()) {
            return Reading::of(Called::Local, steps);
        }
        let prefixed = || self.prefixed(digits, steps).find_map(Reading::possible);
        let national = || self.national([&[], &[], digits], steps).possible();
        // After the national prefix comes no E.164.
        let is_prefixed = self.bare_numbers() != BareNumbers::E164
            && self
                .national_prefix()
                .is_some_and(|prefix| digits.starts_with(prefix.as_bytes()));
        let bare = || {
            let reading = self.bare(digits, steps).possible();
            reading.filter(|reading| !is_prefixed || !reading.leads_abroad(home))
        };
        let possible = if self.has_trunk_prefix() {
            prefixed().or_else(bare).or_else(national)
        } else {
            prefixed().or_else(national).or_else(bare)
        };
        possible
            .or_else(|| self.with_surplus(digits, steps))
            .unwrap_or_else(|| Reading::failed(self.why_not(digits)))
    }

    /// E.164 without its `+`, and with digits after it that carriers drop.
    fn with_surplus(&self, digits: &[u8], steps: Steps) -> Option<Reading> {
        let reading = self.bare(digits, steps);
        let Ok(Called::Number(number, facts)) = reading.called else {
            return None;
        };
        let reached = plan::without_surplus(&number, &facts);
        let is_number = plan::look_up(&reached).validity.is_valid();
        (!facts.validity.is_valid() && is_number).then_some(reading)
    }

    fn why_not(&self, digits: &[u8]) -> NotANumber {
        let home = self.home_country();
        match digits {
            _ if digits.len() > E164::MAX_DIGITS => NotANumber::TooManyDigits {
                digits: digits.len(),
            },
            [b'0', ..] => NotANumber::NoSuchPrefix { home },
            _ => NotANumber::NoSuchNumber { home },
        }
    }

    /// The digits after a `+` or an international prefix.
    fn international(&self, digits: &[u8], steps: Steps, depth: u8) -> Reading {
        let number = E164::from_ascii(digits)
            .map(|number| (number, plan::look_up_from(&number, self.home_country())));
        if let Ok((number, facts)) = number
            && (facts.validity.is_valid() || facts.calling_code.is_none())
        {
            return Reading::of(Called::Number(number, facts), steps);
        }
        // Carriers that strip the calling code of their own country connect what a prefix behind it leads to.
        let code = plan::calling_code_of(digits);
        let rest = &digits[code.map_or(0, code_digits)..];
        let revealed = self.revealed(code, rest, steps, depth);
        revealed
            .filter(Reading::is_valid)
            .or_else(|| self.trunk(code?, rest, steps))
            .or(revealed)
            .unwrap_or_else(|| match number {
                Ok((number, facts)) => self.as_it_is(number, facts, steps),
                Err(error) => Reading::failed(not_a_number(error)),
            })
    }

    /// The valid number that is meant by `+44 (0)20 …`: what is only dialed within the country stands behind its calling code.
    fn trunk(&self, code: u16, rest: &[u8], steps: Steps) -> Option<Reading> {
        plan::countries_of(code).find_map(|country| {
            country.dialing().rewrites(rest).find_map(|rewrite| {
                let number = compose(code, rewrite.parts(rest)).ok()?;
                let facts = plan::look_up_from(&number, self.home_country());
                let steps = steps.and(Step::TrunkPrefix(rewrite.len() as u8));
                Reading::of(Called::Number(number, facts), steps).valid()
            })
        })
    }

    /// A number that no plan has. One of the home country must be possible at least.
    fn as_it_is(&self, number: E164, facts: NumberFacts, steps: Steps) -> Reading {
        let home = self.home_country();
        if facts.calling_code == home.calling_code() && facts.validity.is_impossible_length() {
            return Reading::failed(NotANumber::ImpossibleAtHome {
                home,
                digits: number.digits().len(),
            });
        }
        Reading::of(Called::Number(number, facts), steps)
    }

    /// The number behind an international prefix of the countries of a calling code, of the policy, or `00`. Valid or not it is no number of
    /// that code: none begins so.
    fn revealed(
        &self,
        code: Option<u16>,
        digits: &[u8],
        steps: Steps,
        depth: u8,
    ) -> Option<Reading> {
        if depth >= DEEPEST {
            return None;
        }
        let mut lengths = self.own_prefix_lengths(digits);
        if digits.starts_with(b"00") {
            lengths = lengths.with(2);
        }
        for country in code.into_iter().flat_map(plan::countries_of) {
            lengths = lengths.and(country.dialing().international_prefixes(digits));
        }
        let readings = lengths.filter_map(|length| {
            let steps = steps.and(Step::Revealed(length as u8));
            let reading = self.international(&digits[length..], steps, depth + 1);
            match reading.called {
                Ok(Called::Number(_, facts)) => facts.calling_code.map(|_| reading),
                _ => None,
            }
        });
        readings.fold(None, |best: Option<Reading>, reading| match best {
            Some(best) if best.is_valid() || !reading.is_valid() => Some(best),
            _ => Some(reading),
        })
    }

    /// The readings after each form of the national prefix that the digits begin with.
    fn prefixed(&self, digits: &[u8], steps: Steps) -> impl Iterator<Item = Reading> {
        let own = self
            .national_prefix()
            .filter(|prefix| digits.starts_with(prefix.as_bytes()) && digits.len() > prefix.len())
            .map(|prefix| {
                let steps = steps.and(Step::NationalPrefix(prefix.len() as u8));
                self.national([&[], &[], &digits[prefix.len()..]], steps)
            });
        let of_country = self
            .home_country()
            .dialing()
            .rewrites(digits)
            .map(move |rewrite| {
                let steps = steps.and(Step::NationalPrefix(rewrite.len() as u8));
                self.national(rewrite.parts(digits), steps)
            });
        of_country.chain(own)
    }

    /// A national number, in parts.
    fn national(&self, parts: [&[u8]; 3], steps: Steps) -> Reading {
        let home = self.home_country();
        let Some(code) = home.calling_code() else {
            return Reading::failed(NotANumber::NoHomeCallingCode { home });
        };
        match compose(code, parts) {
            Ok(number) => {
                let facts = plan::look_up_from(&number, self.home_country());
                self.as_it_is(number, facts, steps.and(Step::HomeCode(code)))
            }
            Err(error) => Reading::failed(not_a_number(error)),
        }
    }

    /// E.164 without the `+`.
    fn bare(&self, digits: &[u8], steps: Steps) -> Reading {
        let steps = steps.and(Step::Bare);
        let number = match E164::from_ascii(digits) {
            Ok(number) => number,
            Err(error) => return Reading::failed(not_a_number(error)),
        };
        let home = self.home_country();
        let facts = plan::look_up_from(&number, home);
        // Behind the home country's own code another prefix may stand.
        if !facts.validity.is_valid()
            && let Some(code) = home.calling_code()
            && facts.calling_code == Some(code)
            && let Some(revealed) =
                self.revealed(Some(code), &digits[code_digits(code)..], steps, 0)
        {
            return revealed;
        }
        self.as_it_is(number, facts, steps)
    }

    /// How many of the first digits are an international prefix, of the country or of the policy's own.
    fn prefix_lengths(&self, digits: &[u8]) -> Lengths {
        let of_country = self.home_country().dialing().international_prefixes(digits);
        of_country.and(self.own_prefix_lengths(digits))
    }

    fn own_prefix_lengths(&self, digits: &[u8]) -> Lengths {
        self.international_prefixes()
            .filter(|prefix| prefix.begins(digits))
            .fold(Lengths::default(), |lengths, prefix| {
                lengths.with(prefix.len())
            })
    }
}

impl DialPlan {
    /// Whether help is called, however that is written.
    #[must_use]
    pub fn is_emergency(&self, dialed: &str) -> bool {
        self.read(dialed).called == Ok(Called::Emergency)
    }

    /// The number that is called, in E.164.
    ///
    /// # Errors
    ///
    /// As [`Reading::number`].
    pub fn destination(&self, dialed: &str) -> Result<E164, NotANumber> {
        self.read(dialed).number().map(|(number, _)| number)
    }
}

/// A number of a calling code and the parts of a national number.
fn compose(code: u16, parts: [&[u8]; 3]) -> Result<E164, E164Error> {
    let mut digits = [0; 2 * E164::MAX_DIGITS];
    let mut length = 0;
    let mut push = |part: &[u8]| {
        for digit in part {
            if let Some(place) = digits.get_mut(length) {
                *place = *digit;
            }
            length += 1;
        }
    };
    let mut of_code = [b'0'; 3];
    for (place, weight) in of_code.iter_mut().zip([100, 10, 1]) {
        *place += (code / weight % 10) as u8;
    }
    push(&of_code[3 - code_digits(code)..]);
    for part in parts {
        push(part);
    }
    match digits.get(..length) {
        Some(digits) => E164::from_ascii(digits),
        None => Err(E164Error::TooLong { digits: length }),
    }
}

fn code_digits(code: u16) -> usize {
    match code {
        100.. => 3,
        10.. => 2,
        _ => 1,
    }
}

fn not_a_number(error: E164Error) -> NotANumber {
    match error {
        E164Error::Empty => NotANumber::NoDigitsAfterPrefix,
        E164Error::LeadingZero => NotANumber::NoSuchCallingCode,
        E164Error::TooLong { digits } => NotANumber::TooManyDigits { digits },
        E164Error::NotADigit {
            position,
            character,
        } => NotANumber::NotDialable {
            position,
            character,
        },
    }
}

#[cfg(test)]
mod tests;
