//! Ordinary telephone numbers of countries: valid by the numbering plan.

use tfps_engine::number::{E164, NumberKind, Validity, plan};

use super::chance::Chance;

/// What is called from the United States: how often (in a hundred calls abroad), and how its numbers look, from the calling code on; `#`
/// is any digit. By far the most are the usual partners of trade; the last ones are where fraud goes too.
const ABROAD: &[(f64, &[&str])] = &[
    (14.0, &["4420########", "4416########", "447#########"]),
    (12.0, &["5255########", "5281########", "5233########"]),
    (10.0, &["1416#######", "1604#######", "1514#######"]),
    (9.0, &["9198########", "9122########", "9180########"]),
    (
        6.0,
        &[
            "4930########",
            "4989########",
            "49151########",
            "49171#######",
        ],
    ),
    (5.0, &["331########", "336########"]),
    (5.0, &["551198#######", "552199#######", "55113#######"]),
    (4.0, &["8610########", "86138########", "86139########"]),
    (3.0, &["813########", "8190########"]),
    (3.0, &["3902######", "39333#######"]),
    (3.0, &["3491#######", "346########"]),
    (2.0, &["972544######", "97235######"]),
    (2.0, &["63917#######", "632########"]),
    (2.0, &["3120#######", "316########"]),
    (2.0, &["612########", "614########"]),
    (2.0, &["57601#######", "57310#######"]),
    (1.5, &["41442######", "4179#######"]),
    (1.5, &["4822#######", "48601######"]),
    (1.0, &["3531#######", "35387#######"]),
    (1.0, &["9714#######", "97150#######"]),
    (1.0, &["82102#######", "822#######"]),
    (1.0, &["659#######", "656#######"]),
    (1.0, &["50222######", "5025#######"]),
    (1.0, &["1809#######", "1876#######"]),
    (0.8, &["234803#######", "23480########"]),
    (0.8, &["92300#######", "92321#######"]),
    (0.6, &["20100#######", "202########"]),
    (0.5, &["21266#######", "2125########"]),
    (0.5, &["2165#######", "2162#######"]),
    (0.4, &["3712#######", "3716#######"]),
    (0.4, &["3725#######", "3726######"]),
    (0.4, &["9477#######", "9411#######"]),
    (0.3, &["535#######", "537#######"]),
    (0.3, &["26134#######", "26132#######"]),
    (0.3, &["21377#######", "213551######"]),
    (0.3, &["96477########", "964750#######"]),
    (0.2, &["22462#######", "23277######"]),
];

/// Where people at home call.
const HOME: &[&str] = &[
    "1212#######",
    "1646#######",
    "1718#######",
    "1312#######",
    "1415#######",
    "1305#######",
    "1617#######",
    "1703#######",
    "1214#######",
    "1404#######",
    "1206#######",
    "1702#######",
];

/// A country that is called, by its place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Partner(usize);

impl Partner {
    /// As often as calls go there.
    pub(super) fn draw(chance: &mut Chance) -> Self {
        let weighed: Vec<(usize, f64)> = ABROAD
            .iter()
            .enumerate()
            .map(|(place, (weight, _))| (place, *weight))
            .collect();
        Self(chance.weighed(&weighed))
    }

    /// A number there.
    pub(super) fn number(self, chance: &mut Chance) -> E164 {
        fitting(ABROAD[self.0].1, chance)
    }
}

/// A number at home.
pub(super) fn at_home(chance: &mut Chance) -> E164 {
    fitting(HOME, chance)
}

/// A valid number of one of the patterns; every pattern has one, which a test proves.
fn fitting(patterns: &[&str], chance: &mut Chance) -> E164 {
    loop {
        let number = filled(chance.one::<&str>(patterns), chance);
        let plan = plan::look_up(&number);
        let ordinary = matches!(
            plan.kind,
            NumberKind::FixedLine | NumberKind::Mobile | NumberKind::FixedLineOrMobile
        );
        if plan.validity == Validity::Valid && ordinary {
            return number;
        }
    }
}

/// A pattern with digits for its `#`.
pub(super) fn filled(pattern: &str, chance: &mut Chance) -> E164 {
    let digits: String = pattern
        .chars()
        .map(|c| match c {
            '#' => char::from(b'0' + chance.between(0, 9) as u8),
            c => c,
        })
        .collect();
    E164::from_digits(&digits)
        .expect("a pattern starts with a calling code and has 15 digits at the most")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_has_numbers() {
        let mut chance = Chance::new(1, "patterns");
        let without: Vec<&&str> = ABROAD
            .iter()
            .flat_map(|(_, patterns)| *patterns)
            .chain(HOME)
            .filter(|pattern| {
                !(0..2_000).any(|_| {
                    let number = filled(pattern, &mut chance);
                    plan::look_up(&number).validity == Validity::Valid
                })
            })
            .collect();
        assert!(without.is_empty(), "{without:?}");
    }
}
