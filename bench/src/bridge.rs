//! opensips-bridge: what it adds to a Check over gRPC, and how it compares with an axum handler that does nothing.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::Command,
    time::Instant,
};

use anyhow::{Context, ensure};
use tfps_client::Client;
use tfps_tests::peers::Peers;

use crate::{
    Bench,
    data::{self, Content, Server, allowed_call, default_pace},
    process::{Process, free_address},
    report::{Limit, Report},
    statistics::{Spread, quantile},
};

/// Connections that wrk holds open.
const CONNECTIONS: usize = 64;

/// Reports both.
pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let folder = data::copy(bench, Content::AccountsAndLists, "run-bridge").await?;
    let mut server = Server::start(bench, &folder, default_pace())?;
    let client = server.connect().await?;
    let (bridge, address) = start_bridge(bench, &server)?;
    let (_empty, empty) = start_empty(bench)?;
    let path = path();
    let mut http = Http::connect(address, &path)?;
    // It connects to the server meanwhile.
    while !http.ask()?.contains("\"code\":\"A00\"") {
        ensure!(
            bridge.age().as_secs() < 30,
            "the bridge does not reach the server"
        );
    }

    added(bench, &client, &mut http, report).await?;
    beside_empty(bench, address, empty, &path, report)
}

/// One at a time, in turns: the bridge's median less that of the direct call.
async fn added(
    bench: &Bench,
    client: &Client,
    http: &mut Http,
    report: &mut Report,
) -> anyhow::Result<()> {
    let calls = if bench.quick { 200 } else { 4_000 };
    let mut medians = Vec::new();
    for _ in 0..bench.pairs {
        let (mut direct, mut bridged) = (Vec::new(), Vec::new());
        for _ in 0..calls {
            let asked = Instant::now();
            client.check(allowed_call()).await?;
            direct.push(asked.elapsed().as_secs_f64() * 1e6);
            let asked = Instant::now();
            http.ask()?;
            bridged.push(asked.elapsed().as_secs_f64() * 1e6);
        }
        direct.sort_by(f64::total_cmp);
        bridged.sort_by(f64::total_cmp);
        medians.push((quantile(&direct, 0.5), quantile(&bridged, 0.5)));
    }
    let added = Spread::of(medians.iter().map(|(direct, bridged)| bridged - direct));
    report.budget(
        "opensips-bridge, one at a time: what it adds to the median of a Check over gRPC",
        Limit::AtMost(300.0, " µs"),
        added.median,
        format!(
            "{} µs ({:.0} µs beside {:.0} µs)",
            added.show(0),
            Spread::of(medians.iter().map(|pair| pair.1)).median,
            Spread::of(medians.iter().map(|pair| pair.0)).median
        ),
    );
    Ok(())
}

/// wrk, in turns.
fn beside_empty(
    bench: &Bench,
    bridge: SocketAddr,
    empty: SocketAddr,
    path: &str,
    report: &mut Report,
) -> anyhow::Result<()> {
    let target = bench.folder.parent().context("a folder in target/")?;
    let peers = Peers::fetch(target).map_err(anyhow::Error::msg)?;
    let seconds = if bench.quick { 1 } else { 5 };
    let mut ratios = Vec::new();
    let mut rates = Vec::new();
    for _ in 0..bench.pairs {
        let own = wrk(&peers, &format!("http://{bridge}{path}"), seconds)?;
        let beside = wrk(&peers, &format!("http://{empty}/"), seconds)?;
        ratios.push(own / beside);
        rates.push((own, beside));
    }
    let ratio = Spread::of(ratios);
    report.budget(
        format!(
            "opensips-bridge beside an empty axum handler, {CONNECTIONS} connections: requests/s"
        ),
        Limit::AtLeast(0.5, " ×"),
        ratio.median,
        format!(
            "{} × ({:.0} /s beside {:.0} /s)",
            ratio.show(2),
            Spread::of(rates.iter().map(|pair| pair.0)).median,
            Spread::of(rates.iter().map(|pair| pair.1)).median
        ),
    );
    Ok(())
}

/// opensips-bridge in front of a server.
pub(crate) fn start_bridge(
    bench: &Bench,
    server: &Server,
) -> anyhow::Result<(Process, SocketAddr)> {
    let address = free_address()?;
    let token = bench.folder.join("bridge.token");
    std::fs::write(&token, server.token()?)?;
    let mut bridge = Process::start(
        Command::new(bench.program("opensips-bridge")?)
            .args(["--listen", &address.to_string()])
            .args(["--server", &format!("http://{}", server.grpc)])
            .arg("--token-file")
            .arg(token),
        &bench.folder.join("opensips-bridge.log"),
    )?;
    bridge.await_listening(address)?;
    Ok((bridge, address))
}

fn start_empty(bench: &Bench) -> anyhow::Result<(Process, SocketAddr)> {
    let address = free_address()?;
    let mut empty = Process::start(
        Command::new(bench.program("empty-http")?).args(["--listen", &address.to_string()]),
        &bench.folder.join("empty-http.log"),
    )?;
    empty.await_listening(address)?;
    Ok((empty, address))
}

/// The call of [`allowed_call`], as a query.
fn path() -> String {
    let call = allowed_call();
    let account = call.account.unwrap_or_default();
    let mut path = "/v1/check".to_owned();
    for (number, (name, value)) in [
        ("username", account.username),
        ("domain", account.domain),
        ("dialed_number", call.dialed_number),
        ("caller_number", call.caller_number),
        ("source_ip", call.source_ip),
        ("user_agent", call.user_agent),
        ("call_id", call.call_id),
        ("trunk", call.trunk),
    ]
    .into_iter()
    .enumerate()
    {
        path.push(if number == 0 { '?' } else { '&' });
        path.push_str(name);
        path.push('=');
        for byte in value.bytes() {
            // As switches escape: all but what RFC 3986 calls unreserved.
            match byte {
                b'-' | b'.' | b'_' | b'~' => path.push(char::from(byte)),
                _ if byte.is_ascii_alphanumeric() => path.push(char::from(byte)),
                _ => path.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    if let Some(calls) = call.concurrent_calls {
        path.push_str(&format!("&concurrent_calls={calls}"));
    }
    path
}

/// A kept-alive connection that asks the same again and again.
struct Http {
    request: String,
    stream: BufReader<TcpStream>,
}

impl Http {
    fn connect(address: SocketAddr, path: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            request: format!("GET {path} HTTP/1.1\r\nhost: tfps\r\n\r\n"),
            stream: BufReader::new(stream),
        })
    }

    fn ask(&mut self) -> anyhow::Result<String> {
        self.stream.get_mut().write_all(self.request.as_bytes())?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            ensure!(self.stream.read_line(&mut line)? > 0, "the bridge hung up");
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(String::from_utf8(body)?)
    }
}

/// Requests a second, by wrk.
fn wrk(peers: &Peers, url: &str, seconds: u32) -> anyhow::Result<f64> {
    let output = peers
        .program("wrk")
        .args(["-t", "1", "-c", &CONNECTIONS.to_string()])
        .args(["-d", &format!("{seconds}s"), url])
        .output()
        .context("wrk does not start")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(!said.contains("Non-2xx"), "wrk saw refusals: {said}");
    said.lines()
        .find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse().ok())
        .with_context(|| format!("wrk's summary does not read: {said}"))
}
