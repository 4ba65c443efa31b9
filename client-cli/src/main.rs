//! The operator's tool.

use std::process::ExitCode;

use tokio::runtime::Builder;

fn main() -> ExitCode {
    // One thread does: the tool waits for the server most of the time.
    match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(tfpsctl::run(std::env::args_os())).into(),
        Err(_) => ExitCode::FAILURE,
    }
}
