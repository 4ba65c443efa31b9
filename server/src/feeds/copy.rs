//! What a source said last, kept on disk: a restart needs nobody else, and a source that fails is stood in for.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// The start of a copy's first line; what was fetched follows as it came.
const HEAD: &str = "#tfps-list ";

/// What is known about what was fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Provenance {
    /// Where it is from.
    pub(super) place: String,
    /// The HTTP entity tag, as the source gave it.
    pub(super) etag: String,
    /// When the source says that it changed, as the source gave it.
    pub(super) last_modified: String,
    /// When it was fetched, in seconds since 1970.
    pub(super) fetched_at: i64,
}

/// The folder of the copies.
#[derive(Clone, Debug)]
pub(super) struct Copies(PathBuf);

impl Copies {
    /// In a folder, which is made with the first copy.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// The copy of a source, where there is one.
    ///
    /// # Errors
    /// When it can't be read, or is none.
    pub(super) fn load(&self, name: &str) -> io::Result<Option<(Provenance, Vec<u8>)>> {
        let mut bytes = match fs::read(self.path(name)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let provenance = end.and_then(|end| {
            let head = bytes[..end].strip_prefix(HEAD.as_bytes())?;
            serde_json::from_slice(head).ok()
        });
        match (provenance, end) {
            (Some(provenance), Some(end)) => {
                bytes.drain(..=end);
                Ok(Some((provenance, bytes)))
            }
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "its first line is not that of a copy",
            )),
        }
    }

    /// Keeps a copy in place of the one before: a crash leaves the one or the other.
    ///
    /// # Errors
    /// When it can't be written.
    pub(super) fn save(&self, name: &str, provenance: &Provenance, body: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.0)?;
        let path = self.path(name);
        let unfinished = path.with_extension("new");
        let mut file = File::create(&unfinished)?;
        writeln!(file, "{HEAD}{}", serde_json::to_string(provenance)?)?;
        file.write_all(body)?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        File::open(&self.0)?.sync_all()
    }

    /// Drops the copies of all other sources.
    ///
    /// # Errors
    /// When the folder can't be read or a copy not be removed.
    pub(super) fn keep_only(&self, names: &[&str]) -> io::Result<()> {
        let folder = match fs::read_dir(&self.0) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for file in folder {
            let path = file?.path();
            let ours = path.extension().is_some_and(|end| end == "list");
            let name = path.file_stem().and_then(|name| name.to_str());
            if ours && name.is_some_and(|name| !names.contains(&name)) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(&self.0).join(format!("{name}.list"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_had_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let copies = Copies::new(folder.path().join("lists"));
        assert_eq!(copies.load("voip").unwrap(), None);
        let provenance = Provenance {
            place: "https://lists.example/voip".to_owned(),
            etag: "W/\"1\"".to_owned(),
            last_modified: String::new(),
            fetched_at: 1_700_000_000,
        };
        copies
            .save("voip", &provenance, b"192.0.2.7\n\xff")
            .unwrap();
        let (told, body) = copies.load("voip").unwrap().unwrap();
        assert_eq!(
            (told, &*body),
            (provenance.clone(), &b"192.0.2.7\n\xff"[..])
        );
        copies.save("voip", &provenance, b"").unwrap();
        assert_eq!(copies.load("voip").unwrap().unwrap().1, b"");
    }

    #[test]
    fn what_is_no_copy_is_told_and_what_nobody_names_goes() {
        let folder = tempfile::tempdir().unwrap();
        let copies = Copies::new(folder.path().to_owned());
        fs::write(folder.path().join("bad.list"), "192.0.2.7\n").unwrap();
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        assert!(copies.load("bad").is_err());
        copies.save("good", &Provenance::default(), b"").unwrap();
        copies.keep_only(&["good"]).unwrap();
        assert!(copies.load("bad").unwrap().is_none());
        assert!(copies.load("good").unwrap().is_some());
        assert!(folder.path().join("notes.txt").exists());
    }
}
