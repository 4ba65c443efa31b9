//! A tfps-server of a test's own.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tfps_client::{Client, Config, Retry, Tls, Token};
use tokio::time::sleep;

use crate::{binaries, said::Said};

/// How long anything may take that takes milliseconds on a machine with nothing else to do.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a server is to be started.
#[derive(Debug, Default)]
pub struct Command {
    config: String,
    http: bool,
    tls: Tls,
    listen: Option<String>,
    data_dir: Option<PathBuf>,
    variables: Vec<(&'static str, &'static str)>,
    open_files: Option<u32>,
}

/// A server that did not start: what it said, and how it ended.
#[derive(Debug)]
pub struct Refused {
    /// Its standard error.
    pub said: String,
    /// Its exit code.
    pub code: Option<i32>,
}

/// A running server with a data directory of its own. It is killed when dropped; what it wrote to its standard error is
/// shown when the test fails.
#[derive(Debug)]
pub struct Server {
    command: Command,
    folder: TempDir,
    child: Child,
    said: Said,
    address: SocketAddr,
    http: Option<SocketAddr>,
    client: Client,
}

impl Command {
    /// With this configuration file. Addresses and the data directory are not for it to say.
    pub fn config(mut self, toml: impl Into<String>) -> Self {
        self.config = toml.into();
        self
    }

    /// With a variable of the environment.
    pub fn variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.push((name, value));
        self
    }

    /// With so many open files at the most.
    pub fn open_files(mut self, limit: u32) -> Self {
        self.open_files = Some(limit);
        self
    }

    /// With metrics and health over HTTP.
    pub fn http(mut self) -> Self {
        self.http = true;
        self
    }

    /// With what the client needs where the configuration turns TLS on.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// On this very address, which clients need not reach.
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen = Some(address.into());
        self
    }

    /// On another server's data directory.
    pub fn data_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(dir.into());
        self
    }

    /// Starts it and waits until it serves.
    ///
    /// # Panics
    /// When it does not.
    pub async fn start(self) -> Server {
        match self.try_start().await {
            Ok(server) => server,
            Err(refused) => panic_with(&format!("the server did not start: {refused:?}")),
        }
    }

    /// Starts it and waits until it serves, or has ended.
    ///
    /// # Errors
    /// What it said when it ended.
    pub async fn try_start(self) -> Result<Server, Refused> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("tfps.toml"), &self.config).expect("a configuration file");
        loop {
            let address = self
                .listen
                .as_deref()
                .map_or_else(free_address, |at| at.parse().expect("an address"));
            let http = self.http.then(free_address);
            let data_dir = self.data_dir.clone().unwrap_or(folder.path().join("data"));
            let (mut child, said) = spawn(folder.path(), &data_dir, (address, http), &self);
            match ready(&mut child, address, &self, &data_dir).await {
                Ok(client) => {
                    return Ok(Server {
                        command: self,
                        folder,
                        child,
                        said,
                        address,
                        http,
                        client,
                    });
                }
                Err(status) => {
                    let said = said.to_the_end().await;
                    // Somebody else took the port between our asking for it and the server's.
                    if self.listen.is_none() && said.contains("can't be listened on") {
                        continue;
                    }
                    return Err(Refused {
                        said,
                        code: status.code(),
                    });
                }
            }
        }
    }
}

