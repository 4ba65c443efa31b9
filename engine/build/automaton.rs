//! One deterministic automaton over the digits of national numbers, shared by all calling codes.
//!
//! A calling code's patterns are determinized together, and the result is unrolled digit by digit up to the length of
//! E.164. So it has no cycles, and interning each state by what it does, the last digit first, makes it minimal. States
//! name a territory by its place among those of the calling code, so that countries share the states for "any four
//! more digits".

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::error::Error;

use regex_automata::dfa::{Automaton as _, dense};
use regex_automata::util::primitives::StateID;
use regex_automata::util::syntax;
use regex_automata::{Anchored, MatchKind};

use crate::metadata::{CallingCode, Kind, Territory};

/// The row from which no number can be reached. It is its own successor and never looked at.
const DEAD: u16 = 0;

/// A number's digits, calling code included (ITU-T E.164, 6.2.1).
const E164_DIGITS: usize = 15;

/// Inmarsat and the global mobile satellite systems: all of their numbers are satellite telephones.
const SATELLITE_NETWORKS: [u16; 2] = [870, 881];

pub(crate) struct Automaton {
    rows: Vec<Row>,
    ids: HashMap<Row, u16>,
}

/// A state: where each digit leads, and what is known when the number ends or leaves the plan here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) next: [u16; 10],
    pub(crate) outcome: Outcome,
}

/// Territories are told by their slot, the index among those of the calling code; slot 0 is the main country.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Outcome {
    /// The kind of the number that ends here, if it is valid.
    pub(crate) kind: Option<Kind>,
    /// The territory of the number that ends here.
    pub(crate) slot: u8,
    /// The territory of a number that goes on from here to where no plan follows.
    pub(crate) slot_beyond: u8,
    /// The territories, as bits by slot, in whose plans the number that ends here is valid: services may be many's.
    pub(crate) valid_in: u32,
}

impl Default for Automaton {
    fn default() -> Self {
        let dead = Row::default();
        Self {
            rows: vec![dead],
            ids: HashMap::from([(dead, DEAD)]),
        }
    }
}

impl Automaton {
    /// Adds the numbers of a calling code and returns the state for their first digit after it.
    pub(crate) fn add(&mut self, calling_code: &CallingCode) -> Result<u16, Box<dyn Error>> {
        let patterns = Patterns::of(calling_code);
        let dfa = dense::Builder::new()
            .configure(
                dense::Config::new()
                    .match_kind(MatchKind::All)
                    .start_kind(regex_automata::dfa::StartKind::Anchored),
            )
            .syntax(syntax::Config::new().unicode(false).utf8(false))
            .thompson(regex_automata::nfa::thompson::Config::new().utf8(false))
            .build_many(&patterns.sources)?;
        let start = dfa
            .universal_start_state(Anchored::Yes)
            .ok_or("a pattern looks behind its first digit")?;
        let start = Unrolling {
            automaton: self,
            calling_code,
            dfa,
            patterns,
            known: HashMap::new(),
        }
        .state(start, 0)?;
        Ok(start.row)
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    fn intern(&mut self, row: Row) -> Result<u16, Box<dyn Error>> {
        match self.ids.entry(row) {
            Entry::Occupied(known) => Ok(*known.get()),
            Entry::Vacant(new) => {
                let id = u16::try_from(self.rows.len())
                    .map_err(|_| "the numbering plans need more than 65,536 states")?;
                self.rows.push(row);
                Ok(*new.insert(id))
            }
        }
    }
}

/// All patterns of a calling code, side by side as the determinizer wants them.
struct Patterns {
    sources: Vec<String>,
    meanings: Vec<(usize, Meaning)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    LeadingDigits,
    General,
    Kind(usize),
}

impl Patterns {
    fn of(calling_code: &CallingCode) -> Self {
        let mut patterns = Self {
            sources: Vec::new(),
            meanings: Vec::new(),
        };
        for (slot, territory) in calling_code.territories.iter().enumerate() {
            if let Some(leading) = &territory.leading_digits {
                patterns.add(slot, Meaning::LeadingDigits, format!("(?:{leading})[0-9]*"));
            }
            patterns.add(
                slot,
                Meaning::General,
                format!("(?:{})", territory.general.pattern),
            );
            for (index, (_, rule)) in territory.kinds.iter().enumerate() {
                patterns.add(slot, Meaning::Kind(index), format!("(?:{})", rule.pattern));
            }
        }
        patterns
    }

    fn add(&mut self, slot: usize, meaning: Meaning, source: String) {
        self.sources.push(source);
        self.meanings.push((slot, meaning));
    }
}

/// The way from a calling code's regular automaton to rows.
struct Unrolling<'a> {
    automaton: &'a mut Automaton,
    calling_code: &'a CallingCode,
    dfa: dense::DFA<Vec<u32>>,
    patterns: Patterns,
    known: HashMap<(StateID, usize), Unrolled>,
}

