//! Groups of countries that a policy can name instead of each of them.

use std::str::FromStr;

use super::{
    country::{Country, UnknownCountry},
    country_set::CountrySet,
};

/// A group of countries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountryGroup {
    /// By the regions of the UN (M49), but Cyprus is Europe's.
    Africa,
    /// And the islands around it.
    Antarctica,
    /// Without Russia, with Turkey and the Caucasus.
    Asia,
    /// With Russia and Cyprus.
    Europe,
    /// With Central America and the Caribbean.
    NorthAmerica,
    /// Australia, New Zealand and the islands of the Pacific.
    Oceania,
    /// From Colombia and Venezuela to the south.
    SouthAmerica,
    /// The islands of North America: many of them are dialed like a long-distance call, by +1.
    Caribbean,
    /// E.164's networks and services without a country.
    Networks,
    /// Where fraudulent calls go, out of all proportion to others, and all networks.
    HighRisk,
    /// Where both go, or few of both.
    MediumRisk,
    /// All others.
    LowRisk,
}

/// With the Atlantic islands of Ascension, Saint Helena and Tristan da Cunha.
const AFRICA: &str = "\
    AC AO BF BI BJ BW CD CF CG CI CM CV DJ DZ EG EH ER ET GA GH GM GN GQ GW IO KE KM LR LS LY MA MG ML MR MU MW MZ \
    NA NE NG RE RW SC SD SH SL SN SO SS ST SZ TA TD TG TN TZ UG YT ZA ZM ZW";

/// With the islands around it.
const ANTARCTICA: &str = "\
    AQ BV GS HM TF";

/// With Turkey and the Caucasus.
const ASIA: &str = "\
    AE AF AM AZ BD BH BN BT CN GE HK ID IL IN IQ IR JO JP KG KH KP KR KW KZ LA LB LK MM MN MO MV MY NP OM PH PK PS \
    QA SA SG SY TH TJ TM TR TW UZ VN YE";

/// With Russia, Cyprus and Kosovo.
const EUROPE: &str = "\
    AD AL AT AX BA BE BG BY CH CY CZ DE DK EE ES FI FO FR GB GG GI GR HR HU IE IM IS IT JE LI LT LU LV MC MD ME MK \
    MT NL NO PL PT RO RS RU SE SI SJ SK SM UA VA XK";

/// With Central America and the Caribbean.
const NORTH_AMERICA: &str = "\
    AG AI AW BB BL BM BQ BS BZ CA CR CU CW DM DO GD GL GP GT HN HT JM KN KY LC MF MQ MS MX NI PA PM PR SV SX TC TT \
    US VC VG VI";

/// Australia, New Zealand and the islands of the Pacific.
const OCEANIA: &str = "\
    AS AU CC CK CX FJ FM GU KI MH MP NC NF NR NU NZ PF PG PN PW SB TK TL TO TV UM VU WF WS";

/// With the Falkland Islands.
const SOUTH_AMERICA: &str = "\
    AR BO BR CL CO EC FK GF GY PE PY SR UY VE";

/// The islands of North America.
const CARIBBEAN: &str = "\
    AG AI AW BB BL BQ BS CU CW DM DO GD GP HT JM KN KY LC MF MQ MS PR SX TC TT VC VG VI";

/// From what fraudsters dialed at honeypots, the block list of the original, and small places whose numbers are rented out. Without the
/// networks.
const HIGH_RISK: &str = "\
    AC AF AG AI AL AW AZ BA BB BF BI BJ BY BZ CD CF CG CK CU CW DJ DM DZ EE ER ET FK GA GD GE GL GM GN GW GY HN HR \
    HT IQ JM KI KM KN KP KY LB LC LI LK LR LT LV LY MA MC MD MG MK MM MR MS MV MW NC NE NR NU OM PF PG PS RS SB SC \
    SD SH SL SN SO SR SS ST SX SY TA TC TD TG TK TL TN TO TV TZ VC VE VG VU WF YE ZW";

/// From the same sources.
const MEDIUM_RISK: &str = "\
    AM AO AT BD BG BO BS BW CH CI CL CM CV DO EC EG ES FM GB GH GQ GT IL IO KE KG KH KZ LA LS ME MH ML NA NF NG NI \
    PE PK PL PW RO RU RW SI SM SV SZ TJ TM TR TT UA UG UZ VN WS XK ZA ZM";

