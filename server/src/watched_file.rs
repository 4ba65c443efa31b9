//! A file that somebody else writes, and that is read again as soon as it has changed.

use std::{
    fs,
    io::{self, Read as _},
    os::unix::fs::MetadataExt,
    path::Path,
};

use crate::regular_file;

/// What shows that a file has changed: its time, size and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: (i64, i64),
    size: u64,
    inode: u64,
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            size: metadata.size(),
            inode: metadata.ino(),
        }
    }
}

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WatchedFileError {
    /// The system does not give it.
    #[error("cannot read {place}: {error}")]
    Unreadable {
        /// The file.
        place: String,
        /// Why.
        error: io::Error,
    },
    /// It has more bytes than this.
    #[error("it is over {0} bytes long")]
    TooLong(usize),
}

/// What is in a file, and its stamp; none where it is as it was.
///
/// # Errors
/// When it can't be read, or has more than `most` bytes.
pub(crate) fn read_if_changed(
    path: &Path,
    most: usize,
    before: Option<Stamp>,
) -> Result<Option<(Vec<u8>, Stamp)>, WatchedFileError> {
    let told = |error| WatchedFileError::Unreadable {
        place: path.display().to_string(),
        error,
    };
    if before == Some(Stamp::of(&fs::metadata(path).map_err(told)?)) {
        return Ok(None);
    }
    let file = regular_file::open(path).map_err(told)?;
    let stamp = Stamp::of(&file.metadata().map_err(told)?);
    let mut body = Vec::new();
    let bound = (most as u64).saturating_add(1);
    file.take(bound).read_to_end(&mut body).map_err(told)?;
    if body.len() > most {
        return Err(WatchedFileError::TooLong(most));
    }
    Ok(Some((body, stamp)))
}
