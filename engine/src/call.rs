//! A call attempt: who calls whom, from where, with what.
//!
//! What the caller controls is bounded here and read into types that can't be wrong. A field that is longer than its
//! bound is the switch's error ([`FieldError`]); one that carries what no telephone number or SIP user holds (a quote,
//! a control character) is an attack, and a decision in itself (R12, [`Injection`]).

use std::{
    borrow::{Borrow, Cow},
    fmt,
    net::IpAddr,
    str::FromStr,
};

/// The longest username, in characters.
pub const MAX_USERNAME: usize = 64;
/// The longest domain (RFC 1035), in characters.
pub const MAX_DOMAIN: usize = 253;
/// The longest number as dialed, in bytes: RFC 3966 puts parameters behind it.
pub const MAX_DIALED: usize = 128;
/// The longest number of a caller, in bytes.
pub const MAX_NUMBER: usize = 64;
/// The longest header value that is taken (User-Agent, Call-ID, Diversion), in bytes.
pub const MAX_HEADER: usize = 256;
/// The longest trunk name, in bytes.
pub const MAX_TRUNK: usize = 64;

/// The users that switches, phones and carriers write where they withhold the caller's name or have none, in letters alone.
const ANONYMOUS: [&str; 22] = [
    "anonymous",
    "anonymouscaller",
    "anonymoususer",
    "asteriskunknown",
    "blocked",
    "hidden",
    "idunavailable",
    "nocallerid",
    "noname",
    "none",
    "nonumber",
    "notavailable",
    "null",
    "private",
    "privatecaller",
    "privatenumber",
    "restricted",
    "unavailable",
    "undefined",
    "unidentified",
    "unknown",
    "withheld",
];
/// The same as carriers spell them on a keypad, where they have nothing but digits. Those of fewer than seven are extensions.
const ON_A_KEYPAD: [&str; 8] = [
    "266696687",   // anonymous
    "2666966687",  // the same with a 6 too many, as some send it
    "2562533",     // blocked
    "7748283",     // private
    "7378742833",  // restricted
    "86282452253", // unavailable
    "8656696",     // unknown
    "94844353",    // withheld
];

/// Names an account: the user and the domain of its SIP URI, as `username@domain`. The domain is in lower case.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(Box<str>);

impl AccountId {
    /// Joins a username and a domain.
    ///
    /// # Errors
    /// Names the field and what is wrong with it.
    pub fn new(username: &str, domain: &str) -> Result<Self, FieldError> {
        check_username(username).map_err(|problem| FieldError::new("username", problem))?;
        check_domain(domain).map_err(|problem| FieldError::new("domain", problem))?;
        let mut text = String::with_capacity(username.len() + 1 + domain.len());
        text.push_str(username);
        text.push('@');
        text.push_str(domain);
        let at = username.len();
        if let Some(domain) = text.get_mut(at..) {
            domain.make_ascii_lowercase();
        }
        Ok(Self(text.into_boxed_str()))
    }

    /// The user part.
    pub fn username(&self) -> &str {
        self.parts().0
    }

    /// The domain, in lower case.
    pub fn domain(&self) -> &str {
        self.parts().1
    }

    /// `username@domain`
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names nobody: what stands in From where the caller or the network withholds it (RFC 3323, RFC 5767, RFC 2606).
    /// Everybody who withholds their name would share it.
    pub fn is_anonymous(&self) -> bool {
        let (username, domain) = self.parts();
        let letters = || username.bytes().filter(|byte| !byte.is_ascii_punctuation());
        let is = |name: &&str| {
            letters()
                .map(|byte| byte.to_ascii_lowercase())
                .eq(name.bytes())
        };
        // A `+`, a `0`, the zeros of a gateway that has no number.
        letters().all(|byte| byte == b'0')
            || ANONYMOUS.iter().any(is)
            || ON_A_KEYPAD.iter().any(is)
            || domain == "invalid"
            || domain.ends_with(".invalid")
    }

    fn parts(&self) -> (&str, &str) {
        self.0.split_once('@').unwrap_or((&self.0, ""))
    }
}

impl Borrow<str> for AccountId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for AccountId {
    type Err = FieldError;

    fn from_str(text: &str) -> Result<Self, FieldError> {
        let (username, domain) = text
            .rsplit_once('@')
            .ok_or_else(|| FieldError::new("account", Problem::NotAnAccount))?;
        Self::new(username, domain)
    }
}

