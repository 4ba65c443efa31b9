//! `entries import`

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    thread,
};

use clap::Args;
use tfps_client::v1::{EntryAction, EntryKind, ImportEntriesResponse, ImportHeader, ImportLines};
use tokio::sync::mpsc;

use super::{entries::expiry, one, things};
use crate::{
    console::Unit,
    failure::{Doing, Exit, Failure},
    output::{Facts, count},
    reflection::choices,
    session::Session,
    time::Moment,
};

/// How many lines travel in a message, at the most.
const LINES: usize = 5_000;
/// How many bytes of lines travel in a message, so that it stays well below gRPC's 4 MiB.
const BYTES: usize = 512 * 1024;
/// How long a line can be.
const LINE_BYTES: usize = 16 * 1024;

/// `entries import`
#[derive(Debug, Args)]
#[command(
    after_help = "A line is a value; what stands behind a comma is its reason, behind # a comment. \
                        Empty lines are passed over."
)]
pub struct ImportArgs {
    /// What the file lists
    #[arg(long, value_parser = choices::<EntryKind>())]
    kind: EntryKind,
    /// What its entries do
    #[arg(long, value_parser = choices::<EntryAction>())]
    action: EntryAction,
    /// The file; `-` is standard input
    file: PathBuf,
    /// What to call where the entries come from [default: the file's name]
    #[arg(long)]
    source: Option<String>,
    /// Why, for lines that bring no reason
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    /// The domain they hold for; without it, all
    #[arg(long, default_value = "", hide_default_value = true)]
    domain: String,
    /// When they go by themselves: a span as in 7d, or a time
    #[arg(long, value_name = "WHEN")]
    expires: Option<Moment>,
    /// Removes what the source listed before and no longer does
    #[arg(long)]
    replace: bool,
    /// Leaves lines out that are wrong; without it, one refuses the file
    #[arg(long)]
    skip_invalid: bool,
}

/// Sends the file as it is read, so that its size does not matter.
///
/// # Errors
///
/// When the file can't be read or has a line that is wrong: nothing is imported then.
pub async fn run(args: ImportArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let (source, size, name): (Box<dyn io::Read + Send>, _, _) = if args.file == Path::new("-") {
        (Box::new(io::stdin()), None, "standard input".to_owned())
    } else {
        let name = args.file.display().to_string();
        let file = File::open(&args.file)
            .map_err(|error| Failure::usage(format!("cannot read {name}: {error}")))?;
        let size = file.metadata().ok().map(|metadata| metadata.len());
        (Box::new(file), size, name)
    };
    let header = ImportHeader {
        kind: args.kind.into(),
        action: args.action.into(),
        domain: args.domain,
        reason: args.reason,
        source: source_name(args.source, &args.file)?,
        expires_at: expiry(args.expires, session)?,
        replace: args.replace,
        skip_invalid: args.skip_invalid,
    };
    let bar = session.console.progress(size, Unit::Bytes);
    let mut import = session.client.import_entries(header);
    let mut chunks = read_along(source, args.skip_invalid);
    while let Some(chunk) = chunks.recv().await {
        let Chunk { lines, bytes } = chunk.map_err(|why| {
            bar.finish_and_clear();
            Failure::usage(format!("cannot import {name}: {why}; nothing was imported"))
        })?;
        if !import.send(lines).await {
            break;
        }
        bar.inc(bytes);
    }
    let answer = import.finish().await;
    bar.finish_and_clear();
    let answer = answer
        .doing(format!("cannot import {name}"))
        .map_err(|failure| {
            if failure.exit == Exit::Usage {
                failure.hint("--skip-invalid leaves wrong lines out")
            } else {
                failure
            }
        })?;
    session.console.say(&format!("imported {name}"));
    for rejected in &answer.rejected {
        session.console.warn(&format!(
            "line {} left out: {}: {}",
            rejected.line, rejected.value, rejected.why
        ));
    }
    let untold = answer
        .rejected_count
        .saturating_sub(answer.rejected.len() as u64);
    if untold > 0 {
        session.console.warn(&format!(
            "{} more left out",
            things(untold, "line", "lines")
        ));
    }
    one(&answer, &facts(&answer), session.console)
}

fn source_name(given: Option<String>, file: &Path) -> Result<String, Failure> {
    let file_name = || {
        file.file_name()
            .filter(|name| *name != "-")
            .map(|name| name.to_string_lossy().into_owned())
    };
    given.or_else(file_name).ok_or_else(|| {
        Failure::usage(
            "standard input has no name: --source says what to call where the entries come from",
        )
    })
}

