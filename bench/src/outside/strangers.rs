//! An attack: thousands of calls a second, each from an address that nobody has seen. What calls from known addresses take meanwhile.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tfps_bench::workload;
use tfps_client::{Client, v1};
use tfps_server::config::KnownCountry;
use tfps_tests::fake_reputation::FakeAbuseIpdb;
use tokio::{sync::watch, time::sleep};

use super::{Latencies, asks, during, key_file, known_call};
use crate::{
    Bench,
    data::{self, Content, Server, default_pace},
    metrics::Metrics,
    report::{Limit, Report},
    statistics::Spread,
};

/// Calls a second.
const RATE: u32 = 10_000;
/// Streams that bring them, and calls in flight on each.
const STREAMS: (usize, usize) = (32, 128);
/// How long the service takes to answer.
const ANSWERS_AFTER: Duration = Duration::from_millis(50);

/// Where the calls of an attack come from.
#[derive(Clone, Copy, Debug)]
enum From {
    /// One address, which is known.
    Known,
    /// Each from another.
    Strangers,
}

pub(super) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let service = FakeAbuseIpdb::start(&[]).await;
    let key = key_file(bench)?;
    service.mended_with(|reply| reply.after(ANSWERS_AFTER));
    let folder = data::copy(bench, Content::AccountsAndLists, "run-strangers").await?;
    let mut server = Server::start_with(bench, &folder, default_pace(), |config| {
        asks(config, &service, &key);
        config
            .geo
            .known
            .extend("24.0.0.0/8".parse().map(|network| KnownCountry {
                network,
                country: "US".to_owned(),
            }));
    })?;
    let client = server.connect().await?;
    client.check(known_call()).await?;
    let seconds = Duration::from_secs(if bench.quick { 1 } else { 5 });
    let (mut idle, mut busy, mut attacked) = (Vec::new(), Vec::new(), Vec::new());
    let mut rates = Vec::new();
    let before = server.process.resident_bytes()?;
    let next = Arc::new(AtomicU64::new(0));
    for _ in 0..bench.pairs.min(3) {
        idle.push(during(&client, seconds).await?);
        for from in [From::Known, From::Strangers] {
            let (stop, stopped) = watch::channel(false);
            let began = Instant::now();
            let attack = tokio::spawn(attack(client.clone(), from, Arc::clone(&next), stopped));
            sleep(Duration::from_millis(300)).await;
            let took = during(&client, seconds).await?;
            let _ = stop.send(true);
            let calls = attack.await?;
            match from {
                From::Known => busy.push(took),
                From::Strangers => {
                    attacked.push(took);
                    rates.push(calls as f64 / began.elapsed().as_secs_f64());
                }
            }
        }
    }
    let after = server.process.resident_bytes()?;
    let p99 = |all: &[Latencies]| Spread::of(all.iter().map(Latencies::p99));
    let ratio = Spread::of(
        attacked
            .iter()
            .zip(&busy)
            .map(|(one, other)| one.p99() / other.p99()),
    );
    report.budget(
        format!("calls from known addresses while {RATE} calls a second come from unknown ones, beside as many from a known one: p99"),
        Limit::AtMost(2.0, " ×"),
        ratio.median,
        format!(
            "{} × ({:.0} µs beside {:.0})",
            ratio.show(2),
            p99(&attacked).median,
            p99(&busy).median
        ),
    );
    report.note(
        "the same with nothing beside: p99",
        format!("{} µs", p99(&idle).show(0)),
    );
    report.note(
        "calls from unknown addresses that were decided in a second",
        Spread::of(rates).show(0),
    );
    let metrics = Metrics::of(server.http)?;
    report.note(
        format!(
            "of {} unknown addresses: look-ups made",
            next.load(Ordering::Relaxed)
        ),
        format!(
            "{}; {:.0} calls found too many waiting; memory grew by {:.0} MB",
            service.service.asked().len(),
            metrics.get("tfps_look_ups_overflowed_total")?,
            after.saturating_sub(before) as f64 / 1e6
        ),
    );
    Ok(())
}

/// Calls at the rate, as evenly as the timer lets; how many were answered.
async fn attack(
    client: Client,
    from: From,
    next: Arc<AtomicU64>,
    stopped: watch::Receiver<bool>,
) -> u64 {
    let (streams, window) = STREAMS;
    let streams: Vec<_> = (0..streams).map(|_| client.stream_checks(window)).collect();
    let answered = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let mut sent = 0_u64;
    while !*stopped.borrow() {
        let due = (began.elapsed().as_secs_f64() * f64::from(RATE)) as u64;
        while sent < due {
            let call = match from {
                From::Known => known_call(),
                From::Strangers => stranger(next.fetch_add(1, Ordering::Relaxed)),
            };
            let stream = streams[sent as usize % streams.len()].clone();
            let answered = Arc::clone(&answered);
            tokio::spawn(async move {
                if stream.check(call).await.is_ok() {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
            sent += 1;
        }
        sleep(Duration::from_millis(1)).await;
    }
    answered.load(Ordering::Relaxed)
}

/// A call from an address that nobody has seen.
fn stranger(number: u64) -> v1::CheckRequest {
    let [.., b, c, d] = number.wrapping_mul(2_654_435_761).to_be_bytes();
    let (username, domain) = workload::account_name(9);
    v1::CheckRequest {
        account: Some(v1::AccountKey { username, domain }),
        source_ip: Ipv4Addr::new(24, b, c, d).to_string(),
        ..known_call()
    }
}
