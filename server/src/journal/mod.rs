//! The journal: every decision that is answered is written to it first.
//!
//! Files of records, appended to and never changed. A record is in the hands of the operating system before its
//! decision is answered, so that a killed process loses none; it is synced to the disk in groups, so that a power
//! failure costs at most `sync_ms`. A task ships it to the database in batches; a file whose records have all been
//! shipped goes.

mod pages;
mod record;
mod segment;
mod shipper;

pub use record::{
    CallRecord, DecisionRecord, Entry, Progress, Record, ResetRecord, RiskSignalRecord,
};
pub use shipper::{Shipper, ShipperHandle};

use std::{
    cell::RefCell,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use parking_lot::Mutex;
use prost::{EncodeError, Message};

use segment::{Segment, segments};

/// A place in the journal: before the record that starts there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The number of the file.
    pub segment: u64,
    /// The byte in it.
    pub offset: u64,
}

/// What went wrong with the journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk does not do what it should.
    #[error("the journal {path} fails: {error}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It has grown to its limit.
    #[error("the journal has grown to its limit of {0} bytes, since the database does not take it")]
    Full(u64),
}

/// How the journal behaves.
#[derive(Clone, Copy, Debug)]
pub struct JournalLimits {
    /// The size of a file, in bytes.
    pub segment_bytes: u64,
    /// The size of all, in bytes.
    pub max_bytes: u64,
}

thread_local! {
    /// Where a record is framed, so that the writer is held for a copy only.
    static FRAME: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(1_024));
}

/// The journal.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    segment_bytes: u64,
    max_bytes: AtomicU64,
    writer: Mutex<Segment>,
    /// Files that are full and not yet synced.
    full: Mutex<Vec<File>>,
    /// Bytes on disk.
    bytes: AtomicU64,
    /// Records that were appended since the start.
    appended: AtomicU64,
    /// Records that are not yet in the database.
    pending: AtomicU64,
    /// Records that could not be appended.
    lost: AtomicU64,
    dirty: AtomicBool,
    error: Mutex<Option<String>>,
}

impl Journal {
    /// Opens the journal in a folder, which is made. A record that was cut off by a crash was never answered and is
    /// cut away. What is appended comes after what has been shipped, even where the files of that are gone.
    ///
    /// # Errors
    /// When the disk does not do what it should.
    pub fn open(
        dir: &Path,
        limits: JournalLimits,
        shipped: Position,
    ) -> Result<Self, JournalError> {
        let failed = |error| JournalError::Io {
            path: dir.to_owned(),
            error,
        };
        fs::create_dir_all(dir).map_err(failed)?;
        let numbers = segments(dir).map_err(failed)?;
        let number = numbers.last().copied().unwrap_or(1).max(shipped.segment);
        let room = limits.segment_bytes;
        let mut segment = Segment::open(dir, number, room).map_err(failed)?;
        if number == shipped.segment && segment.end() < shipped.offset {
            segment = Segment::open(dir, number + 1, room).map_err(failed)?;
        }
        let mut bytes = segment.end();
        for number in numbers {
            if number != segment.number() {
                bytes += fs::metadata(segment::path(dir, number))
                    .map_err(failed)?
                    .len();
            }
        }
        Ok(Self {
            dir: dir.to_owned(),
            segment_bytes: limits.segment_bytes,
            max_bytes: AtomicU64::new(limits.max_bytes),
            writer: Mutex::new(segment),
            full: Mutex::new(Vec::new()),
            bytes: AtomicU64::new(bytes),
            appended: AtomicU64::new(0),
            pending: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            dirty: AtomicBool::new(false),
            error: Mutex::new(None),
        })
    }

    /// Appends a record; when this returns, a killed process no longer loses it. Its place is returned.
    ///
    /// # Errors
    /// When the disk does not do what it should, or the journal is full: counted as lost.
    pub fn append(&self, record: &Record) -> Result<Position, JournalError> {
        self.counted(self.try_append(|payload| record.encode(payload)))
    }

    /// Appends a decision, as [`Self::append`] does its [`Record`].
    ///
    /// # Errors
    /// As of [`Self::append`].
    pub fn append_decision(&self, decision: &DecisionRecord) -> Result<Position, JournalError> {
        self.counted(self.try_append(|payload| {
            payload.push(record::DECISION_KEY);
            decision.encode_length_delimited(payload)
        }))
    }

