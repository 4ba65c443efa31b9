//! Many patterns, matched at once: those that hold a text which must be in any agent they match are asked only where it is (as
//! RE2's `FilteredRE2` does); the others all together.

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use aho_corasick::AhoCorasick;
use regex_syntax::hir::{Class, ClassUnicodeRange, Hir, HirKind};

use super::{EntryError, automaton::Automaton};

/// The most patterns in one set.
const MOST: usize = 100_000;
/// The most patterns without a text in one set: each of them is asked on every call.
const MOST_WITHOUT_TEXT: usize = 32;
/// Shorter texts are in too many agents.
const LEAST_TEXT: usize = 3;
/// More alternatives than this are no hint.
const MOST_TEXTS: usize = 16;

/// A pattern.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Arc<Own>);

#[derive(Debug)]
struct Own {
    text: Box<str>,
    /// One of these is in every agent that it matches, in lower case; none: nothing is known.
    texts: Vec<String>,
    matching: Matching,
}

/// How it is told whether an agent matches.
#[derive(Debug)]
enum Matching {
    /// Its text is all that it asks for.
    Plain,
    /// By an automaton; one that can't be costly is made where it is first asked.
    Automaton(OnceLock<Option<Box<Automaton>>>),
    /// Not at all, for this reason: it was listed by a version that took it.
    Not(String),
}

impl Pattern {
    /// A pattern, without regard to case. One that is costly matches nothing, and says so ([`Self::disabled`]).
    pub(super) fn new(text: &str) -> Self {
        let texts = regex_syntax::parse(text)
            .ok()
            .and_then(|hir| required(&hir))
            .unwrap_or_default();
        let matching = if is_plain(text) && !texts.is_empty() {
            Matching::Plain
        } else if is_simple(text) {
            Matching::Automaton(OnceLock::new())
        } else {
            match Automaton::new(text) {
                Ok(automaton) => Matching::Automaton(OnceLock::from(Some(Box::new(automaton)))),
                Err(why) => Matching::Not(why),
            }
        };
        Self(Arc::new(Own {
            text: text.into(),
            texts,
            matching,
        }))
    }

    /// As it was written.
    pub(super) fn text(&self) -> &str {
        &self.0.text
    }

    /// Why it matches nothing.
    pub(super) fn disabled(&self) -> Option<&str> {
        match &self.0.matching {
            Matching::Not(why) => Some(why),
            Matching::Plain | Matching::Automaton(_) => None,
        }
    }

    fn is_match(&self, agent: &str) -> bool {
        match &self.0.matching {
            Matching::Plain => true,
            Matching::Automaton(automaton) => automaton
                .get_or_init(|| Automaton::new(&self.0.text).ok().map(Box::new))
                .as_ref()
                .is_some_and(|automaton| automaton.is_match(agent)),
            Matching::Not(_) => false,
        }
    }
}

/// Patterns, by their places in a list.
#[derive(Clone, Debug, Default)]
pub(super) struct PatternSet {
    /// Finds the texts that patterns hold.
    texts: Option<AhoCorasick>,
    /// Of each text, the patterns that hold it.
    holders: Arc<[Vec<u32>]>,
    /// The patterns that hold none, as many as are asked.
    others: Arc<[u32]>,
    /// Those that are not asked, since there are too many without a text.
    left_out: Arc<[u32]>,
}

