//! Lists as others write them: plain text with a value a line, or CSV.

use std::{collections::HashMap, net::Ipv4Addr, sync::Arc};

use ipnet::{IpNet, Ipv4Net};
use tfps_engine::{
    call::printable,
    facts::is_public,
    lists::{Action, EntryKind, EntryValue, FeedEntry, SharedTexts},
};

/// The longest reason, in bytes.
const MAX_REASON: usize = 256;
/// Lines that were left out which are told one by one.
const TOLD: usize = 5;
/// The least digits of a number or prefix: shorter ones are whole countries, which are a policy's matter.
const LEAST_DIGITS: usize = 4;
/// The least prefix lengths of networks, IPv4 and IPv6: shorter ones are whole continents of the net.
const LEAST_PREFIX: (u8, u8) = (8, 16);
/// Networks within which telephones are.
const PRIVATE: [Ipv4Net; 3] = [
    Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10),
    Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16),
];
/// What the column of the values is called in a CSV's heading, then that of the reasons, then that of the scores.
const HEADINGS: [&[&str]; 3] = [
    &[
        "prefix", "number", "ip", "cidr", "network", "address", "value", "range", "e164",
    ],
    &[
        "kind",
        "reason",
        "type",
        "category",
        "comment",
        "description",
    ],
    &["score", "risk", "confidence", "weight"],
];

/// How a list is written, and what its entries do.
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    /// What it lists.
    pub kind: EntryKind,
    /// Whether it is CSV.
    pub csv: bool,
    /// What its entries do.
    pub action: Action,
    /// Lines with a lower score are left out; those without a score are not.
    pub least_score: f64,
    /// How many entries it may have.
    pub most_entries: usize,
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Read {
    /// The entries, each value once.
    pub entries: Vec<FeedEntry>,
    /// Lines with too low a score.
    pub below_score: usize,
    /// Lines that are none.
    pub rejected: usize,
    /// The first of them, with what is wrong.
    pub told: Vec<String>,
}

/// Why a list can't be used as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Most of it is something else.
    #[error("it is no list of this kind: {rejected} of {lines} lines are none, such as {first}")]
    NoList {
        /// Lines that are none.
        rejected: usize,
        /// All lines.
        lines: usize,
        /// The first of them.
        first: String,
    },
    /// It has too many entries.
    #[error("it has more than {0} entries: raise max_entries if that is meant")]
    TooMany(usize),
    /// The patterns together are too large.
    #[error("{0}")]
    Patterns(String),
}

/// Reads a list. Lines that are wrong are left out, unless they are the most.
///
/// # Errors
/// When it is no such list, or too large.
pub fn read(bytes: &[u8], form: &Form) -> Result<Read, Unreadable> {
    let mut reader = Reader {
        form,
        read: Read::default(),
        places: HashMap::new(),
        reasons: SharedTexts::default(),
    };
    if form.csv {
        reader.table(bytes)?;
    } else {
        reader.lines(bytes)?;
    }
    let Read {
        entries,
        below_score,
        rejected,
        told,
    } = &reader.read;
    let good = entries.len() + below_score;
    if *rejected > good {
        return Err(Unreadable::NoList {
            rejected: *rejected,
            lines: rejected + good,
            first: told.first().cloned().unwrap_or_default(),
        });
    }
    Ok(reader.read)
}

struct Reader<'a> {
    form: &'a Form,
    read: Read,
    places: HashMap<EntryValue, usize>,
    reasons: SharedTexts,
}

