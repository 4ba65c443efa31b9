//! What is dialed before a number so that the caller's own is withheld from the called party, or shown.

use super::country::Country;

/// Of GSM and ISDN networks everywhere (3GPP TS 22.030, ETS 300 738).
const EVERYWHERE: [&str; 3] = ["*31#", "#31#", "*31*"];
/// Of North America (Telcordia GR-391); 11 is what a dial without a star has for it.
const NORTH_AMERICA: &[&str] = &["*67", "*82", "1167", "1182"];
/// By country, as its network operators document them.
const OWN: [(&str, &[&str]); 15] = [
    ("AU", &["1831", "1832"]),
    ("ES", &["067"]),
    ("FR", &["3651"]),
    ("GB", &["141", "1470"]),
    ("GG", &["141", "1470"]),
    ("HK", &["133"]),
    ("IE", &["141", "142"]),
    ("IL", &["*43"]),
    ("IM", &["141", "1470"]),
    ("IT", &["*67#"]),
    ("JE", &["141", "1470"]),
    ("JP", &["184", "186"]),
    ("KR", &["*23#", "*23"]),
    ("NZ", &["0196", "0197"]),
    ("TW", &["#9"]),
];

impl Country {
    /// How many of the first characters, in ASCII, withhold or show the caller's number.
    pub(super) fn caller_id_prefix(self, dialed: &[u8]) -> Option<usize> {
        let own = OWN
            .binary_search_by_key(&self.code(), |(country, _)| country)
            .map_or(&[][..], |place| OWN[place].1);
        let of_code = match self.calling_code() {
            Some(1) => NORTH_AMERICA,
            _ => &[],
        };
        EVERYWHERE
            .iter()
            .chain(own)
            .chain(of_code)
            .filter(|prefix| dialed.starts_with(prefix.as_bytes()))
            .map(|prefix| prefix.len())
            .max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_countries_are_in_order() {
        assert!(OWN.is_sorted_by_key(|(country, _)| *country));
    }

    #[test]
    fn the_longest_counts() {
        let prefix = |country, dialed: &str| {
            let country = Country::from_code(country).unwrap();
            country.caller_id_prefix(dialed.as_bytes())
        };
        assert_eq!(prefix("US", "*6712125550123"), Some(3));
        assert_eq!(prefix("JM", "*8212125550123"), Some(3));
        assert_eq!(prefix("GB", "147002079460123"), Some(4));
        assert_eq!(prefix("DE", "#31#03012345"), Some(4));
        assert_eq!(prefix("DE", "*6703012345"), None);
    }
}
