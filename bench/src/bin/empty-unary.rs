//! Serves the RPC that does nothing, set up as tfps-server sets up its own: what Check's cost is compared with.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use clap::Parser;
use tfps_bench::empty::{
    filling,
    v1::{
        CallRequest, CallResponse,
        empty_server::{Empty, EmptyServer},
    },
};
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A gRPC server whose one unary RPC does nothing.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where it is served
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    /// The size of an answer, encoded
    #[arg(long, value_name = "BYTES")]
    response_bytes: usize,
}

struct Nothing {
    filling: Arc<[u8]>,
}

#[tonic::async_trait]
impl Empty for Nothing {
    async fn call(&self, _request: Request<CallRequest>) -> Result<Response<CallResponse>, Status> {
        Ok(Response::new(CallResponse {
            filling: self.filling.to_vec(),
        }))
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(&arguments))
}

async fn serve(arguments: &Arguments) -> anyhow::Result<()> {
    let listener = TcpListener::bind(arguments.listen).await?;
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let nothing = Nothing {
        filling: filling(arguments.response_bytes).into(),
    };
    Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(20)))
        .tcp_keepalive(Some(Duration::from_secs(60)))
        .max_concurrent_streams(4_096)
        .initial_connection_window_size(1 << 20)
        .add_service(EmptyServer::new(nothing))
        .serve_with_incoming(incoming)
        .await?;
    Ok(())
}