impl Reader<'_> {
    fn lines(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let number = index + 1;
            let Ok(line) = std::str::from_utf8(line) else {
                self.reject(number, "", "it is no UTF-8");
                continue;
            };
            let line = line.trim_start_matches('\u{feff}').trim();
            if line.is_empty() || line.starts_with(['#', ';']) || line.starts_with("//") {
                continue;
            }
            let (value, reason) = match self.form.kind {
                // A pattern may have anything in it.
                EntryKind::UserAgent => (line, ""),
                EntryKind::Number => split(line, |c| matches!(c, ',' | ';' | '#')),
                EntryKind::Ip => split(line, |c| matches!(c, ',' | ';' | '#') || c.is_whitespace()),
            };
            self.take(number, value, reason)?;
        }
        Ok(())
    }

    fn table(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut table = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .comment(Some(b'#'))
            .trim(csv::Trim::All)
            .from_reader(bytes);
        let mut columns = [Some(0), Some(1), Some(2)];
        let mut first = true;
        let mut record = csv::ByteRecord::new();
        loop {
            match table.read_byte_record(&mut record) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => {
                    self.reject(0, "", &error.to_string());
                    continue;
                }
            }
            let number = record.position().map_or(0, csv::Position::line);
            let number = usize::try_from(number).unwrap_or(usize::MAX);
            let field = |column: Option<usize>| {
                let field = column.and_then(|column| record.get(column)).unwrap_or(b"");
                String::from_utf8_lossy(field)
            };
            if std::mem::take(&mut first)
                && let Some(named) = heading(&record)
            {
                columns = named;
                continue;
            }
            let [value, reason, score] = columns.map(field);
            if value.is_empty() && record.len() <= 1 {
                continue;
            }
            if !score.is_empty() {
                match score.parse::<f64>() {
                    Ok(score) if score < self.form.least_score => {
                        self.read.below_score += 1;
                        continue;
                    }
                    Ok(_) => {}
                    Err(_) => {
                        self.reject(number, &score, "it is no score");
                        continue;
                    }
                }
            }
            self.take(number, &value, &reason)?;
        }
    }

    fn take(&mut self, number: usize, value: &str, reason: &str) -> Result<(), Unreadable> {
        let parsed = EntryValue::parse(self.form.kind, value)
            .map_err(|error| error.to_string())
            .and_then(|parsed| sensible(&parsed).map(|()| parsed));
        let value = match parsed {
            Ok(value) => value,
            Err(why) => {
                self.reject(number, value, &why);
                return Ok(());
            }
        };
        let entry = FeedEntry {
            reason: self.reason(reason),
            action: self.form.action,
            expires_at: None,
            value: value.clone(),
        };
        if let Some(&place) = self.places.get(&value) {
            self.read.entries[place] = entry;
            return Ok(());
        }
        if self.read.entries.len() >= self.form.most_entries {
            return Err(Unreadable::TooMany(self.form.most_entries));
        }
        self.places.insert(value, self.read.entries.len());
        self.read.entries.push(entry);
        Ok(())
    }

    fn reason(&mut self, text: &str) -> Arc<str> {
        let text = text.trim();
        let end = text.floor_char_boundary(MAX_REASON);
        let text = text[..end].split_whitespace().collect::<Vec<_>>().join(" ");
        let text = printable(&text);
        self.reasons.of(&text)
    }

    fn reject(&mut self, number: usize, value: &str, why: &str) {
        self.read.rejected += 1;
        if self.read.told.len() < TOLD {
            let value: String = value.chars().take(80).collect();
            let told = match &*printable(&value) {
                "" => format!("line {number}: {why}"),
                value => format!("line {number}, `{value}`: {why}"),
            };
            self.read.told.push(told);
        }
    }
}

fn split(line: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    let (value, rest) = match line.find(&ends) {
        Some(end) => line.split_at(end),
        None => (line, ""),
    };
    (value, rest.trim_start_matches(ends).trim())
}

/// Where the columns are, if the first line names them.
fn heading(record: &csv::ByteRecord) -> Option<[Option<usize>; 3]> {
    let names: Vec<String> = record
        .iter()
        .map(|name| String::from_utf8_lossy(name).to_ascii_lowercase())
        .collect();
    let places = HEADINGS.map(|known| names.iter().position(|name| known.contains(&&**name)));
    places[0].is_some().then_some(places)
}

