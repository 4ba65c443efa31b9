//! Emergency numbers.

use super::country::Country;

/// Understood by every telephone (3GPP TS 22.101, 10.1).
const EVERYWHERE: [&str; 2] = ["112", "911"];

/// What else is dialed in an emergency, where it is not one of [`EVERYWHERE`]: police, ambulance, fire brigade, and what the hard
/// of hearing dial. What is missing here is for the policy to name.
const OWN: [(&str, &[&str]); 72] = [
    ("AE", &["997", "998", "999"]),
    ("AL", &["126", "127", "128", "129"]),
    ("AR", &["100", "101", "107"]),
    ("AT", &["122", "133", "140", "144"]),
    ("AU", &["000", "106"]),
    ("BA", &["122", "123", "124"]),
    ("BD", &["999"]),
    ("BE", &["100", "101"]),
    ("BG", &["150", "160", "166"]),
    ("BH", &["999"]),
    ("BO", &["110", "118", "119"]),
    ("BR", &["190", "192", "193"]),
    ("BY", &["101", "102", "103"]),
    ("CH", &["117", "118", "144", "1414"]),
    ("CL", &["131", "132", "133"]),
    ("CN", &["110", "119", "120", "122"]),
    ("CO", &["123"]),
    ("CY", &["199"]),
    ("CZ", &["150", "155", "158"]),
    ("DE", &["110"]),
    ("EG", &["122", "123", "180"]),
    ("ES", &["061", "062", "080", "091", "092"]),
    ("FR", &["15", "17", "18", "114", "115"]),
    ("GB", &["999"]),
    ("GG", &["999"]),
    ("GR", &["100", "108", "166", "199"]),
    ("HK", &["999"]),
    ("HR", &["192", "193", "194", "195"]),
    ("HU", &["104", "105", "107"]),
    ("ID", &["110", "113", "118", "119"]),
    ("IE", &["999"]),
    ("IL", &["100", "101", "102"]),
    ("IM", &["999"]),
    ("IN", &["100", "101", "102", "108"]),
    ("IT", &["113", "115", "118"]),
    ("JE", &["999"]),
    ("JP", &["110", "118", "119"]),
    ("KE", &["999"]),
    ("KR", &["119"]),
    ("KZ", &["101", "102", "103", "104"]),
    ("LK", &["110", "119"]),
    ("MK", &["192", "193", "194"]),
    ("MO", &["999"]),
    ("MX", &["060", "065", "066", "068"]),
    ("MY", &["999"]),
    ("NG", &["199"]),
    ("NO", &["110", "113"]),
    ("NZ", &["111"]),
    ("PE", &["105", "106", "116"]),
    ("PH", &["117"]),
    ("PK", &["15", "16", "1122"]),
    ("PL", &["997", "998", "999"]),
    ("PT", &["115"]),
    ("QA", &["999"]),
    ("RS", &["192", "193", "194"]),
    ("RU", &["101", "102", "103", "104"]),
    ("SA", &["997", "998", "999"]),
    ("SG", &["995", "999"]),
    ("SI", &["113"]),
    ("SK", &["150", "155", "158"]),
    ("TH", &["191", "199", "1669"]),
    ("TR", &["110", "155", "156"]),
    ("TT", &["990", "999"]),
    ("TW", &["110", "119"]),
    ("TZ", &["999"]),
    ("UA", &["101", "102", "103", "104"]),
    ("UG", &["999"]),
    ("VE", &["171"]),
    ("VN", &["113", "114", "115"]),
    ("ZA", &["10111", "10177"]),
    ("ZM", &["991", "993", "999"]),
    ("ZW", &["993", "994", "995", "999"]),
];

/// What is dialed in an emergency in a country.
pub(super) fn usual(country: Country) -> impl Iterator<Item = &'static str> {
    let own = OWN.iter().find(|(code, _)| *code == country.code());
    EVERYWHERE
        .into_iter()
        .chain(own.into_iter().flat_map(|(_, own)| own.iter().copied()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_country_has_two_and_its_own() {
        let usual = |code| usual(Country::from_code(code).unwrap()).collect::<Vec<_>>();
        assert_eq!(usual("US"), ["112", "911"]);
        assert_eq!(usual("GB"), ["112", "911", "999"]);
        assert_eq!(usual("AU"), ["112", "911", "000", "106"]);
    }

    #[test]
    fn the_table_is_in_order_and_of_countries() {
        assert!(OWN.is_sorted_by(|(one, _), (other, _)| one < other));
        for (code, own) in OWN {
            assert!(Country::from_code(code).is_ok(), "{code}");
            for number in own {
                assert!(!EVERYWHERE.contains(number), "{code} {number}");
            }
        }
    }
}
