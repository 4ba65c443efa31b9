//! Counts the allocations of decisions, at two sizes of the house: they must not grow with the data.
//!
//! Prints a line a size: accounts, allocations a decision, the most that one took, bytes a decision.

use std::hint::black_box;

use tfps_bench::{house::House, workload::Scale};

#[allow(clippy::print_stdout, reason = "it is what this program is for")]
fn main() {
    for scale in [Scale::QUICK, larger()] {
        let house = House::new(scale);
        let decide = |turn| {
            let (call, at) = house.turn(turn);
            black_box(house.decide(call, at));
        };
        let turns = house.calls.len();
        // The first round fills the maps that watch strangers.
        (0..turns).for_each(decide);
        let mut sum = (0, 0);
        let mut most = 0;
        for turn in turns..2 * turns {
            let counted = allocation_counter::measure(|| decide(turn));
            sum = (sum.0 + counted.count_total, sum.1 + counted.bytes_total);
            most = most.max(counted.count_total);
        }
        println!(
            "{}\t{:.2}\t{most}\t{:.0}",
            scale.accounts,
            sum.0 as f64 / turns as f64,
            sum.1 as f64 / turns as f64
        );
    }
}

fn larger() -> Scale {
    if tfps_bench::quick() {
        Scale {
            accounts: 2 * Scale::QUICK.accounts,
            ..Scale::QUICK
        }
    } else {
        Scale::FULL
    }
}
