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

/// Where the programs are: beside the tests' own folder. Under cargo they are built first, once a test process, with
/// the profile that the tests have.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let test = env::current_exe().expect("the system tells which program runs");
        let folder = test
            .parent()
            .and_then(Path::parent)
            .expect("a test lies in target/PROFILE/deps")
            .to_owned();
        if let Some(cargo) = env::var_os("CARGO") {
            build(Path::new(&cargo), &folder);
        }
        folder
    })
}

fn build(cargo: &Path, folder: &Path) {
    let target = folder.parent().expect("a profile's folder lies in target/");
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let built = Command::new(cargo)
        .args(["build", "--quiet", "-p", "tfps-server", "-p", "tfpsctl", "--bins"])
        .args(["--profile", profile])
        .arg("--manifest-path")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .env("CARGO_TARGET_DIR", target)
        .status()
        .expect("cargo runs");
    assert!(built.success(), "the programs under test do not build");
}
