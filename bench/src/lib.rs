//! The budgets, measured: what they are measured with.
//!
//! [`workload`] makes accounts, lists and calls that look like a carrier's; [`house`] decides about them in memory, as
//! the server does; [`days`] are days of calls with attacks among them; [`empty`] is the service that does nothing, beside which the server's cost is told.

pub mod days;
pub mod empty;
pub mod house;
mod random;
pub mod workload;

/// Whether a smoke run is asked for, by the variable BENCH_QUICK: small numbers that prove nothing.
pub fn quick() -> bool {
    std::env::var_os("BENCH_QUICK").is_some_and(|value| !value.is_empty() && value != "0")
}
