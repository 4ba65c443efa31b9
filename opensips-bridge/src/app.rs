//! Wires the bridge, starts it, drains it.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use tfps_client::instances::{Backlog, HangUps, Instances, Observer};
use tfps_daemon::open_files;
use tokio::{
    net::{TcpListener, TcpSocket},
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tracing::{info, warn};

use crate::{
    config::Config,
    hang_up::{Ender, Heard, Mi},
    http::{Bridge, Gate, Routes, serve},
    telemetry::Metrics,
};

/// The running bridge.
#[derive(Debug)]
pub struct App {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    backlog: Backlog,
    drain: Duration,
}

impl App {
    /// Listens, and begins to connect to the servers; it does not wait for them.
    ///
    /// # Errors
    /// When the address can't be listened on, or the shared key can't be read.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let listener = listen(config.listen)
            .with_context(|| format!("{} can't be listened on", config.listen))?;
        let address = listener.local_addr()?;
        let config = Arc::new(config);
        let metrics = Metrics::default();
        let observer: Arc<dyn Observer> = Arc::new(metrics.clone());
        let deadline = Duration::from_millis(config.deadline_ms);
        let servers = Arc::new(Instances::start(config.clients(), deadline, &observer)?);
        let events = config.limits.call_events;
        let backlog = Backlog::start(Arc::clone(&servers), events, &observer);
        let (stop, stopping) = watch::channel(false);
        let heard = if config.hang_up.mi.is_empty() {
            None
        } else {
            let heard = Arc::new(Heard::default());
            let switches = config.hang_up.mi.iter().map(|url| Mi::new(url));
            let ender = Ender {
                switches: switches.collect::<Result<_, _>>()?,
                heard: Arc::clone(&heard),
                servers: Arc::clone(&servers),
                backlog: backlog.clone(),
                metrics: metrics.clone(),
            };
            let orders = HangUps::start(config.clients())?;
            tokio::spawn(Arc::new(ender).run(orders));
            Some(heard)
        };
        let gate = Gate::new(&config.allow_from, config.key()?);
        let routes = Routes::new(Bridge {
            config: Arc::clone(&config),
            servers,
            backlog: backlog.clone(),
            heard,
            metrics: metrics.clone(),
            stopping: stopping.clone(),
        });
        let mut limits = config.limits.clone();
        let room = open_files::raise(limits.connections as usize, "limits.connections");
        limits.connections = u32::try_from(room).unwrap_or(limits.connections);
        let drain = Duration::from_secs(limits.drain_seconds);
        let serving = tokio::spawn(serve(listener, routes, gate, limits, metrics, stopping));
        let [home, ordinary, high_risk] = config.on_unavailable.verdicts();
        info!(
            %address,
            servers = config.server.join(", "),
            on_unavailable = %format_args!("home {home}, ordinary {ordinary}, high_risk {high_risk}"),
            "serving"
        );
        Ok(Self {
            address,
            stop,
            serving,
            backlog,
            drain,
        })
    }

    /// Where HTTP is served.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until SIGTERM or SIGINT, then answers what is in flight.
    ///
    /// # Errors
    /// When signals can't be received.
    pub async fn run_until_signalled(self) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        info!("stopping");
        self.stop().await;
        Ok(())
    }

    /// Takes no new connections, answers what is in flight, and tells the servers what they do not know yet.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // The drain's own limit is inside.
        let _ = self.serving.await;
        let told = async {
            while !self.backlog.is_empty() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        if timeout(self.drain, told).await.is_err() {
            warn!("some calls' starts and ends were not told to a server");
        }
    }
}

/// Listens with room for as many connections that come at once as the system keeps waiting (`net.core.somaxconn`).
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(65_535)
}
