//! Check over gRPC with everything on, beside a server that does nothing, in turns.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use anyhow::ensure;
use prost::Message;
use tfps_bench::empty;
use tfps_client::Client;

use crate::{
    Bench,
    data::{self, Content, Server, allowed_call, default_pace},
    h2load::{self, Load, Measured, Target},
    metrics::Metrics,
    process::{Process, free_address},
    report::{Limit, Report},
    say,
    statistics::Spread,
};

/// As fast as the configuration lets it be.
const AT_ONCE: u32 = 1_000_000;
/// Checks in flight on each of the streams, and how many streams.
const STREAMS: (usize, usize) = (64, 4);
/// How long is watched how fast decisions are shipped.
const WATCHED: Duration = Duration::from_secs(4);
/// Fewer decisions tell nothing of what shipping one costs.
const WORTH_WATCHING: f64 = 5_000.0;

/// How h2load asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) load: Load,
}

pub(crate) fn shapes(bench: &Bench) -> [Shape; 2] {
    let times = if bench.quick { 1 } else { 25 };
    [
        Shape {
            name: "256 in flight",
            load: Load {
                connections: 8,
                streams: 32,
                requests: 8_000 * times,
            },
        },
        Shape {
            name: "one at a time",
            load: Load {
                connections: 1,
                streams: 1,
                requests: 1_000 * times,
            },
        },
    ]
}

/// A server in the comparison.
#[derive(Debug)]
pub(crate) struct Contender<'a> {
    pub(crate) process: &'a Process,
    pub(crate) target: Target,
}

/// One turn of one contender.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    pub(crate) measured: Measured,
    /// CPU time of the server, in microseconds a call.
    pub(crate) cpu: f64,
}

/// Reports the ratios, and what shipping adds.
pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let mut server = started(bench, "run-grpc", default_pace()).await?;
    let client = server.connect().await?;
    let before = Metrics::of(server.http)?;
    let mut asked = 0;

    let (request, response) = sizes(&client, 20).await?;
    asked += 20;
    say(format_args!(
        "a request has {request} bytes, an answer {response}"
    ));
    let check = check_target(bench, &server)?;
    let empty_server = EmptyServer::start(bench, request, response, &check)?;
    let contenders = [
        Contender {
            process: &server.process,
            target: check.clone(),
        },
        Contender {
            process: &empty_server.process,
            target: empty_server.target.clone(),
        },
    ];
    for shape in shapes(bench) {
        let turns = compare(bench, shape, &contenders)?;
        asked += shape.load.requests * (turns.len() + 1);
        ratios(shape, &turns, report);
    }
    contenders[0].process.go_on()?;
    drop(empty_server);

    asked += through_a_stream(bench, &client, &server, report).await?;
    sizes(&client, 20).await?;
    asked += 20;
    all_allowed(&before, &server, asked)?;
    report.note(
        "decisions in the comparison, all A00, all in the journal",
        asked.to_string(),
    );
    shipping(&server, default_pace(), report)?;
    drop((client, server));
    shipping_at_once(bench, report).await
}

/// A server with everything in it.
async fn started(bench: &Bench, folder: &str, ship_per_second: u32) -> anyhow::Result<Server> {
    let folder = data::copy(bench, Content::AccountsAndLists, folder).await?;
    Server::start(bench, &folder, ship_per_second)
}

/// Asks some times by the real client; the sizes of request and answer, encoded.
async fn sizes(client: &Client, times: usize) -> anyhow::Result<(usize, usize)> {
    let mut response = 0;
    for _ in 0..times {
        let answer = client.check(allowed_call()).await?;
        ensure!(
            answer.code == "A00",
            "the call got {}: {}",
            answer.code,
            answer.reason
        );
        response = answer.encoded_len();
    }
    Ok((allowed_call().encoded_len(), response))
}

pub(crate) fn check_target(bench: &Bench, server: &Server) -> anyhow::Result<Target> {
    let payload = bench.folder.join("check.bin");
    std::fs::write(&payload, framed(&allowed_call()))?;
    Ok(Target {
        url: format!("http://{}/tfps.v1.CheckService/Check", server.grpc),
        payload,
        // What a client of the project sends.
        headers: vec![
            format!("authorization: Bearer {}", server.token()?),
            "grpc-timeout: 5000000u".to_owned(),
            "user-agent: tfps-client/0.1.0 tonic/0.14.9".to_owned(),
        ],
        log: bench.folder.join("h2load.log"),
    })
}

struct EmptyServer {
    process: Process,
    target: Target,
}

