//! One line of a list, and what a match says.

use std::{collections::HashSet, fmt, net::IpAddr, str::FromStr, sync::Arc};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::automaton::Automaton;
use crate::number::E164;

/// The longest user-agent pattern, in bytes.
const MAX_PATTERN: usize = 256;

/// What an entry lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    /// An address or CIDR.
    Ip,
    /// A number or prefix.
    Number,
    /// A pattern on the user agent.
    UserAgent,
}

impl EntryKind {
    /// `ip`, `number` or `user-agent`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Number => "number",
            Self::UserAgent => "user-agent",
        }
    }
}

/// What an entry does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Denies.
    #[default]
    Block,
    /// Lets pass.
    Allow,
}

impl Action {
    /// `block` or `allow`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Allow => "allow",
        }
    }
}

/// The value of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EntryValue {
    /// A network; a single address has the full prefix length.
    Ip(IpNet),
    /// The leading digits of numbers in E.164.
    Number(E164),
    /// A regular expression.
    UserAgent(Box<str>),
}

impl EntryValue {
    /// Reads a value as people write it: `203.0.113.7`, `2001:db8::/32`, `+882 13`, `^friendly`.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(kind: EntryKind, text: &str) -> Result<Self, EntryError> {
        let text = text.trim();
        match kind {
            EntryKind::Ip => parse_network(text).map(Self::Ip),
            EntryKind::Number => parse_prefix(text).map(Self::Number),
            EntryKind::UserAgent => parse_pattern(text).map(Self::UserAgent),
        }
    }

    /// Reads a value that was listed before, which is taken even where it would not be now: a pattern may be one that an earlier
    /// version took, and matches nothing then ([`Lists::disabled`](super::Lists::disabled)).
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn kept(kind: EntryKind, text: &str) -> Result<Self, EntryError> {
        match kind {
            EntryKind::UserAgent => Ok(Self::UserAgent(text.into())),
            EntryKind::Ip | EntryKind::Number => Self::parse(kind, text),
        }
    }

    /// What it lists.
    pub fn kind(&self) -> EntryKind {
        match self {
            Self::Ip(_) => EntryKind::Ip,
            Self::Number(_) => EntryKind::Number,
            Self::UserAgent(_) => EntryKind::UserAgent,
        }
    }
}

impl fmt::Display for EntryValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(network) if network.prefix_len() == network.max_prefix_len() => {
                network.addr().fmt(f)
            }
            Self::Ip(network) => network.fmt(f),
            Self::Number(digits) => f.write_str(digits.as_str()),
            Self::UserAgent(pattern) => f.write_str(pattern),
        }
    }
}

/// What tells entries apart: two sources may list the same value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryKey {
    /// The domain it holds for; empty: every one.
    pub domain: Box<str>,
    /// What it lists.
    pub value: EntryValue,
    /// Where it came from.
    pub source: Arc<str>,
}

/// A line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListEntry {
    /// What tells it apart.
    pub key: EntryKey,
    /// What it does.
    pub action: Action,
    /// Why; shared by the entries of one import.
    pub reason: Arc<str>,
    /// When it was listed, in seconds since 1970.
    pub listed_at: i64,
    /// When it goes by itself, in seconds since 1970.
    pub expires_at: Option<i64>,
}

/// Texts that many entries have in common, such as the reason of an import: each is kept once.
#[derive(Debug, Default)]
pub struct SharedTexts(HashSet<Arc<str>>);

impl SharedTexts {
    /// A text, shared with all that asked for the same.
    pub fn of(&mut self, text: &str) -> Arc<str> {
        if let Some(shared) = self.0.get(text) {
            return Arc::clone(shared);
        }
        let shared: Arc<str> = text.into();
        self.0.insert(Arc::clone(&shared));
        shared
    }
}