    fn counted(&self, result: Result<Position, JournalError>) -> Result<Position, JournalError> {
        match &result {
            Ok(_) => {
                self.appended.fetch_add(1, Ordering::Relaxed);
                self.pending.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
                *self.error.lock() = Some(error.to_string());
            }
        }
        result
    }

    fn try_append(
        &self,
        payload: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
    ) -> Result<Position, JournalError> {
        let max_bytes = self.max_bytes.load(Ordering::Relaxed);
        if self.bytes.load(Ordering::Relaxed) >= max_bytes {
            return Err(JournalError::Full(max_bytes));
        }
        let failed = |error| JournalError::Io {
            path: self.dir.clone(),
            error,
        };
        FRAME.with_borrow_mut(|frame| {
            frame.clear();
            segment::frame(frame, payload);
            let mut segment = self.writer.lock();
            if !segment.has_room(frame.len(), self.segment_bytes) {
                let next = Segment::open(&self.dir, segment.number() + 1, self.segment_bytes)
                    .map_err(failed)?;
                self.full.lock().push(segment.handle().map_err(failed)?);
                *segment = next;
            }
            let position = Position {
                segment: segment.number(),
                offset: segment.end(),
            };
            segment.append(frame).map_err(failed)?;
            drop(segment);
            self.bytes.fetch_add(frame.len() as u64, Ordering::Relaxed);
            if !self.dirty.load(Ordering::Relaxed) {
                self.dirty.store(true, Ordering::Release);
            }
            Ok(position)
        })
    }

    /// Brings what was appended to the disk.
    ///
    /// # Errors
    /// When the disk does not do what it should.
    pub fn sync(&self) -> Result<(), JournalError> {
        if !self.dirty.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let file = self.writer.lock().handle();
        let full = std::mem::take(&mut *self.full.lock());
        let synced = file
            .and_then(|file| {
                full.iter().try_for_each(File::sync_data)?;
                file.sync_data()
            })
            .map_err(|error| JournalError::Io {
                path: self.dir.clone(),
                error,
            });
        if let Err(error) = &synced {
            self.dirty.store(true, Ordering::Release);
            self.full.lock().extend(full);
            *self.error.lock() = Some(error.to_string());
        } else {
            *self.error.lock() = None;
        }
        synced
    }

    /// The place after the last record.
    pub fn end(&self) -> Position {
        let segment = self.writer.lock();
        Position {
            segment: segment.number(),
            offset: segment.end(),
        }
    }

    /// Up to `limit` records from a place on, each with its place, and the place after them.
    ///
    /// # Errors
    /// When the disk does not do what it should.
    pub fn read(
        &self,
        from: Position,
        limit: usize,
    ) -> Result<(Vec<(Position, Record)>, Position), JournalError> {
        let failed = |error| JournalError::Io {
            path: self.dir.clone(),
            error,
        };
        let end = self.end();
        let mut records = Vec::new();
        let mut position = from;
        for number in segments(&self.dir).map_err(failed)? {
            if number < position.segment || number > end.segment {
                continue;
            }
            if number > position.segment {
                position = Position {
                    segment: number,
                    offset: 0,
                };
            }
            let until = if number == end.segment {
                Some(end.offset)
            } else {
                None
            };
            position.offset = segment::read(
                &self.dir,
                position,
                until,
                limit - records.len(),
                &mut records,
            )
            .map_err(failed)?;
            if records.len() >= limit {
                break;
            }
        }
        Ok((records, position))
    }

    /// The record at a place, if its file is still there.
    pub fn read_one(&self, at: Position) -> Option<Record> {
        let mut records = Vec::new();
        segment::read(&self.dir, at, None, 1, &mut records).ok()?;
        records.pop().map(|(_, record)| record)
    }

