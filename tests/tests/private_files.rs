//! What is on disk is for its owner alone, whatever was there before.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tfps_tests::{
    Command, Server,
    scene::{HOME_NUMBER, call},
};

/// Every file and folder below, itself included.
fn below(path: &Path) -> Vec<PathBuf> {
    let mut all = vec![path.to_owned()];
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            all.extend(below(&entry.unwrap().path()));
        }
    }
    all
}

fn open_to_others(path: &Path) -> Vec<PathBuf> {
    let is_open = |path: &PathBuf| {
        let mode = fs::symlink_metadata(path).unwrap().permissions().mode();
        mode & 0o077 != 0
    };
    below(path).into_iter().filter(is_open).collect()
}

#[tokio::test]
async fn in_a_directory_that_was_there_nothing_is_readable_by_others() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
    let mut server = Command::default().data_dir(&dir).start().await;
    server.check(call("alice", HOME_NUMBER)).await;
    let open = open_to_others(&dir);
    assert_eq!(open, std::slice::from_ref(&dir), "of files none is");
    assert!(server.said().contains("chmod 700"), "{}", server.said());
    // As an older version left it.
    server.terminate();
    server.ended().await;
    for path in below(&dir) {
        let mode = if path.is_dir() { 0o755 } else { 0o644 };
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }
    server.restart().await;
    assert_eq!(open_to_others(&dir), Vec::<PathBuf>::new());
    assert!(server.said().contains("modes were repaired"));
    assert_eq!(server.check(call("alice", HOME_NUMBER)).await.code, "V01");
}

#[tokio::test]
async fn a_secret_that_everybody_reads_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("abuseipdb.key");
    fs::write(&key, "0123abcd").unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let config = format!(
        "[abuseipdb]\nkey_file = {key:?}\nurl = \"http://127.0.0.1:9\"\nblacklist_limit = 0\n"
    );
    let server = Server::with(&config).await;
    let said = server.said();
    assert!(
        said.contains("abuseipdb.key_file") && said.contains("chmod o="),
        "{said}"
    );
    fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
    let server = Server::with(&config).await;
    assert!(!server.said().contains("chmod o="));
}

#[tokio::test]
async fn metrics_are_not_told_to_other_machines_unless_in_plain_words() {
    let refused = Command::default()
        .config("http_listen = \"0.0.0.0:0\"\n")
        .variable("TFPS_HTTP_LISTEN", "0.0.0.0:0")
        .try_start()
        .await
        .unwrap_err();
    assert!(refused.said.contains("allow_plaintext"), "{}", refused.said);
    assert_eq!(refused.code, Some(2));
}
