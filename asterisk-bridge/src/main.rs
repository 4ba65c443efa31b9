//! `asterisk-bridge`: asks TFPS for Asterisk, and verifies its callers.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use tfps_asterisk_bridge::{
    app::App,
    config::{Config, DEFAULT_FILE, Overrides},
};
use tfps_daemon::{log, secret_file};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Asks TFPS whether a call is fraud, for Asterisk, and verifies its callers.
#[derive(Debug, Parser)]
#[command(name = "asterisk-bridge", version)]
struct Arguments {
    /// The configuration; every key has a default (see --print-config)
    #[arg(long, value_name = "FILE", env = "TFPS_CONFIG")]
    config: Option<PathBuf>,
    /// An instance of tfps-server, such as http://127.0.0.1:50051; may be given again
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    server: Vec<String>,
    /// The file that holds the token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Where AGI is served
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
    let arguments = Arguments::parse();
    if arguments.print_config {
        print!("{DEFAULT_FILE}");
        return ExitCode::SUCCESS;
    }
    let overrides = Overrides {
        server: arguments.server,
        token_file: arguments.token_file,
        listen: arguments.listen,
    };
    let config = match Config::load(arguments.config.as_deref(), overrides) {
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
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(config: Config) -> anyhow::Result<()> {
    log::start(
        &config.log,
        &["tfps", "tfps_asterisk_bridge", "tfps_client"],
    )
    .map_err(anyhow::Error::msg)?;
    for (key, path) in [
        ("token_file", &config.token_file),
        ("ami.secret_file", &config.ami.secret_file),
        ("tls.client_key_file", &config.tls.client_key_file),
    ] {
        secret_file::warn_if_exposed(key, Path::new(path));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async { App::start(config).await?.run_until_signalled().await })
}