impl PatternSet {
    /// Of these patterns.
    ///
    /// # Errors
    /// When they are too many.
    pub(super) fn new<'a>(
        patterns: impl ExactSizeIterator<Item = &'a Pattern>,
    ) -> Result<Self, EntryError> {
        if patterns.len() > MOST {
            let error = format!("there are {}, at most {MOST} can be", patterns.len());
            return Err(EntryError::TooManyPatterns(error));
        }
        let mut texts: hashbrown::HashMap<&str, usize> = hashbrown::HashMap::new();
        let mut holders: Vec<Vec<u32>> = Vec::new();
        let mut others = Vec::new();
        for (place, pattern) in (0..).zip(patterns) {
            if pattern.disabled().is_some() {
                continue;
            }
            if pattern.0.texts.is_empty() {
                others.push(place);
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
            Some(finder.map_err(|error| EntryError::TooManyPatterns(error.to_string()))?)
        };
        let left_out = others.split_off(others.len().min(MOST_WITHOUT_TEXT));
        Ok(Self {
            texts,
            holders: holders.into(),
            others: others.into(),
            left_out: left_out.into(),
        })
    }

    /// The patterns that are not asked, and why.
    pub(super) fn left_out(&self) -> impl Iterator<Item = (u32, String)> {
        self.left_out.iter().map(|place| {
            let why = format!(
                "there are {MOST_WITHOUT_TEXT} already that have no text of {LEAST_TEXT} letters which an agent must have in it, \
                 and each of them is asked on every call: give it a longer text"
            );
            (*place, why)
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
        let others = self.others.iter().copied();
        let before = places.len();
        places.extend(others.filter(|place| pattern(*place).is_match(agent)));
        if places.len() > before {
            places.sort_unstable();
        }
        places
    }
}

/// Whether a pattern stands for itself: none of its characters means anything else.
fn is_plain(pattern: &str) -> bool {
    pattern
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b" -_/:;,@=<>!\"'%".contains(&byte))
}

/// Whether a pattern is a text that may be anchored: its automaton has a state a character.
fn is_simple(pattern: &str) -> bool {
    let mut bytes = pattern.bytes();
    while let Some(byte) = bytes.next() {
        let simple = match byte {
            b'^' | b'$' => true,
            b'\\' => bytes.next().is_some_and(|byte| byte.is_ascii_punctuation()),
            byte => is_plain(std::str::from_utf8(&[byte]).unwrap_or("(")),
        };
        if !simple {
            return false;
        }
    }
    true
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

    fn compiled(pattern: &str) -> Option<regex::Regex> {
        regex::RegexBuilder::new(pattern)
            .case_insensitive(true)
            .build()
            .ok()
    }

    #[test]
    fn a_costly_pattern_matches_nothing_and_says_why() {
        let costly = "(abcdefghij[\\p{L}]){40}";
        assert!(compiled(costly).is_some());
        let patterns = [Pattern::new(costly), Pattern::new("plain")];
        assert!(patterns[0].disabled().is_some());
        let set = PatternSet::new(patterns.iter()).unwrap();
        let of = |place: u32| &patterns[place as usize];
        assert!(set.matching(&"abcdefghijä".repeat(40), of).is_empty());
        assert_eq!(set.matching("a PLAIN one", of), [1]);
    }

    #[test]
    fn of_patterns_without_a_text_only_so_many_are_asked() {
        let patterns: Vec<_> = (0..40)
            .map(|number| Pattern::new(&format!("^.{{{}}}$", number + 1)))
            .collect();
        let set = PatternSet::new(patterns.iter()).unwrap();
        let of = |place: u32| &patterns[place as usize];
        assert_eq!(set.matching(&"x".repeat(32), of), [31]);
        assert!(set.matching(&"x".repeat(33), of).is_empty());
        let left_out: Vec<u32> = set.left_out().map(|(place, _)| place).collect();
        assert_eq!(left_out, (32..40).collect::<Vec<_>>());
    }

    /// A hundred of the most costly patterns that are taken, on the longest agent, which has the text of all of them in it.
    #[test]
    fn no_patterns_cost_a_call_more_than_moments() {
        let agent = "abc".repeat(85);
        let patterns: Vec<_> = (0..100)
            .map(|number| Pattern::new(&format!("abc[^x]*[a-c]{{{}}}x", 1 + number % 9)))
            .filter(|pattern| pattern.disabled().is_none())
            .collect();
        assert!(patterns.len() > 50, "{}", patterns.len());
        let set = PatternSet::new(patterns.iter()).unwrap();
        let of = |place: u32| &patterns[place as usize];
        let started = std::time::Instant::now();
        for _ in 0..10 {
            assert!(set.matching(&agent, of).is_empty());
        }
        // 30 µs each where the compiler optimizes; it does not here, and others use the machine.
        assert!(
            started.elapsed().as_millis() < 10 * 100,
            "{:?}",
            started.elapsed()
        );
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
                .filter(|pattern| compiled(pattern).is_some())
                .map(|pattern| Pattern::new(&pattern))
                .filter(|pattern| pattern.disabled().is_none())
                .collect();
            let set = PatternSet::new(patterns.iter()).unwrap();
            let of = |place: u32| &patterns[place as usize];
            for agent in agents {
                let agent = agent.concat();
                let expected: Vec<u32> = (0..)
                    .zip(&patterns)
                    .filter(|(_, pattern)| compiled(pattern.text()).unwrap().is_match(&agent))
                    .map(|(place, _)| place)
                    .collect();
                prop_assert_eq!(set.matching(&agent, of), expected, "{}", agent);
            }
        }
    }
}
