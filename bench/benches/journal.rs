//! What it costs to bring a decision to the journal, beside the bare write of as many bytes: alone, and sixteen at once.

use std::{
    fs::File,
    io::{Seek, Write},
    path::Path,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use prost::Message;
use tfps_server::journal::{DecisionRecord, Entry, Journal, JournalLimits, Position, Record};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Records that are written together, as a journal with a writer of its own would.
const GROUP: u64 = 16;
/// How far a file grows before it is cut: what is measured is writing, not filling the disk.
const LONGEST: u64 = 64 << 20;
/// Length and checksum, before each record.
const HEADER: usize = 8;

fn journal(criterion: &mut Criterion) {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .expect("there is a directory for temporary files");
    let limits = JournalLimits {
        segment_bytes: LONGEST,
        max_bytes: u64::MAX,
    };
    let journal = Journal::open(&dir.path().join("journal"), limits, Position::default())
        .expect("the journal opens");
    let record = record();
    let bytes = vec![b'x'; record.encoded_len() + HEADER];
    let group_bytes = bytes.repeat(usize::try_from(GROUP).unwrap_or(1));
    let mut file = Bare::create(&dir.path().join("bare"));

    let mut group = criterion.benchmark_group("journal");
    group.bench_function("append", |bencher| {
        bencher.iter_custom(|appends| {
            let mut took = Duration::ZERO;
            let mut left = appends;
            while left > 0 {
                let some = left.min(100_000);
                let started = Instant::now();
                for _ in 0..some {
                    journal.append(&record).expect("the disk takes it");
                }
                took += started.elapsed();
                left -= some;
                journal
                    .remove_before(journal.end())
                    .expect("old files can go");
            }
            took
        });
    });
    group.bench_function("bare write", |bencher| {
        bencher.iter(|| file.write(&bytes));
    });
    group.bench_function("bare write of sixteen, each", |bencher| {
        bencher.iter_custom(|records| {
            let writes = records.div_ceil(GROUP);
            let started = Instant::now();
            for _ in 0..writes {
                file.write(&group_bytes);
            }
            let each = started.elapsed().as_secs_f64() / (writes * GROUP) as f64;
            Duration::from_secs_f64(each * records as f64)
        });
    });
    group.bench_function("encode", |bencher| {
        let mut buffer = Vec::with_capacity(1_024);
        bencher.iter(|| {
            buffer.clear();
            record.encode(&mut buffer).expect("a Vec has room");
        });
    });
    group.finish();
}

/// A file that is appended to without more ado.
struct Bare {
    file: File,
    end: u64,
}

impl Bare {
    fn create(path: &Path) -> Self {
        Self {
            file: File::create(path).expect("a file can be made"),
            end: 0,
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.end > LONGEST {
            self.file
                .rewind()
                .and_then(|()| self.file.set_len(0))
                .expect("a file can be cut");
            self.end = 0;
        }
        self.file.write_all(bytes).expect("the disk takes it");
        self.end += bytes.len() as u64;
    }
}

/// An allowed call, as the server records it.
fn record() -> Record {
    Record {
        entry: Some(Entry::Decision(DecisionRecord {
            id: "019ab2c3d4e5000000010abc".into(),
            decided_at: 1_780_930_800_123,
            username: "00012345xyz".into(),
            domain: "pbx0123.example.net".into(),
            dialed_number: "011442079460123".into(),
            e164: "442079460123".into(),
            caller_number: "12125550123".into(),
            source_ip: "23.45.67.89".into(),
            user_agent: "Yealink SIP-T46S 66.85.0.5".into(),
            concurrent_calls: Some(1),
            call_id: "a84b4c76e66710c4@23.45.67.89".into(),
            trunk: "carrier-1".into(),
            verdict: 1,
            code: "A00".into(),
            reason: "authorized".into(),
            destination_country: "GB".into(),
            source_country: "US".into(),
            number_kind: 1,
            day: 20_260_608,
            policy: "default".into(),
            concurrent: 1,
            concurrent_limit: 5,
            calls_today: 7,
            daily_quota: 99,
            counted: true,
            latency_us: 4,
            ..DecisionRecord::default()
        })),
    }
}

criterion_group!(benches, journal);
criterion_main!(benches);
