//! A list of a million networks is replaced. What calls take meanwhile.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::ensure;
use tfps_bench::workload;
use tfps_server::config::ListSource;

use super::{Latencies, during, latencies};
use crate::{
    Bench,
    data::{self, Content, Server, default_pace},
    metrics::Metrics,
    report::{Limit, Report},
    statistics::Spread,
};

const NAME: &str = "long";
/// How long a list may take to be in place.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let entries = bench.scale.networks;
    let list = workload::listed_networks(entries).join("\n");
    let file = bench.folder.join("long.txt");
    fs::write(&file, &list)?;
    let source: ListSource = toml::from_str(&format!(
        "name = {NAME:?}\nfile = {file:?}\nkind = \"ip\"\nmax_entries = 1500000"
    ))?;
    let folder = data::copy(bench, Content::Accounts, "run-swap").await?;
    let mut server = Server::start_with(bench, &folder, default_pace(), |config| {
        config.list.push(source);
    })?;
    let client = server.connect().await?;
    in_place(&server, entries)?;
    let held = server.process.resident_bytes()?;
    let (mut calm, mut swapping, mut seconds) = (Vec::new(), Vec::new(), Vec::new());
    let mut most = held;
    for turn in 0..bench.pairs.min(5) {
        // One more each time, which shows that it is in place.
        let shown = entries + 1 + turn;
        let more: String = (0..=turn)
            .map(|number| format!("\n198.18.0.{number}"))
            .collect();
        calm.push(
            during(
                &client,
                Duration::from_secs(if bench.quick { 1 } else { 4 }),
            )
            .await?,
        );
        let began = Instant::now();
        replace(&file, &format!("{list}{more}"))?;
        let mut looked = Instant::now();
        let took = latencies(&client, |_| {
            if looked.elapsed() < Duration::from_millis(100) {
                return Ok(false);
            }
            looked = Instant::now();
            most = most.max(server.process.resident_bytes()?);
            ensure!(began.elapsed() < PATIENCE, "the list is not replaced");
            Ok(known(&server)? == shown as f64)
        })
        .await?;
        seconds.push(began.elapsed().as_secs_f64());
        swapping.push(took);
    }
    let p99 = |all: &[Latencies]| Spread::of(all.iter().map(Latencies::p99)).median;
    let median = |all: &[Latencies]| Spread::of(all.iter().map(Latencies::median)).median;
    let ratio = Spread::of(
        swapping
            .iter()
            .zip(&calm)
            .map(|(one, other)| one.p99() / other.p99()),
    );
    report.budget(
        format!("calls one at a time while a list of {entries} networks is read and replaced, beside none: p99"),
        Limit::AtMost(2.0, " ×"),
        ratio.median,
        format!("{} × ({:.0} µs beside {:.0})", ratio.show(2), p99(&swapping), p99(&calm)),
    );
    report.note(
        "of it: median",
        format!("{:.0} µs beside {:.0}", median(&swapping), median(&calm)),
    );
    report.note(
        "from the file's change until the list is in place",
        format!(
            "{} s, of which up to 2 s until it is looked at",
            Spread::of(seconds).show(1)
        ),
    );
    report.note(
        "the server's memory with the list, and at the most while it is replaced",
        format!("{:.0} MB, {:.0} MB", held as f64 / 1e6, most as f64 / 1e6),
    );
    Ok(())
}

fn replace(file: &Path, text: &str) -> anyhow::Result<()> {
    let draft = file.with_extension("draft");
    fs::write(&draft, text)?;
    Ok(fs::rename(draft, file)?)
}

fn known(server: &Server) -> anyhow::Result<f64> {
    Metrics::of(server.http)?.get(&format!("tfps_source_entries{{source=\"{NAME}\"}}"))
}

fn in_place(server: &Server, entries: usize) -> anyhow::Result<()> {
    let began = Instant::now();
    while known(server).ok() != Some(entries as f64) {
        ensure!(began.elapsed() < PATIENCE, "the list is not in place");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
