//! A server as a process: started, asked what it has used, stopped.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};

/// Linux tells CPU time in these, whatever the kernel's own clock: 100 a second.
const TICKS_A_SECOND: f64 = 100.0;
/// How long a server may take to start, or to stop.
const PATIENCE: Duration = Duration::from_secs(120);

/// A process that ends with its owner.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    started: Instant,
}

impl Process {
    /// Starts a program; what it logs goes to a file.
    pub(crate) fn start(command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("{} can't be written", log.display()))?;
        let started = Instant::now();
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} does not start", command.get_program().display()))?;
        Ok(Self { child, started })
    }

    /// How long ago it was started.
    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits until it listens.
    pub(crate) fn await_listening(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        while std::net::TcpStream::connect(address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status} before it listened: its log tells why");
            }
            ensure!(
                self.age() < PATIENCE,
                "the server does not listen on {address}"
            );
            sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// CPU time since its start, of all its threads, in seconds.
    pub(crate) fn cpu(&self) -> anyhow::Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        cpu_of(&stat)
    }

    /// Memory that it holds, in bytes.
    pub(crate) fn resident_bytes(&self) -> anyhow::Result<u64> {
        resident_bytes_of(&self.child.id().to_string())
    }

    /// Stands still until [`Self::go_on`], so that it takes nothing from whose turn it is.
    pub(crate) fn stand_still(&self) -> anyhow::Result<()> {
        self.signal("STOP")
    }

    /// Goes on.
    pub(crate) fn go_on(&self) -> anyhow::Result<()> {
        self.signal("CONT")
    }

    /// Asks it to end, and waits for it.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        self.signal("TERM")?;
        let asked = Instant::now();
        while self.child.try_wait()?.is_none() {
            ensure!(asked.elapsed() < PATIENCE, "the server does not stop");
            sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let sent = Command::new("kill")
            .args(["-s", signal, &self.child.id().to_string()])
            .status()?;
        ensure!(sent.success(), "SIG{signal} was not sent");
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended is only waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU time of a process and those that it has started, in seconds.
pub(crate) fn children_cpu(process: u32) -> anyhow::Result<f64> {
    let mut seconds = 0.0;
    for entry in fs::read_dir("/proc")? {
        let stat = entry?.path().join("stat");
        // What is no process has no such file; one that has just ended neither.
        let Ok(stat) = fs::read_to_string(stat) else {
            continue;
        };
        let own = stat.starts_with(&format!("{process} "));
        if own || parent(&stat) == Some(process) {
            seconds += cpu_of(&stat)?;
        }
    }
    Ok(seconds)
}

fn cpu_of(stat: &str) -> anyhow::Result<f64> {
    cpu_ticks(stat)
        .map(|ticks| ticks as f64 / TICKS_A_SECOND)
        .with_context(|| format!("/proc/PID/stat does not read: {stat:?}"))
}

/// The fourth field of /proc/PID/stat.
fn parent(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Memory that a process holds (`self`: this one), in bytes.
pub(crate) fn resident_bytes_of(process: &str) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    resident_kilobytes(&status)
        .map(|kilobytes| kilobytes * 1_024)
        .with_context(|| format!("/proc/{process}/status does not read: {status:?}"))
}

/// An address of this machine that nobody listens on.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// utime and stime, the 14th and 15th field of /proc/PID/stat. The second field, the name in brackets, may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

fn resident_kilobytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_whatever_the_program_is_called() {
        let stat = "4242 (a (b) c 1 2) S 1 4242 4242 0 -1 4194304 900 0 0 0 123 45 0 0 20 0 5 0 1000 1 2 3";
        assert_eq!(cpu_ticks(stat), Some(168));
        assert_eq!(parent(stat), Some(1));
        assert_eq!(cpu_ticks("4242 (x) S 1"), None);
    }

    #[test]
    fn resident_memory_is_read() {
        let status = "Name:\ttfps-server\nVmHWM:\t  900 kB\nVmRSS:\t  812 kB\nThreads:\t5\n";
        assert_eq!(resident_kilobytes(status), Some(812));
        assert_eq!(resident_kilobytes("Name:\tx\n"), None);
        assert!(resident_bytes_of("self").unwrap() > 1 << 20);
    }
}
