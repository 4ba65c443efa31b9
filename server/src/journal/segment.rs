//! One file of the journal: records framed by their length and checksum.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use prost::{EncodeError, Message};

use super::{Position, Record, pages::Pages};

/// Length and checksum, four bytes each, little-endian.
const HEADER: usize = 8;
/// No record is longer, in bytes: what claims to be is garbage.
const LONGEST: u32 = 1 << 20;

/// The path of a file.
pub(super) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:012}.journal"))
}

/// The numbers of the files that are there, in order.
pub(super) fn segments(dir: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number: Option<u64> = name
            .to_str()
            .and_then(|name| name.strip_suffix(".journal"))
            .and_then(|name| name.parse().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Frames a payload at the end of a buffer.
pub(super) fn frame(
    buffer: &mut Vec<u8>,
    payload: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; HEADER]);
    payload(buffer).expect("a Vec has room for every record");
    let written = &buffer[start + HEADER..];
    let length = u32::try_from(written.len()).unwrap_or(u32::MAX);
    let checksum = crc32fast::hash(written);
    buffer[start..start + 4].copy_from_slice(&length.to_le_bytes());
    buffer[start + 4..start + HEADER].copy_from_slice(&checksum.to_le_bytes());
}

/// The file that is appended to.
#[derive(Debug)]
pub(super) struct Segment {
    number: u64,
    pages: Pages,
    end: u64,
}

impl Segment {
    /// Opens a file, which is made, cuts away what is no whole record at its end, and makes room for `room` bytes in
    /// all.
    pub(super) fn open(dir: &Path, number: u64, room: u64) -> io::Result<Self> {
        let path = path(dir, number);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?;
        let start = Position {
            segment: number,
            offset: 0,
        };
        let end = read(dir, start, None, usize::MAX, &mut Discard)?;
        if !is_blank_from(&file, end)? {
            tracing::warn!(file = %path.display(), end, "cut away what was not wholly written before a crash");
        }
        file.set_len(end)?;
        Ok(Self {
            number,
            pages: Pages::of(file, end, room)?,
            end,
        })
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Whether so many bytes more fit. A file without any record takes whatever comes.
    pub(super) fn has_room(&self, bytes: usize, limit: u64) -> bool {
        self.end == 0 || self.end + bytes as u64 <= limit
    }

    /// Appends framed records. What was written of them when the disk fails is cut away again.
    pub(super) fn append(&mut self, framed: &[u8]) -> io::Result<()> {
        self.pages.write(self.end, framed)?;
        self.end += framed.len() as u64;
        Ok(())
    }

    /// Another handle of the file, to sync it without holding the writer.
    pub(super) fn handle(&self) -> io::Result<File> {
        self.pages.file().try_clone()
    }
}

impl Drop for Segment {
    /// Gives back the room that was not needed.
    fn drop(&mut self) {
        if let Err(error) = self.pages.file().set_len(self.end) {
            tracing::warn!(%error, segment = self.number, "a journal file could not be cut to its length");
        }
    }
}

/// Whether nothing but zeros follows a place: room that was made and not used.
fn is_blank_from(file: &File, offset: u64) -> io::Result<bool> {
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(offset))?;
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Ok(true);
        }
        if bytes.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        let read = bytes.len();
        reader.consume(read);
    }
}

/// Takes the records that are read.
pub(super) trait Take {
    fn take(&mut self, at: Position, payload: &[u8]);
}

impl Take for Vec<(Position, Record)> {
    fn take(&mut self, at: Position, payload: &[u8]) {
        match Record::decode(payload) {
            Ok(record) => self.push((at, record)),
            Err(error) => {
                tracing::error!(?at, %error, "a journal record does not decode and is passed over");
            }
        }
    }
}

struct Discard;

impl Take for Discard {
    fn take(&mut self, _: Position, _: &[u8]) {}
}

/// Reads up to `limit` whole records from a place on, not beyond `until`, and returns the byte after the last.
pub(super) fn read(
    dir: &Path,
    from: Position,
    until: Option<u64>,
    limit: usize,
    records: &mut impl Take,
) -> io::Result<u64> {
    let mut file = File::open(path(dir, from.segment))?;
    file.seek(SeekFrom::Start(from.offset))?;
    let capacity = if limit == 1 { 1 << 10 } else { 1 << 16 };
    let mut reader = BufReader::with_capacity(capacity, file);
    let mut offset = from.offset;
    let mut payload = Vec::new();
    for _ in 0..limit {
        if until.is_some_and(|until| offset >= until) {
            break;
        }
        let mut header = [0; HEADER];
        if !read_whole(&mut reader, &mut header)? {
            break;
        }
        let [l0, l1, l2, l3, c0, c1, c2, c3] = header;
        let (length, checksum) = (
            u32::from_le_bytes([l0, l1, l2, l3]),
            u32::from_le_bytes([c0, c1, c2, c3]),
        );
        // No record is empty: zeros are room that was made and not used yet.
        if length == 0 || length > LONGEST {
            break;
        }
        payload.resize(length as usize, 0);
        if !read_whole(&mut reader, &mut payload)? || crc32fast::hash(&payload) != checksum {
            break;
        }
        records.take(
            Position {
                segment: from.segment,
                offset,
            },
            &payload,
        );
        offset += HEADER as u64 + u64::from(length);
    }
    Ok(offset)
}

/// Fills a buffer; false where the file ends before.
fn read_whole(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
