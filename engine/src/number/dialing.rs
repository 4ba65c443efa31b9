//! How numbers are dialed in each country: international prefixes, what becomes of national prefixes, short numbers.
//!
//! All of it is libphonenumber's metadata, made into tables when the engine is built: each prefix is a few sequences of digit classes.

/// Ten bits, one a digit: which digits may stand there.
pub(super) type DigitClass = u16;

/// How a place is called from abroad, and how one calls within and out of it.
pub(super) struct Dialing {
    pub(super) calling_code: Option<u16>,
    pub(super) national_prefix: Option<&'static str>,
    /// The one prefix, or the preferred of several.
    pub(super) international_prefix: Option<&'static str>,
    international_prefixes: &'static [&'static [DigitClass]],
    rewrites: &'static [Rewrite],
    forms: &'static [Form],
    /// A bit for each length of numbers that are dialed locally only.
    local_lengths: u16,
    short_numbers: &'static [ShortNumber],
}

/// What becomes of the beginning of a number that is dialed within the country: it loses a national prefix or a carrier's code, or gets
/// an area code.
pub(super) struct Rewrite {
    digits: &'static [DigitClass],
    to_the_end: bool,
    insert: &'static str,
    keep: (usize, usize),
}

/// How some numbers are written within the country, and so dialed. The first form that fits counts.
struct Form {
    leading: &'static [&'static [DigitClass]],
    /// A bit for each length.
    lengths: u16,
    prefixed: bool,
}

struct ShortNumber {
    usage: ShortUse,
    digits: &'static [DigitClass],
}

/// What a short number is dialed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShortUse {
    /// For help.
    Emergency,
    /// A service that costs more than an ordinary call.
    Premium,
    /// Any other service.
    Code,
}

/// In the order of `PLACES`, from libphonenumber's metadata.
static DIALING: &[Dialing] = include!(concat!(env!("OUT_DIR"), "/dialing.rs"));

impl Dialing {
    pub(super) fn at(place: usize) -> &'static Self {
        &DIALING[place]
    }

    /// How many of the first digits are an international prefix: each possible number of them.
    pub(super) fn international_prefixes(&self, digits: &[u8]) -> Lengths {
        self.international_prefixes
            .iter()
            .filter(|prefix| begins(digits, prefix))
            .fold(Lengths::default(), |lengths, prefix| {
                lengths.with(prefix.len())
            })
    }

    /// The forms of a national prefix that the digits begin with, in the order in which libphonenumber tries them.
    pub(super) fn rewrites(&'static self, digits: &[u8]) -> impl Iterator<Item = &'static Rewrite> {
        self.rewrites
            .iter()
            .filter(move |rewrite| rewrite.fits(digits))
    }

    /// Whether a national number is dialed within the country without the national prefix that others have: mobiles in China.
    pub(super) fn is_unprefixed(&self, digits: &[u8]) -> bool {
        let fits = |form: &&Form| {
            let leads = form.leading.iter().any(|leading| begins(digits, leading));
            digits.len() < 16
                && form.lengths & 1 << digits.len() != 0
                && (leads || form.leading.is_empty())
        };
        self.forms
            .iter()
            .find(fits)
            .is_some_and(|form| !form.prefixed)
    }

    /// Whether numbers of so many digits are dialed locally only.
    pub(super) fn is_local(&self, digits: usize) -> bool {
        digits < 16 && self.local_lengths & 1 << digits != 0
    }

    /// What a short number is dialed for; exactly these digits.
    pub(super) fn short_number(&self, digits: &[u8]) -> Option<ShortUse> {
        self.short_numbers
            .iter()
            .filter(|short| short.digits.len() == digits.len() && begins(digits, short.digits))
            .map(|short| short.usage)
            .min()
    }
}

impl Rewrite {
    fn fits(&self, digits: &[u8]) -> bool {
        begins(digits, self.digits) && (!self.to_the_end || digits.len() == self.digits.len())
    }

    /// How many digits it has.
    pub(super) fn len(&self) -> usize {
        self.digits.len()
    }

    /// The number as it is without what it was dialed with: what is put in front, what is kept of the prefix, and the rest.
    pub(super) fn parts<'a>(&'a self, digits: &'a [u8]) -> [&'a [u8]; 3] {
        let (from, to) = self.keep;
        [
            self.insert.as_bytes(),
            &digits[from..to],
            &digits[self.digits.len()..],
        ]
    }
}

pub(super) fn begins(digits: &[u8], classes: &[DigitClass]) -> bool {
    digits.len() >= classes.len()
        && classes
            .iter()
            .zip(digits)
            .all(|(class, digit)| class >> (digit - b'0') & 1 != 0)
}

/// Lengths of prefixes, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lengths(u32);

impl Lengths {
    pub(super) fn with(self, length: usize) -> Self {
        Self(self.0 | 1 << length.min(31))
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// From the longest to the shortest.
impl Iterator for Lengths {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let longest = self.0.checked_ilog2()?;
        self.0 &= !(1 << longest);
        Some(longest as usize)
    }
}
