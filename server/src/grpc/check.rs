//! CheckService.

use std::{pin::Pin, sync::Arc};

use futures::{Stream, StreamExt, stream};
use tfps_proto::v1::{
    self, CheckRequest, CheckResponse, StreamChecksRequest, StreamChecksResponse,
    check_service_server::CheckService, stream_checks_response::Result as Answer,
};
use tokio_stream::wrappers::BroadcastStream;
use tonic::{Request, Response, Status, Streaming};

use super::{
    Endings,
    answers::answers,
    caller,
    convert::{self, decision},
    status,
};
use crate::{
    auth::{Permission, Principal},
    check::Checker,
    state::State,
};

/// Checks of one stream that are decided at once; more wait in the client's window.
const STREAM_WINDOW: usize = 256;

/// CheckService.
#[derive(Clone)]
pub struct CheckRpc {
    checker: Arc<Checker>,
    state: Arc<State>,
    endings: Endings,
}

impl CheckRpc {
    /// Asks this checker.
    pub fn new(checker: Arc<Checker>, state: Arc<State>, endings: Endings) -> Self {
        Self {
            checker,
            state,
            endings,
        }
    }

    pub(super) async fn answer(
        &self,
        request: Request<CheckRequest>,
    ) -> Result<Response<CheckResponse>, Status> {
        let caller = caller(&request)?;
        check(&self.checker, &caller, request.into_inner())
            .await
            .map(Response::new)
    }
}

async fn check(
    checker: &Checker,
    caller: &Principal,
    request: CheckRequest,
) -> Result<CheckResponse, Status> {
    let (raw, run) = decision::attempt(request)?;
    match run {
        decision::Run::Real => {
            caller.require(Permission::Decide)?;
            Ok(decision::response(checker.check(caller, raw).await?.record))
        }
        decision::Run::Dry(at) => {
            // A switch may ask what would be, as it may ask for real.
            caller
                .require(Permission::See)
                .or_else(|_| caller.require(Permission::Decide))?;
            let explained = Box::pin(checker.explain(caller, raw, at)).await?;
            Ok(decision::response(explained.record))
        }
    }
}

#[tonic::async_trait]
impl CheckService for CheckRpc {
    async fn check(
        &self,
        request: Request<CheckRequest>,
    ) -> Result<Response<CheckResponse>, Status> {
        self.answer(request).await
    }

    type StreamChecksStream =
        Pin<Box<dyn Stream<Item = Result<StreamChecksResponse, Status>> + Send>>;

    async fn stream_checks(
        &self,
        request: Request<Streaming<StreamChecksRequest>>,
    ) -> Result<Response<Self::StreamChecksStream>, Status> {
        let caller = caller(&request)?;
        caller
            .require(Permission::Decide)
            .or_else(|_| caller.require(Permission::See))?;
        let checker = Arc::clone(&self.checker);
        let ending = self.endings.of(&caller);
        let ended = ending.slot();
        let requests = request.into_inner().take_until(ending);
        let answers = answers(requests, STREAM_WINDOW, move |request| {
            let (checker, caller) = (Arc::clone(&checker), Arc::clone(&caller));
            async move {
                let StreamChecksRequest { id, check: request } = request?;
                let request = request.ok_or_else(|| status::missing("check"));
                let answer = match request {
                    Ok(request) => check(&checker, &caller, request).await,
                    Err(status) => Err(status),
                };
                let result = Some(match answer {
                    Ok(decision) => Answer::Decision(decision),
                    Err(status) => Answer::Error(error(&status)),
                });
                Ok(StreamChecksResponse { id, result })
            }
        });
        // A stream that breaks off ends there.
        let answers = stream::unfold(Some(Box::pin(answers)), |answers| async move {
            let mut answers = answers?;
            match answers.next().await? {
                Ok(answer) => Some((Ok(answer), Some(answers))),
                Err(status) => Some((Err(status), None)),
            }
        });
        let end = stream::once(async move { ended.get().cloned() })
            .filter_map(async |status| status.map(Err));
        Ok(Response::new(Box::pin(answers.chain(end))))
    }

    type WatchHangUpsStream =
        Pin<Box<dyn Stream<Item = Result<v1::WatchHangUpsResponse, Status>> + Send>>;

    async fn watch_hang_ups(
        &self,
        request: Request<v1::WatchHangUpsRequest>,
    ) -> Result<Response<Self::WatchHangUpsStream>, Status> {
        let caller = caller(&request)?;
        caller.require(Permission::Decide)?;
        let ending = self.endings.of(&caller);
        let ended = ending.slot();
        let (outstanding, orders) = self.state.hang_ups.listen();
        // What a listener that lags has missed is ordered again.
        let orders = BroadcastStream::new(orders).filter_map(async |order| order.ok());
        let orders = stream::iter(outstanding)
            .chain(orders)
            .filter(move |order| {
                let domain = caller.domain.as_deref();
                let is_his = domain.is_none_or(|domain| order.account.domain() == domain);
                std::future::ready(is_his)
            })
            .map(|order| {
                Ok(v1::WatchHangUpsResponse {
                    hang_up: Some(convert::call::hang_up(&order)),
                })
            });
        let end =
            stream::once(async move { Err(ended.get().cloned().unwrap_or_else(status::stopping)) });
        Ok(Response::new(Box::pin(
            orders.take_until(ending).chain(end),
        )))
    }
}

fn error(status: &Status) -> v1::CheckError {
    use prost::Message;
    // The details of a status are an encoded google.rpc.Status, whose fields are those of CheckError.
    let details = v1::CheckError::decode(status.details())
        .map(|error| error.details)
        .unwrap_or_default();
    v1::CheckError {
        code: status.code().into(),
        message: status.message().to_owned(),
        details,
    }
}