impl Server {
    /// One with the default configuration.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start() -> Self {
        Command::default().start().await
    }

    /// One with this configuration file.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn with(config: &str) -> Self {
        Command::default().config(config).start().await
    }

    /// The first admin's connection. It tries nothing twice.
    pub fn admin(&self) -> &Client {
        &self.client
    }

    /// Another connection of the first admin.
    ///
    /// # Panics
    /// When the server is not reached.
    pub async fn another_connection(&self) -> Client {
        let token = Token::file(self.admin_token_path());
        connect(self.address, &self.command.tls, Some(token))
            .await
            .expect("a server that is running")
    }

    /// A connection with another token.
    ///
    /// # Panics
    /// When the server is not reached.
    pub async fn client_of(&self, secret: &str) -> Client {
        connect(self.address, &self.command.tls, Some(Token::secret(secret)))
            .await
            .expect("a server that is running")
    }

    /// A connection without a token.
    ///
    /// # Panics
    /// When the server is not reached.
    pub async fn stranger(&self) -> Client {
        connect(self.address, &self.command.tls, None)
            .await
            .expect("a server that is running")
    }

    /// Where gRPC is served.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where gRPC is served, as clients take it.
    pub fn url(&self) -> String {
        url(self.address, &self.command.tls)
    }

    /// Where metrics and health are served over HTTP.
    ///
    /// # Panics
    /// When they are not.
    pub fn http_address(&self) -> SocketAddr {
        self.http.expect("a server that serves HTTP")
    }

    /// The memory of its process that is resident, in bytes.
    ///
    /// # Panics
    /// When the system does not tell.
    pub fn memory(&self) -> u64 {
        let statm = fs::read_to_string(format!("/proc/{}/statm", self.pid()))
            .expect("the system tells about a process that runs");
        let pages: u64 = statm
            .split(' ')
            .nth(1)
            .and_then(|pages| pages.parse().ok())
            .expect("the resident pages");
        pages * 4_096
    }

    /// The time that its process has computed since it began.
    ///
    /// # Panics
    /// When the system does not tell.
    pub fn computed(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid()))
            .expect("the system tells about a process that runs");
        // The name in parentheses may have spaces in it.
        let ticks: u64 = stat
            .rsplit(')')
            .next()
            .into_iter()
            .flat_map(|rest| rest.split_whitespace().skip(11).take(2))
            .filter_map(|ticks| ticks.parse::<u64>().ok())
            .sum();
        Duration::from_millis(ticks * 10)
    }

    /// The body of what `path` answers over HTTP.
    ///
    /// # Panics
    /// When HTTP is not served or answers something else than 200.
    pub async fn http_get(&self, path: &str) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let address = self.http.expect("a server that serves HTTP");
        let mut stream = tokio::net::TcpStream::connect(address)
            .await
            .expect("HTTP is served");
        let request = format!("GET {path} HTTP/1.1\r\nHost: tfps\r\nConnection: close\r\n\r\n");
        stream
            .write_all(request.as_bytes())
            .await
            .expect("the request is sent");
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .await
            .expect("the answer is text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
        body.to_owned()
    }

    /// The server's data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.command
            .data_dir
            .clone()
            .unwrap_or(self.folder.path().join("data"))
    }

    /// The file with the first admin's token.
    pub fn admin_token_path(&self) -> PathBuf {
        self.data_dir().join("admin.token")
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the server has written to its standard error so far.
    pub fn said(&self) -> String {
        self.said.all()
    }

    /// Writes another configuration file; the server takes it when it is told to.
    ///
    /// # Panics
    /// When the file can't be written.
    pub fn write_config(&mut self, toml: &str) {
        toml.clone_into(&mut self.command.config);
        fs::write(self.folder.path().join("tfps.toml"), toml).expect("a configuration file");
    }

    /// SIGKILL: it ends at once, wherever it is.
    ///
    /// # Panics
    /// When the system refuses.
    pub fn kill9(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// SIGHUP.
    pub fn hang_up(&self) {
        self.signal("HUP");
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// When it does not.
    pub async fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status;
            }
            assert!(Instant::now() < deadline, "the server does not end");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Whether it runs.
    ///
    /// # Panics
    /// When the system does not tell.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Starts it again on the same data directory, once it has ended; [`admin`](Self::admin) is a new connection.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(&mut self) {
        let data_dir = self.data_dir();
        loop {
            self.address = free_address();
            self.http = self.command.http.then(free_address);
            let (mut child, said) = spawn(
                self.folder.path(),
                &data_dir,
                (self.address, self.http),
                &self.command,
            );
            let started = ready(&mut child, self.address, &self.command, &data_dir).await;
            self.child = child;
            self.said.go_on_with(&said);
            self.said = said;
            match started {
                Ok(client) => {
                    self.client = client;
                    return;
                }
                Err(status) => assert!(
                    self.said
                        .to_the_end()
                        .await
                        .contains("can't be listened on"),
                    "the server does not start again: {status}"
                ),
            }
        }
    }

    /// The same on an address that it had before.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart_at(&mut self, address: SocketAddr) {
        let data_dir = self.data_dir();
        self.address = address;
        let (child, said) = spawn(
            self.folder.path(),
            &data_dir,
            (address, None),
            &self.command,
        );
        self.child = child;
        self.said.go_on_with(&said);
        self.said = said;
        match ready(&mut self.child, address, &self.command, &data_dir).await {
            Ok(client) => self.client = client,
            Err(status) => panic_with(&format!(
                "the server does not start again: {status}: {}",
                self.said.all()
            )),
        }
    }

    /// Another server that began with a copy of its data, since one installation has one set of accounts and tokens. The copy
    /// lives as long as this server.
    ///
    /// # Panics
    /// When it does not stop, or either does not start.
    pub async fn twin(&mut self) -> Self {
        let address = self.address;
        self.terminate();
        self.ended().await;
        let copy = self.folder.path().join("twin");
        let copied = std::process::Command::new("cp")
            .arg("-r")
            .args([self.data_dir(), copy.clone()])
            .status();
        assert!(copied.is_ok_and(|status| status.success()), "no copy");
        self.restart_at(address).await;
        Command::default().data_dir(copy).start().await
    }

    fn signal(&self, name: &str) {
        let sent = std::process::Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status()
            .expect("kill(1) runs");
        assert!(sent.success(), "SIG{name} was not sent");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            show(&self.said.all());
        }
    }
}

