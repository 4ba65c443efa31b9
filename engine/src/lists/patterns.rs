//! Many patterns, matched at once: those that hold a text which must be in any agent they match are asked only where it is (as
//! RE2's `FilteredRE2` does); the others all together.

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use aho_corasick::AhoCorasick;
use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use regex_syntax::hir::{Class, ClassUnicodeRange, Hir, HirKind};

use super::EntryError;

/// The most patterns in one set.
const MOST: usize = 100_000;
/// The memory that a pattern which is asked by itself may take, in bytes: larger ones are matched together.
const OWN_MEMORY: usize = 64 << 10;
/// The memory that the patterns which are matched together may take, in bytes.
const SET_MEMORY: usize = 64 << 20;
/// Shorter texts are in too many agents.
const LEAST_TEXT: usize = 3;
/// More alternatives than this are no hint.
const MOST_TEXTS: usize = 16;

/// A pattern, compiled where it is first asked.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Arc<Own>);

#[derive(Debug)]
struct Own {
    text: Box<str>,
    /// One of these is in every agent that it matches, in lower case; none: nothing is known.
    texts: Vec<String>,
    /// Its text is all that it asks for.
    plain: bool,
    regex: OnceLock<Option<Regex>>,
}

impl Pattern {
    /// A pattern that compiles, without regard to case.
    pub(super) fn new(text: &str) -> Self {
        let plain = is_plain(text);
        let asked_alone = plain || compiled(text, OWN_MEMORY).is_some();
        let texts = match regex_syntax::parse(text) {
            Ok(hir) if asked_alone => required(&hir).unwrap_or_default(),
            _ => Vec::new(),
        };
        Self(Arc::new(Own {
            text: text.into(),
            plain: plain && !texts.is_empty(),
            texts,
            regex: OnceLock::new(),
        }))
    }

    /// As it was written.
    pub(super) fn text(&self) -> &str {
        &self.0.text
    }

    fn is_match(&self, agent: &str) -> bool {
        let Own {
            plain, regex, text, ..
        } = &*self.0;
        *plain
            || regex
                .get_or_init(|| compiled(text, OWN_MEMORY))
                .as_ref()
                .is_some_and(|regex| regex.is_match(agent))
    }
}

/// Patterns, by their places in a list.
#[derive(Clone, Debug)]
pub(super) struct PatternSet {
    /// Finds the texts that patterns hold.
    texts: Option<AhoCorasick>,
    /// Of each text, the patterns that hold it.
    holders: Arc<[Vec<u32>]>,
    /// The patterns that hold none.
    others: RegexSet,
    places: Arc<[u32]>,
}

impl Default for PatternSet {
    fn default() -> Self {
        Self {
            texts: None,
            holders: Arc::default(),
            others: RegexSet::empty(),
            places: Arc::default(),
        }
    }
}

