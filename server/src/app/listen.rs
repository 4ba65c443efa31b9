//! Where the server listens, and for how many.

use std::net::SocketAddr;

use anyhow::Context;
use tokio::net::TcpListener;

use crate::{config, connections::Limits};

/// Connections of the HTTP endpoint. Who watches a server has a handful.
pub(super) const HTTP: Limits = Limits {
    all: 64,
    per_peer: 64,
    unauthenticated: 64,
    unauthenticated_per_peer: 32,
    // There are no tokens.
    per_token: 0,
    per_switch: 0,
};

/// The limits of gRPC connections, of which there is room for `room`.
pub(super) fn limits_of(config: &config::Connections, room: usize) -> Limits {
    // Half of the room is for those who have shown a token.
    let strangers = room.div_ceil(2);
    Limits {
        all: room,
        per_peer: config.max_per_peer,
        unauthenticated: config.max_unauthenticated.min(strangers),
        unauthenticated_per_peer: config.max_unauthenticated_per_peer,
        per_token: config.max_per_token,
        per_switch: config.max_per_switch,
    }
}

/// Takes an address that a key of the configuration names.
pub(super) async fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("{key} = {address} can't be listened on: is another tfps-server running, or the address not this machine's?")
    })
}