    /// Removes the files that end before a place, but for the last of them: a repeated Call-ID may still ask for it.
    ///
    /// # Errors
    /// When the disk does not do what it should.
    pub fn remove_before(&self, position: Position) -> Result<(), JournalError> {
        let failed = |error| JournalError::Io {
            path: self.dir.clone(),
            error,
        };
        for number in segments(&self.dir).map_err(failed)? {
            if number + 1 >= position.segment {
                break;
            }
            let path = segment::path(&self.dir, number);
            let bytes = fs::metadata(&path).map_err(failed)?.len();
            fs::remove_file(&path).map_err(failed)?;
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        Ok(())
    }

    /// How large it may grow from now on, in bytes.
    pub fn set_max_bytes(&self, bytes: u64) {
        self.max_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Records that were appended since the start.
    pub fn appended(&self) -> u64 {
        self.appended.load(Ordering::Relaxed)
    }

    /// Records that are not yet in the database.
    pub fn pending(&self) -> u64 {
        self.pending.load(Ordering::Relaxed)
    }

    /// Counts records that were found at the start and are not yet in the database.
    pub fn found_pending(&self, records: u64) {
        self.pending.fetch_add(records, Ordering::Relaxed);
    }

    fn shipped(&self, records: u64) {
        self.pending
            .fetch_sub(records.min(self.pending()), Ordering::Relaxed);
    }

    /// Records that could not be appended since the start.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// The last error, until a sync goes well.
    pub fn error(&self) -> Option<String> {
        self.error.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn record(call_id: &str) -> Record {
        Record {
            entry: Some(Entry::Call(CallRecord {
                call_id: call_id.to_owned(),
                ..CallRecord::default()
            })),
        }
    }

    fn call_ids(journal: &Journal, from: Position) -> Vec<String> {
        let (records, _) = journal.read(from, usize::MAX).unwrap();
        records
            .into_iter()
            .map(|(_, record)| match record.entry {
                Some(Entry::Call(call)) => call.call_id,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    const LIMITS: JournalLimits = JournalLimits {
        segment_bytes: 200,
        max_bytes: 10_000,
    };

    #[test]
    fn what_was_appended_is_read_again_over_files_and_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let ids: Vec<String> = (0..100).map(|id| format!("call-{id}")).collect();
        for chunk in ids.chunks(30) {
            let journal = Journal::open(dir.path(), LIMITS, Position::default()).unwrap();
            for id in chunk {
                let position = journal.append(&record(id)).unwrap();
                assert_eq!(journal.read_one(position), Some(record(id)));
            }
        }
        let journal = Journal::open(dir.path(), LIMITS, Position::default()).unwrap();
        assert!(journal.end().segment > 3);
        assert_eq!(call_ids(&journal, Position::default()), ids);
        let (first, position) = journal.read(Position::default(), 42).unwrap();
        assert_eq!(first.len(), 42);
        assert_eq!(call_ids(&journal, position), ids[42..]);
    }

    #[test]
    fn a_record_that_was_cut_off_is_cut_away_and_the_next_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path(), LIMITS, Position::default()).unwrap();
        journal.append(&record("whole")).unwrap();
        let end = journal.end();
        journal.append(&record("cut off")).unwrap();
        drop(journal);
        let file = fs::OpenOptions::new()
            .write(true)
            .open(segment::path(dir.path(), end.segment))
            .unwrap();
        file.set_len(end.offset + 11).unwrap();
        let journal = Journal::open(dir.path(), LIMITS, Position::default()).unwrap();
        assert_eq!(journal.end(), end);
        journal.append(&record("next")).unwrap();
        assert_eq!(call_ids(&journal, Position::default()), ["whole", "next"]);
    }

    #[test]
    fn garbage_at_the_end_is_no_record() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path(), LIMITS, Position::default()).unwrap();
        journal.append(&record("whole")).unwrap();
        let end = journal.end();
        drop(journal);
        let mut file = fs::OpenOptions::new()
            .append(true)
            .open(segment::path(dir.path(), end.segment))
            .unwrap();
        file.write_all(&[7; 64]).unwrap();
        let journal = Journal::open(dir.path(), LIMITS, Position::default()).unwrap();
        assert_eq!(call_ids(&journal, Position::default()), ["whole"]);
        assert_eq!(journal.end(), end);
    }

    #[test]
    fn what_is_appended_comes_after_what_was_shipped_even_where_its_files_are_gone() {
        let dir = tempfile::tempdir().unwrap();
        let shipped = Position {
            segment: 7,
            offset: 1_000,
        };
        let journal = Journal::open(dir.path(), LIMITS, shipped).unwrap();
        journal.append(&record("after")).unwrap();
        assert_eq!(call_ids(&journal, shipped), ["after"]);
    }

    #[test]
    fn a_full_journal_says_so_and_what_was_shipped_makes_room() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(
            dir.path(),
            JournalLimits {
                segment_bytes: 200,
                max_bytes: 2_000,
            },
            Position::default(),
        )
        .unwrap();
        while journal.append(&record("fill")).is_ok() {}
        assert!(matches!(
            journal.append(&record("over")),
            Err(JournalError::Full(2_000))
        ));
        assert_eq!(journal.lost(), 2);
        assert!(journal.error().is_some_and(|error| error.contains("limit")));
        journal.remove_before(journal.end()).unwrap();
        assert!(journal.append(&record("room")).is_ok());
    }
}
