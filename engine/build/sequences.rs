//! Regular expressions of the metadata as lists of digit sequences, in the order in which a backtracking matcher tries them.
//!
//! The prefixes of a numbering plan match few digits, so each is a handful of sequences of digit classes; matching one is a loop
//! over bits.

use std::error::Error;

use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// Ten bits, one a digit: which digits may stand there.
pub(crate) type Digits = u16;

/// One way to match an expression.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sequence {
    pub(crate) digits: Vec<Digits>,
    /// Each group that took part, in the order of their numbers: from which digit to which.
    pub(crate) groups: Vec<Option<(usize, usize)>>,
    /// Nothing may follow.
    pub(crate) to_the_end: bool,
}

/// More ways than this are no prefix.
const MOST: usize = 20_000;

/// All ways to match an expression.
pub(crate) fn of(pattern: &str) -> Result<Vec<Sequence>, Box<dyn Error>> {
    let hir = regex_syntax::ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .build()
        .parse(pattern)?;
    let groups = hir.properties().explicit_captures_len();
    let start = Sequence {
        groups: vec![None; groups],
        ..Sequence::default()
    };
    let ways = extend(vec![start], &hir)?;
    let mut known = Vec::with_capacity(ways.len());
    for way in ways {
        if !known.contains(&way) {
            known.push(way);
        }
    }
    Ok(known)
}

/// Each way so far, followed by each way to match what comes next: earlier choices vary slowest, as in backtracking.
fn extend(ways: Vec<Sequence>, next: &Hir) -> Result<Vec<Sequence>, Box<dyn Error>> {
    let mut extended = Vec::new();
    for way in ways {
        extended.extend(follow(way, next)?);
        if extended.len() > MOST {
            return Err("a prefix has too many forms".into());
        }
    }
    Ok(extended)
}

fn follow(way: Sequence, next: &Hir) -> Result<Vec<Sequence>, Box<dyn Error>> {
    Ok(match next.kind() {
        HirKind::Empty => vec![way],
        HirKind::Literal(literal) => {
            let mut way = way;
            for byte in &literal.0 {
                way.digits.push(1 << digit(*byte)?);
            }
            vec![way]
        }
        HirKind::Class(class) => {
            let mut way = way;
            way.digits.push(class_digits(class)?);
            vec![way]
        }
        HirKind::Look(Look::End | Look::EndCRLF | Look::EndLF) => {
            let mut way = way;
            way.to_the_end = true;
            vec![way]
        }
        HirKind::Look(_) => return Err("a prefix looks around itself".into()),
        HirKind::Repetition(repetition) => {
            let most = repetition.max.ok_or("a prefix without an end")?;
            let mut ways = Vec::new();
            let counts: Vec<u32> = match repetition.greedy {
                true => (repetition.min..=most).rev().collect(),
                false => (repetition.min..=most).collect(),
            };
            for count in counts {
                let mut repeated = vec![way.clone()];
                for _ in 0..count {
                    repeated = extend(repeated, &repetition.sub)?;
                }
                ways.extend(repeated);
            }
            ways
        }
        HirKind::Capture(capture) => {
            let from = way.digits.len();
            let mut ways = follow(way, &capture.sub)?;
            for way in &mut ways {
                way.groups[capture.index as usize - 1] = Some((from, way.digits.len()));
            }
            ways
        }
        HirKind::Concat(parts) => {
            let mut ways = vec![way];
            for part in parts {
                ways = extend(ways, part)?;
            }
            ways
        }
        HirKind::Alternation(choices) => {
            let mut ways = Vec::new();
            for choice in choices {
                ways.extend(follow(way.clone(), choice)?);
            }
            ways
        }
    })
}

fn class_digits(class: &Class) -> Result<Digits, Box<dyn Error>> {
    let mut digits = 0;
    match class {
        Class::Bytes(class) => {
            for range in class.ranges() {
                for byte in range.start()..=range.end() {
                    digits |= 1 << digit(byte)?;
                }
            }
        }
        Class::Unicode(class) => {
            for range in class.ranges() {
                for character in range.start()..=range.end() {
                    digits |= 1 << digit(u8::try_from(character)?)?;
                }
            }
        }
    }
    Ok(digits)
}

fn digit(byte: u8) -> Result<u8, Box<dyn Error>> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        other => Err(format!("a prefix with the byte {other}").into()),
    }
}
