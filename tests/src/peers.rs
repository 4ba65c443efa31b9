//! Programs of others that TFPS is tried with: Kamailio, SIPp, wrk and what they need, as scripts/fetch-sip-peers.sh brings them,
//! or as the machine has them installed.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// Where they are.
#[derive(Debug)]
pub struct Peers {
    root: PathBuf,
}

impl Peers {
    /// Fetches them into cargo's folder, unless they are there.
    ///
    /// # Errors
    /// What the script says when it fails.
    pub fn fetch(target: &Path) -> Result<Self, String> {
        let root = fetch("fetch-sip-peers.sh", target)?;
        Ok(Self { root })
    }

    /// A program of theirs, with the libraries that came with it.
    pub fn program(&self, name: &str) -> Command {
        let fetched = ["usr/sbin", "usr/bin"].map(|folder| self.root.join(folder).join(name));
        let program = fetched.into_iter().find(|path| path.exists());
        let mut command = Command::new(program.unwrap_or_else(|| PathBuf::from(name)));
        command.env(
            "LD_LIBRARY_PATH",
            format!("{0}:{0}/kamailio", self.root.join(libraries()).display()),
        );
        command
    }

    /// Kamailio's `-L`.
    pub fn kamailio_modules(&self) -> String {
        let folders = [
            self.root.join(libraries()),
            Path::new("/").join(libraries()),
        ];
        let paths = folders.map(|folder| folder.join("kamailio/modules").display().to_string());
        paths.join(":")
    }
}

/// The root of what a script of scripts/ fetches.
pub(crate) fn fetch(script: &str, target: &Path) -> Result<PathBuf, String> {
    let scripts = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts"));
    let fetched = Command::new(scripts.join(script))
        .env("CARGO_TARGET_DIR", target)
        .output()
        .map_err(|error| format!("{script} does not run: {error}"))?;
    if !fetched.status.success() {
        return Err(String::from_utf8_lossy(&fetched.stderr).into_owned());
    }
    let folder = String::from_utf8_lossy(&fetched.stdout).trim().to_owned();
    Ok(Path::new(&folder).join("root"))
}

/// Where Debian has libraries, below a root.
pub(crate) fn libraries() -> String {
    format!("usr/lib/{}-linux-gnu", env::consts::ARCH)
}
