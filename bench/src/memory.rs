//! Memory an account.

use std::{net::IpAddr, process::Command};

use anyhow::{Context, ensure};
use clap::ValueEnum;
use jiff::Timestamp;
use tfps_bench::workload;
use tfps_engine::{
    number::{E164, plan},
    usage::{HabitDay, Traits},
};
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
    for (calling, what) in [
        (Calling::Nobody, "of it: the table of accounts alone"),
        (Calling::Home, "the table, where all call at home"),
        (Calling::Abroad, "the table, where all call five countries"),
    ] {
        let table = table_of(accounts, calling)?;
        report.note(what, format!("{table:.0} bytes an account"));
    }
    Ok(())
}

/// What the accounts are used to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Calling {
    /// They have never called.
    #[default]
    Nobody,
    /// From two networks, with one telephone, within the home country.
    Home,
    /// From three networks, with two telephones, eight ranges of five countries.
    Abroad,
}

impl Calling {
    /// What such an account has done.
    fn traits(self) -> Vec<Traits> {
        let called = |range: usize, network: usize| {
            let countries = ["44", "33", "49", "34", "39"];
            let number = format!("{}20790{range}0123", countries[range % countries.len()]);
            let number: E164 = number.parse().expect("it was made to be one");
            let country = plan::look_up(&number).country;
            let ip = Some(IpAddr::from([192, 0, network as u8, 7]));
            let agent = ["Yealink SIP-T46S", "Zoiper"][range % 2];
            let abroad = self == Self::Abroad;
            Traits::of(abroad.then_some((country, &number)), ip, agent)
        };
        match self {
            Self::Nobody => Vec::new(),
            Self::Home => (0..2).map(|network| called(0, network)).collect(),
            Self::Abroad => (0..8).map(|range| called(range, range % 3)).collect(),
        }
    }
}

fn table_of(accounts: usize, calling: Calling) -> anyhow::Result<f64> {
    let calling = calling.to_possible_value().context("a value has a name")?;
    let table = Command::new(std::env::current_exe()?)
        .args(["--table-of", &accounts.to_string()])
        .args(["--calling", calling.get_name()])
        .output()?;
    ensure!(table.status.success(), "measuring the table fails");
    let table = String::from_utf8(table.stdout)?;
    table.trim().parse().context("bytes an account")
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
pub(crate) fn bytes_an_account(accounts: usize, calling: Calling) -> anyhow::Result<f64> {
    let (traits, today) = (calling.traits(), HabitDay::of(Timestamp::UNIX_EPOCH));
    let before = resident_bytes_of("self")?;
    let table = Accounts::default();
    for number in 0..accounts {
        let resident = table.put(workload::account(number));
        let mut ledger = resident.ledger.lock();
        for traits in &traits {
            ledger.learn_habits(traits, today);
        }
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