impl PatternSet {
    /// Of these patterns.
    ///
    /// # Errors
    /// When they are too many or too large together.
    pub(super) fn new<'a>(
        patterns: impl ExactSizeIterator<Item = &'a Pattern>,
    ) -> Result<Self, EntryError> {
        if patterns.len() > MOST {
            let error = format!("there are {}, at most {MOST} can be", patterns.len());
            return Err(EntryError::TooManyPatterns(error));
        }
        let too_many = |error: &dyn ToString| EntryError::TooManyPatterns(error.to_string());
        let mut texts: hashbrown::HashMap<&str, usize> = hashbrown::HashMap::new();
        let mut holders: Vec<Vec<u32>> = Vec::new();
        let (mut others, mut places) = (Vec::new(), Vec::new());
        for (place, pattern) in (0..).zip(patterns) {
            if pattern.0.texts.is_empty() {
                others.push(pattern.text());
                places.push(place);
            }
            for text in &pattern.0.texts {
                let holder = *texts.entry(text).or_insert_with(|| {
                    holders.push(Vec::new());
                    holders.len() - 1
                });
                holders[holder].push(place);
            }
        }
        let mut in_order = vec![""; holders.len()];
        for (text, holder) in texts {
            in_order[holder] = text;
        }
        let texts = if in_order.is_empty() {
            None
        } else {
            let finder = AhoCorasick::builder()
                .ascii_case_insensitive(true)
                .build(in_order);
            Some(finder.map_err(|error| too_many(&error))?)
        };
        let others = RegexSetBuilder::new(others)
            .case_insensitive(true)
            .size_limit(SET_MEMORY)
            .build()
            .map_err(|error| too_many(&error))?;
        Ok(Self {
            texts,
            holders: holders.into(),
            others,
            places: places.into(),
        })
    }

    /// The places of the patterns that match, in order.
    pub(super) fn matching<'a>(
        &self,
        agent: &str,
        pattern: impl Fn(u32) -> &'a Pattern,
    ) -> Vec<u32> {
        let mut places = Vec::new();
        if let Some(texts) = &self.texts {
            for found in texts.find_overlapping_iter(&*folded(agent)) {
                places.extend(&self.holders[found.pattern().as_usize()]);
            }
            places.sort_unstable();
            places.dedup();
            places.retain(|place| pattern(*place).is_match(agent));
        }
        if !self.places.is_empty() && self.others.is_match(agent) {
            let matches = self.others.matches(agent);
            places.extend(matches.iter().map(|other| self.places[other]));
            places.sort_unstable();
        }
        places
    }
}

fn compiled(pattern: &str, memory: usize) -> Option<Regex> {
    RegexBuilder::new(pattern)
        .case_insensitive(true)
        .size_limit(memory)
        .build()
        .ok()
}

/// Whether a pattern stands for itself: none of its characters means anything else.
fn is_plain(pattern: &str) -> bool {
    pattern
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b" -_/:;,@=<>!\"'%".contains(&byte))
}

/// An agent as the texts are looked for in it.
fn folded(agent: &str) -> Cow<'_, str> {
    if agent.is_ascii() {
        return Cow::Borrowed(agent);
    }
    Cow::Owned(agent.chars().map(fold).collect())
}

/// Of what is not ASCII only these two are the same as a letter of it but for the case (Unicode's simple case folding).
fn fold(c: char) -> char {
    const LONG_S: char = '\u{17f}';
    const KELVIN: char = '\u{212a}';
    match c {
        LONG_S => 's',
        KELVIN => 'k',
        other => other,
    }
}

/// Texts of ASCII in lower case, one of which is in whatever this matches.
fn required(hir: &Hir) -> Option<Vec<String>> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => None,
        HirKind::Literal(_) | HirKind::Class(_) => longest_run(std::slice::from_ref(hir)),
        HirKind::Capture(capture) => required(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => required(&repetition.sub),
        HirKind::Repetition(_) => None,
        HirKind::Concat(parts) => {
            let whole = longest_run(parts);
            let inner = parts.iter().filter_map(required);
            inner.chain(whole).max_by_key(|texts| worth(texts))
        }
        HirKind::Alternation(alternatives) => {
            let mut texts = Vec::new();
            for alternative in alternatives {
                texts.extend(required(alternative)?);
            }
            (texts.len() <= MOST_TEXTS).then_some(texts)
        }
    }
}

/// The longer the shortest of them, the fewer agents have one by chance.
fn worth(texts: &[String]) -> usize {
    texts.iter().map(String::len).min().unwrap_or(0)
}

/// The longest text that parts in a row stand for.
fn longest_run(parts: &[Hir]) -> Option<Vec<String>> {
    let (mut longest, mut run) = (String::new(), String::new());
    let mut end = |run: &mut String| {
        if run.len() > longest.len() {
            longest.clone_from(run);
        }
        run.clear();
    };
    for part in parts {
        match part.kind() {
            HirKind::Literal(literal) => {
                for byte in &*literal.0 {
                    if byte.is_ascii() {
                        run.push(char::from(byte.to_ascii_lowercase()));
                    } else {
                        end(&mut run);
                    }
                }
            }
            HirKind::Class(class) => match one_letter(class) {
                Some(letter) => run.push(letter),
                None => end(&mut run),
            },
            _ => end(&mut run),
        }
    }
    end(&mut run);
    (longest.len() >= LEAST_TEXT).then(|| vec![longest])
}

