//! What is on disk is for its owner alone: decisions, accounts, hashes of PINs and tokens.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::Context;

/// The bits of a mode that are not its owner's.
const OTHERS: u32 = 0o077;
/// A folder that many share, such as /tmp.
const STICKY: u32 = 0o1000;
/// What the server makes in the data directory.
const FILES: [&str; 7] = [
    "tfps.db",
    "tfps.db-wal",
    "tfps.db-shm",
    "tfps.db-journal",
    "abuseipdb-blacklist",
    "admin.token",
    "lock",
];
/// The folders that it makes there.
const FOLDERS: [&str; 2] = ["journal", "lists"];

/// Takes away what others may do with the files of a data directory.
///
/// # Errors
/// When a file belongs to somebody else.
pub(super) fn make_private(dir: &Path) -> anyhow::Result<()> {
    let mut repaired = Vec::new();
    let names = FILES.map(|name| dir.join(name));
    let mut found = names.to_vec();
    for folder in FOLDERS.map(|name| dir.join(name)) {
        found.extend(in_folder(&folder)?);
        found.push(folder);
    }
    let is_ours = names[0].exists();
    for path in found {
        if repair(&path)? {
            repaired.push(path);
        }
    }
    let mode = fs::metadata(dir)?.mode();
    if mode & OTHERS != 0 {
        // A folder that holds other things than ours, or that many share, is not ours to close.
        if is_ours && mode & STICKY == 0 {
            if repair(dir)? {
                repaired.push(dir.to_owned());
            }
        } else {
            tracing::warn!(
                data_dir = %dir.display(),
                "others may look into the data directory (mode {:04o}); give the server one of its own, and `chmod 700` it",
                mode & 0o7777
            );
        }
    }
    if let Some(first) = repaired.first() {
        tracing::warn!(
            files = repaired.len(),
            first = %first.display(),
            "others on this machine could read files in the data directory: their modes were repaired"
        );
    }
    Ok(())
}

fn in_folder(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let told = || format!("{} can't be looked into", folder.display());
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(told),
    };
    entries
        .map(|entry| entry.map(|entry| entry.path()).with_context(told))
        .collect()
}

/// Whether a file's mode had to be changed.
fn repair(path: &Path) -> anyhow::Result<bool> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS == 0 {
        return Ok(false);
    }
    fs::set_permissions(path, Permissions::from_mode(mode & !OTHERS)).with_context(|| {
        format!(
            "others may read {} (mode {mode:04o}), and this process may not change that: give the file to the user that \
             the server runs as (chown), or `chmod go= {}`",
            path.display(),
            path.display()
        )
    })?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_data_directory_of_before_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("journal")).unwrap();
        let files = ["tfps.db", "tfps.db-wal", "journal/1.journal", "admin.token"];
        for name in files {
            fs::write(at(name), "").unwrap();
            set_mode(&at(name), 0o644);
        }
        fs::write(at("notes.txt"), "").unwrap();
        set_mode(&at("notes.txt"), 0o644);
        set_mode(&at("journal"), 0o755);
        set_mode(dir.path(), 0o755);
        make_private(dir.path()).unwrap();
        for name in files {
            assert_eq!(mode(&at(name)), 0o600, "{name}");
        }
        assert_eq!((mode(&at("journal")), mode(dir.path())), (0o700, 0o700));
        assert_eq!(
            mode(&at("notes.txt")),
            0o644,
            "what is not ours is left alone"
        );
    }

    #[test]
    fn a_folder_of_somebody_elses_is_left_open() {
        let dir = tempfile::tempdir().unwrap();
        set_mode(dir.path(), 0o755);
        make_private(dir.path()).unwrap();
        assert_eq!(mode(dir.path()), 0o755);
        fs::write(dir.path().join("tfps.db"), "").unwrap();
        set_mode(dir.path(), 0o1777);
        make_private(dir.path()).unwrap();
        assert_eq!(mode(dir.path()), 0o1777);
        assert_eq!(mode(&dir.path().join("tfps.db")), 0o600);
    }
}