/// Reads a domain name as [`AccountId`] does: checked, and in lower case.
///
/// # Errors
/// Says what is wrong with it.
pub fn domain_name(text: &str) -> Result<Box<str>, FieldError> {
    check_domain(text).map_err(|problem| FieldError::new("domain", problem))?;
    Ok(text.to_ascii_lowercase().into_boxed_str())
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct FieldError {
    /// The field's name in the API.
    pub field: &'static str,
    /// What is wrong.
    pub problem: Problem,
}

impl FieldError {
    /// Names the field that has a problem.
    pub fn new(field: &'static str, problem: Problem) -> Self {
        Self { field, problem }
    }

    /// Whether the field carries what only an attack would put there, rather than something missing or too long.
    pub fn is_injection(&self) -> bool {
        matches!(
            self.problem,
            Problem::Character { .. } | Problem::Sequence(_)
        )
    }
}

/// What can be wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It must be given.
    #[error("must be given")]
    Missing,
    /// It is longer than it may be.
    #[error("is {length} long, at most {limit} are taken")]
    TooLong {
        /// Its length.
        length: usize,
        /// The bound.
        limit: usize,
    },
    /// A character that has no place there.
    #[error("has {character:?} at position {position}, which has no place there")]
    Character {
        /// The character.
        character: char,
        /// Which one it is, from 1.
        position: usize,
    },
    /// A sequence that has no place there.
    #[error("has `{0}`, which has no place there")]
    Sequence(&'static str),
    /// Not `username@domain`.
    #[error("must be `username@domain`")]
    NotAnAccount,
    /// Not an IP address.
    #[error("must be an IPv4 or IPv6 address without a port, such as `192.0.2.7` or `2001:db8::7`")]
    NotAnAddress,
}

/// A call attempt as a switch tells it.
#[derive(Clone, Debug)]
pub struct CallAttempt {
    /// Who pays.
    pub account: AccountId,
    /// The number, as dialed.
    pub dialed: String,
    /// The calling number; empty where it is not told.
    pub caller: String,
    /// Where the caller's signalling came from.
    pub source_ip: Option<IpAddr>,
    /// The User-Agent; empty where there is none.
    pub user_agent: String,
    /// The account's calls in progress as the switch counts, this one included.
    pub concurrent_calls: Option<u32>,
    /// The Call-ID; empty where it is not told. The caller writes it.
    pub call_id: String,
    /// The key of the attempt, one per INVITE transaction, made by the switch; empty where it is not told.
    pub attempt_key: String,
    /// The forwarding party; empty where there is none.
    pub forwarded_from: String,
    /// The trunk; empty where it is not told.
    pub trunk: String,
}

/// An attempt that can't be judged further since a field that the caller controls was tampered with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Injection(pub FieldError);

/// The fields of a call attempt as they came.
#[derive(Clone, Debug, Default)]
pub struct RawAttempt {
    /// The user part of the account.
    pub username: String,
    /// The domain of the account.
    pub domain: String,
    /// The number, as dialed.
    pub dialed: String,
    /// The calling number.
    pub caller: String,
    /// The address as text; empty where it is not told.
    pub source_ip: String,
    /// The User-Agent.
    pub user_agent: String,
    /// The account's calls in progress as the switch counts, this one included.
    pub concurrent_calls: Option<u32>,
    /// The Call-ID.
    pub call_id: String,
    /// The key of the attempt.
    pub attempt_key: String,
    /// The forwarding party.
    pub forwarded_from: String,
    /// The trunk.
    pub trunk: String,
}

impl RawAttempt {
    /// Checks every bound.
    ///
    /// # Errors
    /// What the switch did wrong: a field that is missing, too long or no address.
    pub fn check_bounds(&self) -> Result<(), FieldError> {
        if self.username.is_empty() && self.domain.is_empty() {
            return Err(FieldError::new("account", Problem::Missing));
        }
        required("account.username", &self.username, MAX_USERNAME)?;
        required("account.domain", &self.domain, MAX_DOMAIN)?;
        required("dialed_number", &self.dialed, MAX_DIALED)?;
        bounded("caller_number", &self.caller, MAX_NUMBER)?;
        bounded("user_agent", &self.user_agent, MAX_HEADER)?;
        bounded("call_id", &self.call_id, MAX_HEADER)?;
        bounded("attempt_key", &self.attempt_key, MAX_HEADER)?;
        bounded("forwarded_from", &self.forwarded_from, MAX_HEADER)?;
        bounded("trunk", &self.trunk, MAX_TRUNK)
    }

    /// Cuts every field to its bound, but the number that is dialed, and drops an address that is none.
    pub fn cut(&mut self) {
        for (text, limit) in [
            (&mut self.username, MAX_USERNAME),
            (&mut self.domain, MAX_DOMAIN),
            (&mut self.caller, MAX_NUMBER),
            (&mut self.user_agent, MAX_HEADER),
            (&mut self.call_id, MAX_HEADER),
            (&mut self.attempt_key, MAX_HEADER),
            (&mut self.forwarded_from, MAX_HEADER),
            (&mut self.trunk, MAX_TRUNK),
        ] {
            text.truncate(text.floor_char_boundary(limit));
        }
        if self.source_ip().is_err() {
            self.source_ip.clear();
        }
    }

    /// The source address.
    ///
    /// # Errors
    /// When it is something else than an address.
    pub fn source_ip(&self) -> Result<Option<IpAddr>, FieldError> {
        if self.source_ip.is_empty() {
            return Ok(None);
        }
        self.source_ip
            .parse::<IpAddr>()
            .map(|ip| Some(ip.to_canonical()))
            .map_err(|_| FieldError::new("source_ip", Problem::NotAnAddress))
    }

    /// Reads the fields into an attempt. The bounds have been checked by [`Self::check_bounds`].
    ///
    /// # Errors
    /// The field that was tampered with.
    pub fn into_attempt(
        self,
        source_ip: Option<IpAddr>,
    ) -> Result<CallAttempt, Box<(Injection, Self)>> {
        match self.parse_account() {
            Ok(account) => Ok(CallAttempt {
                account,
                dialed: self.dialed,
                caller: self.caller,
                source_ip,
                user_agent: self.user_agent,
                concurrent_calls: self.concurrent_calls,
                call_id: self.call_id,
                attempt_key: self.attempt_key,
                forwarded_from: self.forwarded_from,
                trunk: self.trunk,
            }),
            Err(error) => Err(Box::new((Injection(error), self))),
        }
    }

    fn parse_account(&self) -> Result<AccountId, FieldError> {
        let account = AccountId::new(&self.username, &self.domain)?;
        caller_free_of_injection(&self.caller)
            .map_err(|problem| FieldError::new("caller_number", problem))?;
        for (field, text) in [
            ("dialed_number", &self.dialed),
            ("user_agent", &self.user_agent),
            ("call_id", &self.call_id),
            ("attempt_key", &self.attempt_key),
            ("forwarded_from", &self.forwarded_from),
            ("trunk", &self.trunk),
        ] {
            no_control_characters(text).map_err(|problem| FieldError::new(field, problem))?;
        }
        Ok(account)
    }
}

/// The text with its control characters spelled out, so that it can be stored and shown.
pub fn printable(text: &str) -> Cow<'_, str> {
    if no_control_characters(text).is_ok() {
        return Cow::Borrowed(text);
    }
    let mut spelled = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if character.is_control() {
            spelled.extend(character.escape_unicode());
        } else {
            spelled.push(character);
        }
    }
    Cow::Owned(spelled)
}

