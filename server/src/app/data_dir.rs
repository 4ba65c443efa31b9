//! The data directory, and the first admin token in it.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use anyhow::{Context, bail};

use super::private::make_private;
use crate::{admin::Admin, auth::Role, config::Config};

/// Makes the data directory, readable by its owner alone, and takes it for this process.
pub(super) fn prepare_data_dir(dir: &Path) -> anyhow::Result<File> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| {
            format!(
                "data_dir = {} can't be made; give another with --data-dir",
                dir.display()
            )
        })?;
    let path = dir.join("lock");
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("data_dir = {} can't be written to", dir.display()))?;
    if lock.try_lock().is_err() {
        bail!(
            "data_dir = {} is in use by another tfps-server",
            dir.display()
        );
    }
    make_private(dir)?;
    Ok(lock)
}

/// Makes the first admin token where there is none: in a file that only its owner reads.
pub(super) async fn first_token(admin: &Admin, config: &Config) -> anyhow::Result<()> {
    let tokens = admin.store.tokens().await?;
    if tokens
        .iter()
        .any(|token| token.role == Role::Admin.as_str())
    {
        return Ok(());
    }
    let token = admin.new_token("first admin", Role::Admin, "", None)?;
    let path = config.admin_token_path();
    // The file first: a token that is in the database and nowhere else would lock everybody out.
    if path.exists() {
        fs::remove_file(&path).with_context(|| format!("{} can't be replaced", path.display()))?;
    }
    let mut file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| {
            format!(
                "the first admin token can't be written to {}",
                path.display()
            )
        })?;
    writeln!(file, "{}", token.secret.reveal())?;
    file.sync_all()?;
    admin.keep_token(&token).await?;
    tracing::info!(file = %path.display(), "the first admin token was made");
    Ok(())
}