impl EmptyServer {
    fn start(
        bench: &Bench,
        request_bytes: usize,
        response_bytes: usize,
        beside: &Target,
    ) -> anyhow::Result<Self> {
        let address = free_address()?;
        let mut process = Process::start(
            Command::new(bench.program("empty-unary")?)
                .args(["--listen", &address.to_string()])
                .args(["--response-bytes", &response_bytes.to_string()]),
            &bench.folder.join("empty-unary.log"),
        )?;
        process.await_listening(address)?;
        let request = empty::v1::CallRequest {
            filling: empty::filling(request_bytes),
        };
        let payload = bench.folder.join("empty.bin");
        std::fs::write(&payload, framed(&request))?;
        Ok(Self {
            process,
            target: Target {
                url: format!("http://{address}/tfps.bench.Empty/Call"),
                payload,
                ..beside.clone()
            },
        })
    }
}

/// A message as gRPC sends it: not compressed, its length, itself.
fn framed(message: &impl Message) -> Vec<u8> {
    let mut frame = vec![0];
    let length = u32::try_from(message.encoded_len()).unwrap_or(u32::MAX);
    frame.extend(length.to_be_bytes());
    frame.extend(message.encode_to_vec());
    frame
}

/// A turn of each to warm up, then pairs of turns; who begins changes from pair to pair. Whose turn it is not stands still.
pub(crate) fn compare(
    bench: &Bench,
    shape: Shape,
    contenders: &[Contender<'_>; 2],
) -> anyhow::Result<Vec<[Turn; 2]>> {
    for contender in contenders {
        contender.process.stand_still()?;
    }
    for contender in contenders {
        turn(contender, shape)?;
    }
    let mut pairs = Vec::new();
    for number in 0..bench.pairs {
        let pair = if number % 2 == 0 {
            let check = turn(&contenders[0], shape)?;
            [check, turn(&contenders[1], shape)?]
        } else {
            let empty = turn(&contenders[1], shape)?;
            [turn(&contenders[0], shape)?, empty]
        };
        say(format_args!("{}: {}", shape.name, shown(&pair)));
        pairs.push(pair);
    }
    Ok(pairs)
}

fn turn(contender: &Contender<'_>, shape: Shape) -> anyhow::Result<Turn> {
    contender.process.go_on()?;
    let before = contender.process.cpu()?;
    let measured = h2load::run(&contender.target, shape.load)?;
    let used = contender.process.cpu()? - before;
    contender.process.stand_still()?;
    Ok(Turn {
        measured,
        cpu: used * 1e6 / shape.load.requests as f64,
    })
}

fn shown([check, empty]: &[Turn; 2]) -> String {
    let one = |turn: &Turn| {
        format!(
            "{:.1} µs CPU, {:.0}/s, median {:.0} µs, p99 {:.0} µs",
            turn.cpu, turn.measured.per_second, turn.measured.median, turn.measured.p99
        )
    };
    format!("Check {}; empty {}", one(check), one(empty))
}

type Figure = fn(&Turn) -> f64;

fn ratios(shape: Shape, pairs: &[[Turn; 2]], report: &mut Report) {
    let cpu: Figure = |turn| turn.cpu;
    let rate: Figure = |turn| turn.measured.per_second;
    let median: Figure = |turn| turn.measured.median;
    let p99: Figure = |turn| turn.measured.p99;
    for (what, figure, limit, unit, decimals) in [
        ("server CPU a call", cpu, Limit::AtMost(1.25, " ×"), "µs", 1),
        ("requests/s", rate, Limit::AtLeast(0.8, " ×"), "/s", 0),
        ("median latency", median, Limit::AtMost(1.25, " ×"), "µs", 0),
        ("p99 latency", p99, Limit::AtMost(1.25, " ×"), "µs", 0),
    ] {
        let ratio = Spread::of(
            pairs
                .iter()
                .map(|[check, empty]| figure(check) / figure(empty)),
        );
        let of = |which: usize| Spread::of(pairs.iter().map(|pair| figure(&pair[which]))).median;
        report.budget(
            format!("Check beside an empty RPC, {}: {what}", shape.name),
            limit,
            ratio.median,
            format!(
                "{} × ({:.decimals$} {unit} beside {:.decimals$} {unit}; {} pairs)",
                ratio.show(2),
                of(0),
                of(1),
                pairs.len()
            ),
        );
    }
}

/// Nothing was decided but what was asked, and all of it was allowed and recorded.
fn all_allowed(before: &Metrics, server: &Server, asked: usize) -> anyhow::Result<()> {
    let after = Metrics::of(server.http)?;
    let decided = after.decided_since(before);
    ensure!(
        decided == [("A00".to_owned(), asked as u64)],
        "{asked} calls were asked for, decided were {decided:?}"
    );
    for name in [
        "tfps_journal_lost",
        "tfps_requests_shed_total",
        "tfps_requests_late_total",
    ] {
        ensure!(after.get(name)? == 0.0, "{name} is {}", after.get(name)?);
    }
    Ok(())
}

/// The same calls over StreamChecks, by the Rust client in this process; how many there were.
async fn through_a_stream(
    bench: &Bench,
    client: &Client,
    server: &Server,
    report: &mut Report,
) -> anyhow::Result<usize> {
    let (window, streams) = STREAMS;
    let each = if bench.quick { 50 } else { 1_000 };
    let mut rates = Vec::new();
    let mut costs = Vec::new();
    let turns = bench.pairs + 1;
    for number in 0..turns {
        let (before, started) = (server.process.cpu()?, Instant::now());
        let mut asking = Vec::new();
        for _ in 0..streams {
            let stream = client.stream_checks(window);
            for _ in 0..window {
                let stream = stream.clone();
                asking.push(tokio::spawn(async move {
                    for _ in 0..each {
                        stream.check(allowed_call()).await?;
                    }
                    Ok::<_, tfps_client::Error>(())
                }));
            }
        }
        for asked in asking {
            asked.await??;
        }
        let calls = (streams * window * each) as f64;
        // The first is to warm up.
        if number > 0 {
            rates.push(calls / started.elapsed().as_secs_f64());
            costs.push((server.process.cpu()? - before) * 1e6 / calls);
        }
    }
    report.note(
        "StreamChecks by the Rust client, 4 streams of 64 in flight",
        format!(
            "{} /s, server CPU {} µs a call",
            Spread::of(rates).show(0),
            Spread::of(costs).show(1)
        ),
    );
    Ok(turns * streams * window * each)
}

/// What shipping costs once nobody asks any more.
fn shipping(server: &Server, pace: u32, report: &mut Report) -> anyhow::Result<()> {
    let (waiting, cpu, started) = (pending(server)?, server.process.cpu()?, Instant::now());
    if waiting < WORTH_WATCHING {
        // Shipping has kept up: what is left is too little to tell anything by.
        return Ok(());
    }
    let mut left = waiting;
    while left > 0.0 && started.elapsed() < WATCHED {
        std::thread::sleep(Duration::from_millis(200));
        left = pending(server)?;
    }
    let (shipped, took) = (waiting - left, started.elapsed().as_secs_f64());
    let each = (server.process.cpu()? - cpu) * 1e6 / shipped;
    report.note(
        format!("shipping to SQLite at ship_per_second = {pace}, nobody asking"),
        format!(
            "{each:.1} µs CPU a decision, {:.0} decisions/s",
            shipped / took
        ),
    );
    Ok(())
}

fn pending(server: &Server) -> anyhow::Result<f64> {
    Metrics::of(server.http)?.get("tfps_journal_pending")
}

/// CPU a call with shipping as fast as it comes: in the turns, and with what they leave to ship.
async fn shipping_at_once(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let mut server = started(bench, "run-grpc-at-once", AT_ONCE).await?;
    let client = server.connect().await?;
    sizes(&client, 1).await?;
    let target = check_target(bench, &server)?;
    let [shape, _] = shapes(bench);
    let contender = Contender {
        process: &server.process,
        target,
    };
    let mut turns = Vec::new();
    let mut whole = Vec::new();
    for _ in 0..bench.pairs.min(3) {
        let before = server.process.cpu()?;
        turns.push(turn(&contender, shape)?);
        server.process.go_on()?;
        while pending(&server)? > 0.0 {
            std::thread::sleep(Duration::from_millis(50));
        }
        whole.push((server.process.cpu()? - before) * 1e6 / shape.load.requests as f64);
    }
    report.note(
        format!(
            "Check, {}, shipping as fast as it comes (ship_per_second = {AT_ONCE})",
            shape.name
        ),
        format!(
            "{} µs CPU a call while asked, {} µs until all was shipped; {} /s",
            Spread::of(turns.iter().map(|turn| turn.cpu)).show(1),
            Spread::of(whole).show(1),
            Spread::of(turns.iter().map(|turn| turn.measured.per_second)).show(0)
        ),
    );
    turn(&contender, shape)?;
    server.process.go_on()?;
    shipping(&server, AT_ONCE, report)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_framed_as_grpc_wants_it() {
        let message = empty::v1::CallRequest {
            filling: vec![7; 3],
        };
        assert_eq!(framed(&message), [0, 0, 0, 0, 5, 10, 3, 7, 7, 7]);
    }
}