/// The letter of a class that is one but for its case, as `(?i)` makes them.
fn one_letter(class: &Class) -> Option<char> {
    let Class::Unicode(class) = class else {
        return None;
    };
    if class.iter().map(ClassUnicodeRange::len).sum::<usize>() > 3 {
        return None;
    }
    let letters = class.iter().flat_map(|range| range.start()..=range.end());
    let mut letters = letters.map(|letter| fold(letter).to_ascii_lowercase());
    let first = letters.next().filter(char::is_ascii)?;
    letters.all(|letter| letter == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(pattern: &str) -> Vec<String> {
        Pattern::new(pattern).0.texts.clone()
    }

    #[test]
    fn the_text_that_must_be_there_is_found() {
        for (pattern, text) in [
            ("friendly-scanner", "friendly-scanner"),
            ("^SIP.*vicious$", "vicious"),
            ("bot ?0007", "0007"),
            ("(?i)Scan", "scan"),
            ("(eyebeam)+", "eyebeam"),
            ("x{3}abcü", "abc"),
        ] {
            assert_eq!(texts(pattern), [text], "{pattern}");
        }
        assert_eq!(texts("^(abc|defg)h?$"), ["abc", "defg"]);
        for nothing in ["^.{3}$", "[a-z]+", "ab", "(abc)?", "abc|d", "(abc|)x"] {
            assert!(texts(nothing).is_empty(), "{nothing}");
        }
    }

    #[test]
    fn what_is_large_is_matched_together_with_others() {
        let large = "(abcdefghij[\\p{L}]){40}";
        assert!(compiled(large, OWN_MEMORY).is_none());
        assert!(compiled(large, SET_MEMORY).is_some());
        assert!(texts(large).is_empty());
        let patterns = [Pattern::new(large), Pattern::new("plain")];
        let set = PatternSet::new(patterns.iter()).unwrap();
        let agent = "abcdefghijä".repeat(40);
        let of = |place: u32| &patterns[place as usize];
        assert_eq!(set.matching(&agent, of), [0]);
        assert_eq!(set.matching("a PLAIN one", of), [1]);
    }

    proptest! {
        /// Whatever patterns and agents: what is found is what a set of all finds.
        #[test]
        fn nothing_is_missed(
            patterns in prop::collection::vec(
                prop::collection::vec(
                    prop::sample::select(vec![
                        "scan", "k", "S", "ks", "bot", ".", ".*", "^", "$", " ?", "[0-9]+", "(?i)", "(?-i)", "(?:scan|kiss)", "(?:bot|)",
                        "(ks){2}", "[kK]", "[sſ]", "ü", "(?:skin){1,2}", "\\.", "x*", "(?-i:Bot)", "[^s]", "ss",
                    ]),
                    1..6,
                ),
                1..12,
            ),
            agents in prop::collection::vec(
                prop::collection::vec(
                    prop::sample::select(vec![
                        "scan", "SCAN", "ſcan", "k", "\u{212a}", "bot", "Bot", "s", "ſ", "kiss", "\u{212a}iſſ", " ", "7", ".", "ü", "Ü",
                        "skin", "sKin", "ks", "x",
                    ]),
                    0..6,
                ),
                1..12,
            ),
        ) {
            let patterns: Vec<Pattern> = patterns
                .iter()
                .map(|parts| parts.concat())
                .filter(|pattern| compiled(pattern, SET_MEMORY).is_some())
                .map(|pattern| Pattern::new(&pattern))
                .collect();
            let set = PatternSet::new(patterns.iter()).unwrap();
            let of = |place: u32| &patterns[place as usize];
            for agent in agents {
                let agent = agent.concat();
                let expected: Vec<u32> = (0..)
                    .zip(&patterns)
                    .filter(|(_, pattern)| compiled(pattern.text(), SET_MEMORY).unwrap().is_match(&agent))
                    .map(|(place, _)| place)
                    .collect();
                prop_assert_eq!(set.matching(&agent, of), expected, "{}", agent);
            }
        }
    }
}
