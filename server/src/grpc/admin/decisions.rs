//! Decisions: recorded, as they are made, explained.

use std::pin::Pin;

use futures::{Stream, StreamExt};
use tfps_proto::v1;
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};
use tonic::{Request, Response, Status};

use super::{AdminRpc, Answer};
use crate::{
    auth::Permission,
    grpc::{caller, convert, status},
};

/// Decisions as they are made.
pub(super) type Watched =
    Pin<Box<dyn Stream<Item = Result<v1::WatchDecisionsResponse, Status>> + Send>>;

pub(super) async fn list(
    rpc: &AdminRpc,
    request: Request<v1::ListDecisionsRequest>,
) -> Answer<v1::ListDecisionsResponse> {
    let caller = caller(&request)?;
    let request = request.into_inner();
    let filter = convert::decision::filter(request.filter)?;
    let page = rpc
        .admin
        .list_decisions(&caller, filter, (request.page_size, &request.page_token))
        .await?;
    Ok(Response::new(v1::ListDecisionsResponse {
        decisions: page
            .records
            .into_iter()
            .map(convert::decision::decision)
            .collect(),
        next_page_token: page.next,
        not_yet_listed: page.not_yet_listed,
    }))
}

pub(super) async fn watch(
    rpc: &AdminRpc,
    request: Request<v1::WatchDecisionsRequest>,
) -> Answer<Watched> {
    let caller = caller(&request)?;
    caller.require(Permission::See)?;
    let mut filter = convert::decision::filter(request.into_inner().filter)?;
    filter.domain = caller.narrow(filter.domain.as_deref().unwrap_or_default())?;
    let ending = rpc.endings.of(&caller);
    let ended = ending.slot();
    let mut skipped = 0;
    let decisions = BroadcastStream::new(rpc.checker.watch()).filter_map(move |record| {
        let answer = match record {
            Ok(record) if convert::decision::matches(&filter, &record) => {
                Some(Ok(v1::WatchDecisionsResponse {
                    decision: Some(convert::decision::decision((*record).clone())),
                    skipped: std::mem::take(&mut skipped),
                }))
            }
            Ok(_) => None,
            Err(BroadcastStreamRecvError::Lagged(missed)) => {
                skipped += missed;
                None
            }
        };
        std::future::ready(answer)
    });
    let end =
        futures::stream::once(
            async move { Err(ended.get().cloned().unwrap_or_else(status::stopping)) },
        );
    Ok(Response::new(Box::pin(
        decisions.take_until(ending).chain(end),
    )))
}

pub(super) async fn explain(
    rpc: &AdminRpc,
    request: Request<v1::ExplainCheckRequest>,
) -> Answer<v1::ExplainCheckResponse> {
    let caller = caller(&request)?;
    caller.require(Permission::See)?;
    let mut check = request
        .into_inner()
        .check
        .ok_or_else(|| status::missing("check"))?;
    check.dry_run = true;
    let at = convert::moment("check.at", check.at)?;
    let (raw, _) = convert::decision::attempt(check)?;
    let explained = rpc.checker.explain(&caller, raw, at).await?;
    Ok(Response::new(v1::ExplainCheckResponse {
        policy: explained.record.policy.clone(),
        decision: Some(convert::decision::response(explained.record)),
        findings: explained
            .findings
            .into_iter()
            .map(convert::decision::finding)
            .collect(),
        account_known: explained.account_known,
        reading: explained.reading,
    }))
}