impl CountryGroup {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Africa,
        Self::Antarctica,
        Self::Asia,
        Self::Europe,
        Self::NorthAmerica,
        Self::Oceania,
        Self::SouthAmerica,
        Self::Caribbean,
        Self::Networks,
        Self::HighRisk,
        Self::MediumRisk,
        Self::LowRisk,
    ];

    /// As policies name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Africa => "africa",
            Self::Antarctica => "antarctica",
            Self::Asia => "asia",
            Self::Europe => "europe",
            Self::NorthAmerica => "north-america",
            Self::Oceania => "oceania",
            Self::SouthAmerica => "south-america",
            Self::Caribbean => "caribbean",
            Self::Networks => "networks",
            Self::HighRisk => "high-risk",
            Self::MediumRisk => "medium-risk",
            Self::LowRisk => "low-risk",
        }
    }

    /// By its name, in upper or lower case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|group| group.name().eq_ignore_ascii_case(name))
    }

    /// The countries in it.
    #[must_use]
    pub fn countries(self) -> CountrySet {
        let listed = |codes: &str| {
            let codes = codes.split_ascii_whitespace();
            codes
                .filter_map(|code| Country::from_code(code).ok())
                .collect()
        };
        let rest = |others: [Self; 2]| {
            let others = others.map(Self::countries);
            let in_others = |country| others.iter().any(|other| other.contains(country));
            Country::all()
                .filter(|country| !in_others(*country))
                .collect()
        };
        match self {
            Self::Africa => listed(AFRICA),
            Self::Antarctica => listed(ANTARCTICA),
            Self::Asia => listed(ASIA),
            Self::Europe => listed(EUROPE),
            Self::NorthAmerica => listed(NORTH_AMERICA),
            Self::Oceania => listed(OCEANIA),
            Self::SouthAmerica => listed(SOUTH_AMERICA),
            Self::Caribbean => listed(CARIBBEAN),
            Self::Networks => Country::all()
                .filter(|country| country.is_network())
                .collect(),
            Self::HighRisk => {
                let mut high: CountrySet = listed(HIGH_RISK);
                high.extend(Self::Networks.countries().iter());
                high
            }
            Self::MediumRisk => listed(MEDIUM_RISK),
            Self::LowRisk => rest([Self::HighRisk, Self::MediumRisk]),
        }
    }
}

/// A name that is neither a country's nor a group's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{unknown}, or a group: {}", CountryGroup::ALL.map(CountryGroup::name).join(", "))]
pub struct NeitherCountryNorGroup {
    /// What would have been a country.
    unknown: UnknownCountry,
}

/// What a policy's list of countries names: a country or a group, or one that is taken out of what the others name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Named {
    group: Option<CountryGroup>,
    countries: CountrySet,
    taken_out: bool,
}

impl FromStr for Named {
    type Err = NeitherCountryNorGroup;

    fn from_str(text: &str) -> Result<Self, NeitherCountryNorGroup> {
        let (taken_out, name) = match text.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, text),
        };
        let group = CountryGroup::from_name(name);
        let countries = match group {
            Some(group) => group.countries(),
            None => {
                let country = Country::from_code(name)
                    .map_err(|unknown| NeitherCountryNorGroup { unknown })?;
                CountrySet::from_iter([country])
            }
        };
        Ok(Self {
            group,
            countries,
            taken_out,
        })
    }
}

impl CountrySet {
    /// The countries that a list of codes and groups names; what has a `-` before it is taken out, wherever it stands.
    ///
    /// # Errors
    /// When one is neither a country nor a group.
    pub fn named(list: &[String]) -> Result<Self, NeitherCountryNorGroup> {
        let named = list
            .iter()
            .map(|text| text.parse())
            .collect::<Result<Vec<Named>, _>>()?;
        let mut set = Self::new();
        for Named { countries, .. } in named.iter().filter(|named| !named.taken_out) {
            set.extend(countries.iter());
        }
        for Named { countries, .. } in named.iter().filter(|named| named.taken_out) {
            for country in countries.iter() {
                set.remove(country);
            }
        }
        Ok(set)
    }
}

