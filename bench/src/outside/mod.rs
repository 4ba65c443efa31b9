//! What is known of the world outside costs calls nothing: reputations that are in memory, an attack from strangers, a long list
//! that is replaced.

mod cost;
mod strangers;
mod swap;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::ensure;
use tfps_client::{Client, v1::CheckRequest};
use tfps_server::config::Config;
use tfps_tests::fake_reputation::{FakeAbuseIpdb, KEY};

use crate::{Bench, data::allowed_call, report::Report, statistics::quantile};

/// Reports all three.
pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    cost::measure(bench, report).await?;
    strangers::measure(bench, report).await?;
    swap::measure(bench, report).await
}

/// Has a server ask AbuseIPDB about whatever address it does not know.
fn asks(config: &mut Config, service: &FakeAbuseIpdb, key_file: &Path) {
    config.reputation.clear();
    config.abuseipdb.url = service.service.url();
    config.abuseipdb.key_file = key_file.to_string_lossy().into_owned();
    config.abuseipdb.blacklist_limit = 0;
}

/// A file with the key that the service takes.
fn key_file(bench: &Bench) -> anyhow::Result<PathBuf> {
    let file = bench.folder.join("abuseipdb.key");
    std::fs::write(&file, KEY)?;
    Ok(file)
}

/// What calls take, one at a time, until somebody has had enough of them: in microseconds, sorted.
async fn latencies(
    client: &Client,
    mut enough: impl FnMut(usize) -> anyhow::Result<bool>,
) -> anyhow::Result<Latencies> {
    let mut took = Vec::new();
    while !enough(took.len())? {
        let asked = Instant::now();
        let answer = client.check(known_call()).await?;
        took.push(asked.elapsed().as_secs_f64() * 1e6);
        ensure!(answer.code == "A00", "a call got {}", answer.code);
    }
    took.sort_by(f64::total_cmp);
    Ok(Latencies(took))
}

/// What they take for a while.
async fn during(client: &Client, time: Duration) -> anyhow::Result<Latencies> {
    let began = Instant::now();
    latencies(client, |_| Ok(began.elapsed() >= time)).await
}

/// A call that is allowed, from an address that is known.
fn known_call() -> CheckRequest {
    allowed_call()
}

/// Sorted.
struct Latencies(Vec<f64>);

impl Latencies {
    fn median(&self) -> f64 {
        quantile(&self.0, 0.5)
    }

    fn p99(&self) -> f64 {
        quantile(&self.0, 0.99)
    }
}
