//! Metrics and health over HTTP.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::sync::watch;

use crate::flow::Bridge;

/// What is told.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) bridge: Arc<Bridge>,
    pub(crate) stopping: watch::Receiver<bool>,
}

/// `/metrics`, `/livez` and `/readyz`.
pub(crate) fn routes(told: Told) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(told)
}

async fn metrics(State(told): State<Told>) -> Response {
    let form = [(
        CONTENT_TYPE,
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
    )];
    (form, told.bridge.metrics.render()).into_response()
}

async fn ready(State(told): State<Told>) -> Response {
    if *told.stopping.borrow() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    let mut troubles = String::new();
    for server in told.bridge.instances.health() {
        if let Some(trouble) = server.trouble {
            troubles.push_str(&format!("{}: {trouble}\n", server.address));
        }
    }
    if told.bridge.instances.answering() == 0 {
        return (StatusCode::SERVICE_UNAVAILABLE, troubles).into_response();
    }
    format!("ok\n{troubles}").into_response()
}
