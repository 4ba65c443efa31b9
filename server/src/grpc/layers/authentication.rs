//! Authentication: a bearer token says who asks.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures::future::Either;
use http::header::AUTHORIZATION;
use tonic::body::Body;
use tower::{Layer, Service};

use super::{RefusedOr, refuse};
use crate::{
    auth::{Caller, Counted, Tokens},
    clock::Clock,
    connections::Connection,
    grpc::status,
    telemetry::Metrics,
};

/// Asks every request for its token.
#[derive(Clone, Debug)]
pub struct AuthenticationLayer {
    tokens: Arc<Tokens>,
    clock: Clock,
    metrics: Metrics,
}

impl AuthenticationLayer {
    /// Knows these tokens.
    pub fn new(tokens: Arc<Tokens>, clock: Clock, metrics: Metrics) -> Self {
        Self {
            tokens,
            clock,
            metrics,
        }
    }
}

impl<S> Layer<S> for AuthenticationLayer {
    type Service = Authentication<S>;

    fn layer(&self, inner: S) -> Authentication<S> {
        Authentication {
            inner,
            layer: self.clone(),
        }
    }
}

/// Asks every request for its token.
#[derive(Clone, Debug)]
pub struct Authentication<S> {
    inner: S,
    layer: AuthenticationLayer,
}

impl<S, B> Service<http::Request<B>> for Authentication<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = RefusedOr<S::Future, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        let connection = request.extensions().get::<Arc<Connection>>();
        let known = match bearer(&request) {
            None => Err("the request has no bearer token"),
            Some(token) => self
                .layer
                .tokens
                .principal(token, self.layer.clock.now())
                .ok_or("the token is not known, was revoked or has expired"),
        };
        let principal = match known {
            Ok(principal) => principal,
            Err(why) => {
                self.layer.metrics.unauthenticated.inc();
                if let Some(connection) = connection {
                    connection.refused();
                }
                return refuse(status::unauthenticated(why));
            }
        };
        if let Some(connection) = connection
            && let Err(too_many) = connection.authenticated(&principal)
        {
            connection.refused();
            let status = status::over_budget(
                &principal.name,
                Counted::Connection,
                too_many.most,
                too_many.key,
            );
            return refuse(status);
        }
        request.extensions_mut().insert(Caller(principal));
        Either::Right(self.inner.call(request))
    }
}

fn bearer<B>(request: &http::Request<B>) -> Option<&str> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
