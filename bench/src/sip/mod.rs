//! The whole SIP front: SIPp sends INVITEs to Kamailio with the configuration under deploy/, which asks opensips-bridge, which
//! asks tfps-server with its journal on; all on this machine.

mod capture;

use std::{fmt::Write, fs, net::UdpSocket, path::Path, process::Stdio};

use anyhow::{Context, ensure};
use tfps_bench::workload;
use tfps_tests::{peers::Peers, sip::Front};

use self::capture::{Calls, Capture};
use crate::{
    Bench,
    bridge::start_bridge,
    data::{self, Content, Server, default_pace},
    process::children_cpu,
    report::{Limit, Report},
    statistics::{Spread, quantile},
};

/// INVITEs a second: those that are promised and a little more, so that SIPp's own pace is above the promise.
const RATE: u32 = 2_050;
/// What is promised, in INVITEs a second.
const PROMISED: f64 = 2_000.0;
/// A rate to show what is beyond.
const MORE: u32 = 3_000;
/// Accounts that call.
const CALLERS: usize = 5_000;
/// What Kamailio's documentation here asks for at this rate.
const SHARED_MEGABYTES: u32 = 512;

/// The parts, once they run.
struct House {
    server: Server,
    bridge: crate::process::Process,
    front: Front,
    peers: Peers,
}

/// Reports the latency at the rate that is promised, and the CPU that a call costs.
pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let target = bench.folder.parent().context("a folder in target/")?;
    let peers = Peers::fetch(target).map_err(anyhow::Error::msg)?;
    let folder = data::copy(bench, Content::AccountsAndLists, "run-sip").await?;
    let mut server = Server::start(bench, &folder, default_pace())?;
    server.connect().await?;
    let (bridge, address) = start_bridge(bench, &server)?;
    let front = Front::of(&peers, address, SHARED_MEGABYTES, "").await;
    write_calls(&folder, bench.scale.accounts)?;
    let house = House {
        server,
        bridge,
        front,
        peers,
    };

    let seconds = if bench.quick { 2 } else { 15 };
    // The first second of everything is not what is asked about.
    house.turn(&folder, RATE, 2)?;
    let turns = (0..bench.pairs.min(5))
        .map(|_| house.turn(&folder, RATE, seconds))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let of = |figure: fn(&Turn) -> f64| Spread::of(turns.iter().map(figure));
    let rate = of(|turn| turn.rate);
    report.budget(
        "SIP front, every call answered: INVITEs/s",
        Limit::AtLeast(PROMISED, " /s"),
        rate.median,
        format!("{} /s", rate.show(0)),
    );
    let (median, p99) = (of(|turn| turn.median), of(|turn| turn.p99));
    let what = format!("SIP front at {RATE} INVITEs/s, INVITE to final answer");
    for (name, limit, figure) in [("median", 2.0, median), ("p99", 10.0, p99)] {
        report.budget(
            format!("{what}: {name}"),
            Limit::AtMost(limit, " ms"),
            figure.median,
            format!("{} ms", figure.show(2)),
        );
    }
    let (kamailio, bridge, server) = (
        of(|turn| turn.cpu[0]),
        of(|turn| turn.cpu[1]),
        of(|turn| turn.cpu[2]),
    );
    report.note(
        "its CPU a call",
        format!(
            "Kamailio {} µs, bridge {} µs, server {} µs",
            kamailio.show(0),
            bridge.show(0),
            server.show(0)
        ),
    );
    let more = house.turn(&folder, MORE, seconds)?;
    report.note(
        format!("SIP front at {MORE} INVITEs/s"),
        format!(
            "{:.0} /s answered, median {:.2} ms, p99 {:.2} ms, {} sent again",
            more.rate, more.median, more.p99, more.again
        ),
    );
    Ok(())
}

/// What a turn of SIPp came to.
struct Turn {
    rate: f64,
    median: f64,
    p99: f64,
    again: usize,
    /// µs a call: Kamailio, bridge, server.
    cpu: [f64; 3],
}

impl House {
    /// So many INVITEs a second for so many seconds.
    fn turn(&self, folder: &Path, rate: u32, seconds: u32) -> anyhow::Result<Turn> {
        let file = folder.join("calls.pcap");
        let sip = self.front.address();
        let before = self.cpu()?;
        let capture = Capture::start(self.peers.program("tcpdump"), sip.port(), &file)?;
        let calls = rate * seconds;
        let log = fs::File::create(folder.join("sipp.log"))?;
        let ended = self
            .peers
            .program("sipp")
            .arg(sip.to_string())
            .args([
                "-sf",
                concat!(env!("CARGO_MANIFEST_DIR"), "/src/sip/call.xml"),
                "-inf",
            ])
            .arg(folder.join("calls.csv"))
            .args(["-i", "127.0.0.1", "-p", &free_udp_port()?.to_string()])
            .args(["-r", &rate.to_string(), "-m", &calls.to_string()])
            .args(["-l", &(3 * rate).to_string(), "-nostdin"])
            .args(["-buff_size", "4000000"])
            .args(["-timeout", &format!("{}s", seconds + 30)])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .status()
            .context("SIPp does not start")?;
        let after = self.cpu()?;
        capture.stop()?;
        ensure!(
            ended.success(),
            "not every call was answered; see sipp.log in {}",
            folder.display()
        );
        let Calls {
            invites,
            again,
            seconds,
            answered_ms,
        } = capture::read(&file)?;
        ensure!(
            answered_ms.len() * 100 >= calls as usize * 99,
            "the capture has {} answers of {calls}",
            answered_ms.len()
        );
        Ok(Turn {
            rate: invites as f64 / seconds,
            median: quantile(&answered_ms, 0.5),
            p99: quantile(&answered_ms, 0.99),
            again,
            cpu: std::array::from_fn(|part| (after[part] - before[part]) * 1e6 / f64::from(calls)),
        })
    }

    /// Seconds: Kamailio, bridge, server.
    fn cpu(&self) -> anyhow::Result<[f64; 3]> {
        Ok([
            children_cpu(self.front.process())?,
            self.bridge.cpu()?,
            self.server.process.cpu()?,
        ])
    }
}

/// The calls, in SIPp's form: account, domain, source, number. None of these accounts is blocked.
fn write_calls(folder: &Path, accounts: usize) -> anyhow::Result<()> {
    let mut text = "RANDOM\n".to_owned();
    let free = (0..accounts).filter(|number| !workload::is_blocked(*number));
    for number in free.step_by((accounts / CALLERS).max(1)) {
        let (username, domain) = workload::account_name(number);
        let source = workload::source(number);
        writeln!(
            text,
            "{username};{domain};{source};0044207946{:04}",
            number % 10_000
        )?;
    }
    fs::write(folder.join("calls.csv"), text)?;
    Ok(())
}

fn free_udp_port() -> anyhow::Result<u16> {
    Ok(UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port())
}
