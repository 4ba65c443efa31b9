//! An opensips-bridge of a test's own, and HTTP as plain as it is on the wire.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{Server, binaries, said::Said};

const PATIENCE: Duration = Duration::from_secs(30);

/// A running bridge. It is killed when dropped.
#[derive(Debug)]
pub struct Bridge {
    _folder: TempDir,
    child: Child,
    said: Said,
    address: SocketAddr,
}

/// An HTTP answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Status line and headers, in lower case.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("the body is JSON")
    }

    /// A field of the JSON body that is a string.
    ///
    /// # Panics
    /// When there is none.
    pub fn text(&self, field: &str) -> String {
        match &self.json()[field] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

impl Bridge {
    /// In front of these servers, with the first one's admin token and these lines of configuration. It has not connected
    /// yet; see [`Bridge::ready`].
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(servers: &[&Server], config: &str) -> Self {
        let urls: Vec<_> = servers.iter().map(|server| server.url()).collect();
        let token = servers
            .first()
            .map(|server| server.admin_token_path().display().to_string());
        Self::at(&urls, token.as_deref(), config).await
    }

    /// In front of these addresses.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn at(urls: &[String], token_file: Option<&str>, config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("bridge.toml");
        fs::write(&path, config).expect("a configuration file");
        let address = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port");
        let mut command = std::process::Command::new(binaries::opensips_bridge());
        command
            .arg("--config")
            .arg(&path)
            .args(["--listen", &address.to_string()]);
        for url in urls {
            command.args(["--server", url]);
        }
        if let Some(token_file) = token_file {
            command.args(["--token-file", token_file]);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("opensips-bridge is built");
        let said = Said::default();
        said.hear(child.stderr.take().expect("standard error is piped"));
        let started = Instant::now();
        while TcpStream::connect(address).await.is_err() {
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
        }
    }

    /// The same, once all its servers answer.
    ///
    /// # Panics
    /// When they do not.
    pub async fn ready(servers: &[&Server], config: &str) -> Self {
        let bridge = Self::start(servers, config).await;
        bridge.await_servers(servers.len()).await;
        bridge
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        self.said.all()
    }

    /// Waits until so many servers answer.
    ///
    /// # Panics
    /// When they do not.
    pub async fn await_servers(&self, number: usize) {
        let started = Instant::now();
        loop {
            let told = self.get("/readyz").await.body;
            if told.lines().filter(|line| line.ends_with(": ok")).count() == number {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{told}{}", self.said.all());
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Where it serves.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// GET.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, "", "").await
    }

    /// POST of a form.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn post(&self, path: &str, form: &str) -> Answer {
        let header = "content-type: application/x-www-form-urlencoded\r\n";
        self.request("POST", path, header, form).await
    }

    /// Any request; `headers` are whole lines.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn request(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: tfps\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = self.raw(request.as_bytes()).await;
        answer.expect("an HTTP answer")
    }

    /// Bytes as they are, after which the client sends no more; `None` where the bridge hangs up without an answer.
    ///
    /// # Panics
    /// When the bridge neither answers nor hangs up.
    pub async fn raw(&self, request: &[u8]) -> Option<Answer> {
        let mut stream = TcpStream::connect(self.address).await.expect("it listens");
        stream.write_all(request).await.expect("it is sent");
        answer(&mut stream).await
    }

    /// The value of a metric, all of whose labels are in the name.
    ///
    /// # Panics
    /// When there is none.
    pub async fn metric(&self, name: &str) -> f64 {
        let metrics = self.get("/metrics").await.body;
        metrics
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
            .unwrap_or(0.0)
    }

    /// SIGTERM, and waits for its end.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn terminate(&mut self) -> std::process::ExitStatus {
        let id = self.child.id().to_string();
        let sent = std::process::Command::new("kill").arg(id).status();
        assert!(sent.is_ok_and(|status| status.success()));
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

/// Reads an answer to its end.
///
/// # Panics
/// When the other side neither answers nor hangs up.
pub async fn answer(stream: &mut TcpStream) -> Option<Answer> {
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    // A connection that is reset has said what it said.
    let _ = read.expect("the bridge answers or hangs up");
    let text = String::from_utf8(bytes).expect("an answer is text");
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some(Answer {
        status: head.split(' ').nth(1)?.parse().ok()?,
        head: head.to_lowercase(),
        body: body.to_owned(),
    })
}

impl Drop for Bridge {
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
