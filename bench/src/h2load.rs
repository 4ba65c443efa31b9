//! h2load: sends one gRPC request again and again, and tells how long each answer took.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, bail, ensure};

use crate::statistics::quantile;

/// What is sent, and where to.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// `http://127.0.0.1:50051/tfps.v1.CheckService/Check`
    pub(crate) url: String,
    /// The file with the framed message.
    pub(crate) payload: PathBuf,
    /// Besides those that every gRPC request has.
    pub(crate) headers: Vec<String>,
    /// Where h2load may write its log.
    pub(crate) log: PathBuf,
}

/// How it is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    /// Requests in flight on each.
    pub(crate) streams: usize,
    pub(crate) requests: usize,
}

/// What h2load says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Measured {
    pub(crate) per_second: f64,
    /// In microseconds.
    pub(crate) median: f64,
    /// In microseconds.
    pub(crate) p99: f64,
}

/// Sends it, and waits for the last answer.
///
/// # Errors
/// When h2load is not there, or a request did not get a 200.
pub(crate) fn run(target: &Target, load: Load) -> anyhow::Result<Measured> {
    // It would append to an old one.
    let _ = std::fs::remove_file(&target.log);
    let mut command = Command::new("h2load");
    command
        .args(["-n", &load.requests.to_string()])
        .args(["-c", &load.connections.to_string()])
        .args(["-m", &load.streams.to_string()])
        .arg("--data")
        .arg(&target.payload)
        .arg("--log-file")
        .arg(&target.log)
        .args(["-H", "content-type: application/grpc"])
        .args(["-H", "te: trailers"]);
    for header in &target.headers {
        command.args(["-H", header]);
    }
    let output = command
        .arg(&target.url)
        .output()
        .context("h2load does not start; it is in Debian's package nghttp2-client")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "h2load fails: {said}");
    let summary = summary(&said)?;
    ensure!(
        summary.succeeded == load.requests && summary.status_2xx == load.requests,
        "of {} requests {} succeeded, {} with a 2xx: {said}",
        load.requests,
        summary.succeeded,
        summary.status_2xx
    );
    let log = std::fs::read_to_string(&target.log)
        .with_context(|| format!("h2load's log {} can't be read", target.log.display()))?;
    let latencies = latencies(&log)?;
    ensure!(
        latencies.len() == load.requests,
        "h2load's log has {} lines for {} requests",
        latencies.len(),
        load.requests
    );
    Ok(Measured {
        per_second: summary.per_second,
        median: quantile(&latencies, 0.5),
        p99: quantile(&latencies, 0.99),
    })
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Summary {
    per_second: f64,
    succeeded: usize,
    status_2xx: usize,
}

/// Reads what h2load prints at its end.
fn summary(said: &str) -> anyhow::Result<Summary> {
    let number = |line: &str, unit: &str| -> Option<f64> {
        let rest = said.lines().find_map(|found| found.strip_prefix(line))?;
        rest.split(',')
            .find_map(|part| part.trim().strip_suffix(unit)?.trim().parse().ok())
    };
    let found = (
        number("finished in", "req/s"),
        number("requests:", "succeeded"),
        number("status codes:", "2xx"),
    );
    let (Some(per_second), Some(succeeded), Some(status_2xx)) = found else {
        bail!("h2load's summary does not read: {said}");
    };
    Ok(Summary {
        per_second,
        succeeded: succeeded as usize,
        status_2xx: status_2xx as usize,
    })
}

/// The latencies in h2load's log, sorted, in microseconds. Its columns: start, status, microseconds.
fn latencies(log: &str) -> anyhow::Result<Vec<f64>> {
    let mut latencies = log
        .lines()
        .map(|line| {
            let mut columns = line.split('\t').skip(1);
            let (status, took) = (columns.next(), columns.next());
            let (Some("200"), Some(Ok(took))) = (status, took.map(str::parse)) else {
                bail!("h2load's log has the line {line:?}: no 200 with its microseconds");
            };
            Ok(took)
        })
        .collect::<anyhow::Result<Vec<f64>>>()?;
    latencies.sort_by(f64::total_cmp);
    Ok(latencies)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
starting benchmark...
spawning thread #0: 8 total client(s). 150000 total requests
Application protocol: h2c
progress: 100% done

finished in 2.52s, 59523.81 req/s, 5.34MB/s
requests: 150000 total, 150000 started, 150000 done, 149999 succeeded, 1 failed, 0 errored, 0 timeout
status codes: 149999 2xx, 0 3xx, 1 4xx, 0 5xx
traffic: 13.45MB (14103210) total, 1.07MB (1122210) headers (space savings 95.00%), 9.30MB (9750000) data
";

    #[test]
    fn the_summary_tells_the_rate_and_what_became_of_the_requests() {
        assert_eq!(
            summary(SAID).unwrap(),
            Summary {
                per_second: 59_523.81,
                succeeded: 149_999,
                status_2xx: 149_999,
            }
        );
        assert!(summary("h2load: command line trouble").is_err());
    }

    #[test]
    fn the_log_gives_latencies_and_a_failed_request_is_an_error() {
        let log = "1780930800000001\t200\t150\n1780930800000002\t200\t90\n";
        assert_eq!(latencies(log).unwrap(), [90.0, 150.0]);
        let error = latencies("1780930800000001\t-1\t150\n").unwrap_err();
        assert!(error.to_string().contains("-1"), "{error}");
    }
}
