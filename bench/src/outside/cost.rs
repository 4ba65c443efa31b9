//! A Check from an address whose reputation is in memory, beside one by a server that asks nobody.

use anyhow::ensure;
use tfps_tests::fake_reputation::FakeAbuseIpdb;

use super::{asks, key_file, known_call};
use crate::{
    Bench,
    data::{self, Content, Server, default_pace},
    grpc::{Contender, Turn, check_target, compare, shapes},
    report::{Limit, Report},
    statistics::Spread,
};

pub(super) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let service = FakeAbuseIpdb::start(&[]).await;
    let key = key_file(bench)?;
    let folder = data::copy(bench, Content::AccountsAndLists, "run-reputation").await?;
    let mut with = Server::start_with(bench, &folder, default_pace(), |config| {
        asks(config, &service, &key);
    })?;
    let client = with.connect().await?;
    client.check(known_call()).await?;
    ensure!(service.service.asked().len() == 1, "nobody was asked");
    let folder = data::copy(bench, Content::AccountsAndLists, "run-no-reputation").await?;
    let mut without = Server::start_with(bench, &folder, default_pace(), |config| {
        config.reputation.clear();
    })?;
    without.connect().await?.check(known_call()).await?;
    let contenders = [
        Contender {
            process: &with.process,
            target: check_target(bench, &with)?,
        },
        Contender {
            process: &without.process,
            target: check_target(bench, &without)?,
        },
    ];
    let [shape, _] = shapes(bench);
    let pairs = compare(bench, shape, &contenders)?;
    for contender in &contenders {
        contender.process.go_on()?;
    }
    for (what, of) in [
        ("server CPU a call", (|turn| turn.cpu) as fn(&Turn) -> f64),
        ("median latency", |turn| turn.measured.median),
    ] {
        let ratio = Spread::of(pairs.iter().map(|[with, without]| of(with) / of(without)));
        report.budget(
            format!(
                "Check from an address whose reputation is in memory beside one without reputation, {}: {what}",
                shape.name
            ),
            Limit::AtMost(1.05, " ×"),
            ratio.median,
            format!(
                "{} × ({:.1} µs beside {:.1})",
                ratio.show(3),
                Spread::of(pairs.iter().map(|pair| of(&pair[0]))).median,
                Spread::of(pairs.iter().map(|pair| of(&pair[1]))).median
            ),
        );
    }
    ensure!(service.service.asked().len() == 1, "it was asked again");
    Ok(())
}