/// What is wrong with an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Not an address.
    #[error(
        "{0:?} is no address or CIDR, such as `203.0.113.7`, `203.0.113.0/24` or `2001:db8::/32`"
    )]
    NotANetwork(String),
    /// Host bits are set, so that it is unclear what was meant.
    #[error(
        "`{0}` has host bits set; `{1}` is the network, or leave the length out for the one address"
    )]
    HostBits(IpNet, IpNet),
    /// Everything would match.
    #[error("`{0}` would match every address")]
    MatchesAll(IpNet),
    /// Not a prefix.
    #[error(
        "{0:?} is no number or prefix in E.164: 1 to 15 digits that start with a calling code, such as `88213`"
    )]
    NotAPrefix(String),
    /// Not a pattern.
    #[error("{0:?} is no pattern: {1}")]
    NotAPattern(String, String),
    /// Together they are too large.
    #[error("the user-agent patterns together are too large: {0}")]
    TooManyPatterns(String),
    /// With those that are listed already it costs every call too much.
    #[error("the user-agent pattern {pattern:?} costs too much: {why}")]
    Costly {
        /// The pattern.
        pattern: Box<str>,
        /// Why.
        why: String,
    },
}

/// What an entry holds besides its value, in memory.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) source: Arc<str>,
    pub(super) reason: Arc<str>,
    /// Seconds since 1970; `i64::MAX`: never.
    expires_at: i64,
    /// Days since 1970: an hour more or less tells nothing, and there may be a million records.
    listed_day: u32,
    pub(super) action: Action,
}

/// A day, in seconds.
const DAY: i64 = 86_400;

impl Record {
    pub(super) fn new(entry: &ListEntry) -> Self {
        Self {
            source: Arc::clone(&entry.key.source),
            reason: Arc::clone(&entry.reason),
            expires_at: entry.expires_at.unwrap_or(i64::MAX),
            listed_day: u32::try_from(entry.listed_at / DAY).unwrap_or_default(),
            action: entry.action,
        }
    }

    /// The entry that it is of.
    pub(super) fn entry(&self, domain: &str, value: EntryValue) -> ListEntry {
        ListEntry {
            key: EntryKey {
                domain: domain.into(),
                value,
                source: Arc::clone(&self.source),
            },
            action: self.action,
            reason: Arc::clone(&self.reason),
            listed_at: i64::from(self.listed_day) * DAY,
            expires_at: (self.expires_at != i64::MAX).then_some(self.expires_at),
        }
    }

    /// For how many days it has been listed.
    pub(super) fn days_listed(&self, now: i64) -> u32 {
        let today = u32::try_from(now / DAY).unwrap_or_default();
        today.saturating_sub(self.listed_day)
    }

    pub(super) fn holds(&self, now: i64) -> bool {
        self.expires_at > now
    }
}

/// Of the records of one value the one that decides: what allows first.
pub(super) fn decisive(records: &[Record], now: i64) -> Option<&Record> {
    let mut holding = records.iter().filter(|record| record.holds(now));
    let first = holding.next()?;
    if first.action == Action::Allow {
        return Some(first);
    }
    Some(
        holding
            .find(|record| record.action == Action::Allow)
            .unwrap_or(first),
    )
}

/// A match on a list.
#[derive(Clone, Copy, Debug)]
pub struct Hit<'a, V> {
    pub(super) record: &'a Record,
    pub(super) value: V,
    /// What decides between matches: the longer is the weightier.
    pub(super) length: u8,
}

/// A match of a number.
pub type NumberHit<'a> = Hit<'a, E164>;
/// A match of a source address.
pub type SourceHit<'a> = Hit<'a, IpNet>;
/// A match of a user agent.
pub type UserAgentHit<'a> = Hit<'a, &'a str>;

impl<V> Hit<'_, V> {
    /// Whether it lets pass.
    pub fn allows(&self) -> bool {
        self.record.action == Action::Allow
    }
}

trait Shown {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

impl Shown for E164 {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Shown for IpNet {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&EntryValue::Ip(*self), f)
    }
}

impl Shown for &str {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl<V: Shown> fmt::Display for Hit<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "is on the {} list by `", self.record.action.as_str())?;
        self.value.show(f)?;
        write!(f, "` ({}", self.record.source)?;
        if !self.record.reason.is_empty() {
            write!(f, ": {}", self.record.reason)?;
        }
        f.write_str(")")
    }
}

