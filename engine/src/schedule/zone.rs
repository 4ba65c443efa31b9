//! Time zones, by their IANA names.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use thiserror::Error;

/// The time zone of this IANA name, such as `America/New_York`, from the database that is compiled in.
///
/// A name is taken only as IANA spells it. OpenSIPS runs a zone that it does not know as UTC without a word; here
/// it is an error.
///
/// # Errors
///
/// [`UnknownTimeZone`], with the name that was probably meant.
pub fn zone(name: &str) -> Result<TimeZone, UnknownTimeZone> {
    let zones = TimeZoneDatabase::bundled();
    match zones.get(name) {
        Ok(zone) if zone.iana_name() == Some(name) && !zone.is_unknown() => Ok(zone),
        _ => Err(UnknownTimeZone {
            name: name.chars().take(LONGEST_SHOWN).collect(),
            suggestion: nearest(name, &zones),
        }),
    }
}

/// No time zone has this name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown time zone {name:?}: {}", hint(.suggestion.as_deref()))]
pub struct UnknownTimeZone {
    /// The name as written, cut at 64 characters.
    pub name: String,
    /// The known name that is nearest, if one is near.
    pub suggestion: Option<String>,
}

/// No IANA name comes near this; what is longer is not worth comparing.
const LONGEST_SHOWN: usize = 64;

fn hint(suggestion: Option<&str>) -> String {
    match suggestion {
        Some(name) => format!("did you mean {name:?}?"),
        None => "write an IANA name such as \"America/New_York\" or \"Europe/Berlin\"".to_owned(),
    }
}

/// The known name that differs least, or that ends in the same place: `New York` is in `America/New_York`.
fn nearest(written: &str, zones: &TimeZoneDatabase) -> Option<String> {
    if written.is_empty() || written.chars().count() > LONGEST_SHOWN {
        return None;
    }
    let wanted = written.to_ascii_lowercase().replace(' ', "_");
    let tolerated = (wanted.chars().count() / 4).max(1);
    zones
        .available()
        .filter(|known| known.as_str() != "Etc/Unknown")
        .filter_map(|known| {
            let name = known.as_str().to_ascii_lowercase();
            let distance =
                edit_distance(&wanted, &name).min(1 + edit_distance(place(&wanted), place(&name)));
            (distance <= tolerated).then(|| (distance, known.as_str().to_owned()))
        })
        .min()
        .map(|(_, name)| name)
}

fn place(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Levenshtein's distance: how many characters to insert, delete or replace.
fn edit_distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.chars().enumerate() {
            let replaced = diagonal + usize::from(l != r);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.chars().count()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_zone_is_found_by_its_own_name() {
        let zones = TimeZoneDatabase::bundled();
        let known: Vec<String> = zones.available().map(|name| name.to_string()).collect();
        assert!(known.len() > 400);
        for name in known.iter().filter(|name| *name != "Etc/Unknown") {
            assert_eq!(zone(name).unwrap().iana_name(), Some(name.as_str()));
        }
    }

    #[test]
    fn an_unknown_zone_is_refused_with_the_nearest_known_one() {
        for (written, meant) in [
            ("America/NewYork", "America/New_York"),
            ("america/new_york", "America/New_York"),
            ("New York", "America/New_York"),
            ("Europe/Berln", "Europe/Berlin"),
            ("Berlin", "Europe/Berlin"),
            ("US/New_York", "America/New_York"),
            ("utc", "UTC"),
        ] {
            assert_eq!(
                zone(written).unwrap_err().to_string(),
                format!("unknown time zone {written:?}: did you mean {meant:?}?"),
            );
        }
    }

    #[test]
    fn a_name_that_is_near_none_gets_an_example() {
        for written in [
            "",
            "Mars/Olympus_Mons",
            "EST5EDT,M3.2.0,M11.1.0",
            "Etc/Unknown",
            "\u{1F550}",
        ] {
            let error = zone(written).unwrap_err().to_string();
            assert!(
                error.contains("write an IANA name such as") || error.contains("did you mean"),
                "{error}"
            );
        }
        assert_eq!(
            zone("Mars/Olympus_Mons").unwrap_err().to_string(),
            "unknown time zone \"Mars/Olympus_Mons\": write an IANA name such as \"America/New_York\" or \"Europe/Berlin\"",
        );
        assert_eq!(
            zone(&"A".repeat(5000)).unwrap_err().name.len(),
            LONGEST_SHOWN
        );
    }
}
