//! How the bytes of a journal file get to the operating system.

use std::{
    fs::File,
    io::{self, Seek, SeekFrom, Write},
};

use memmap2::{Advice, MmapMut, MmapOptions};
use rustix::{
    fs::{FallocateFlags, fallocate, fstatfs},
    param,
};

/// File systems on which room that was made is there for good, by their magic numbers (statfs(2)): ext2 to ext4, XFS,
/// btrfs, tmpfs. A page that is written to there never meets a full disk.
const KEEP_THEIR_WORD: [u64; 4] = [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994];

/// How much of a file is mapped at once, in bytes: what has been written through a window that is gone costs the next
/// sync nothing but the writing.
const WINDOW: usize = 256 << 10;

/// A file that is written to.
///
/// Where room can be made beforehand it is mapped, and a record costs a copy instead of a system call; what is copied
/// belongs to the operating system as what is written does, and outlives the process. Elsewhere it is written.
#[derive(Debug)]
pub(super) struct Pages {
    file: File,
    window: Option<Window>,
    /// How far it can be mapped; 0: not at all.
    room: u64,
}

/// The part of a file that is mapped.
#[derive(Debug)]
struct Window {
    start: u64,
    map: MmapMut,
}

impl Pages {
    /// For a file of `end` bytes, which will grow to `room` and little more.
    pub(super) fn of(file: File, end: u64, room: u64) -> io::Result<Self> {
        let room = room.max(end);
        let made = make_room(&file, room).is_some();
        if !made {
            file.set_len(end)?;
        }
        Ok(Self {
            file,
            window: None,
            room: if made { room } else { 0 },
        })
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Writes at a place, which is the end; what was written of it when the disk fails is cut away again.
    pub(super) fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        if let Some(place) = self.place(at, bytes.len()) {
            place.copy_from_slice(bytes);
            return Ok(());
        }
        let written = self
            .file
            .seek(SeekFrom::Start(at))
            .and_then(|_| self.file.write_all(bytes));
        if written.is_err() {
            self.file.set_len(at)?;
        }
        written
    }

    /// Where to copy so many bytes to; `None` where they must be written.
    fn place(&mut self, at: u64, length: usize) -> Option<&mut [u8]> {
        if at + length as u64 > self.room || length > WINDOW / 2 {
            return None;
        }
        if !self
            .window
            .as_ref()
            .is_some_and(|window| window.covers(at, length))
        {
            self.window = Window::open(&self.file, at, self.room);
        }
        let window = self.window.as_mut()?;
        let start = usize::try_from(at - window.start).ok()?;
        window.map.get_mut(start..start + length)
    }
}

impl Window {
    /// The window that starts with the page of a place.
    fn open(file: &File, at: u64, room: u64) -> Option<Self> {
        let start = at - at % param::page_size() as u64;
        let length = usize::try_from(room - start).map_or(WINDOW, |rest| rest.min(WINDOW));
        let map = map(file, start, length)?;
        // One call instead of a page fault a page; an old kernel does not know it and faults.
        let _ = map.advise(Advice::PopulateWrite);
        Some(Self { start, map })
    }

    fn covers(&self, at: u64, length: usize) -> bool {
        at >= self.start && at + length as u64 <= self.start + self.map.len() as u64
    }
}

/// Makes room that is there for good; `None` where the file system does not, or has not so much.
fn make_room(file: &File, room: u64) -> Option<()> {
    let kind = u64::try_from(fstatfs(file).ok()?.f_type).ok()?;
    if !KEEP_THEIR_WORD.contains(&kind) {
        return None;
    }
    fallocate(file, FallocateFlags::empty(), 0, room).ok()
}

/// Maps a part of a file.
#[allow(
    unsafe_code,
    reason = "there is no safe way to map a file. The folder is this process's alone by its lock, no file of it is cut \
              while it is written to, and its room is there for good: no access can fail"
)]
fn map(file: &File, start: u64, length: usize) -> Option<MmapMut> {
    unsafe { MmapOptions::new().offset(start).len(length).map_mut(file) }.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_in_the_file_at_once_however_it_gets_there() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name| {
            std::fs::OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .open(dir.path().join(name))
                .unwrap()
        };
        for (name, room) in [("mapped", 3 * WINDOW as u64), ("written", 0)] {
            let file = file(name);
            file.set_len(room).unwrap();
            let mut pages = Pages {
                file,
                window: None,
                room,
            };
            let mut written = Vec::new();
            for number in 0_u32..5_000 {
                let record = number.to_le_bytes().repeat(1 + number as usize % 100);
                pages.write(written.len() as u64, &record).unwrap();
                assert_eq!(pages.window.is_some(), room > 0, "{name}, {number}");
                written.extend(record);
            }
            assert!(written.len() > 3 * WINDOW, "some lies beyond the room");
            let read = std::fs::read(dir.path().join(name)).unwrap();
            assert!(read == written, "{name}");
        }
    }
}