fn facts(answer: &ImportEntriesResponse) -> Facts {
    let mut facts = Facts::default();
    facts
        .add("created", count(answer.created))
        .add("replaced", count(answer.replaced));
    for (name, number) in [
        ("removed", answer.deleted),
        ("stood twice", answer.duplicates),
        ("left out", answer.rejected_count),
    ] {
        if number > 0 {
            facts.add(name, count(number));
        }
    }
    facts
}

/// Some lines, and how many bytes of the file they are.
struct Chunk {
    lines: ImportLines,
    bytes: u64,
}

/// Reads in a thread of its own, a few chunks ahead of what was sent.
fn read_along(
    source: Box<dyn io::Read + Send>,
    skip_invalid: bool,
) -> mpsc::Receiver<Result<Chunk, String>> {
    let (sender, receiver) = mpsc::channel(2);
    thread::spawn(move || {
        let mut chunks = Chunks {
            source: BufReader::new(source),
            next_line: 1,
            skip_invalid,
        };
        while let Some(chunk) = chunks.next().transpose() {
            let last = chunk.is_err();
            if sender.blocking_send(chunk).is_err() || last {
                return;
            }
        }
    });
    receiver
}

struct Chunks<R> {
    source: BufReader<R>,
    next_line: u64,
    skip_invalid: bool,
}

impl<R: io::Read> Chunks<R> {
    fn next(&mut self) -> Result<Option<Chunk>, String> {
        let mut lines = ImportLines {
            first_line: self.next_line,
            lines: Vec::new(),
        };
        let mut bytes = 0;
        while lines.lines.len() < LINES && bytes < BYTES {
            let mut line = Vec::new();
            let limit = LINE_BYTES as u64 + 1;
            let length = io::Read::take(&mut self.source, limit)
                .read_until(b'\n', &mut line)
                .map_err(|error| format!("line {} cannot be read: {error}", self.next_line))?;
            if length == 0 {
                break;
            }
            if length > LINE_BYTES {
                return Err(format!(
                    "line {} is longer than {LINE_BYTES} bytes",
                    self.next_line
                ));
            }
            lines.lines.push(self.text(line)?);
            bytes += length;
            self.next_line += 1;
        }
        Ok((!lines.lines.is_empty()).then_some(Chunk {
            lines,
            bytes: bytes as u64,
        }))
    }

    /// A line without its end. One that is not UTF-8 is wrong; the server sees why when wrong lines are left out.
    fn text(&self, line: Vec<u8>) -> Result<String, String> {
        let text = match String::from_utf8(line) {
            Ok(text) => text,
            Err(error) if self.skip_invalid => {
                String::from_utf8_lossy(error.as_bytes()).into_owned()
            }
            Err(_) => return Err(format!("line {} is not UTF-8", self.next_line)),
        };
        Ok(text.trim_end_matches(['\n', '\r']).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(bytes: &[u8]) -> Chunks<&[u8]> {
        Chunks {
            source: BufReader::new(bytes),
            next_line: 1,
            skip_invalid: false,
        }
    }

    #[test]
    fn lines_are_numbered_across_chunks() {
        let text = "198.51.100.0/24,scanner\r\n".repeat(LINES + 3);
        let mut chunks = chunks(text.as_bytes());
        let first = chunks.next().unwrap().unwrap();
        assert_eq!(
            (first.lines.first_line, first.lines.lines.len()),
            (1, LINES)
        );
        assert_eq!(first.lines.lines[0], "198.51.100.0/24,scanner");
        let second = chunks.next().unwrap().unwrap();
        assert_eq!(
            (second.lines.first_line, second.lines.lines.len()),
            (LINES as u64 + 1, 3)
        );
        assert_eq!(first.bytes + second.bytes, text.len() as u64);
        assert!(chunks.next().unwrap().is_none());
    }

    #[test]
    fn what_is_no_text_is_told_by_its_line() {
        assert_eq!(
            chunks(b"1\n\xff\n").next().err().unwrap(),
            "line 2 is not UTF-8"
        );
        let mut lenient = chunks(b"1\n\xff\n");
        lenient.skip_invalid = true;
        assert_eq!(
            lenient.next().unwrap().unwrap().lines.lines,
            ["1", "\u{fffd}"]
        );
        let endless = vec![b'1'; LINE_BYTES + 1];
        assert!(
            chunks(&endless)
                .next()
                .err()
                .unwrap()
                .starts_with("line 1 is longer than")
        );
    }

    #[test]
    fn a_chunk_fits_into_a_message() {
        let text = format!("{}\n", "1".repeat(LINE_BYTES - 1)).repeat(100);
        let first = chunks(text.as_bytes()).next().unwrap().unwrap();
        assert!(first.bytes <= (BYTES + LINE_BYTES) as u64);
    }
}
