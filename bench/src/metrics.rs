//! What a server counts, as it tells over HTTP.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use anyhow::{Context, ensure};

/// Counters and gauges by their name with its labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    /// Asks a server.
    pub(crate) fn of(address: SocketAddr) -> anyhow::Result<Self> {
        let mut connection = TcpStream::connect(address)?;
        write!(
            connection,
            "GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        ensure!(
            answer.starts_with("HTTP/1.1 200"),
            "/metrics answers {answer:?}"
        );
        Ok(Self::parse(&answer))
    }

    fn parse(text: &str) -> Self {
        let number = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Self(
            text.lines()
                .filter(|line| line.starts_with("tfps_"))
                .filter_map(number)
                .collect(),
        )
    }

    /// One value.
    pub(crate) fn get(&self, name: &str) -> anyhow::Result<f64> {
        self.0
            .get(name)
            .copied()
            .with_context(|| format!("/metrics has no {name}"))
    }

    /// What was decided since an earlier time: code and number, where there is one.
    pub(crate) fn decided_since(&self, earlier: &Self) -> Vec<(String, u64)> {
        const BEFORE: &str = "tfps_decisions_total{code=\"";
        self.0
            .iter()
            .filter_map(|(name, now)| {
                let code = name.strip_prefix(BEFORE)?.strip_suffix("\"}")?;
                let since = now - earlier.0.get(name).copied().unwrap_or(0.0);
                (since > 0.0).then(|| (code.to_owned(), since as u64))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_are_told_by_code_and_only_those_that_were_made() {
        let text = "HTTP/1.1 200 OK\r\n\r\n# TYPE tfps_decisions counter\n\
            tfps_decisions_total{code=\"A00\"} 7\ntfps_decisions_total{code=\"R19\"} 0\ntfps_journal_lost 0\n# EOF\n";
        let before = Metrics::parse(text);
        let after = Metrics::parse(&text.replace("\"A00\"} 7", "\"A00\"} 12"));
        assert_eq!(after.decided_since(&before), [("A00".to_owned(), 5)]);
        assert_eq!(after.get("tfps_journal_lost").unwrap(), 0.0);
        assert!(after.get("tfps_gone").is_err());
    }
}
