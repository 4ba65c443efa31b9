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
/// The largest message about a call or of a caller, in bytes.
pub const LARGEST_CALL: usize = 64 << 10;
/// The largest message of an administrator, in bytes, but for ...
pub const LARGEST_OTHER: usize = 256 << 10;
/// ... many entries of the lists: ten thousand fit with their reasons.
pub const LARGEST_BULK: usize = 16 << 20;

/// Whether a request brings many entries.
pub(super) fn is_bulk(path: &str) -> bool {
    matches!(
        path,
        "/tfps.v1.AdminService/PutEntries" | "/tfps.v1.AdminService/ImportEntries"
    )
}

/// Every service of the API. Check, which each call waits for, is asked without the detours of the others: looking its
/// path up and boxing its future three times cost as much as deciding.
#[derive(Clone)]
pub struct Dispatch {
    check: Arc<CheckRpc>,
    bulk: Routes,
    all: Routes,
}

impl Dispatch {
    /// Check as `check` answers it, what brings many entries as `bulk` does, everything else as `all`, which knows them too.
    pub fn new(check: CheckRpc, bulk: Routes, all: Routes) -> Self {
        Self {
            check: Arc::new(check),
            bulk: bulk.prepare(),
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
        let path = request.uri().path();
        if path != CHECK {
            let routes = if is_bulk(path) {
                &mut self.bulk
            } else {
                &mut self.all
            };
            return Either::Right(routes.call(request));
        }
        let check = Check(Arc::clone(&self.check));
        Either::Left(Box::pin(async move {
            let mut grpc = Grpc::new(StrictCodec::default())
                .apply_max_message_size_config(Some(LARGEST_CALL), None);
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
