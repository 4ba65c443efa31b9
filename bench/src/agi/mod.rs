//! asterisk-bridge: what `check` adds to the set-up of a call, spoken to as Asterisk speaks, and by a real Asterisk; and what a
//! thousand callers in its IVR take.

mod asterisk;
mod channel;
mod ivr;

use std::{net::SocketAddr, process::Command, time::Instant};

use anyhow::{Context, ensure};
use tfps_bench::workload;
use tfps_client::{
    Client,
    v1::{AccountKey, CheckRequest},
};

use self::channel::Channel;
use crate::{
    Bench,
    data::{self, Content, Server, allowed_call, default_pace},
    metrics::Metrics,
    process::{Process, free_address},
    report::{Limit, Report},
    statistics::{Spread, quantile},
};

/// Which accounts call: each so-and-so-manieth. All are in one domain, and none is blocked.
const EACH: usize = 2_000;

/// Calls before those that are measured.
const WARMING_UP: usize = 200;

/// An asterisk-bridge that runs.
#[derive(Debug)]
struct Bridge {
    process: Process,
    agi: SocketAddr,
    metrics: SocketAddr,
}

/// Reports what a check takes, and what a thousand callers in the IVR take.
pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let folder = data::copy(bench, Content::AccountsAndLists, "run-agi").await?;
    let mut server = Server::start(bench, &folder, default_pace())?;
    let client = server.connect().await?;
    let mut calls = Calls::of(bench);
    let bridge = Bridge::start(bench, &server, &mut calls)?;
    check(bench, &client, &bridge, &mut calls, report).await?;
    ivr::measure(bench, &server, &bridge, &mut calls, report)?;
    asterisk::measure(bench, &bridge, report).await
}

/// One at a time, in turns with a Check by the Rust client.
async fn check(
    bench: &Bench,
    client: &Client,
    bridge: &Bridge,
    calls: &mut Calls,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut turns = Vec::new();
    for _ in 0..bench.pairs {
        let (mut direct, mut bridged) = (Vec::new(), Vec::new());
        for _ in 0..calls_a_turn(bench) {
            let call = calls.next();
            let asked = Instant::now();
            client.check(call).await?;
            direct.push(asked.elapsed().as_secs_f64() * 1e6);
            bridged.push(bridge.check(&calls.next())?);
        }
        turns.push((Latency::of(direct), Latency::of(bridged)));
    }
    let of = |figure: fn(&(Latency, Latency)) -> f64| Spread::of(turns.iter().map(figure));
    let session = of(|turn| turn.1.median);
    report.budget(
        "asterisk-bridge, one call at a time: AGI `check` from connect to close, median",
        Limit::AtMost(1_000.0, " µs"),
        session.median,
        format!("{} µs", session.show(0)),
    );
    report.note(
        "AGI `check`: p99",
        format!("{} µs", of(|turn| turn.1.p99).show(0)),
    );
    report.note(
        "AGI `check`: its median beyond that of a Check by the Rust client",
        format!(
            "{} µs (the Check {} µs, its p99 {} µs)",
            of(|turn| turn.1.median - turn.0.median).show(0),
            of(|turn| turn.0.median).show(0),
            of(|turn| turn.0.p99).show(0)
        ),
    );
    Ok(())
}

impl Bridge {
    /// In front of a server, once it reaches it.
    fn start(bench: &Bench, server: &Server, calls: &mut Calls) -> anyhow::Result<Self> {
        let (agi, metrics) = (free_address()?, free_address()?);
        let token = bench.folder.join("bridge.token");
        std::fs::write(&token, server.token()?)?;
        let mut process = Process::start(
            Command::new(bench.program("asterisk-bridge")?)
                .env("TFPS_METRICS_LISTEN", metrics.to_string())
                .args(["--listen", &agi.to_string()])
                .args(["--server", &format!("http://{}", server.grpc)])
                .arg("--token-file")
                .arg(token),
            &bench.folder.join("asterisk-bridge.log"),
        )?;
        process.await_listening(agi)?;
        let bridge = Self {
            process,
            agi,
            metrics,
        };
        // It connects to the server meanwhile. What comes first is not what is asked about.
        while bridge.check(&calls.next()).is_err() {
            ensure!(
                bridge.process.age().as_secs() < 30,
                "the bridge does not reach the server: its log tells why"
            );
        }
        for _ in 0..WARMING_UP {
            bridge.check(&calls.next())?;
        }
        Ok(bridge)
    }

    /// What a check of an allowed call takes, from connect to close, in microseconds.
    fn check(&self, call: &CheckRequest) -> anyhow::Result<f64> {
        let began = Instant::now();
        let mut channel = Channel::asks(self.agi, "check", call)?;
        channel.goes_on("")?;
        let took = began.elapsed().as_secs_f64() * 1e6;
        let code = channel
            .variable("TFPS_CODE")
            .context("the bridge hung up before it told anything")?;
        ensure!(code == "A00", "the bridge tells {code:?}");
        Ok(took)
    }

    /// Calls that it serves now.
    fn in_progress(&self) -> anyhow::Result<f64> {
        Metrics::of(self.metrics)?.get("tfps_asterisk_calls_in_progress")
    }
}

/// Calls of each kind in a turn.
fn calls_a_turn(bench: &Bench) -> usize {
    if bench.quick { 100 } else { 2_000 }
}

/// What calls took, in microseconds.
struct Latency {
    median: f64,
    p99: f64,
}

impl Latency {
    fn of(mut took: Vec<f64>) -> Self {
        took.sort_by(f64::total_cmp);
        Self {
            median: quantile(&took, 0.5),
            p99: quantile(&took, 0.99),
        }
    }
}

/// Allowed calls, each with a Call-ID of its own: a second question with the same one would get the first one's answer.
#[derive(Debug)]
struct Calls {
    accounts: usize,
    made: usize,
}

impl Calls {
    fn of(bench: &Bench) -> Self {
        Self {
            accounts: callers(bench),
            made: 0,
        }
    }

    fn next(&mut self) -> CheckRequest {
        let account = self.made % self.accounts * EACH;
        self.made += 1;
        CheckRequest {
            call_id: format!("{}@pbx", self.made),
            ..by(account)
        }
    }
}

/// How many accounts call.
fn callers(bench: &Bench) -> usize {
    bench.scale.accounts / EACH
}

/// An account's allowed call.
fn by(account: usize) -> CheckRequest {
    let (username, domain) = workload::account_name(account);
    CheckRequest {
        account: Some(AccountKey { username, domain }),
        ..allowed_call()
    }
}
