//! What a number looks like to the trees.

use super::{
    background::{Behind, DEPTH},
    known_numbers::{NEAREST, Surroundings},
    trees::PLACES,
};
use crate::number::{E164, NumberFacts, NumberKind, Validity};

macro_rules! features {
    ($($feature:ident $name:literal,)*) => {
        /// Something that is measured of a number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Feature {
            $(#[doc = $name] $feature,)*
        }

        impl Feature {
            /// All of them, in the order of their places.
            pub(super) const ALL: &[Self] = &[$(Self::$feature,)*];

            /// Its name in a model's file.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$feature => $name,)* }
            }

            /// The names of all of them, in the order of their places.
            pub(super) fn names() -> impl Iterator<Item = &'static str> {
                Self::ALL.iter().map(|feature| feature.name())
            }
        }
    };
}

features! {
    Digits "digits",
    NationalDigits "national-digits",
    CallingCodeDigits "calling-code-digits",
    Validity "validity",
    Kind "kind",
    CountryOdds "country-odds",
    KindOdds "kind-odds",
    Open4 "known-with-4-open",
    Open5 "known-with-5-open",
    Open6 "known-with-6-open",
    Open7 "known-with-7-open",
    CountryShare "known-of-calling-code",
    National1 "known-of-1-national-digit",
    National2 "known-of-2-national-digits",
    National3 "known-of-3-national-digits",
    Dense1 "density-of-1-national-digit",
    Dense2 "density-of-2-national-digits",
    Dense3 "density-of-3-national-digits",
    Dense4 "density-of-4-national-digits",
    Fill4 "part-of-5-open-within-4",
    Fill5 "part-of-6-open-within-5",
    LikelySmall "likelihood-1",
    LikelyLarge "likelihood-2",
    LikelyDeep "likelihood-deep",
    LikelyHead "likelihood-head",
    TailOf4 "tail-of-4",
    TailOf3 "tail-of-3",
    AsLong "known-as-long",
    AsLongShare "part-as-long",

    Shared "shared-digits",
    NotShared "digits-not-shared",
    SharedBelow "shared-digits-below",
    SharedAbove "shared-digits-above",
    SharedFourth "shared-digits-fourth",
    Distance "distance",
    DistanceOther "distance-on-the-other-side",
    SameLength "neighbours-as-long",
    TrailingZeros "trailing-zeros",
    LongestRun "longest-run-of-a-digit",
    DistinctTail "distinct-among-the-last-6",
    LastDigit "last-digit",
    SecondLastDigit "second-last-digit",
    FirstNationalDigit "first-national-digit",
    SecondNationalDigit "second-national-digit",

    Against2 "against-ordinary-2",
    Against3 "against-ordinary-3",
    Against4 "against-ordinary-4",
    Against5 "against-ordinary-5",
    AgainstAll "against-ordinary",
}

/// How many there are.
pub(super) const FEATURES: usize = Feature::ALL.len();

const _: () = assert!(FEATURES <= PLACES);

/// What is measured of a number, each at the place of its [`Feature`].
pub(super) type Measured = [f32; PLACES];