/// Of two matches the one that decides.
pub(super) fn weightier<'a, V>(
    one: Option<Hit<'a, V>>,
    other: Option<Hit<'a, V>>,
) -> Option<Hit<'a, V>> {
    match (one, other) {
        (Some(one), Some(other)) => {
            let weight = |hit: &Hit<'_, V>| (hit.length, hit.allows());
            Some(if weight(&other) >= weight(&one) {
                other
            } else {
                one
            })
        }
        (one, other) => one.or(other),
    }
}

fn parse_network(text: &str) -> Result<IpNet, EntryError> {
    if let Ok(ip) = IpAddr::from_str(text) {
        return Ok(IpNet::from(ip.to_canonical()));
    }
    let network = IpNet::from_str(text).map_err(|_| EntryError::NotANetwork(text.to_owned()))?;
    if network.addr() != network.network() {
        return Err(EntryError::HostBits(network, network.trunc()));
    }
    if network.prefix_len() == 0 {
        return Err(EntryError::MatchesAll(network));
    }
    Ok(network)
}

fn parse_prefix(text: &str) -> Result<E164, EntryError> {
    let wrong = || EntryError::NotAPrefix(text.to_owned());
    if text.len() > 40 {
        return Err(wrong());
    }
    let digits: String = text.chars().filter(|c| !" -.()/".contains(*c)).collect();
    E164::from_digits(digits.strip_prefix('+').unwrap_or(&digits)).map_err(|_| wrong())
}

fn parse_pattern(text: &str) -> Result<Box<str>, EntryError> {
    let wrong = |why: &dyn fmt::Display| {
        EntryError::NotAPattern(text.chars().take(MAX_PATTERN).collect(), why.to_string())
    };
    if text.is_empty() {
        return Err(wrong(&"it is empty and would match every agent"));
    }
    if text.len() > MAX_PATTERN {
        return Err(wrong(&format_args!("it is over {MAX_PATTERN} bytes long")));
    }
    if text.chars().any(char::is_control) {
        return Err(wrong(&"it has control characters"));
    }
    let pattern = Automaton::new(text).map_err(|error| wrong(&error))?;
    if pattern.is_match("") {
        return Err(wrong(&"it would match every agent"));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(kind: EntryKind, text: &str) -> Result<String, String> {
        EntryValue::parse(kind, text)
            .map(|value| value.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn values_are_read_as_people_write_them() {
        assert_eq!(
            parse(EntryKind::Ip, " 203.0.113.7 ").unwrap(),
            "203.0.113.7"
        );
        assert_eq!(
            parse(EntryKind::Ip, "::ffff:203.0.113.7").unwrap(),
            "203.0.113.7"
        );
        assert_eq!(
            parse(EntryKind::Ip, "203.0.113.0/24").unwrap(),
            "203.0.113.0/24"
        );
        assert_eq!(parse(EntryKind::Number, "+882 13").unwrap(), "88213");
        assert_eq!(
            parse(EntryKind::UserAgent, "^friendly").unwrap(),
            "^friendly"
        );
    }

    #[test]
    fn what_would_match_everything_or_nothing_that_was_meant_is_refused() {
        assert!(
            parse(EntryKind::Ip, "203.0.113.7/24")
                .unwrap_err()
                .contains("203.0.113.0/24")
        );
        assert!(
            parse(EntryKind::Ip, "0.0.0.0/0")
                .unwrap_err()
                .contains("every address")
        );
        assert!(
            parse(EntryKind::Number, "0044")
                .unwrap_err()
                .contains("0044")
        );
        assert!(parse(EntryKind::Number, "").is_err());
        assert!(
            parse(EntryKind::UserAgent, ".*")
                .unwrap_err()
                .contains("every agent")
        );
        assert!(
            parse(EntryKind::UserAgent, "(")
                .unwrap_err()
                .contains("pattern")
        );
        assert!(parse(EntryKind::UserAgent, "(a{1000}){1000}").is_err());
    }
}
