//! A journal file with anything in it: opened, read, appended to.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tfps_server::journal::{CallRecord, Entry, Journal, JournalLimits, Position, Record};

fuzz_target!(|bytes: &[u8]| {
    let dir = tempfile::tempdir().expect("a folder can be made");
    std::fs::write(dir.path().join("000000000001.journal"), bytes).expect("a file can be written");
    let limits = JournalLimits { segment_bytes: 1 << 20, max_bytes: 1 << 30 };
    let journal =
        Journal::open(dir.path(), limits, Position::default()).expect("garbage is cut away");
    let (before, _) = journal.read(Position::default(), usize::MAX).expect("it can be read");
    let call = CallRecord { call_id: "next".to_owned(), ..CallRecord::default() };
    let record = Record { entry: Some(Entry::Call(call)) };
    journal.append(&record).expect("it can be appended to");
    let (after, _) = journal.read(Position::default(), usize::MAX).expect("it can be read");
    assert_eq!(after.len(), before.len() + 1);
    assert_eq!(after.last().map(|(_, record)| record), Some(&record));
});
