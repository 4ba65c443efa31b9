//! How a dialed number is written: as digits, with visual separators, as a `tel:` or `sip:` URI with parameters.
//!
//! RFC 3966 (tel), RFC 3261 (user parts), RFC 4694 (number portability), RFC 5031 (`urn:service:sos`). What these allow is syntax and
//! says nothing of the caller; what they don't is an error with its place. Nothing is allocated.

use super::NotANumber;

/// What is dialed, reduced to digits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    /// A `+` stands in front, or the `phone-context` of a local number gives one.
    pub(super) plus: bool,
    /// Where the first `*` or `#` stands among the characters, from 1.
    pub(super) sign: Option<usize>,
    digits: [u8; Written::ROOM],
    len: u8,
    /// How many of the digits come from the `phone-context`.
    context: u8,
    /// How many digits there are for which there was no room.
    pub(super) beyond: usize,
}

/// What a dialed string is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Dialed {
    /// A service URN for help (RFC 5031).
    SosUrn,
    /// Digits.
    Digits(Written),
}

impl Written {
    /// Enough for a caller-id prefix, a carrier code, an international prefix and the longest number.
    pub(super) const ROOM: usize = 40;
    /// The longest text that is read, in bytes.
    const LONGEST: usize = 1_024;

    const fn new() -> Self {
        Self {
            plus: false,
            sign: None,
            digits: [0; Self::ROOM],
            len: 0,
            context: 0,
            beyond: 0,
        }
    }

    /// The digits in ASCII; `*` and `#` too, where `sign` says so.
    pub(super) fn digits(&self) -> &[u8] {
        &self.digits[..usize::from(self.len)]
    }

    /// Those without the context's.
    pub(super) fn local_digits(&self) -> &[u8] {
        &self.digits()[usize::from(self.context)..]
    }

    fn push(&mut self, digit: u8) {
        match self.digits.get_mut(usize::from(self.len)) {
            Some(place) => {
                *place = digit;
                self.len += 1;
            }
            None => self.beyond += 1,
        }
    }

    /// Reads a dialed string.
    ///
    /// # Errors
    /// [`NotANumber::NotDialable`] with the character that no number, URI or parameter has there.
    pub(super) fn read(text: &str) -> Result<Dialed, NotANumber> {
        if text.len() > Self::LONGEST {
            return Err(NotANumber::TooManyDigits { digits: text.len() });
        }
        let source = Source { text, at: 0 };
        // Nearly all numbers are digits with a plus at most.
        if text.len() <= Self::ROOM
            && let Some(plain) = Self::plain(text.as_bytes())
        {
            return Ok(Dialed::Digits(plain));
        }
        source.read()
    }

    fn plain(bytes: &[u8]) -> Option<Self> {
        let digits = bytes.strip_prefix(b"+").unwrap_or(bytes);
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let mut written = Self::new();
        written.plus = digits.len() < bytes.len();
        written.digits[..digits.len()].copy_from_slice(digits);
        written.len = digits.len() as u8;
        Some(written)
    }
}