/// Measures a number.
pub(super) fn measure(
    number: &E164,
    plan: &NumberFacts,
    around: &Surroundings,
    behind: &Behind,
) -> Measured {
    let mut measured = [0.0; PLACES];
    let digits = number.digits();
    let code_digits = calling_code_digits(plan);
    let mut set = |feature: Feature, value: f32| measured[feature as usize] = value;
    let national = &digits[code_digits.min(digits.len())..];
    set(Feature::Digits, digits.len() as f32);
    set(Feature::NationalDigits, national.len() as f32);
    set(Feature::CallingCodeDigits, code_digits as f32);
    set(Feature::Validity, validity(plan.validity));
    set(Feature::Kind, kind(plan.kind));
    set(Feature::CountryOdds, behind.country_odds);
    set(Feature::KindOdds, behind.kind_odds);
    let open = |open: usize| {
        digits
            .len()
            .checked_sub(open)
            .map_or(0.0, |depth| around.sharing[depth])
    };
    set(Feature::Open4, open(4));
    set(Feature::Open5, open(5));
    set(Feature::Open6, open(6));
    set(Feature::Open7, open(7));
    let of_code = around.sharing[code_digits];
    set(Feature::CountryShare, of_code / (around.known + 1.0));
    for (place, (count, density)) in [
        (Some(Feature::National1), Feature::Dense1),
        (Some(Feature::National2), Feature::Dense2),
        (Some(Feature::National3), Feature::Dense3),
        (None, Feature::Dense4),
    ]
    .into_iter()
    .enumerate()
    {
        let depth = (code_digits + place + 1).min(digits.len());
        let here = around.sharing[depth];
        // A tenth of what is above would be there if all digits were alike.
        let above = around.sharing[depth - 1];
        if let Some(count) = count {
            set(count, here / (around.known + 1.0) * 10_000.0);
        }
        set(density, (here + 0.2) / (above + 2.0));
    }
    for (inner, feature) in [(4, Feature::Fill4), (5, Feature::Fill5)] {
        set(feature, (open(inner) + 0.2) / (open(inner + 1) + 2.0));
    }
    let likely = |from: usize, to: usize, prior: f32| -> f32 {
        let mut product = 1.0_f32;
        for depth in from..to.min(digits.len()) {
            product *= (10.0 * around.sharing[depth + 1] + prior) / (around.sharing[depth] + prior);
        }
        product.min(1e30)
    };
    set(Feature::LikelySmall, likely(code_digits, 15, 0.5));
    set(Feature::LikelyLarge, likely(code_digits, 15, 4.0));
    set(Feature::LikelyDeep, likely(code_digits + 3, 15, 1.0));
    set(
        Feature::LikelyHead,
        likely(code_digits, code_digits + 3, 2.0),
    );
    for (feature, likelier) in [
        Feature::Against2,
        Feature::Against3,
        Feature::Against4,
        Feature::Against5,
        Feature::AgainstAll,
    ]
    .into_iter()
    .zip(against_ordinary(digits.len(), code_digits, around, behind))
    {
        set(feature, likelier);
    }
    set(
        Feature::TailOf4,
        around.tail_of_4 * 10_000.0 / (around.known + 1.0),
    );
    set(
        Feature::TailOf3,
        around.tail_of_3 * 1_000.0 / (around.known + 1.0),
    );
    set(Feature::AsLong, around.as_long);
    let of_first_3 = around.sharing[3.min(digits.len())];
    set(
        Feature::AsLongShare,
        (around.as_long + 0.2) / (of_first_3 + 2.0),
    );
    let (below, above) = (&around.below, &around.above);
    let nearest = merged(below.shared, above.shared);
    let not_shared = |shared: u8| digits.len() as f32 - f32::from(shared);
    set(Feature::SharedBelow, below.shared[0].into());
    set(Feature::SharedAbove, above.shared[0].into());
    set(Feature::Shared, nearest[0].into());
    set(Feature::NotShared, not_shared(nearest[0]));
    set(Feature::SharedFourth, not_shared(nearest[3]));
    let (one, other) = (below.distance.min(1e15), above.distance.min(1e15));
    set(Feature::Distance, one.min(other) as f32);
    set(Feature::DistanceOther, one.max(other) as f32);
    let (mut near, mut alike) = (0_u8, 0_u8);
    for side in [below, above] {
        for (shared, length) in side.shared.iter().zip(side.digits) {
            let is_near = usize::from(*shared) >= code_digits + 2;
            near += u8::from(is_near);
            alike += u8::from(is_near && usize::from(length) == digits.len());
        }
    }
    let part = (f32::from(alike) + 0.5) / (f32::from(near) + 1.0);
    set(Feature::SameLength, part);
    let zeros = digits.iter().rev().take_while(|digit| **digit == b'0');
    set(Feature::TrailingZeros, zeros.count() as f32);
    set(Feature::LongestRun, longest_run(national));
    set(
        Feature::DistinctTail,
        distinct(&digits[digits.len().saturating_sub(6)..]),
    );
    let digit = |digit: Option<&u8>| digit.map_or(-1.0, |digit| f32::from(digit - b'0'));
    set(Feature::LastDigit, digit(digits.last()));
    set(Feature::SecondLastDigit, digit(digits.iter().rev().nth(1)));
    set(Feature::FirstNationalDigit, digit(national.first()));
    set(Feature::SecondNationalDigit, digit(national.get(1)));
    measured
}

/// How many of a number's digits are its calling code.
pub(super) fn calling_code_digits(plan: &NumberFacts) -> usize {
    plan.calling_code.map_or(0, |code| match code {
        0..10 => 1,
        10..100 => 2,
        _ => 3,
    })
}

