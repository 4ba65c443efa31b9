//! A pattern on user agents as a finite automaton, which reads each byte of an agent once, whatever the pattern is.
//!
//! Matching that follows a pattern's states one by one takes time in proportion to their number, and a short pattern may have
//! tens of thousands. Here all of them are followed at once, in about a nanosecond a byte; what has too many for that is refused.

use std::borrow::Cow;

use regex_automata::{
    Input, MatchKind,
    dfa::{Automaton as _, StartKind, dense},
    nfa::thompson,
    util::syntax,
};

/// The memory that the automaton of one pattern may take, in bytes.
const MEMORY: usize = 256 << 10;
/// The memory that making it may take, in bytes.
const MEMORY_TO_MAKE: usize = 1 << 20;

/// A pattern that is matched without regard to case, anywhere unless anchored.
#[derive(Clone, Debug)]
pub(super) struct Automaton(dense::DFA<Vec<u32>>);

impl Automaton {
    /// Of a pattern.
    ///
    /// # Errors
    /// Says what is wrong with it, or that it takes too much.
    pub(super) fn new(pattern: &str) -> Result<Self, String> {
        if let Err(error) = regex_syntax::parse(pattern) {
            let told = error.to_string();
            return Err(told.lines().last().unwrap_or_default().trim().to_owned());
        }
        let states = thompson::Config::new().nfa_size_limit(Some(MEMORY_TO_MAKE));
        let table = dense::Config::new()
            .start_kind(StartKind::Unanchored)
            .match_kind(MatchKind::All)
            .unicode_word_boundary(true)
            .dfa_size_limit(Some(MEMORY))
            .determinize_size_limit(Some(MEMORY_TO_MAKE));
        dense::Builder::new()
            .syntax(syntax::Config::new().case_insensitive(true))
            .thompson(states)
            .configure(table)
            .build(pattern)
            .map(Self)
            .map_err(|_| {
                "it takes too much to match: give fewer or smaller repetitions, and letters instead of classes such as \
                 `\\w`"
                    .to_owned()
            })
    }

    /// Whether an agent matches.
    pub(super) fn is_match(&self, agent: &str) -> bool {
        self.search(agent)
            .or_else(|| self.search(&all_ascii(agent)))
            .unwrap_or_default()
    }

    /// `None` where it meets a character beyond ASCII and asks for the boundaries of words.
    fn search(&self, agent: &str) -> Option<bool> {
        let input = Input::new(agent).earliest(true);
        let found = self.0.try_search_fwd(&input).ok()?;
        Some(found.is_some())
    }
}

/// An agent with a letter in place of every character beyond ASCII: most of those are letters.
fn all_ascii(agent: &str) -> Cow<'_, str> {
    let letter = |c: char| if c.is_ascii() { c } else { '_' };
    Cow::Owned(agent.chars().map(letter).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_of_words_are_found_beyond_ascii_too() {
        let pattern = Automaton::new(r"\bscan\b").unwrap();
        assert!(pattern.is_match("a scan ü"));
        assert!(!pattern.is_match("üscan"));
        assert!(!pattern.is_match("scanner"));
    }

    #[test]
    fn what_is_too_costly_is_refused_and_says_why() {
        for pattern in [
            "(a{1000}){1000}",
            r"(?:\w{1,60}x){1,20}",
            "(?:a?){200}a{200}b.{100}",
            "x.{12}[a-z]{3}y.{40}",
            r"\pL{200}",
        ] {
            match Automaton::new(pattern) {
                Ok(automaton) => panic!("{pattern}: {} bytes", automaton.0.memory_usage()),
                Err(error) => assert!(error.contains("too much"), "{pattern}: {error}"),
            }
        }
        assert!(Automaton::new("(").unwrap_err().contains("unclosed"));
    }

    #[test]
    fn what_operators_write_is_not() {
        for pattern in [
            "^friendly",
            r"^Asterisk PBX 11\.11\.11",
            r"^Yealink SIP-T\d+",
            "(sip|voip)[- ]?(scan|crack)(ner|er)?",
            r"^FPBX-[0-9.]+\([0-9.]+\)$",
            "^.{1,3}$",
            r"\bscan",
            "^Cisco.*7[0-9]{3}",
            r"^\w+$",
            "eyeBeam.*release",
        ] {
            if let Err(error) = Automaton::new(pattern) {
                panic!("{pattern}: {error}");
            }
        }
    }
}
