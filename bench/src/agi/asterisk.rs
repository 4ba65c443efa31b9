//! A real Asterisk: a phone's call goes round in its dialplan, which does nothing, runs `AGI(agi://…)` of a bridge that does
//! nothing, and `AGI(agi://…/check)`, in turns, and reads the time before and after each.

use std::{
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    thread,
};

use anyhow::{Context, bail, ensure};
use tfps_bench::workload;
use tfps_tests::{
    asterisk::{Asterisk, Setup},
    handset::Handset,
};

use super::{Bridge, EACH, Latency, callers};
use crate::{
    Bench,
    data::allowed_call,
    report::{Limit, Report},
    statistics::Spread,
};

/// How often a call goes round: it is to end before the phone loses its patience.
const ROUNDS: usize = 500;
/// Marks a line of the log with a figure.
const MARK: &str = "TOOK ";
/// What the steps are called there. A check is called by its code: it must be that of an allowed call.
const STEPS: [&str; 3] = ["nothing", "empty", "A00"];

/// Reports what AGI(check) adds to a step of the dialplan that does nothing.
pub(super) async fn measure(
    bench: &Bench,
    bridge: &Bridge,
    report: &mut Report,
) -> anyhow::Result<()> {
    let rounds = if bench.quick { 50 } else { ROUNDS };
    let asterisk = Asterisk::start(&Setup {
        // Nobody is called.
        carrier: SocketAddr::from(([127, 0, 0, 1], 9)),
        dialplan: dialplan(bench, bridge.agi, start_empty()?, rounds),
        files: Vec::new(),
    })
    .await;
    let mut turns = Vec::new();
    let mut read = 0;
    // The first call is not what is asked about.
    for turn in 0..=bench.pairs {
        let ended = Handset::call(asterisk.address(), "alice", "100").await;
        ensure!(
            ended.as_ref().err() == Some(&403),
            "the phone's call ended as {ended:?}"
        );
        let log = asterisk.log();
        let figures = took(log.get(read..).unwrap_or_default(), rounds)?;
        read = log.len();
        if turn > 0 {
            turns.push(figures.map(Latency::of));
        }
    }
    let of = |figure: fn(&[Latency; 3]) -> f64| Spread::of(turns.iter().map(figure));
    let added = of(|[nothing, _, check]| check.median - nothing.median);
    report.budget(
        "a real Asterisk, one call at a time: what AGI(check) adds to the dialplan, median",
        Limit::AtMost(1_000.0, " µs"),
        added.median,
        format!(
            "{} µs ({:.0} µs beside {:.0} µs of a NoOp)",
            added.show(0),
            of(|[_, _, check]| check.median).median,
            of(|[nothing, ..]| nothing.median).median
        ),
    );
    report.note(
        "of it, what AGI adds where the bridge hangs up at once",
        format!(
            "{} µs",
            of(|[nothing, empty, _]| empty.median - nothing.median).show(0)
        ),
    );
    report.note(
        "AGI(check) in a real Asterisk: p99",
        format!("{} µs", of(|[_, _, check]| check.p99).show(0)),
    );
    Ok(())
}

/// A bridge that does nothing: it hears what the call is, and hangs up.
fn start_empty() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let lines = BufReader::new(stream).lines().map_while(Result::ok);
            lines.take_while(|line| !line.is_empty()).for_each(drop);
        }
    });
    Ok(address)
}

/// A phone's call goes round so many times, and is refused.
fn dialplan(bench: &Bench, bridge: SocketAddr, empty: SocketAddr, rounds: usize) -> String {
    // Names of accounts have eight digits; a digit in front keeps their zeros.
    const AHEAD: usize = 100_000_000;
    let (_, domain) = workload::account_name(0);
    let callers = callers(bench);
    let call = allowed_call();
    let timed = |step: String, name: &str| {
        let now = "${STRFTIME(,,%s%6q)}";
        format!(
            " same => n,Set(BEFORE={now})\n \
             same => n,{step}\n \
             same => n,Set(AFTER={now})\n \
             same => n,NoOp({MARK}{name} ${{BEFORE}} ${{AFTER}})\n"
        )
    };
    format!(
        "[phones]\n\
         exten => 100,1,Set(ROUND=0)\n \
         same => n(round),Set(ROUND=$[${{ROUND}} + 1])\n \
         same => n,Set(ACCOUNT=$[{AHEAD} + (${{ROUND}} % {callers}) * {EACH}])\n \
         same => n,Set(TFPS_USERNAME=${{ACCOUNT:1}})\n \
         same => n,Set(TFPS_DOMAIN={domain})\n \
         same => n,Set(TFPS_NUMBER={})\n \
         same => n,Set(TFPS_CALLER={})\n \
         same => n,Set(TFPS_SOURCE_IP={})\n \
         same => n,Set(TFPS_CALL_ID=${{UNIQUEID}}-${{ROUND}})\n \
         same => n,Set(TFPS_CODE=)\n\
         {}{}{} \
         same => n,GotoIf($[${{ROUND}} < {rounds}]?round)\n \
         same => n,Hangup(21)\n",
        call.dialed_number,
        call.caller_number,
        call.source_ip,
        timed("NoOp()".to_owned(), STEPS[0]),
        timed(format!("AGI(agi://{empty}/empty)"), STEPS[1]),
        timed(format!("AGI(agi://{bridge}/check)"), "${TFPS_CODE}"),
    )
}

/// What each step took in each round, as the log tells, in microseconds.
fn took(log: &str, rounds: usize) -> anyhow::Result<[Vec<f64>; 3]> {
    let mut figures = STEPS.map(|_| Vec::new());
    for line in log.lines() {
        let Some((_, marked)) = line.split_once(MARK) else {
            continue;
        };
        let fields: Vec<_> = marked
            .split('"')
            .next()
            .unwrap_or_default()
            .split(' ')
            .collect();
        let [step, before, after] = fields[..] else {
            bail!("Asterisk's log does not read: {line}");
        };
        let Some(place) = STEPS.iter().position(|name| *name == step) else {
            bail!("the bridge told Asterisk {step:?}: {line}");
        };
        let time = |text: &str| {
            text.parse::<u64>()
                .with_context(|| format!("{text:?} is no time in microseconds: {line}"))
        };
        figures[place].push(time(after)?.saturating_sub(time(before)?) as f64);
    }
    for (step, figures) in STEPS.iter().zip(&figures) {
        ensure!(
            figures.len() == rounds,
            "the log has {} of {rounds} figures of {step}",
            figures.len()
        );
    }
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_the_log_and_a_call_that_is_not_allowed_is_none() {
        let line = |step: &str, took: u32| {
            format!(
                "[Jan  1 00:00:00] VERBOSE[7][C-00000001] pbx.c:     -- Executing [100@phones:14] \
                 NoOp(\"PJSIP/alice-00000000\", \"TOOK {step} 1700000000000007 {}\") in new stack\n",
                1_700_000_000_000_007 + u64::from(took)
            )
        };
        let round = |code: &str| {
            let lines = [line("nothing", 50), line("empty", 400), line(code, 1_000)];
            format!("something else\n{}", lines.concat())
        };
        assert_eq!(
            took(&round("A00"), 1).unwrap(),
            [[50.0], [400.0], [1_000.0]]
        );
        assert!(took(&round("R06"), 1).is_err());
        assert!(took(&round(""), 1).is_err());
        assert!(took(&round("A00"), 2).is_err(), "a round is missing");
    }
}
