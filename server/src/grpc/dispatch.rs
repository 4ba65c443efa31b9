//! Finds who answers a request.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use futures::future::{BoxFuture, Either};
use tfps_proto::{
    codec::StrictCodec,
    v1::{CheckRequest, CheckResponse},
};
use tonic::{
    Request, Response, Status,
    body::Body,
    server::{Grpc, UnaryService},
    service::Routes,
};
use tower::Service;

use super::CheckRpc;

const CHECK: &str = "/tfps.v1.CheckService/Check";

/// Every service of the API. Check, which each call waits for, is asked without the detours of the others: looking its
/// path up and boxing its future three times cost as much as deciding.
#[derive(Clone)]
pub struct Dispatch {
    check: Arc<CheckRpc>,
    all: Routes,
}

impl Dispatch {
    /// Check as `check` answers it, everything else as `all` says, which knows Check too.
    pub fn new(check: CheckRpc, all: Routes) -> Self {
        Self {
            check: Arc::new(check),
            all: all.prepare(),
        }
    }
}

impl Service<http::Request<Body>> for Dispatch {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Either<
        BoxFuture<'static, Result<http::Response<Body>, Infallible>>,
        <Routes as Service<http::Request<Body>>>::Future,
    >;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if request.uri().path() != CHECK {
            return Either::Right(self.all.call(request));
        }
        let check = Check(Arc::clone(&self.check));
        Either::Left(Box::pin(async move {
            let mut grpc = Grpc::new(StrictCodec::default());
            Ok(grpc.unary(check, request).await)
        }))
    }
}

struct Check(Arc<CheckRpc>);

impl UnaryService<CheckRequest> for Check {
    type Response = CheckResponse;
    type Future = BoxFuture<'static, Result<Response<CheckResponse>, Status>>;

    fn call(&mut self, request: Request<CheckRequest>) -> Self::Future {
        let check = Arc::clone(&self.0);
        Box::pin(async move { check.answer(request).await })
    }
}
