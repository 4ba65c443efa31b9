//! Memory an account.

use std::process::Command;

use anyhow::{Context, ensure};
use tfps_bench::workload;
use tfps_server::state::Accounts;

use crate::{
    Bench,
    data::{self, Content, Server, allowed_call, default_pace},
    process::resident_bytes_of,
    report::{Limit, Report},
};

/// Reports what a server with many accounts holds beyond one without, and what the table alone holds.
pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let accounts = bench.scale.accounts;
    let without = resident_bytes(bench, Content::Nothing).await?;
    let with = resident_bytes(bench, Content::Accounts).await?;
    let each = with.saturating_sub(without) as f64 / accounts as f64;
    report.budget(
        format!("memory an account, at {accounts} accounts"),
        Limit::AtMost(400.0, " bytes"),
        each,
        format!(
            "{each:.0} bytes (the server holds {:.0} MiB, without accounts {:.0} MiB)",
            mebibytes(with),
            mebibytes(without)
        ),
    );
    let table = Command::new(std::env::current_exe()?)
        .args(["--table-of", &accounts.to_string()])
        .output()?;
    ensure!(table.status.success(), "measuring the table fails");
    let table: f64 = String::from_utf8(table.stdout)?
        .trim()
        .parse()
        .context("bytes an account")?;
    report.note(
        "of it: the table of accounts alone",
        format!("{table:.0} bytes an account"),
    );
    Ok(())
}

/// What a server holds once it has started, answered and rested.
async fn resident_bytes(bench: &Bench, content: Content) -> anyhow::Result<u64> {
    let folder = data::copy(bench, content, "run-memory").await?;
    let mut server = Server::start(bench, &folder, default_pace())?;
    let client = server.connect().await?;
    client.check(allowed_call()).await?;
    std::thread::sleep(data::REST);
    server.process.resident_bytes()
}

/// Fills a table as the server's start does; what it takes, in bytes an account. For a process of its own.
pub(crate) fn bytes_an_account(accounts: usize) -> anyhow::Result<f64> {
    let before = resident_bytes_of("self")?;
    let table = Accounts::default();
    for number in 0..accounts {
        table.put(workload::account(number));
    }
    table.shrink();
    std::thread::sleep(data::REST);
    let after = resident_bytes_of("self")?;
    ensure!(table.len() == accounts, "accounts are not all different");
    Ok(after.saturating_sub(before) as f64 / accounts as f64)
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
