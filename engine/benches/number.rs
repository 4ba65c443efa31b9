//! What it costs to read a dialed number and to tell whose it is: the aim is 100 ns for both together.
//!
//! The numbers are of all countries and kinds, in no order, with random last digits, so that no branch and no cache line
//! is the same from one to the next.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use phonenumber::Type;
use phonenumber::metadata::DATABASE;
use tfps_engine::number::{Country, DialPlan, E164, plan};

const NUMBERS: usize = 4096;
const KINDS: [Type; 4] = [
    Type::FixedLine,
    Type::Mobile,
    Type::PremiumRate,
    Type::TollFree,
];

fn number(criterion: &mut Criterion) {
    let germany = Country::from_code("DE").expect("Germany is a country");
    let dial_plan = DialPlan::for_country(germany);
    let dialed = dialed_numbers();
    let numbers: Vec<E164> = dialed
        .iter()
        .map(|dialed| {
            dial_plan
                .destination(dialed)
                .expect("it was made from a number")
        })
        .collect();

    let mut group = criterion.benchmark_group("number");
    group.bench_function("normalize", |bencher| {
        let mut next = dialed.iter().cycle();
        bencher.iter(|| dial_plan.destination(black_box(next.next()?)).ok());
    });
    group.bench_function("look_up", |bencher| {
        let mut next = numbers.iter().cycle();
        bencher.iter(|| Some(plan::look_up(black_box(next.next()?))));
    });
    group.bench_function("normalize and look_up", |bencher| {
        let mut next = dialed.iter().cycle();
        bencher.iter(|| {
            let number = dial_plan.read(black_box(next.next()?)).number().ok()?;
            Some(number)
        });
    });
    group.finish();
}

/// Numbers as a German telephone dials them, `00` and the calling code.
fn dialed_numbers() -> Vec<String> {
    let examples: Vec<String> = (1..=999)
        .flat_map(|code| {
            let territories = DATABASE.by_code(&code).unwrap_or_default();
            territories.into_iter().flat_map(move |territory| {
                KINDS.into_iter().filter_map(move |kind| {
                    let example = territory.descriptors().get(kind)?.example()?;
                    Some(format!("00{code}{example}"))
                })
            })
        })
        .collect();
    let mut random = 1_u64;
    let mut draw = || {
        // Knuth's MMIX generator; its high bits are good enough to shuffle.
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize
    };
    (0..NUMBERS)
        .map(|_| {
            let example = &examples[draw() % examples.len()];
            let (beginning, _) = example.split_at(example.len() - 2);
            format!("{beginning}{:02}", draw() % 100)
        })
        .collect()
}

criterion_group!(benches, number);
criterion_main!(benches);
