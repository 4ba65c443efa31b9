//! What a decision costs, warm, with all rules on; and its parts.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use tfps_bench::{house::House, quick, workload::Scale};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn decision(criterion: &mut Criterion) {
    let mut house = House::new(if quick() { Scale::QUICK } else { Scale::FULL });
    for turn in 0..house.calls.len() {
        let (call, at) = house.turn(turn);
        let code = house.decide(call, at).ruling.code;
        assert_eq!(code, call.expected, "{:?}", call.attempt);
    }
    let now = house.turn(0).1.as_second();
    // Time goes on from one benchmark to the next, as it does for the server.
    let mut turn = house.calls.len();
    let mut group = criterion.benchmark_group("decision");
    group.bench_function("whole", |bencher| {
        bencher.iter(|| {
            turn += 1;
            let (call, at) = house.turn(turn);
            black_box(house.decide(black_box(call), at))
        });
    });
    house.predict(false);
    group.bench_function("whole, without the prediction", |bencher| {
        bencher.iter(|| {
            turn += 1;
            let (call, at) = house.turn(turn);
            black_box(house.decide(black_box(call), at))
        });
    });
    house.predict(true);
    group.bench_function("account look-up", |bencher| {
        bencher.iter(|| {
            turn += 1;
            black_box(house.accounts.get(&house.turn(turn).0.attempt.account))
        });
    });
    group.bench_function("gather", |bencher| {
        bencher.iter(|| {
            turn += 1;
            let (call, at) = house.turn(turn);
            black_box(house.facts(black_box(call), None, at));
        });
    });
    group.bench_function("lists", |bencher| {
        let numbers: Vec<_> = house
            .calls
            .iter()
            .map(|call| {
                house
                    .policy()
                    .dial_plan
                    .destination(&call.attempt.dialed)
                    .ok()
            })
            .collect();
        bencher.iter(|| {
            turn += 1;
            let attempt = &house.turn(turn).0.attempt;
            let domain = attempt.account.domain();
            if let Some(number) = &numbers[turn % numbers.len()] {
                black_box(house.lists.number(domain, number, now));
            }
            if let Some(ip) = attempt.source_ip {
                black_box(house.lists.source(domain, ip, now));
            }
            black_box(house.lists.user_agent(domain, &attempt.user_agent, now));
        });
    });
    group.bench_function("normalize and plan", |bencher| {
        let dial_plan = &house.policy().dial_plan;
        bencher.iter(|| {
            turn += 1;
            let dialed = &house.turn(turn).0.attempt.dialed;
            black_box(dial_plan.read(black_box(dialed)).number().ok())
        });
    });
    group.finish();
}

criterion_group!(benches, decision);
criterion_main!(benches);
