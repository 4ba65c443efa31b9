//! An asterisk-bridge of a test's own.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    process::{Child, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

use crate::{Server, binaries, said::Said};

const PATIENCE: Duration = Duration::from_secs(30);

/// A running bridge. It is killed when dropped; what it said is shown when the test fails.
#[derive(Debug)]
pub struct AsteriskBridge {
    _folder: TempDir,
    child: Child,
    said: Said,
    address: SocketAddr,
    metrics: SocketAddr,
}

impl AsteriskBridge {
    /// In front of servers that answer, with the first one's admin token and these lines of configuration.
    ///
    /// # Panics
    /// When it does not start, or does not reach a server.
    pub async fn start(servers: &[&Server], config: &str) -> Self {
        let urls: Vec<_> = servers.iter().map(|server| server.url()).collect();
        let token = servers
            .first()
            .map(|server| server.admin_token_path().display().to_string());
        let bridge = Self::at(&urls, token.as_deref(), config).await;
        let started = Instant::now();
        for url in urls {
            let up = format!("tfps_asterisk_server_up{{server=\"{url}\"}}");
            while bridge.metric(&up).await != 1.0 {
                assert!(started.elapsed() < PATIENCE, "{}", bridge.said.all());
                sleep(Duration::from_millis(10)).await;
            }
        }
        bridge
    }

    /// In front of these addresses.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn at(urls: &[String], token_file: Option<&str>, config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("bridge.toml");
        let free = || {
            TcpListener::bind("127.0.0.1:0")
                .and_then(|listener| listener.local_addr())
                .expect("a free port")
        };
        let (address, metrics) = (free(), free());
        fs::write(&path, format!("metrics_listen = \"{metrics}\"\n{config}"))
            .expect("a configuration file");
        let mut command = std::process::Command::new(binaries::asterisk_bridge());
        for url in urls {
            command.args(["--server", url]);
        }
        if let Some(token_file) = token_file {
            command.args(["--token-file", token_file]);
        }
        let mut child = command
            .arg("--config")
            .arg(&path)
            .args(["--listen", &address.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("asterisk-bridge is built");
        let said = Said::default();
        said.hear(child.stderr.take().expect("standard error is piped"));
        let started = Instant::now();
        while TcpStream::connect(metrics).await.is_err() {
            assert!(
                started.elapsed() < PATIENCE && child.try_wait().is_ok_and(|ended| ended.is_none()),
                "the bridge does not serve: {}",
                said.all()
            );
            sleep(Duration::from_millis(10)).await;
        }
        Self {
            _folder: folder,
            child,
            said,
            address,
            metrics,
        }
    }

    /// Where it serves AGI.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it logged so far.
    pub fn said(&self) -> String {
        self.said.all()
    }

    /// The value of a metric, all of whose labels are in the name; 0 where there is none.
    ///
    /// # Panics
    /// When metrics are not served.
    pub async fn metric(&self, name: &str) -> f64 {
        let metrics = self.get("/metrics").await;
        metrics
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
            .unwrap_or(0.0)
    }

    /// What its HTTP endpoint answers, with the head.
    ///
    /// # Panics
    /// When it does not.
    pub async fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.metrics).await.expect("it listens");
        let request = format!("GET {path} HTTP/1.1\r\nhost: tfps\r\nconnection: close\r\n\r\n");
        stream
            .write_all(request.as_bytes())
            .await
            .expect("it is sent");
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .await
            .expect("an HTTP answer");
        answer
    }

    /// SIGTERM.
    ///
    /// # Panics
    /// When it is not there.
    pub fn terminate(&self) {
        let id = self.child.id().to_string();
        let sent = std::process::Command::new("kill").arg(id).status();
        assert!(sent.is_ok_and(|status| status.success()));
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn ended(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "the bridge does not end");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for AsteriskBridge {
    fn drop(&mut self) {
        // It may have ended already, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            show(&self.said.all());
        }
    }
}

#[allow(clippy::print_stderr, reason = "this is shown when a test fails")]
fn show(said: &str) {
    eprintln!("--- the bridge said:\n{said}---");
}