/// How much likelier a fraud number has the first digits than an ordinary one: the calling code's and 2, 3, 4 and 5 more, and all.
fn against_ordinary(
    digits: usize,
    code_digits: usize,
    around: &Surroundings,
    behind: &Behind,
) -> [f32; 5] {
    /// So many numbers must be known before they say as much as that all digits are alike.
    const PRIOR: f32 = 4.0;
    let mut likely = (around.sharing[code_digits] + 1.0) / (around.known + 200.0);
    let mut likelier = [0.0; 5];
    for depth in code_digits..=digits {
        let against = (likely / behind.ordinary[depth.min(DEPTH)]).min(1e30);
        // What a number that ends early lacks is as what it has.
        likelier[(depth - code_digits).saturating_sub(2).min(4)..].fill(against);
        if depth < digits {
            likely *= (10.0 * around.sharing[depth + 1] + PRIOR) / (around.sharing[depth] + PRIOR);
        }
    }
    likelier
}

fn validity(validity: Validity) -> f32 {
    match validity {
        Validity::Valid => 0.0,
        Validity::TooLong => 1.0,
        Validity::Unallocated => 2.0,
        Validity::TooShort => 3.0,
        Validity::NoSuchCallingCode => 4.0,
    }
}

/// Kinds by what a call to them pays whoever is called.
fn kind(kind: NumberKind) -> f32 {
    match kind {
        NumberKind::TollFree => 0.0,
        NumberKind::FixedLine => 1.0,
        NumberKind::FixedLineOrMobile => 2.0,
        NumberKind::Uan => 3.0,
        NumberKind::Mobile => 4.0,
        NumberKind::Voip => 5.0,
        NumberKind::Voicemail => 6.0,
        NumberKind::Pager => 7.0,
        NumberKind::PersonalNumber => 8.0,
        NumberKind::SharedCost => 9.0,
        NumberKind::Unknown => 10.0,
        NumberKind::Satellite => 11.0,
        NumberKind::PremiumRate => 12.0,
    }
}

fn longest_run(digits: &[u8]) -> f32 {
    digits
        .chunk_by(|one, next| one == next)
        .map(<[u8]>::len)
        .max()
        .unwrap_or(0) as f32
}

fn distinct(digits: &[u8]) -> f32 {
    let seen = digits
        .iter()
        .fold(0_u16, |seen, digit| seen | 1 << (digit - b'0'));
    seen.count_ones() as f32
}

/// The highest of two runs that fall, in order.
fn merged(one: [u8; NEAREST], other: [u8; NEAREST]) -> [u8; NEAREST] {
    let (mut left, mut right) = (0, 0);
    std::array::from_fn(|_| {
        // The fourth that is taken is the last, so neither end is passed.
        let (next, place) = if one[left] >= other[right] {
            (one[left], &mut left)
        } else {
            (other[right], &mut right)
        };
        *place = (*place + 1).min(NEAREST - 1);
        next
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        number::plan,
        risk::{FULL_WEIGHT, KnownNumbers, background::Background},
    };

    #[test]
    fn two_sides_are_merged_by_what_they_share() {
        assert_eq!(merged([9, 8, 3, 0], [8, 8, 1, 1]), [9, 8, 8, 8]);
        assert_eq!(merged([9, 8, 7, 6], [1, 0, 0, 0]), [9, 8, 7, 6]);
        assert_eq!(merged([0; 4], [7, 5, 0, 0]), [7, 5, 0, 0]);
    }

    #[test]
    fn a_range_weighs_by_how_many_others_are_called_in_it() {
        let numbers = |range: &str, count: usize| -> Vec<E164> {
            (0..count)
                .map(|last| E164::from_digits(&format!("{range}{last:05}")).unwrap())
                .collect()
        };
        let fraud = [numbers("371255", 50), numbers("371266", 50)].concat();
        let ordinary = [numbers("371255", 500), numbers("3716", 500)].concat();
        let background = Background::count(fraud.iter(), ordinary.iter());
        let known = KnownNumbers::new(fraud.iter().map(|number| (*number, FULL_WEIGHT)));
        let against = |number: &str| {
            let number = E164::from_digits(number).unwrap();
            let plan = plan::look_up(&number);
            let behind = background.of(&number, &plan);
            against_ordinary(number.digits().len(), 3, &known.around(&number), &behind)
        };
        // As many are known of both ranges, and all others but a few call one of them.
        let (busy, quiet) = (against("37125567890"), against("37126667890"));
        assert!(quiet[0] > 10.0 * busy[0], "{quiet:?} {busy:?}");
        // Nothing is known there, and others call it.
        let office = against("37160001234");
        assert!(office[0] < busy[0] / 10.0, "{office:?} {busy:?}");
        // What a number that ends early lacks is as what it has.
        let short = against("37125");
        assert_eq!(short, [short[0]; 5]);
    }

    #[test]
    fn names_are_each_feature_s_own() {
        let names: std::collections::BTreeSet<_> = Feature::names().collect();
        assert_eq!(names.len(), FEATURES);
    }
}