/// A state after some number of digits, with what can follow.
#[derive(Clone, Copy)]
struct Unrolled {
    row: u16,
    /// The territories, as bits by slot, of all numbers that start with these digits.
    reachable: u32,
    /// Whether one of those numbers is valid.
    leads_to_valid: bool,
}

impl Unrolling<'_> {
    fn state(&mut self, state: StateID, digits: usize) -> Result<Unrolled, Box<dyn Error>> {
        if let Some(known) = self.known.get(&(state, digits)) {
            return Ok(*known);
        }
        let end = self.end(state, digits);
        let mut reachable = end.map_or(0, |(slot, _)| 1 << slot);
        let mut leads_to_valid = matches!(end, Some((_, Some(_))));
        let mut next = [DEAD; 10];
        if digits + self.calling_code.digits() < E164_DIGITS && !self.dfa.is_dead_state(state) {
            for (digit, row) in (b'0'..=b'9').zip(&mut next) {
                let follower = self.state(self.dfa.next_state(state, digit), digits + 1)?;
                *row = follower.row;
                reachable |= follower.reachable;
                leads_to_valid |= follower.leads_to_valid;
            }
        }

        let only = reachable
            .is_power_of_two()
            .then(|| reachable.trailing_zeros() as u8);
        if !leads_to_valid && only.is_some() {
            next = [DEAD; 10];
        }
        let (slot, kind) = end.unwrap_or((only.unwrap_or(0), None));
        let outcome = Outcome {
            kind,
            slot,
            slot_beyond: only.unwrap_or(0),
            valid_in: self.valid_in(state, digits),
        };
        let unrolled = Unrolled {
            row: self.automaton.intern(Row { next, outcome })?,
            reachable,
            leads_to_valid,
        };
        self.known.insert((state, digits), unrolled);
        Ok(unrolled)
    }

    /// The territory of the number that ends here, if the plans tell it, and its kind, if it is valid.
    ///
    /// Of several territories it is the first whose leading digits match, or which has such a number; one that has
    /// leading digits is never asked for its numbers.
    fn end(&self, state: StateID, digits: usize) -> Option<(u8, Option<Kind>)> {
        let matches = self.matches(state);
        let kind = |slot: usize| {
            let kind = self.kind(slot, &self.calling_code.territories[slot], &matches, digits)?;
            let satellite = SATELLITE_NETWORKS.contains(&self.calling_code.code);
            Some(if satellite { Kind::Satellite } else { kind })
        };
        if self.calling_code.territories.len() == 1 {
            return Some((0, kind(0)));
        }
        self.calling_code
            .territories
            .iter()
            .enumerate()
            .find_map(|(slot, territory)| {
                let chosen = match territory.leading_digits {
                    Some(_) => matches.contains(&(slot, Meaning::LeadingDigits)),
                    None => kind(slot).is_some(),
                };
                chosen.then(|| (slot as u8, kind(slot)))
            })
    }

    fn valid_in(&self, state: StateID, digits: usize) -> u32 {
        let matches = self.matches(state);
        let territories = self.calling_code.territories.iter().enumerate();
        territories
            .filter(|(slot, territory)| self.kind(*slot, territory, &matches, digits).is_some())
            .fold(0, |slots, (slot, _)| slots | 1 << slot)
    }

    fn kind(
        &self,
        slot: usize,
        territory: &Territory,
        matches: &[(usize, Meaning)],
        digits: usize,
    ) -> Option<Kind> {
        if !matches.contains(&(slot, Meaning::General))
            || !territory.general.lengths.contains(digits)
        {
            return None;
        }
        let is = |wanted: Kind| {
            territory
                .kinds
                .iter()
                .enumerate()
                .any(|(index, (kind, rule))| {
                    *kind == wanted
                        && rule.lengths.contains(digits)
                        && matches.contains(&(slot, Meaning::Kind(index)))
                })
        };
        let (first, _) = territory.kinds.iter().find(|(kind, _)| is(*kind))?;
        match first {
            Kind::FixedLine if territory.fixed_line_is_mobile || is(Kind::Mobile) => {
                Some(Kind::FixedLineOrMobile)
            }
            Kind::Mobile if territory.fixed_line_is_mobile => None,
            other => Some(*other),
        }
    }

    fn matches(&self, state: StateID) -> Vec<(usize, Meaning)> {
        let end = self.dfa.next_eoi_state(state);
        if !self.dfa.is_match_state(end) {
            return Vec::new();
        }
        (0..self.dfa.match_len(end))
            .map(|index| self.patterns.meanings[self.dfa.match_pattern(end, index).as_usize()])
            .collect()
    }
}
