//! What went over the wire: when each INVITE was sent, and when its first final answer was.

use std::{
    collections::HashMap,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};

/// pcap's magic number where stamps are in microseconds, in this machine's own order of bytes.
const MAGIC: u32 = 0xa1b2_c3d4;
/// Before the packets, and before each of them.
const FILE_HEADER: usize = 24;
const PACKET_HEADER: usize = 16;
/// Ethernet, IPv4 without options, UDP: as loopback has it.
const BEFORE_SIP: usize = 14 + 20 + 8;
/// How much of a packet is kept: the Call-ID is in there.
const KEPT: &str = "700";

/// A tcpdump that runs.
pub(super) struct Capture {
    tcpdump: Child,
}

impl Capture {
    /// Begins to capture what goes to and from a UDP port of this machine.
    pub(super) fn start(mut tcpdump: Command, port: u16, file: &Path) -> anyhow::Result<Self> {
        let log = file.with_extension("log");
        // Without -Z it would want to become a user that the machine need not have.
        let tcpdump = tcpdump
            .args(["-i", "lo", "-s", KEPT, "-B", "65536", "-Z", "root", "-w"])
            .arg(file)
            .args(["udp", "port", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log)?)
            .spawn()
            .context("tcpdump does not start")?;
        let mut capture = Self { tcpdump };
        let started = Instant::now();
        loop {
            let said = fs::read_to_string(&log)?;
            if said.contains("listening on") {
                return Ok(capture);
            }
            if capture.tcpdump.try_wait()?.is_some() {
                bail!("tcpdump can't capture (it needs root or CAP_NET_RAW): {said}");
            }
            ensure!(
                started.elapsed() < Duration::from_secs(10),
                "tcpdump does not begin: {said}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it, and what it has in hand is in the file.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        // It is handed packets once a second, and what it has not been handed is lost.
        std::thread::sleep(Duration::from_millis(1_500));
        let told = Command::new("kill")
            .args(["-s", "INT", &self.tcpdump.id().to_string()])
            .status()?;
        ensure!(told.success(), "tcpdump was not told to end");
        self.tcpdump.wait()?;
        Ok(())
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // One that has ended is only waited for.
        let _ = self.tcpdump.kill();
        let _ = self.tcpdump.wait();
    }
}

/// What a capture shows.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Calls {
    /// INVITEs, without those that were sent again.
    pub(super) invites: usize,
    /// INVITEs that were sent again.
    pub(super) again: usize,
    /// From the first INVITE to the last, in seconds.
    pub(super) seconds: f64,
    /// From an INVITE to its first final answer, in milliseconds, sorted.
    pub(super) answered_ms: Vec<f64>,
}

/// Reads a capture.
pub(super) fn read(file: &Path) -> anyhow::Result<Calls> {
    let bytes = fs::read(file).with_context(|| format!("{} is missing", file.display()))?;
    calls(&bytes).with_context(|| format!("{} is no capture that is known", file.display()))
}

fn calls(file: &[u8]) -> Option<Calls> {
    let number = |bytes: &[u8], at: usize| -> Option<u32> {
        Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
    };
    if number(file, 0)? != MAGIC {
        return None;
    }
    let mut calls = Calls::default();
    let mut asked = HashMap::new();
    let mut span: Option<(f64, f64)> = None;
    let mut rest = file.get(FILE_HEADER..)?;
    while rest.len() >= PACKET_HEADER {
        let at = f64::from(number(rest, 0)?) + f64::from(number(rest, 4)?) / 1e6;
        let end = PACKET_HEADER + number(rest, 8)? as usize;
        let sip = rest
            .get(PACKET_HEADER + BEFORE_SIP..end)
            .unwrap_or_default();
        rest = rest.get(end..)?;
        let is_invite = sip.starts_with(b"INVITE ");
        let is_final =
            sip.starts_with(b"SIP/2.0 ") && sip.get(8).is_some_and(|digit| *digit > b'1');
        if !is_invite && !is_final {
            continue;
        }
        let Some(id) = call_id(sip) else { continue };
        if is_final {
            // A final answer that is sent again finds nothing.
            if let Some(Some(sent)) = asked.get_mut(id).map(Option::<f64>::take) {
                calls.answered_ms.push((at - sent) * 1e3);
            }
        } else if asked.contains_key(id) {
            calls.again += 1;
        } else {
            asked.insert(id, Some(at));
            calls.invites += 1;
            span = Some(span.map_or((at, at), |(first, _)| (first, at)));
        }
    }
    calls.seconds = span.map_or(0.0, |(first, last)| last - first);
    calls.answered_ms.sort_by(f64::total_cmp);
    Some(calls)
}

fn call_id(sip: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"\r\nCall-ID: ";
    let start = sip.windows(NAME.len()).position(|part| part == NAME)? + NAME.len();
    let length = sip[start..].iter().position(|byte| *byte == b'\r')?;
    Some(&sip[start..start + length])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(file: &mut Vec<u8>, millisecond: u32, sip: &str) {
        let length = u32::try_from(BEFORE_SIP + sip.len()).unwrap();
        for number in [1_700_000_000, millisecond * 1_000, length, length] {
            file.extend(number.to_ne_bytes());
        }
        file.extend([0; BEFORE_SIP]);
        file.extend(sip.as_bytes());
    }

    #[test]
    fn a_call_takes_from_its_first_invite_to_its_first_final_answer() {
        let mut file = MAGIC.to_ne_bytes().to_vec();
        file.resize(FILE_HEADER, 0);
        for (at, sip) in [
            (0, "INVITE sip:1@a SIP/2.0\r\nCall-ID: one\r\n\r\n"),
            (1, "SIP/2.0 100 Trying\r\nCall-ID: one\r\n\r\n"),
            (2, "INVITE sip:1@a SIP/2.0\r\nCall-ID: one\r\n\r\n"),
            (5, "SIP/2.0 503 Service Unavailable\r\nCall-ID: one\r\n\r\n"),
            (6, "SIP/2.0 503 Service Unavailable\r\nCall-ID: one\r\n\r\n"),
            (7, "ACK sip:1@a SIP/2.0\r\nCall-ID: one\r\n\r\n"),
            (10, "INVITE sip:1@a SIP/2.0\r\nCall-ID: two\r\n\r\n"),
            (12, "SIP/2.0 603 Decline\r\nCall-ID: two\r\n\r\n"),
            (500, "INVITE sip:1@a SIP/2.0\r\nCall-ID: lost\r\n\r\n"),
        ] {
            packet(&mut file, at, sip);
        }
        let calls = calls(&file).unwrap();
        assert_eq!((calls.invites, calls.again), (3, 1));
        assert!((calls.seconds - 0.5).abs() < 1e-6);
        let rounded: Vec<_> = calls.answered_ms.iter().map(|ms| ms.round()).collect();
        assert_eq!(rounded, [2.0, 5.0]);
        assert_eq!(super::calls(b"GIF89a..."), None);
    }
}
