//! Wires the bridge, starts it, drains it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use tfps_client::instances::{Backlog, HangUps, Instances, Observer};
use tfps_daemon::open_files;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{Semaphore, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tracing::{info, warn};

use crate::{
    ami::{Calls, Manager},
    config::Config,
    door,
    flow::Bridge,
    http_endpoint::{self, Told},
    telemetry::Metrics,
    voice::Prompts,
};

/// The running bridge.
#[derive(Debug)]
pub struct App {
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    bridge: Arc<Bridge>,
}

impl App {
    /// Listens, and begins to connect to the servers; it does not wait for them.
    ///
    /// # Errors
    /// When an address can't be listened on.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let listener = listen(config.listen).await?;
        let address = listener.local_addr()?;
        let config = Arc::new(config);
        let metrics = Metrics::default();
        let deadline = Duration::from_millis(config.deadline_ms);
        let observer: Arc<dyn Observer> = Arc::new(metrics.clone());
        let instances = Arc::new(Instances::start(config.clients(), deadline, &observer)?);
        let events = config.limits.call_events;
        let backlog = Backlog::start(Arc::clone(&instances), events, &observer);
        let calls = if config.ami.address.is_empty() {
            None
        } else {
            let calls = Arc::new(Calls::default());
            let manager = Manager {
                settings: config.ami.clone(),
                secret: config.ami_secret()?,
                calls: Arc::clone(&calls),
                servers: Arc::clone(&instances),
                backlog: backlog.clone(),
                metrics: metrics.clone(),
            };
            tokio::spawn(manager.run(HangUps::start(config.clients())?));
            Some(calls)
        };
        let bridge = Arc::new(Bridge {
            prompts: Prompts::new(&config.ivr, &metrics),
            in_the_ivr: Semaphore::new(config.limits.in_the_ivr() as usize),
            config: Arc::clone(&config),
            instances,
            backlog,
            metrics,
            calls,
        });
        open_files::raise(config.limits.calls as usize, "limits.calls");
        let (stop, stopping) = watch::channel(false);
        let metrics_address = match config.metrics_listen()? {
            None => None,
            Some(address) => Some(tell_metrics(address, &bridge, stopping.clone()).await?),
        };
        let serving = tokio::spawn(door::serve(listener, Arc::clone(&bridge), stopping));
        info!(
            %address,
            metrics = metrics_address.map(|address| address.to_string()),
            servers = config.server.join(", "),
            "serving"
        );
        Ok(Self {
            address,
            metrics_address,
            stop,
            serving,
            bridge,
        })
    }

    /// Where AGI is served.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where metrics are served.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// Serves until SIGTERM or SIGINT, then waits for the calls in progress.
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

    /// Takes no new calls, waits for those in progress, and tells the servers what they do not know yet.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // The drain's own limit is inside.
        let _ = self.serving.await;
        let backlog = &self.bridge.backlog;
        let told = async {
            while !backlog.is_empty() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let drain = Duration::from_secs(self.bridge.config.limits.drain_seconds);
        if timeout(drain, told).await.is_err() {
            warn!("some calls' ends were not told to a server");
        }
    }
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("{address} can't be listened on"))
}

async fn tell_metrics(
    address: SocketAddr,
    bridge: &Arc<Bridge>,
    stopping: watch::Receiver<bool>,
) -> anyhow::Result<SocketAddr> {
    let listener = listen(address).await.context("metrics_listen")?;
    let address = listener.local_addr()?;
    let routes = http_endpoint::routes(Told {
        bridge: Arc::clone(bridge),
        stopping,
    });
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(address)
}
