//! Measures the budgets that criterion does not: memory, start, gRPC beside a server that does nothing; and writes the
//! report of all.

mod agi;
mod bridge;
mod data;
mod engine;
mod grpc;
mod h2load;
mod lists;
mod memory;
mod metrics;
mod outside;
mod process;
mod report;
mod sip;
mod start;
mod statistics;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Parser, ValueEnum};
use tfps_bench::workload::Scale;

use crate::report::Report;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the budgets and writes target/bench/budgets.md.
#[derive(Debug, Parser)]
struct Arguments {
    /// A smoke run: small numbers that prove nothing
    #[arg(long)]
    quick: bool,
    /// Measures only this; may be given again
    #[arg(long, value_enum, value_name = "PART")]
    only: Vec<Part>,
    /// How many pairs of turns at gRPC; at least five for a report
    #[arg(long, value_name = "NUMBER")]
    pairs: Option<usize>,
    /// Prints what a table of so many accounts takes, in bytes an account, and ends
    #[arg(long, value_name = "ACCOUNTS", hide = true)]
    table_of: Option<usize>,
    /// With it, what the accounts are used to
    #[arg(long, value_enum, default_value_t, hide = true)]
    calling: memory::Calling,
    /// Prints what a list of a kind with so many entries takes, in bytes, and ends
    #[arg(long, num_args = 2, value_names = ["KIND", "ENTRIES"], hide = true)]
    list_of: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Engine,
    Lists,
    Memory,
    Start,
    Grpc,
    Outside,
    Bridge,
    Agi,
    Sip,
}

/// Where things are, and how much is measured.
#[derive(Debug)]
struct Bench {
    /// The programs that were built.
    programs: PathBuf,
    /// The folder for what is made: data that is kept from run to run, the report.
    folder: PathBuf,
    /// Where criterion leaves what it has measured.
    criterion: PathBuf,
    scale: Scale,
    quick: bool,
    pairs: usize,
}

#[allow(clippy::print_stdout, reason = "it was asked for")]
fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(accounts) = arguments.table_of {
        println!("{}", memory::bytes_an_account(accounts, arguments.calling)?);
        return Ok(());
    }
    if let [kind, entries] = &*arguments.list_of {
        println!("{}", lists::bytes_of_a_list(kind, entries.parse()?)?);
        return Ok(());
    }
    let quick = arguments.quick || tfps_bench::quick();
    let bench = Bench::new(quick, arguments.pairs)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let report = runtime.block_on(measure(&bench, &arguments.only))?;
    let path = bench.folder.join("budgets.md");
    std::fs::write(&path, report.markdown())
        .with_context(|| format!("{} can't be written", path.display()))?;
    println!("\n{}\nwritten to {}", report.markdown(), path.display());
    Ok(())
}

async fn measure(bench: &Bench, only: &[Part]) -> anyhow::Result<Report> {
    let wanted = |part| only.is_empty() || only.contains(&part);
    let mut report = Report::new(bench.quick);
    if wanted(Part::Engine) {
        engine::measure(bench, &mut report)?;
    }
    if wanted(Part::Lists) {
        lists::measure(bench, &mut report)?;
    }
    if wanted(Part::Memory) {
        memory::measure(bench, &mut report).await?;
    }
    if wanted(Part::Start) {
        start::measure(bench, &mut report).await?;
    }
    if wanted(Part::Grpc) {
        grpc::measure(bench, &mut report).await?;
    }
    if wanted(Part::Outside) {
        outside::measure(bench, &mut report).await?;
    }
    if wanted(Part::Bridge) {
        bridge::measure(bench, &mut report).await?;
    }
    if wanted(Part::Agi) {
        agi::measure(bench, &mut report).await?;
    }
    if wanted(Part::Sip) {
        sip::measure(bench, &mut report).await?;
    }
    Ok(report)
}

impl Bench {
    fn new(quick: bool, pairs: Option<usize>) -> anyhow::Result<Self> {
        let own = std::env::current_exe()?;
        let programs = own.parent().context("this program is in a folder")?;
        let target = programs.parent().unwrap_or(programs);
        let folder = target.join("bench");
        std::fs::create_dir_all(&folder)?;
        Ok(Self {
            programs: programs.to_owned(),
            criterion: target.join("criterion"),
            folder,
            scale: if quick { Scale::QUICK } else { Scale::FULL },
            quick,
            pairs: pairs.unwrap_or(if quick { 2 } else { 7 }),
        })
    }

    fn program(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.programs.join(name);
        anyhow::ensure!(
            path.exists(),
            "{} is not there; `make bench` builds it",
            path.display()
        );
        Ok(path)
    }
}

/// Says what is being done, for who waits.
#[allow(clippy::print_stderr, reason = "it is for who waits")]
fn say(what: impl std::fmt::Display) {
    eprintln!("· {what}");
}

/// Removes a folder where it is.
fn remove_dir(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} can't be removed", path.display()))
        }
        _ => Ok(()),
    }
}
