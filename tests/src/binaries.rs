//! The programs under test, built before they are started.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// tfps-server.
pub fn server() -> PathBuf {
    folder().join("tfps-server")
}

/// tfpsctl.
pub fn tfpsctl() -> PathBuf {
    folder().join("tfpsctl")
}

/// opensips-bridge.
pub fn opensips_bridge() -> PathBuf {
    folder().join("opensips-bridge")
}

/// The folder that all of cargo's output is in.
///
/// # Panics
/// When the programs do not build.
pub fn target() -> PathBuf {
    let above = folder().parent();
    above
        .expect("a profile's folder lies in target/")
        .to_owned()
}

/// Where the programs are: beside the tests' own folder. Under cargo they are built first, once a test process, with
/// the profile that the tests have.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let test = env::current_exe().expect("the system tells which program runs");
        let folder = test
            .parent()
            .and_then(Path::parent)
            .expect("a test lies in target/PROFILE/deps")
            .to_owned();
        let built = env::var_os("CARGO").is_none_or(|cargo| build(Path::new(&cargo), &folder));
        built.then_some(folder)
    });
    folder
        .as_deref()
        .expect("the programs under test build; what cargo said stands above")
}

fn build(cargo: &Path, folder: &Path) -> bool {
    let target = folder.parent().expect("a profile's folder lies in target/");
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    Command::new(cargo)
        .args([
            "build",
            "--quiet",
            "-p",
            "tfps-server",
            "-p",
            "tfpsctl",
            "-p",
            "tfps-opensips-bridge",
            "--bins",
        ])
        .args(["--profile", profile])
        .arg("--manifest-path")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .env("CARGO_TARGET_DIR", target)
        .status()
        .expect("cargo runs")
        .success()
}
