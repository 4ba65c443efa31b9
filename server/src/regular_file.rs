//! Files that an operator names. A FIFO that nobody writes to, or a device that never ends, would hold the server up for ever.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::fs::OFlags;

/// Opens a regular file; it waits for nobody.
///
/// # Errors
/// When it can't be opened, or is something else.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    let problem = "it is no regular file, but a folder, a pipe or a device";
    Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
}

/// What is in a file.
///
/// # Errors
/// When it can't be read, is no regular file or has more than `most` bytes.
pub(crate) fn read(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let bound = (most as u64).saturating_add(1);
    let mut body = Vec::new();
    open(path)?.take(bound).read_to_end(&mut body)?;
    if body.len() > most {
        let problem = format!("it is over {most} bytes long");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    Ok(body)
}

/// The text in a file.
///
/// # Errors
/// When it can't be read, is no regular file, has more than `most` bytes or is no UTF-8.
pub(crate) fn read_to_string(path: &Path, most: usize) -> io::Result<String> {
    String::from_utf8(read(path, most)?)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn only_regular_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        for path in [&*pipe, Path::new("/dev/zero"), folder.path()] {
            let error = read(path, 10).unwrap_err().to_string();
            assert!(error.contains("no regular file"), "{error}");
        }
        let file = folder.path().join("file");
        fs::write(&file, "1234567890").unwrap();
        assert_eq!(read_to_string(&file, 10).unwrap(), "1234567890");
        let error = read(&file, 9).unwrap_err().to_string();
        assert!(error.contains("over 9 bytes"), "{error}");
    }
}
