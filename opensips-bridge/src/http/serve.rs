//! Connections: accepted, admitted, served, and ended when the bridge stops.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::response::{IntoResponse, Response};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::{Instant, sleep, timeout},
};
use tracing::{debug, warn};

use super::{
    Gate, Routes,
    asked::Refusal,
    connections::{Connection, Connections},
    patience::{Patient, Phase},
};
use crate::{
    config::Limits,
    telemetry::{CauseLabel, Metrics},
};

/// How many of those that may not ask are told so at once; the others are hung up on.
const TURNED_AWAY: usize = 64;
/// How long one of those may take to ask.
const HEARD_OUT: Duration = Duration::from_millis(500);
/// How long one that makes room may take to end.
const MAKES_ROOM: Duration = Duration::from_millis(100);
/// The pause after a connection could not be accepted, as when there are too many files.
const NOT_ACCEPTED: Duration = Duration::from_millis(50);

/// What every connection shares.
struct Door {
    routes: Routes,
    gate: Gate,
    limits: Limits,
    metrics: Metrics,
    turned_away: Semaphore,
}

/// Serves until the bridge stops, and then the requests in flight.
pub(crate) async fn serve(
    listener: TcpListener,
    routes: Routes,
    gate: Gate,
    limits: Limits,
    metrics: Metrics,
    mut stopping: watch::Receiver<bool>,
) {
    let connections = Connections::up_to(limits.connections);
    let drain = Duration::from_secs(limits.drain_seconds);
    let door = Arc::new(Door {
        routes,
        gate,
        limits,
        metrics,
        turned_away: Semaphore::new(TURNED_AWAY),
    });
    let stop = stopping.clone();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener) => accepted,
            _ = stopping.wait_for(|stopping| *stopping) => break,
        };
        let Some((stream, peer)) = accepted else {
            continue;
        };
        let (door, stop) = (Arc::clone(&door), stop.clone());
        // Who may not ask takes nobody's place.
        if !door.gate.admits(peer.ip()) {
            tokio::spawn(async move { door.turn_away(stream, peer).await });
            continue;
        }
        let phase = Phase::default();
        let place = tokio::select! {
            place = connections.open(&phase) => place,
            _ = stopping.wait_for(|stopping| *stopping) => break,
        };
        let Some(place) = place else {
            continue;
        };
        // What it asks is decided within the deadline from now on, however long its turn takes to come.
        phase.asks();
        let accepted = Accepted {
            stream,
            phase,
            place,
        };
        tokio::spawn(async move {
            door.metrics.connections.inc();
            door.welcome(accepted, stop).await;
            door.metrics.connections.dec();
        });
    }
    drop(listener);
    let _ = timeout(drain, connections.all_closed()).await;
}

/// A connection with its place.
struct Accepted {
    stream: TcpStream,
    phase: Phase,
    place: Connection,
}

async fn accept(listener: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
    match listener.accept().await {
        Ok(accepted) => Some(accepted),
        Err(error) => {
            warn!(%error, "a connection was not accepted");
            sleep(NOT_ACCEPTED).await;
            None
        }
    }
}

impl Door {
    /// Serves a connection's requests, one after the other.
    async fn welcome(&self, accepted: Accepted, mut stop: watch::Receiver<bool>) {
        let Accepted {
            stream,
            phase,
            place,
        } = accepted;
        // Latency matters more than packets.
        let _ = stream.set_nodelay(true);
        let stream = Patient::new(
            stream,
            phase.clone(),
            Duration::from_secs(self.limits.idle_seconds),
            Duration::from_millis(self.limits.request_ms),
        );
        let service = service_fn(|request: Request<Incoming>| {
            phase.answering();
            let phase = phase.clone();
            async move {
                let response = self.answer(request, phase.asked()).await;
                phase.idle();
                Ok::<_, std::convert::Infallible>(response)
            }
        });
        let connection = http1::Builder::new()
            .header_read_timeout(None)
            .half_close(true)
            .max_buf_size(self.limits.head_bytes)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let stopped = async { stop.wait_for(|stopping| *stopping).await.is_ok() };
        let served = tokio::select! {
            served = connection.as_mut() => served,
            _ = stopped => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            () = place.to_close() => {
                debug!("an idle connection makes room for another");
                connection.as_mut().graceful_shutdown();
                // A request that has just come is answered; the rest of one is not waited for.
                match timeout(MAKES_ROOM, connection).await {
                    Ok(served) => served,
                    Err(_) => return,
                }
            }
        };
        if let Err(error) = served {
            debug!(%error, "a connection broke");
        }
    }

    async fn answer(&self, request: Request<Incoming>, asked: Instant) -> Response {
        if !self.gate.opens(request.uri().path(), request.headers()) {
            return self.refused(Refusal::Key).into_response();
        }
        self.routes.answer(request, asked).await
    }

    /// Tells one who may not ask that he may not, whatever he asks.
    async fn turn_away(&self, mut stream: TcpStream, peer: SocketAddr) {
        let refusal = self.refused(Refusal::Source(peer.ip()));
        let Ok(_place) = self.turned_away.try_acquire() else {
            return;
        };
        let body = refusal.to_json();
        let answer = format!(
            "HTTP/1.1 403 Forbidden\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        let told = async {
            let mut heard = [0; 4_096];
            let _ = stream.read(&mut heard).await?;
            stream.write_all(answer.as_bytes()).await?;
            stream.shutdown().await?;
            stream.read(&mut heard).await
        };
        // He may as well have hung up.
        let _ = timeout(HEARD_OUT, told).await;
    }

    fn refused(&self, refusal: Refusal) -> Refusal {
        let label = CauseLabel {
            cause: refusal.cause(),
        };
        self.metrics.refused.get_or_create(&label).inc();
        refusal
    }
}
