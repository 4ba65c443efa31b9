//! Connections: accepted, admitted, served as calls, and waited for when the bridge stops.

use std::{net::IpAddr, sync::Arc, time::Duration};

use ipnet::IpNet;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};
use tracing::{info, warn};

use crate::{
    flow::{self, Bridge},
    telemetry::CauseLabel,
};

/// The pause after a connection could not be accepted, as when there are too many files.
const NOT_ACCEPTED: Duration = Duration::from_millis(50);

/// Serves calls until the bridge stops, and waits for those in progress.
pub(crate) async fn serve(
    listener: TcpListener,
    bridge: Arc<Bridge>,
    mut stopping: watch::Receiver<bool>,
) {
    let most = bridge.config.limits.calls;
    let places = Arc::new(Semaphore::new(most as usize));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(|stopping| *stopping) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "a connection was not accepted");
                sleep(NOT_ACCEPTED).await;
                continue;
            }
        };
        if !admits(&bridge.config.allow_from, peer.ip()) {
            info!(%peer, "hung up on: its address is not in allow_from");
            refused(&bridge, "source");
            continue;
        }
        // A caller who waited to be accepted would hear nothing: his dialplan goes on at once.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            warn!(%peer, calls = most, "hung up on: as many calls as limits.calls are served");
            refused(&bridge, "full");
            continue;
        };
        let bridge = Arc::clone(&bridge);
        tokio::spawn(async move {
            bridge.metrics.in_progress.inc();
            flow::serve(&bridge, stream).await;
            bridge.metrics.in_progress.dec();
            drop(place);
        });
    }
    drop(listener);
    let drain = Duration::from_secs(bridge.config.limits.drain_seconds);
    // All places are free once all calls have ended.
    if timeout(drain, places.acquire_many(most)).await.is_err() {
        warn!("some calls were cut off: their callers were still in the IVR");
    }
}

fn admits(networks: &[IpNet], source: IpAddr) -> bool {
    let source = source.to_canonical();
    networks.iter().any(|network| network.contains(&source))
}

fn refused(bridge: &Bridge, cause: &'static str) {
    let label = CauseLabel { cause };
    bridge.metrics.refused.get_or_create(&label).inc();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_networks_are_admitted() {
        let networks = ["10.1.0.0/16", "2001:db8::/32"].map(|network| network.parse().unwrap());
        for source in ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::7"] {
            assert!(admits(&networks, source.parse().unwrap()), "{source}");
        }
        for source in ["10.2.0.1", "127.0.0.1", "::1"] {
            assert!(!admits(&networks, source.parse().unwrap()), "{source}");
        }
    }
}
