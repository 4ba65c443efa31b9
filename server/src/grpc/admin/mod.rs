//! AdminService.

mod accounts;
mod calls;
mod decisions;
mod entries;
mod locks;
mod operation;
mod policies;
mod tokens;
mod trainings;

use std::sync::Arc;

use tfps_proto::v1::{self, admin_service_server::AdminService};
use tonic::{Request, Response, Status, Streaming};

use super::Endings;
use crate::{admin::Admin, calls::CallWatch, check::Checker, operation::Operation, train::Trainer};

/// The longest name of a policy or token, in bytes.
const MAX_NAME: usize = 64;

/// AdminService.
#[derive(Clone)]
pub struct AdminRpc {
    admin: Arc<Admin>,
    calls: Arc<CallWatch>,
    checker: Arc<Checker>,
    operation: Arc<Operation>,
    trainer: Arc<Trainer>,
    endings: Endings,
}

impl AdminRpc {
    /// Asks these.
    pub fn new(
        admin: Arc<Admin>,
        calls: Arc<CallWatch>,
        checker: Arc<Checker>,
        operation: Arc<Operation>,
        trainer: Arc<Trainer>,
        endings: Endings,
    ) -> Self {
        Self {
            admin,
            calls,
            checker,
            operation,
            trainer,
            endings,
        }
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl AdminService for AdminRpc {
    async fn list_accounts(
        &self,
        request: Request<v1::ListAccountsRequest>,
    ) -> Answer<v1::ListAccountsResponse> {
        accounts::list(self, request).await
    }

    async fn get_account(
        &self,
        request: Request<v1::GetAccountRequest>,
    ) -> Answer<v1::GetAccountResponse> {
        accounts::get(self, request).await
    }

    async fn create_account(
        &self,
        request: Request<v1::CreateAccountRequest>,
    ) -> Answer<v1::CreateAccountResponse> {
        accounts::create(self, request).await
    }

    async fn update_account(
        &self,
        request: Request<v1::UpdateAccountRequest>,
    ) -> Answer<v1::UpdateAccountResponse> {
        accounts::update(self, request).await
    }

    async fn delete_account(
        &self,
        request: Request<v1::DeleteAccountRequest>,
    ) -> Answer<v1::DeleteAccountResponse> {
        accounts::delete(self, request).await
    }

    async fn reset_usage(
        &self,
        request: Request<v1::ResetUsageRequest>,
    ) -> Answer<v1::ResetUsageResponse> {
        accounts::reset(self, request).await
    }

    async fn block_account(
        &self,
        request: Request<v1::BlockAccountRequest>,
    ) -> Answer<v1::BlockAccountResponse> {
        accounts::block(self, request).await
    }

    async fn unblock_account(
        &self,
        request: Request<v1::UnblockAccountRequest>,
    ) -> Answer<v1::UnblockAccountResponse> {
        accounts::unblock(self, request).await
    }

    async fn list_locks(
        &self,
        request: Request<v1::ListLocksRequest>,
    ) -> Answer<v1::ListLocksResponse> {
        locks::list(self, &request)
    }

    async fn unlock(&self, request: Request<v1::UnlockRequest>) -> Answer<v1::UnlockResponse> {
        locks::unlock(self, request).await
    }

    async fn list_policies(
        &self,
        request: Request<v1::ListPoliciesRequest>,
    ) -> Answer<v1::ListPoliciesResponse> {
        policies::list(self, request).await
    }

    async fn get_policy(
        &self,
        request: Request<v1::GetPolicyRequest>,
    ) -> Answer<v1::GetPolicyResponse> {
        policies::get(self, request).await
    }

    async fn put_policy(
        &self,
        request: Request<v1::PutPolicyRequest>,
    ) -> Answer<v1::PutPolicyResponse> {
        policies::put(self, request).await
    }

    async fn delete_policy(
        &self,
        request: Request<v1::DeletePolicyRequest>,
    ) -> Answer<v1::DeletePolicyResponse> {
        policies::delete(self, request).await
    }

    async fn list_entries(
        &self,
        request: Request<v1::ListEntriesRequest>,
    ) -> Answer<v1::ListEntriesResponse> {
        entries::list(self, request).await
    }

    async fn put_entries(
        &self,
        request: Request<v1::PutEntriesRequest>,
    ) -> Answer<v1::PutEntriesResponse> {
        entries::put(self, request).await
    }

    async fn delete_entries(
        &self,
        request: Request<v1::DeleteEntriesRequest>,
    ) -> Answer<v1::DeleteEntriesResponse> {
        entries::delete(self, request).await
    }

    async fn import_entries(
        &self,
        request: Request<Streaming<v1::ImportEntriesRequest>>,
    ) -> Answer<v1::ImportEntriesResponse> {
        entries::import(self, request).await
    }

    async fn list_decisions(
        &self,
        request: Request<v1::ListDecisionsRequest>,
    ) -> Answer<v1::ListDecisionsResponse> {
        decisions::list(self, request).await
    }

    type WatchDecisionsStream = decisions::Watched;

    async fn watch_decisions(
        &self,
        request: Request<v1::WatchDecisionsRequest>,
    ) -> Answer<Self::WatchDecisionsStream> {
        decisions::watch(self, request).await
    }

    async fn explain_check(
        &self,
        request: Request<v1::ExplainCheckRequest>,
    ) -> Answer<v1::ExplainCheckResponse> {
        decisions::explain(self, request).await
    }

    async fn list_calls(
        &self,
        request: Request<v1::ListCallsRequest>,
    ) -> Answer<v1::ListCallsResponse> {
        calls::list(self, &request)
    }

    async fn end_calls(
        &self,
        request: Request<v1::EndCallsRequest>,
    ) -> Answer<v1::EndCallsResponse> {
        calls::end(self, request)
    }

    type TrainAccountsStream = trainings::Progress;

    async fn train_accounts(
        &self,
        request: Request<v1::TrainAccountsRequest>,
    ) -> Answer<Self::TrainAccountsStream> {
        trainings::train(self, request).await
    }

    async fn list_trainings(
        &self,
        request: Request<v1::ListTrainingsRequest>,
    ) -> Answer<v1::ListTrainingsResponse> {
        trainings::list(self, request).await
    }

    async fn apply_training(
        &self,
        request: Request<v1::ApplyTrainingRequest>,
    ) -> Answer<v1::ApplyTrainingResponse> {
        trainings::apply(self, request).await
    }

    async fn revert_training(
        &self,
        request: Request<v1::RevertTrainingRequest>,
    ) -> Answer<v1::RevertTrainingResponse> {
        trainings::revert(self, request).await
    }

    async fn get_status(
        &self,
        request: Request<v1::GetStatusRequest>,
    ) -> Answer<v1::GetStatusResponse> {
        operation::status(self, request).await
    }

    async fn get_statistics(
        &self,
        request: Request<v1::GetStatisticsRequest>,
    ) -> Answer<v1::GetStatisticsResponse> {
        operation::statistics(self, request).await
    }

    async fn list_tokens(
        &self,
        request: Request<v1::ListTokensRequest>,
    ) -> Answer<v1::ListTokensResponse> {
        tokens::list(self, request).await
    }

    async fn create_token(
        &self,
        request: Request<v1::CreateTokenRequest>,
    ) -> Answer<v1::CreateTokenResponse> {
        tokens::create(self, request).await
    }

    async fn revoke_token(
        &self,
        request: Request<v1::RevokeTokenRequest>,
    ) -> Answer<v1::RevokeTokenResponse> {
        tokens::revoke(self, request).await
    }

    async fn reload(&self, request: Request<v1::ReloadRequest>) -> Answer<v1::ReloadResponse> {
        operation::reload(self, request).await
    }
}