/// The group by which a list names a country, unless the list names the country itself.
#[must_use]
pub fn group_in(list: &[String], country: Country) -> Option<CountryGroup> {
    let named = || list.iter().filter_map(|text| text.parse::<Named>().ok());
    let names = |named: &Named| !named.taken_out && named.countries.contains(country);
    if named().any(|named| named.group.is_none() && names(&named)) {
        return None;
    }
    named().find(names)?.group
}

#[cfg(test)]
mod tests {
    use super::*;

    fn country(code: &str) -> Country {
        code.parse().unwrap()
    }

    fn named(list: &[&str]) -> Result<CountrySet, NeitherCountryNorGroup> {
        let list: Vec<_> = list.iter().map(|text| (*text).to_owned()).collect();
        CountrySet::named(&list)
    }

    fn all_of(groups: &[CountryGroup]) -> CountrySet {
        let mut set = CountrySet::new();
        let mut count = 0;
        for group in groups {
            count += group.countries().len();
            set.extend(group.countries().iter());
        }
        assert_eq!(set.len(), count, "{groups:?} overlap");
        set
    }

    #[test]
    fn every_code_in_a_table_is_one() {
        let tables = [
            AFRICA,
            ANTARCTICA,
            ASIA,
            EUROPE,
            NORTH_AMERICA,
            OCEANIA,
            SOUTH_AMERICA,
            CARIBBEAN,
            HIGH_RISK,
            MEDIUM_RISK,
        ];
        for table in tables {
            let codes: Vec<_> = table.split_ascii_whitespace().collect();
            assert!(codes.is_sorted_by(|one, other| one < other), "{codes:?}");
            for code in codes {
                assert!(Country::from_code(code).is_ok(), "{code}");
            }
        }
    }

    #[test]
    fn every_country_is_on_one_continent_and_of_one_risk() {
        use CountryGroup::*;
        let everything: CountrySet = Country::all().collect();
        let continents = [
            Africa,
            Antarctica,
            Asia,
            Europe,
            NorthAmerica,
            Oceania,
            SouthAmerica,
            Networks,
        ];
        assert_eq!(all_of(&continents), everything);
        assert_eq!(all_of(&[HighRisk, MediumRisk, LowRisk]), everything);
        let caribbean = Caribbean.countries();
        assert!(
            caribbean
                .iter()
                .all(|island| NorthAmerica.countries().contains(island))
        );
    }

    #[test]
    fn no_group_is_named_like_a_country() {
        for group in CountryGroup::ALL {
            assert!(Country::from_code(group.name()).is_err());
            assert_eq!(CountryGroup::from_name(group.name()), Some(group));
        }
        assert_eq!(
            CountryGroup::from_name("High-Risk"),
            Some(CountryGroup::HighRisk)
        );
        assert_eq!(CountryGroup::from_name("atlantis"), None);
    }

    #[test]
    fn a_list_names_countries_and_groups_and_exceptions() {
        let set = named(&["-LV", "high-risk", "de", "-caribbean"]).unwrap();
        assert!(set.contains(country("EE")) && set.contains(country("DE")));
        assert!(!set.contains(country("LV")) && !set.contains(country("CU")));
        assert_eq!(named(&[]), Ok(CountrySet::new()));
        assert_eq!(named(&["-CU"]), Ok(CountrySet::new()));
        for wrong in ["atlantis", "-", "--CU", "risk", ""] {
            assert!(named(&["DE", wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn it_is_known_by_which_group_a_country_is_named() {
        let list = ["high-risk", "CU", "-LV"].map(str::to_owned);
        assert_eq!(group_in(&list, country("EE")), Some(CountryGroup::HighRisk));
        assert_eq!(group_in(&list, country("CU")), None);
        assert_eq!(group_in(&list, country("DE")), None);
    }

    #[test]
    fn the_manual_tells_what_is_in_a_group() {
        let manual = include_str!("../../../docs/policies.md");
        for group in CountryGroup::ALL {
            let row = manual.lines().find_map(|line| {
                let row = line.strip_prefix(&format!("| `{}` | ", group.name()))?;
                row.strip_suffix(" |")
            });
            let row = row.unwrap_or_else(|| panic!("{} is in the manual", group.name()));
            if group != CountryGroup::LowRisk {
                let told: CountrySet = row.parse().unwrap();
                assert_eq!(told, group.countries(), "{}", group.name());
            }
        }
    }
}