fn required(field: &'static str, text: &str, limit: usize) -> Result<(), FieldError> {
    if text.is_empty() {
        return Err(FieldError::new(field, Problem::Missing));
    }
    bounded(field, text, limit)
}

fn bounded(field: &'static str, text: &str, limit: usize) -> Result<(), FieldError> {
    if text.len() <= limit {
        return Ok(());
    }
    Err(FieldError::new(
        field,
        Problem::TooLong {
            length: text.len(),
            limit,
        },
    ))
}

/// RFC 3261's unreserved and user-unreserved characters, less those that injections are made of (`=`, `;`, quotes,
/// `--`, percent escapes), and letters and digits of any script.
fn check_username(text: &str) -> Result<(), Problem> {
    if text.is_empty() {
        return Err(Problem::Missing);
    }
    if text.len() > MAX_USERNAME {
        return Err(Problem::TooLong {
            length: text.len(),
            limit: MAX_USERNAME,
        });
    }
    if is_plain(text) {
        return Ok(());
    }
    check_characters(text, |character| {
        character.is_ascii_alphanumeric()
            || "-_.!~*+&$#/".contains(character)
            || character.is_alphanumeric()
    })?;
    if text.contains("--") {
        return Err(Problem::Sequence("--"));
    }
    Ok(())
}

/// A host name (internationalized ones as `xn--…`) or an address, in brackets or not.
fn check_domain(text: &str) -> Result<(), Problem> {
    if text.is_empty() {
        return Err(Problem::Missing);
    }
    if text.len() > MAX_DOMAIN {
        return Err(Problem::TooLong {
            length: text.len(),
            limit: MAX_DOMAIN,
        });
    }
    if is_plain(text) {
        return Ok(());
    }
    check_characters(text, |character| {
        character.is_ascii_alphanumeric() || "-_.:[]".contains(character)
    })
}

/// Whether it is of letters, digits and dots, as most names and numbers are: no field forbids these.
fn is_plain(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
}

