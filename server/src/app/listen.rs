//! Where and how the server listens.

use std::{fs, net::SocketAddr, time::Duration};

use anyhow::Context;
use tokio::net::TcpListener;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

use crate::config::Config;

/// The gRPC server, with TLS where it is configured.
pub(super) fn builder(config: &Config) -> anyhow::Result<Server> {
    let mut server = Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(20)))
        .tcp_keepalive(Some(Duration::from_secs(60)))
        .max_concurrent_streams(4_096)
        .initial_connection_window_size(1 << 20);
    let tls = &config.tls;
    if tls.cert_file.is_empty() {
        return Ok(server);
    }
    let read = |key: &str, path: &str| {
        fs::read(path).with_context(|| format!("{key} = {path:?} can't be read"))
    };
    let identity = Identity::from_pem(
        read("tls.cert_file", &tls.cert_file)?,
        read("tls.key_file", &tls.key_file)?,
    );
    let mut settings = ServerTlsConfig::new().identity(identity);
    if !tls.client_ca_file.is_empty() {
        settings = settings.client_ca_root(Certificate::from_pem(read(
            "tls.client_ca_file",
            &tls.client_ca_file,
        )?));
    }
    server = server
        .tls_config(settings)
        .context("tls.cert_file and tls.key_file do not fit together")?;
    Ok(server)
}

/// Takes an address that a key of the configuration names.
pub(super) async fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("{key} = {address} can't be listened on: is another tfps-server running, or the address not this machine's?")
    })
}
