//! Limits that learn.

use std::{pin::Pin, sync::Arc};

use futures::{Stream, StreamExt, stream};
use tfps_engine::{
    call::{MAX_DOMAIN, MAX_USERNAME},
    training::NothingLearned,
};
use tfps_proto::v1;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::{AdminRpc, Answer};
use crate::{
    grpc::{caller, convert, status, uninterrupted},
    store::TrainingFilter,
    train::{By, Course, Run, Trained},
};

/// How training gets on.
pub(super) type Progress =
    Pin<Box<dyn Stream<Item = Result<v1::TrainAccountsResponse, Status>> + Send>>;

/// After how many accounts is told how far it has got.
const STEP: u64 = 100;
/// How many answers wait for a client that reads slowly.
const AHEAD: usize = 16;
/// The longest id, in bytes.
const MAX_ID: usize = 64;

pub(super) async fn train(
    rpc: &AdminRpc,
    request: Request<v1::TrainAccountsRequest>,
) -> Answer<Progress> {
    let caller = caller(&request)?;
    let request = request.into_inner();
    convert::bounded("domain", &request.domain, MAX_DOMAIN)?;
    convert::bounded("username", &request.username, MAX_USERNAME)?;
    let course = convert::training::course(&request)?;
    let (trainer, admin) = (Arc::clone(&rpc.trainer), Arc::clone(&rpc.admin));
    let accounts = trainer.accounts(&caller, &request.domain, &request.username, course)?;
    let mut ending = rpc.endings.of(&caller);
    let ended = ending.slot();
    let (sender, answers) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let mut run = Run {
            total: accounts.len() as u64,
            ..Run::default()
        };
        let fraud = match trainer.fraud().await {
            Ok(fraud) => fraud,
            Err(error) => return drop(sender.send(Err(error.into())).await),
        };
        for id in accounts {
            // Who has hung up wants no more accounts to be changed.
            let place = tokio::select! {
                biased;
                _ = &mut ending => return,
                () = sender.closed() => return,
                place = admin.queries.place(&caller) => place,
            };
            let trained = match trainer
                .train(&id, course, &fraud, By::Token(&caller.name))
                .await
            {
                Ok(trained) => trained,
                Err(error) => return drop(sender.send(Err(error.into())).await),
            };
            // Others need it while the client reads.
            drop(place);
            run.count(&trained);
            let is_kept = course != Course::DryRun;
            let mut told = progress(&run);
            match trained {
                Trained::Proposed(record) => {
                    told.training = Some(convert::training::training(*record, is_kept));
                }
                Trained::Nothing(NothingLearned::Fits { left_out }) if !left_out.is_empty() => {
                    told.left_out = Some(convert::training::left_out(&id, left_out));
                }
                _ => {}
            }
            let tells =
                told.training.is_some() || told.left_out.is_some() || run.done.is_multiple_of(STEP);
            if !tells {
                continue;
            }
            tokio::select! {
                biased;
                _ = &mut ending => return,
                sent = sender.send(Ok(told)) => if sent.is_err() {
                    return;
                }
            }
        }
        let _ = sender.send(Ok(progress(&run))).await;
    });
    let answers = ReceiverStream::new(answers);
    let end = stream::once(async move { ended.get().cloned() })
        .filter_map(async |status| status.map(Err));
    Ok(Response::new(Box::pin(answers.chain(end))))
}

fn progress(run: &Run) -> v1::TrainAccountsResponse {
    v1::TrainAccountsResponse {
        training: None,
        done: run.done,
        total: run.total,
        too_young: run.too_young,
        fitting: run.fitting,
        blocked: run.blocked,
        left_out: None,
    }
}

pub(super) async fn list(
    rpc: &AdminRpc,
    request: Request<v1::ListTrainingsRequest>,
) -> Answer<v1::ListTrainingsResponse> {
    let caller = caller(&request)?;
    let request = request.into_inner();
    convert::bounded("domain", &request.domain, MAX_DOMAIN)?;
    convert::bounded("username", &request.username, MAX_USERNAME)?;
    let filter = TrainingFilter {
        domain: convert::given(request.domain),
        username: convert::given(request.username),
        state: convert::training::state(request.state)?,
        id: None,
    };
    let (trainings, next_page_token) = rpc
        .trainer
        .list(&caller, filter, (request.page_size, &request.page_token))
        .await?;
    Ok(Response::new(v1::ListTrainingsResponse {
        trainings: trainings
            .into_iter()
            .map(|record| convert::training::training(record, true))
            .collect(),
        next_page_token,
    }))
}

pub(super) async fn apply(
    rpc: &AdminRpc,
    request: Request<v1::ApplyTrainingRequest>,
) -> Answer<v1::ApplyTrainingResponse> {
    let caller = caller(&request)?;
    let id = given_id(request.into_inner().id)?;
    let trainer = Arc::clone(&rpc.trainer);
    let record = uninterrupted(async move { Ok(trainer.apply(&caller, &id).await?) }).await?;
    Ok(Response::new(v1::ApplyTrainingResponse {
        training: Some(convert::training::training(record, true)),
    }))
}

pub(super) async fn revert(
    rpc: &AdminRpc,
    request: Request<v1::RevertTrainingRequest>,
) -> Answer<v1::RevertTrainingResponse> {
    let caller = caller(&request)?;
    let id = given_id(request.into_inner().id)?;
    let trainer = Arc::clone(&rpc.trainer);
    let record = uninterrupted(async move { Ok(trainer.revert(&caller, &id).await?) }).await?;
    Ok(Response::new(v1::RevertTrainingResponse {
        training: Some(convert::training::training(record, true)),
    }))
}

fn given_id(id: String) -> Result<String, Status> {
    convert::bounded("id", &id, MAX_ID)?;
    convert::given(id).ok_or_else(|| status::missing("id"))
}
