//! Metrics and health over HTTP.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};

use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::net::TcpStream;

use crate::{
    admin::Admin,
    connections::Place,
    grpc::Stopping,
    journal::Journal,
    operation::Operation,
    state,
    telemetry::{LockedLabel, Metrics},
};

/// How long a request's headers may take, and how long a connection may rest between two.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is told.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) metrics: Metrics,
    pub(crate) state: Arc<state::State>,
    pub(crate) admin: Arc<Admin>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) operation: Arc<Operation>,
    pub(crate) stopping: Stopping,
}

/// `/metrics`, `/livez` and `/readyz`.
pub(crate) fn routes(told: Told) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(told)
}

/// Serves a connection to its end.
pub(crate) async fn serve(routes: Router, stream: TcpStream, place: Place) {
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(16 << 10)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    tokio::select! {
        () = place.connection().to_be_cut() => {}
        ended = serving => if let Err(error) = ended {
            tracing::debug!(%error, "an HTTP connection broke off");
        }
    }
}

async fn metrics(State(told): State<Told>) -> Response {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    told.metrics
        .journal_pending
        .set(number(told.journal.pending()));
    told.metrics.journal_bytes.set(number(told.journal.bytes()));
    told.metrics.journal_lost.set(number(told.journal.lost()));
    told.metrics
        .accounts
        .set(number(told.state.accounts.len() as u64));
    let hang_ups = &told.state.hang_ups;
    told.metrics
        .hang_ups_outstanding
        .set(number(hang_ups.outstanding() as u64));
    told.metrics
        .hang_up_listeners
        .set(number(hang_ups.listeners() as u64));
    for (kind, count) in told.admin.locked_by_kind() {
        let locked = told.metrics.locked.get_or_create(&LockedLabel { kind });
        locked.set(number(count));
    }
    told.metrics
        .onboardings_full
        .set(number(told.admin.onboardings_full(None).len() as u64));
    told.metrics.reputation.standing(&told.operation.sources());
    let form = [(
        CONTENT_TYPE,
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
    )];
    (form, told.metrics.render()).into_response()
}

async fn ready(State(told): State<Told>) -> Response {
    if *told.stopping.borrow() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    "ok\n".into_response()
}