/// Asks until there is an answer.
///
/// # Panics
/// When there is none in half a minute.
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut ask: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

fn spawn(
    folder: &Path,
    data_dir: &Path,
    (address, http): (SocketAddr, Option<SocketAddr>),
    command: &Command,
) -> (Child, Said) {
    let http = http.map(|address| address.to_string()).unwrap_or_default();
    let mut program = match command.open_files {
        None => std::process::Command::new(binaries::server()),
        Some(limit) => {
            let mut shell = std::process::Command::new("sh");
            shell
                .arg("-c")
                .arg(format!("ulimit -n {limit} && exec \"$0\" \"$@\""))
                .arg(binaries::server());
            shell
        }
    };
    let mut child = program
        .arg("--config")
        .arg(folder.join("tfps.toml"))
        .arg("--data-dir")
        .arg(data_dir)
        .args(["--listen", &address.to_string()])
        .env("TFPS_HTTP_LISTEN", http)
        .env_remove("HTTPS_PROXY")
        .env_remove("https_proxy")
        .envs(command.variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("tfps-server is built");
    let said = Said::default();
    said.hear(child.stderr.take().expect("standard error is piped"));
    (child, said)
}

/// Waits until the server serves, or has ended.
async fn ready(
    child: &mut Child,
    address: SocketAddr,
    command: &Command,
    data_dir: &Path,
) -> Result<Client, ExitStatus> {
    let deadline = Instant::now() + PATIENCE;
    let token = data_dir.join("admin.token");
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return Err(status);
        }
        if token.exists()
            && let Ok(client) = connect(address, &command.tls, Some(Token::file(&token))).await
            && client.get_status(Default::default()).await.is_ok()
        {
            return Ok(client);
        }
        assert!(Instant::now() < deadline, "the server does not serve");
        sleep(Duration::from_millis(10)).await;
    }
}

async fn connect(
    address: SocketAddr,
    tls: &Tls,
    token: Option<Token>,
) -> Result<Client, tfps_client::Error> {
    let mut config = Config::new(url(address, tls))
        .deadline(Some(PATIENCE))
        .retry(Retry::NEVER)
        .tls(tls.clone());
    if let Some(token) = token {
        config = config.token(token);
    }
    Client::connect(config).await
}

fn url(address: SocketAddr, tls: &Tls) -> String {
    if tls.ca_file.is_some() {
        format!("https://localhost:{}", address.port())
    } else {
        format!("http://{address}")
    }
}

/// A port that nobody listens on at this moment.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
}

#[allow(clippy::print_stderr, reason = "this is shown when a test fails")]
fn show(said: &str) {
    eprintln!("--- the server said:\n{said}---");
}

#[allow(clippy::panic, reason = "a test fails by it")]
fn panic_with(message: &str) -> ! {
    panic!("{message}")
}
