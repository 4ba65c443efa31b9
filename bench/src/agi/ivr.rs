//! A thousand callers in the IVR of one bridge, and the calls that are checked meanwhile.

use std::time::Instant;

use anyhow::{Context, ensure};
use tfps_client::v1::CheckRequest;

use super::{Bridge, Calls, Latency, by, calls_a_turn, channel::Channel};
use crate::{
    Bench,
    data::Server,
    report::{Limit, Report},
    statistics::Spread,
};

const CALLERS: usize = 1_000;

/// Reports what the bridge holds with all of them in GET DATA, and what a check takes beside one in an idle bridge.
pub(super) fn measure(
    bench: &Bench,
    server: &Server,
    idle: &Bridge,
    calls: &mut Calls,
    report: &mut Report,
) -> anyhow::Result<()> {
    let full = Bridge::start(bench, server, calls)?;
    let before = full.process.resident_bytes()?;
    let began = Instant::now();
    // Whoever is not known is challenged.
    let strangers = (0..CALLERS)
        .map(|number| challenged(&full, &by(bench.scale.accounts + number)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let came_in = began.elapsed();

    let mut turns = Vec::new();
    for _ in 0..bench.pairs {
        let (mut beside, mut own) = (Vec::new(), Vec::new());
        for _ in 0..calls_a_turn(bench) {
            beside.push(idle.check(&calls.next())?);
            own.push(full.check(&calls.next())?);
        }
        turns.push((Latency::of(beside), Latency::of(own)));
    }
    let resident = full.process.resident_bytes()?;
    let still = full.in_progress()?;
    ensure!(
        still == strangers.len() as f64,
        "only {still} callers are still in the IVR"
    );
    report.budget(
        format!("asterisk-bridge with {CALLERS} callers in the IVR: memory resident"),
        Limit::AtMost(100.0, " MB"),
        megabytes(resident),
        format!(
            "{:.1} MB ({:.1} MB before they called)",
            megabytes(resident),
            megabytes(before)
        ),
    );
    let of = |figure: fn(&(Latency, Latency)) -> f64| Spread::of(turns.iter().map(figure));
    let ratio = of(|turn| turn.1.median / turn.0.median);
    report.budget(
        format!(
            "AGI `check` with {CALLERS} callers in the IVR, beside one in an idle bridge: median"
        ),
        Limit::AtMost(1.25, " ×"),
        ratio.median,
        format!(
            "{} × ({:.0} µs beside {:.0} µs)",
            ratio.show(2),
            of(|turn| turn.1.median).median,
            of(|turn| turn.0.median).median
        ),
    );
    report.note(
        "AGI `check` beside one in an idle bridge: p99",
        format!(
            "{} × ({:.0} µs beside {:.0} µs)",
            of(|turn| turn.1.p99 / turn.0.p99).show(2),
            of(|turn| turn.1.p99).median,
            of(|turn| turn.0.p99).median
        ),
    );
    report.note(
        "from a stranger's check until he is asked for digits, one caller after the other",
        format!(
            "{:.2} ms each",
            came_in.as_secs_f64() * 1e3 / CALLERS as f64
        ),
    );
    Ok(())
}

/// A caller who is asked for digits, and takes his time.
fn challenged(bridge: &Bridge, call: &CheckRequest) -> anyhow::Result<Channel> {
    let mut check = Channel::asks(bridge.agi, "check", call)?;
    check.goes_on("")?;
    let challenge = check
        .variable("TFPS_CHALLENGE")
        .filter(|challenge| !challenge.is_empty())
        .context("a stranger is not challenged")?;
    let mut caller =
        Channel::asks(bridge.agi, "verify", call)?.with("${TFPS_CHALLENGE}", challenge.to_owned());
    caller.stands_in("GET DATA")?;
    Ok(caller)
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