fn caller_free_of_injection(text: &str) -> Result<(), Problem> {
    if is_plain(text.strip_prefix('+').unwrap_or(text)) {
        return Ok(());
    }
    check_characters(text, |character| {
        !character.is_control() && !"'\"`\\<>;=".contains(character)
    })?;
    ["--", "%27", "/*"]
        .into_iter()
        .find(|sequence| text.contains(sequence))
        .map_or(Ok(()), |sequence| Err(Problem::Sequence(sequence)))
}

fn no_control_characters(text: &str) -> Result<(), Problem> {
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Ok(());
    }
    check_characters(text, |character| !character.is_control())
}

fn check_characters(text: &str, fits: impl Fn(char) -> bool) -> Result<(), Problem> {
    text.chars()
        .enumerate()
        .find(|(_, character)| !fits(*character))
        .map_or(Ok(()), |(index, character)| {
            Err(Problem::Character {
                character,
                position: index + 1,
            })
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_account_is_its_sip_uri_with_the_domain_in_lower_case() {
        let account = AccountId::new("1001", "PBX.Example.COM").unwrap();
        assert_eq!(account.as_str(), "1001@pbx.example.com");
        assert_eq!(
            (account.username(), account.domain()),
            ("1001", "pbx.example.com")
        );
        assert_ne!(
            AccountId::new("Alice", "a.b").unwrap(),
            AccountId::new("alice", "a.b").unwrap()
        );
    }

    #[test]
    fn who_withholds_their_name_is_nobody_however_it_is_written() {
        let is = |username: &str, domain| AccountId::new(username, domain).unwrap().is_anonymous();
        for username in [
            "Anonymous",
            "anonymous-caller",
            "Private_Number",
            "UNAVAILABLE",
            "No-Caller-ID",
            "266696687",
            "2666966687",
            "7378742833",
            "86282452253",
            "+8656696",
            "0",
            "+",
            "0000000000",
            "-",
            "*",
        ] {
            assert!(is(username, "example.com"), "{username}");
        }
        for username in [
            "alice",
            "6855", // null, but more often an extension
            "1000",
            "2666966880",
            "anonymous1",
            "unknowns",
            "+12125550100",
        ] {
            assert!(!is(username, "example.com"), "{username}");
            assert!(is(username, "anonymous.invalid"));
        }
    }

    #[test]
    fn an_internationalized_domain_is_no_injection() {
        assert!(AccountId::new("alice", "xn--bcher-kva.example").is_ok());
        assert!(AccountId::new("alice", "[2001:db8::1]").is_ok());
    }

    #[test]
    fn what_injections_are_made_of_is_told_from_what_is_missing_or_too_long() {
        for username in [
            "alice' OR '1'='1",
            "a--b",
            "a\0b",
            "a;b",
            "a\"b",
            "a b",
            "a%27b",
            "a@b",
        ] {
            assert!(
                AccountId::new(username, "example.com")
                    .unwrap_err()
                    .is_injection(),
                "{username:?}"
            );
        }
        for username in ["", &"x".repeat(65)] {
            assert!(
                !AccountId::new(username, "example.com")
                    .unwrap_err()
                    .is_injection(),
                "{username:?}"
            );
        }
    }

    #[test]
    fn an_ipv4_mapped_source_is_its_ipv4_address() {
        let raw = RawAttempt {
            source_ip: "::ffff:192.0.2.7".into(),
            ..RawAttempt::default()
        };
        assert_eq!(raw.source_ip().unwrap(), Some("192.0.2.7".parse().unwrap()));
        let raw = RawAttempt {
            source_ip: "192.0.2.7:5060".into(),
            ..RawAttempt::default()
        };
        assert_eq!(raw.source_ip().unwrap_err().problem, Problem::NotAnAddress);
    }

    #[test]
    fn control_characters_are_spelled_out() {
        assert_eq!(printable("plain"), "plain");
        assert_eq!(printable("a\0b\x1b[2J"), "a\\u{0}b\\u{1b}[2J");
    }

    proptest! {
        #[test]
        fn an_account_that_parses_is_read_back_the_same(username in "\\PC{1,20}", domain in "[a-z0-9.-]{1,20}") {
            if let Ok(account) = AccountId::new(&username, &domain) {
                prop_assert_eq!(account.username(), username.as_str());
                prop_assert_eq!(account.domain(), domain.as_str());
                prop_assert_eq!(account.as_str().parse::<AccountId>().unwrap(), account);
            }
        }

        #[test]
        fn nothing_printable_has_a_control_character(text in "\\PC*|.*") {
            prop_assert!(!printable(&text).chars().any(char::is_control));
        }
    }
}
