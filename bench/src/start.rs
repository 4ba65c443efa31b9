//! The start: from exec to the first answer.

use std::path::Path;

use anyhow::ensure;

use crate::{
    Bench,
    data::{self, Content, Server, allowed_call, default_pace},
    report::{Limit, Report},
    statistics::Spread,
};

/// Reports how long a server with many accounts takes to its first answer; and with long lists besides.
pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let times = if bench.quick { 3 } else { 5 };
    let folder = data::copy(bench, Content::Accounts, "run-start").await?;
    let seconds = starts(bench, &folder, times).await?;
    report.budget(
        format!(
            "start with {} accounts, to the first Check answered",
            bench.scale.accounts
        ),
        Limit::AtMost(5.0, " s"),
        seconds.median,
        format!("{} s", seconds.show(2)),
    );
    let folder = data::copy(bench, Content::AccountsAndLists, "run-start").await?;
    let seconds = starts(bench, &folder, times.min(3)).await?;
    report.note(
        format!(
            "the same with {} numbers and {} networks on the lists",
            bench.scale.numbers, bench.scale.networks
        ),
        format!("{} s", seconds.show(2)),
    );
    Ok(())
}

async fn starts(bench: &Bench, folder: &Path, times: usize) -> anyhow::Result<Spread> {
    let mut seconds = Vec::new();
    for _ in 0..times {
        let mut server = Server::start(bench, folder, default_pace())?;
        let client = server.connect().await?;
        let answer = client.check(allowed_call()).await?;
        seconds.push(server.process.age().as_secs_f64());
        ensure!(
            answer.code == "A00",
            "the first call got {}: {}",
            answer.code,
            answer.reason
        );
        drop(client);
        server.process.stop()?;
    }
    Ok(Spread::of(seconds))
}
