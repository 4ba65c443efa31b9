//! Serves an axum handler that does nothing, beside which the bridge's cost is told.

use std::net::SocketAddr;

use axum::{Router, routing::get};
use clap::Parser;
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An HTTP server whose one handler does nothing.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where it is served
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let listener = TcpListener::bind(Arguments::parse().listen).await?;
    let router = Router::new().route("/", get(|| async { "ok" }));
    axum::serve(listener, router).await?;
    Ok(())
}
