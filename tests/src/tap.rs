//! Listens in between Asterisk and the bridge: the commands and answers of AGI as they cross the wire.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    time::sleep,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// Who said a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// A command.
    Bridge,
    /// The environment, an answer, or `HANGUP`.
    Asterisk,
}

/// A wire that is listened to.
#[derive(Clone, Debug)]
pub struct Tap {
    address: SocketAddr,
    lines: Arc<Mutex<Vec<(Side, String)>>>,
}

impl Tap {
    /// Before a bridge.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn before(bridge: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let tap = Self {
            address: listener.local_addr().expect("an address"),
            lines: Arc::default(),
        };
        let lines = Arc::clone(&tap.lines);
        tokio::spawn(async move {
            while let Ok((asterisk, _)) = listener.accept().await {
                let Ok(bridge) = TcpStream::connect(bridge).await else {
                    continue;
                };
                let (from_asterisk, to_asterisk) = asterisk.into_split();
                let (from_bridge, to_bridge) = bridge.into_split();
                tokio::spawn(pass(
                    from_asterisk,
                    to_bridge,
                    Side::Asterisk,
                    Arc::clone(&lines),
                ));
                tokio::spawn(pass(
                    from_bridge,
                    to_asterisk,
                    Side::Bridge,
                    Arc::clone(&lines),
                ));
            }
        });
        tap
    }

    /// Where Asterisk connects.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was said so far.
    pub fn lines(&self) -> Vec<(Side, String)> {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How often the bridge has sent the command that contains this.
    pub fn commands(&self, part: &str) -> usize {
        let lines = self.lines();
        let matching = lines
            .iter()
            .filter(|(side, line)| *side == Side::Bridge && line.contains(part));
        matching.count()
    }

    /// Waits for the bridge to send the command that contains this, for the so many-th time.
    ///
    /// # Panics
    /// When it does not.
    pub async fn commanded(&self, part: &str, times: usize) -> String {
        let started = Instant::now();
        loop {
            let lines = self.lines();
            let mut matching = lines
                .iter()
                .filter(|(side, line)| *side == Side::Bridge && line.contains(part));
            if let Some((_, line)) = matching.nth(times - 1) {
                return line.clone();
            }
            assert!(started.elapsed() < PATIENCE, "no {part}: {lines:#?}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits for the so many-th captcha to be read out: its digits.
    ///
    /// # Panics
    /// When it is not.
    pub async fn captcha(&self, times: usize) -> String {
        let started = Instant::now();
        loop {
            let lines = self.lines();
            let captchas: Vec<_> = lines
                .iter()
                .filter(|(side, _)| *side == Side::Bridge)
                .filter_map(|(_, line)| line.strip_prefix("SAY DIGITS \"")?.split('"').next())
                // Numbers are said too.
                .filter(|digits| digits.len() == 4)
                .collect();
            if let Some(digits) = captchas.get(times - 1) {
                return (*digits).to_owned();
            }
            assert!(started.elapsed() < PATIENCE, "no captcha: {lines:#?}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// The sounds that were played, in order, without their folder; a number that was said is its digits.
    pub fn played(&self) -> Vec<String> {
        self.lines()
            .into_iter()
            .filter(|(side, _)| *side == Side::Bridge)
            .filter_map(|(_, line)| {
                let (command, rest) = line.split_once(" \"")?;
                let sound = rest.split('"').next()?;
                match command {
                    "STREAM FILE" | "GET DATA" | "SAY DIGITS" => {
                        Some(sound.rsplit('/').next()?.to_owned())
                    }
                    _ => None,
                }
            })
            .filter(|sound| !sound.is_empty())
            .collect()
    }
}

async fn pass(
    from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    side: Side,
    lines: Arc<Mutex<Vec<(Side, String)>>>,
) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from
        .read_until(b'\n', &mut line)
        .await
        .is_ok_and(|read| read > 0)
    {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((side, text));
        if to.write_all(&line).await.is_err() {
            return;
        }
        line.clear();
    }
    let _ = to.shutdown().await;
}