/// Refuses what no list of others should say: it would stop calls that the operator never had in mind.
fn sensible(value: &EntryValue) -> Result<(), String> {
    match value {
        EntryValue::Ip(network) => {
            let least = match network {
                IpNet::V4(_) => LEAST_PREFIX.0,
                IpNet::V6(_) => LEAST_PREFIX.1,
            };
            if network.prefix_len() < least {
                return Err(format!("a network wider than /{least} is too wide"));
            }
            let own = !is_public(network.network()) || !is_public(network.broadcast());
            if own
                || PRIVATE
                    .iter()
                    .any(|private| network.contains(&IpNet::V4(*private)))
            {
                return Err("it is not of the public internet".to_owned());
            }
            Ok(())
        }
        EntryValue::Number(prefix) if prefix.digits().len() < LEAST_DIGITS => Err(format!(
            "a prefix of less than {LEAST_DIGITS} digits is a country: block that in a policy"
        )),
        EntryValue::Number(_) | EntryValue::UserAgent(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn form(kind: EntryKind, csv: bool) -> Form {
        Form {
            kind,
            csv,
            action: Action::Block,
            least_score: 50.0,
            most_entries: 1_000,
        }
    }

    fn told(read: &Read) -> Vec<(String, &str)> {
        let entries = read.entries.iter();
        entries
            .map(|entry| (entry.value.to_string(), &*entry.reason))
            .collect()
    }

    fn entries(told: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
        told.iter()
            .map(|(value, reason)| ((*value).to_owned(), *reason))
            .collect()
    }

    #[test]
    fn addresses_are_read_as_the_well_known_lists_write_them() {
        let text = b"\xef\xbb\xbf# VoIP blocklist\r\n\r\n203.0.113.7\r\n1.10.16.0/20 ; SBL256894\n\
            198.51.100.9\t12\t2026-11-01\n2001:db9::/32 # scanner\n; comment\n203.0.113.7, again\n";
        let read = read(text, &form(EntryKind::Ip, false)).unwrap();
        assert_eq!(
            told(&read),
            entries(&[
                ("203.0.113.7", "again"),
                ("1.10.16.0/20", "SBL256894"),
                ("198.51.100.9", "12 2026-11-01"),
                ("2001:db9::/32", "scanner"),
            ])
        );
        assert_eq!((read.rejected, read.below_score), (0, 0));
    }

    #[test]
    fn numbers_and_agents_are_read_by_lines() {
        let numbers = b"+882 13 ; Emsat\n25261234567, IRSF\n";
        let read_numbers = read(numbers, &form(EntryKind::Number, false)).unwrap();
        assert_eq!(
            told(&read_numbers),
            entries(&[("88213", "Emsat"), ("25261234567", "IRSF")])
        );
        let agents = b"# scanners\n^friendly, or; not #1\n";
        let read_agents = read(agents, &form(EntryKind::UserAgent, false)).unwrap();
        assert_eq!(
            told(&read_agents),
            entries(&[("^friendly, or; not #1", "")])
        );
    }

    #[test]
    fn a_table_is_read_by_its_heading_or_by_place() {
        let by_place = b"88213,Emsat,90\n25261234567,\"IRSF, high\",49.5\n37167,Wangiri\n";
        let by_name = b"Score;ignored\n";
        let read_one = read(by_place, &form(EntryKind::Number, true)).unwrap();
        assert_eq!(
            told(&read_one),
            entries(&[("88213", "Emsat"), ("37167", "Wangiri")])
        );
        assert_eq!(read_one.below_score, 1);
        assert!(read(by_name, &form(EntryKind::Number, true)).is_err());
        let by_name = b"Score,Country,Range,Category\n90,XX,88213,Emsat\n10,YY,37167,Wangiri\n";
        let read_two = read(by_name, &form(EntryKind::Number, true)).unwrap();
        assert_eq!(told(&read_two), entries(&[("88213", "Emsat")]));
        assert_eq!(read_two.below_score, 1);
    }

    #[test]
    fn what_would_stop_what_nobody_meant_is_left_out_and_told() {
        let text = b"10.0.0.0/8\n192.0.0.0/8\n100.64.0.0/10\nfe80::/16\n203.0.113.7\n203.0.113.8\n\
            203.0.113.9\n203.0.113.10\n";
        let read_ips = read(text, &form(EntryKind::Ip, false)).unwrap();
        assert_eq!((read_ips.entries.len(), read_ips.rejected), (4, 4));
        assert_eq!(
            read_ips.told[0],
            "line 1, `10.0.0.0/8`: it is not of the public internet"
        );
        let numbers = b"44\n4420794\n";
        let read_numbers = read(numbers, &form(EntryKind::Number, false)).unwrap();
        assert_eq!(read_numbers.told.len(), 1);
        assert!(read_numbers.told[0].contains("is a country"));
    }

    #[test]
    fn what_is_no_list_is_refused_whole() {
        let page = b"<html>\n<body>\n<h1>Too many requests</h1>\n</body></html>\n";
        let error = read(page, &form(EntryKind::Ip, false)).unwrap_err();
        assert!(error.to_string().contains("4 of 4 lines"), "{error}");
        assert!(error.to_string().contains("<html>"), "{error}");
        let many = "203.0.113.7\n203.0.113.8\n203.0.113.9\n";
        let small = Form {
            most_entries: 2,
            ..form(EntryKind::Ip, false)
        };
        assert_eq!(read(many.as_bytes(), &small), Err(Unreadable::TooMany(2)));
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400), csv in any::<bool>()) {
            for kind in [EntryKind::Ip, EntryKind::Number, EntryKind::UserAgent] {
                if let Ok(read) = read(&bytes, &form(kind, csv)) {
                    prop_assert!(read.rejected <= read.entries.len() + read.below_score);
                }
            }
        }
    }
}
