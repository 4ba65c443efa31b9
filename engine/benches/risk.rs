//! What the prediction costs a call: the known numbers around a number, and the score.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use tfps_engine::{
    number::{E164, NumberFacts, plan},
    risk::{Circumstances, Cleared, FULL_WEIGHT, KnownNumbers, Predictor, RiskModel, Thresholds},
};

/// As many as a large operator's lists have.
const KNOWN: u64 = 100_000;
/// Numbers that are asked about in turn: more than a branch predictor learns by heart.
const ASKED: u64 = 4_096;

/// Numbers spread over ranges of a thousand in some countries, without chance.
fn numbers(count: u64, salt: u64) -> impl Iterator<Item = E164> {
    const COUNTRIES: [u64; 8] = [371, 44, 252, 881, 1_876, 53, 232, 216];
    (0..count).filter_map(move |place| {
        let mixed = (place + salt).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let country = COUNTRIES[(mixed >> 60) as usize % COUNTRIES.len()];
        let range = (mixed >> 40) % 2_000;
        let number = format!("{country}2{range:05}{:03}", (mixed >> 20) % 1_000);
        E164::from_digits(&number).ok()
    })
}

fn prediction(criterion: &mut Criterion) {
    let known = numbers(KNOWN, 0).map(|number| (number, FULL_WEIGHT));
    let predictor = Predictor {
        model: RiskModel::built_in().into(),
        known: KnownNumbers::new(known).into(),
        cleared: Cleared::default().into(),
    };
    let asked: Vec<(E164, NumberFacts)> = numbers(ASKED, 1 << 40)
        .map(|number| (number, plan::look_up(&number)))
        .collect();
    let mut turn = asked.iter().cycle();
    criterion.bench_function("risk/around among 100,000", |bencher| {
        bencher.iter(|| {
            turn.next()
                .map(|(number, _)| predictor.known.around(black_box(number)))
        });
    });
    let thresholds = Thresholds {
        challenge: 90,
        deny: 98,
        challenges: true,
    };
    let mut turn = asked.iter().cycle();
    criterion.bench_function("risk/score among 100,000", |bencher| {
        bencher.iter(|| {
            turn.next().map(|(number, plan)| {
                predictor.score(
                    black_box(number),
                    plan,
                    Circumstances::default(),
                    &thresholds,
                )
            })
        });
    });
}

criterion_group!(benches, prediction);
criterion_main!(benches);