/// A text that is read from its beginning; percent escapes are read as what they stand for.
#[derive(Clone, Copy)]
struct Source<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Source<'a> {
    fn read(mut self) -> Result<Dialed, NotANumber> {
        self.skip_space();
        if self.skip("urn:") {
            return self.service();
        }
        let sip = self.skip("sips:") || self.skip("sip:");
        if !sip {
            self.skip("tel:");
            self.skip("//");
        }
        let rest = self.rest();
        let mut number = self;
        let parameters;
        if sip || rest.contains('@') {
            // A user part, with a password at most, and a host.
            let user = rest.find('@').map_or(rest, |end| &rest[..end]);
            let user_end = self.at + user.find(':').unwrap_or(user.len());
            number.text = &self.text[..user_end];
            parameters = user_end;
        } else {
            parameters = self.text.len();
        }
        let part = &number.text[number.at..parameters];
        let number_end = number.at + part.find(';').unwrap_or(part.len());
        let context = Source {
            text: &self.text[..parameters],
            at: number_end,
        }
        .parameters()?;
        number.text = &self.text[..number_end];
        let mut written = Written::new();
        if let Some(mut context) = context
            && !number.starts_with_plus()
        {
            // RFC 3966, 5.1.4: a local number within a global context.
            context.number(&mut written)?;
            written.context = written.len;
        }
        number.number(&mut written)?;
        Ok(Dialed::Digits(written))
    }

    /// `service:sos` and what is below it; any other URN is no number.
    fn service(mut self) -> Result<Dialed, NotANumber> {
        let service = self.skip("service:sos");
        let below = self.rest();
        if service && (below.is_empty() || below.starts_with('.')) {
            return Ok(Dialed::SosUrn);
        }
        Err(NotANumber::NoSuchService)
    }

    /// The parameters after `;`; the digits of a global phone-context.
    fn parameters(mut self) -> Result<Option<Source<'a>>, NotANumber> {
        let mut context = None;
        while self.at < self.text.len() {
            // The semicolon.
            self.at += 1;
            let rest = self.rest();
            let end = self.at + rest.find(';').unwrap_or(rest.len());
            let parameter = &self.text[self.at..end];
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let odd = |character: &char| {
                !character.is_ascii_alphanumeric() && !"-_.!~*()[]/:&+$%#".contains(*character)
            };
            let mut characters = name.chars().chain(value.chars());
            if let Some(odd) = characters.find(odd) {
                let before = self.at + parameter.find(odd).unwrap_or(0);
                return Err(self.not_dialable(before, odd));
            }
            if name.eq_ignore_ascii_case("phone-context") && value.starts_with('+') {
                context = Some(Source {
                    text: &self.text[..end],
                    at: end - value.len(),
                });
            }
            self.at = end;
        }
        Ok(context)
    }

    /// The number itself: a plus, digits, signs and separators, and what is dialed after it.
    fn number(&mut self, written: &mut Written) -> Result<(), NotANumber> {
        let had = written.len;
        while let Some((at, character)) = self.next()? {
            match character {
                // After a caller-id prefix too: `*67+44…`.
                '+' if !written.plus && (written.len == had || written.sign.is_some()) => {
                    written.plus = true;
                }
                // The end of dialing, as telephones and gateways send it.
                '#' if self.only_separators_follow() => return Ok(()),
                '*' | '#' => {
                    let position = self.text[..at].chars().count() + 1;
                    written.sign.get_or_insert(position);
                    written.push(character as u8);
                }
                // Dialed after the answer (a pause and what follows).
                ',' | 'p' | 'P' | 'w' | 'W' if written.len > had => return self.post_dial(),
                other => match digit(other) {
                    Some(digit) => written.push(digit),
                    None if separates(other) => {}
                    None => return Err(self.not_dialable(at, other)),
                },
            }
        }
        Ok(())
    }

    /// Checks that nothing but what is dialed after the answer follows.
    fn post_dial(&mut self) -> Result<(), NotANumber> {
        while let Some((at, character)) = self.next()? {
            let dialed = digit(character).is_some()
                || separates(character)
                || "*#,;pPwWABCDabcd".contains(character);
            if !dialed {
                return Err(self.not_dialable(at, character));
            }
        }
        Ok(())
    }

    fn only_separators_follow(mut self) -> bool {
        while let Ok(Some((_, character))) = self.next() {
            if character != '#' && !separates(character) {
                return false;
            }
        }
        true
    }

    fn starts_with_plus(mut self) -> bool {
        loop {
            match self.next() {
                Ok(Some((_, '+'))) => return true,
                Ok(Some((_, other))) if separates(other) && other != '+' => {}
                _ => return false,
            }
        }
    }

    /// The next character and where it stands; `%2B` is `+`.
    fn next(&mut self) -> Result<Option<(usize, char)>, NotANumber> {
        let at = self.at;
        let mut characters = self.rest().chars();
        let Some(character) = characters.next() else {
            return Ok(None);
        };
        if character != '%' {
            self.at += character.len_utf8();
            return Ok(Some((at, unwidened(character))));
        }
        let escaped = self.rest().get(1..3);
        let Some(byte) = escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) else {
            return Err(self.not_dialable(at, '%'));
        };
        if !byte.is_ascii() || escaped.is_some_and(|hex| hex.starts_with(['+', '-'])) {
            return Err(self.not_dialable(at, '%'));
        }
        self.at += 3;
        Ok(Some((at, char::from(byte))))
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip(&mut self, word: &str) -> bool {
        let fits = self
            .rest()
            .get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word));
        if fits {
            self.at += word.len();
        }
        fits
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches(separates_before).len();
    }

    #[cold]
    fn not_dialable(&self, at: usize, character: char) -> NotANumber {
        NotANumber::NotDialable {
            position: self.text[..at].chars().count() + 1,
            character,
        }
    }
}

/// ASCII for the full-width forms of East Asian keyboards.
fn unwidened(character: char) -> char {
    match character {
        '\u{ff01}'..='\u{ff5e}' => {
            char::from_u32(u32::from(character) - 0xfee0).unwrap_or(character)
        }
        other => other,
    }
}

/// The value of a digit in the scripts that telephones show, as ASCII.
fn digit(character: char) -> Option<u8> {
    if character.is_ascii_digit() {
        return Some(character as u8);
    }
    // Arabic, Persian; those of India from Devanagari to Malayalam; Thai, Lao, Burmese, Khmer.
    let zeros = [
        '\u{660}', '\u{6f0}', '\u{966}', '\u{9e6}', '\u{a66}', '\u{ae6}', '\u{b66}', '\u{be6}',
        '\u{c66}', '\u{ce6}', '\u{d66}', '\u{e50}', '\u{ed0}', '\u{1040}', '\u{17e0}',
    ];
    zeros.into_iter().find_map(|zero| {
        let value = u32::from(character).checked_sub(u32::from(zero))?;
        (value < 10).then(|| b'0' + value as u8)
    })
}

/// RFC 3966's visual separators, dashes and spaces of any script, and the marks that messengers and office programs paste.
fn separates(character: char) -> bool {
    matches!(
        character,
        ' ' | '-' | '.' | '(' | ')' | '/' | '[' | ']' | '\t'
            | '\u{a0}' | '\u{ad}'
            | '\u{1680}' | '\u{180e}'
            // Spaces, zero-width marks, directions, dashes.
            | '\u{2000}'..='\u{200f}' | '\u{2010}'..='\u{2015}' | '\u{2028}'..='\u{202f}'
            | '\u{205f}'..='\u{206f}' | '\u{2212}' | '\u{3000}' | '\u{30fc}' | '\u{feff}'
            | '\u{2043}' | '\u{fe58}' | '\u{fe63}' | '\u{b7}' | '\u{2022}'
    )
}

fn separates_before(character: char) -> bool {
    character != '(' && character != '[' && separates(character)
}
