//! `tfps-server`: decides calls.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::Parser;
use rustix::{fs::Mode, process::umask};
use tfps_daemon::log;
use tfps_server::{
    app::App,
    config::{Config, DEFAULT_FILE, Overrides},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The decision service of TFPS: blocks International Revenue Share Fraud while calls are being set up.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The configuration; every key has a default (see --print-config)
    #[arg(long, value_name = "FILE", env = "TFPS_CONFIG")]
    config: Option<PathBuf>,
    /// Where the database, the journal and the first admin token are
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where gRPC is served
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Checks the configuration and exits
    #[arg(long)]
    check_config: bool,
    /// Prints the documented default configuration and exits
    #[arg(long)]
    print_config: bool,
}

#[allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what a person asked for on the command line"
)]
fn main() -> ExitCode {
    // What it writes is for its owner alone.
    umask(Mode::RWXG | Mode::RWXO);
    let arguments = Arguments::parse();
    if arguments.print_config {
        print!("{DEFAULT_FILE}");
        return ExitCode::SUCCESS;
    }
    let overrides = Overrides {
        data_dir: arguments.data_dir,
        listen: arguments.listen,
    };
    let config = match Config::load(arguments.config.as_deref(), &overrides) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    if arguments.check_config {
        println!("the configuration is right");
        return ExitCode::SUCCESS;
    }
    match run(arguments.config, overrides, config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(file: Option<PathBuf>, overrides: Overrides, config: Config) -> anyhow::Result<()> {
    let log = log::start(&config.log, &["tfps", "tfps_server", "tfps_engine"])
        .map_err(anyhow::Error::msg)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        App::start(config, file, overrides, Some(log))
            .await?
            .run_until_signalled()
            .await
    })
}
