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

/// asterisk-bridge.
pub fn asterisk_bridge() -> PathBuf {
    folder().join("asterisk-bridge")
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

/// Where the programs are: beside a test's own folder, or beside a program that uses what is here. Under cargo they are built
/// first, once a process, with the profile that it has.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let own = env::current_exe().expect("the system tells which program runs");
        let beside = own.parent().expect("a program lies in a folder");
        let folder = beside
            .parent()
            .filter(|_| beside.ends_with("deps"))
            .unwrap_or(beside)
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
            "-p",
            "tfps-asterisk-bridge",
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
