//! Files with secrets in them: who else may read them.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

/// The bits of a mode by which everybody on the machine reads or writes a file.
const EVERYBODY: u32 = 0o006;

/// Warns where a file that a key names is open to everybody on the machine. A group may read it: that is how a service gets a
/// file of root's. It is no error, since containers mount secrets so.
pub fn warn_if_exposed(key: &str, path: &Path) {
    if path.as_os_str().is_empty() {
        return;
    }
    if let Some(mode) = exposed(path) {
        tracing::warn!(
            "{key} = {:?} has a secret in it, and everybody on this machine may read or write it (mode {mode:04o}): \
             chmod o= {}",
            path,
            path.display()
        );
    }
}

/// The mode of a file that everybody on the machine may read or write.
pub fn exposed(path: &Path) -> Option<u32> {
    let mode = fs::metadata(path).ok()?.mode() & 0o7777;
    (mode & EVERYBODY != 0).then_some(mode)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_everybody_reads_is_exposed() {
        let path = std::env::temp_dir().join(format!("tfps-exposed-{}", std::process::id()));
        fs::write(&path, "secret").unwrap();
        for (mode, expected) in [
            (0o600, None),
            (0o640, None),
            (0o644, Some(0o644)),
            (0o602, Some(0o602)),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(exposed(&path), expected, "{mode:o}");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(exposed(&path), None);
    }
}
