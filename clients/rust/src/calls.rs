//! The RPCs, one method each.

use tfps_proto::v1::{
    self, admin_service_client::AdminServiceClient, check_service_client::CheckServiceClient,
    learn_service_client::LearnServiceClient, verify_service_client::VerifyServiceClient,
};
use tokio::sync::mpsc;
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tonic::Streaming;

use crate::{connection::Client, error::Error};

/// The unary RPCs: whether one is safe to send again after UNAVAILABLE is said behind `retry`.
macro_rules! unary {
    ($($(#[$doc:meta])* $service:ident.$method:ident($request:ident) -> $response:ident, retry $safe:expr;)*) => {
        impl Client {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                ///
                /// [`Error::Connection`], [`Error::Deadline`], or the server's [`Error::Status`].
                pub async fn $method(&self, request: v1::$request) -> Result<v1::$response, Error> {
                    let safe: fn(&v1::$request) -> bool = $safe;
                    self.call(safe(&request), request, |transport, request| async move {
                        $service::new(transport).$method(request).await
                    })
                    .await
                }
            )*
        }
    };
}

unary! {
    /// Decides one call attempt. Sent again only when it is dry or has a `call_id` or an `attempt_key`, so that it counts once.
    CheckServiceClient.check(CheckRequest) -> CheckResponse, retry |check| check.dry_run || is_repeatable(check);

    /// Gives one lesson. A call's progress is sent again, the others are not.
    LearnServiceClient.learn(LearnRequest) -> LearnResponse,
        retry |lesson| matches!(lesson.lesson, Some(v1::learn_request::Lesson::Call(_)));

    /// Opens a verification for a pending challenge.
    VerifyServiceClient.start_verification(StartVerificationRequest) -> StartVerificationResponse, retry |_| false;
    /// Hands in the digits that were typed.
    VerifyServiceClient.complete_verification(CompleteVerificationRequest) -> CompleteVerificationResponse,
        retry |_| false;

    /// A page of accounts.
    AdminServiceClient.list_accounts(ListAccountsRequest) -> ListAccountsResponse, retry |_| true;
    /// One account.
    AdminServiceClient.get_account(GetAccountRequest) -> GetAccountResponse, retry |_| true;
    /// Creates an account.
    AdminServiceClient.create_account(CreateAccountRequest) -> CreateAccountResponse, retry |_| false;
    /// Changes the fields of an account that the mask names.
    AdminServiceClient.update_account(UpdateAccountRequest) -> UpdateAccountResponse, retry |_| false;
    /// Deletes an account.
    AdminServiceClient.delete_account(DeleteAccountRequest) -> DeleteAccountResponse, retry |_| false;
    /// Sets an account's counters to zero and ends a lock.
    AdminServiceClient.reset_usage(ResetUsageRequest) -> ResetUsageResponse, retry |_| false;
    /// Denies an account's calls until it is unblocked.
    AdminServiceClient.block_account(BlockAccountRequest) -> BlockAccountResponse, retry |_| false;
    /// Takes a block back.
    AdminServiceClient.unblock_account(UnblockAccountRequest) -> UnblockAccountResponse, retry |_| false;
    /// What failed verifications have locked.
    AdminServiceClient.list_locks(ListLocksRequest) -> ListLocksResponse, retry |_| true;
    /// Ends such a lock.
    AdminServiceClient.unlock(UnlockRequest) -> UnlockResponse, retry |_| false;

    /// A page of policies.
    AdminServiceClient.list_policies(ListPoliciesRequest) -> ListPoliciesResponse, retry |_| true;
    /// One policy.
    AdminServiceClient.get_policy(GetPolicyRequest) -> GetPolicyResponse, retry |_| true;
    /// Creates or replaces a policy.
    AdminServiceClient.put_policy(PutPolicyRequest) -> PutPolicyResponse, retry |_| false;
    /// Deletes a policy that no account names.
    AdminServiceClient.delete_policy(DeletePolicyRequest) -> DeletePolicyResponse, retry |_| false;

    /// A page of list entries.
    AdminServiceClient.list_entries(ListEntriesRequest) -> ListEntriesResponse, retry |_| true;
    /// Creates or replaces entries, all or none.
    AdminServiceClient.put_entries(PutEntriesRequest) -> PutEntriesResponse, retry |_| false;
    /// Deletes the entries that match.
    AdminServiceClient.delete_entries(DeleteEntriesRequest) -> DeleteEntriesResponse, retry |_| false;

    /// A page of recorded decisions, newest first.
    AdminServiceClient.list_decisions(ListDecisionsRequest) -> ListDecisionsResponse, retry |_| true;
    /// A dry run that tells every rule's finding.
    AdminServiceClient.explain_check(ExplainCheckRequest) -> ExplainCheckResponse, retry |_| true;

    /// A page of the calls in progress.
    AdminServiceClient.list_calls(ListCallsRequest) -> ListCallsResponse, retry |_| true;
    /// Orders calls in progress to end.
    AdminServiceClient.end_calls(EndCallsRequest) -> EndCallsResponse, retry |_| true;

    /// What was learned about accounts' limits, newest first.
    AdminServiceClient.list_trainings(ListTrainingsRequest) -> ListTrainingsResponse, retry |_| true;
    /// Puts a suggestion in force.
    AdminServiceClient.apply_training(ApplyTrainingRequest) -> ApplyTrainingResponse, retry |_| false;
    /// Takes back what a training changed.
    AdminServiceClient.revert_training(RevertTrainingRequest) -> RevertTrainingResponse, retry |_| false;

    /// How the server is.
    AdminServiceClient.get_status(GetStatusRequest) -> GetStatusResponse, retry |_| true;
    /// What was decided in a span of time.
    AdminServiceClient.get_statistics(GetStatisticsRequest) -> GetStatisticsResponse, retry |_| true;
    /// A page of tokens, without their secrets.
    AdminServiceClient.list_tokens(ListTokensRequest) -> ListTokensResponse, retry |_| true;
    /// Makes a token.
    AdminServiceClient.create_token(CreateTokenRequest) -> CreateTokenResponse, retry |_| false;
    /// Takes a token back.
    AdminServiceClient.revoke_token(RevokeTokenRequest) -> RevokeTokenResponse, retry |_| false;
    /// Has the server take its configuration file anew.
    AdminServiceClient.reload(ReloadRequest) -> ReloadResponse, retry |_| false;
}

/// Whether a call that is asked about twice counts once.
pub(crate) fn is_repeatable(check: &v1::CheckRequest) -> bool {
    !check.call_id.is_empty() || !check.attempt_key.is_empty()
}

impl Client {
    /// The decisions as they are made. It has no deadline.
    ///
    /// # Errors
    ///
    /// [`Error::Connection`] or the server's [`Error::Status`].
    pub async fn watch_decisions(&self, filter: v1::DecisionFilter) -> Result<WatchStream, Error> {
        let request = v1::WatchDecisionsRequest {
            filter: Some(filter),
        };
        let answer = self.admin_service().watch_decisions(request).await;
        Ok(WatchStream {
            inner: answer.map_err(|status| self.error(status))?.into_inner(),
            client: self.clone(),
        })
    }

    /// The calls in progress that are to end: those that are outstanding, then as they are ordered. It has no deadline.
    ///
    /// # Errors
    ///
    /// [`Error::Connection`] or the server's [`Error::Status`].
    pub async fn watch_hang_ups(&self) -> Result<HangUpStream, Error> {
        let request = v1::WatchHangUpsRequest {};
        let answer = self.check_service().watch_hang_ups(request).await;
        Ok(HangUpStream {
            inner: answer.map_err(|status| self.error(status))?.into_inner(),
            client: self.clone(),
        })
    }

    /// Finds out what accounts' limits should be by what they do. It has no deadline; dropped before its end, no more accounts are
    /// looked at.
    ///
    /// # Errors
    ///
    /// [`Error::Connection`] or the server's [`Error::Status`].
    pub async fn train_accounts(
        &self,
        request: v1::TrainAccountsRequest,
    ) -> Result<TrainStream, Error> {
        let answer = self.admin_service().train_accounts(request).await;
        Ok(TrainStream {
            inner: answer.map_err(|status| self.error(status))?.into_inner(),
            client: self.clone(),
        })
    }

    /// Sends a large list, all or nothing. It has no deadline; see [`ImportStream`].
    pub fn import_entries(&self, header: v1::ImportHeader) -> ImportStream {
        let (sender, receiver) = mpsc::channel(IMPORT_MESSAGES_AHEAD);
        let header = v1::ImportEntriesRequest {
            part: Some(v1::import_entries_request::Part::Header(header)),
        };
        // There is room: the channel is new.
        let _ = sender.try_send(Some(header));
        // The request ends with a `None` alone. A sender that is dropped leaves it open, so that the call which
        // `ImportStream` ends then is cancelled for the server, never complete.
        let parts = ReceiverStream::new(receiver)
            .chain(tokio_stream::pending())
            .map_while(|part| part);
        let mut service = self.admin_service();
        let call = tokio::spawn(async move { service.import_entries(parts).await });
        ImportStream {
            sender,
            call,
            client: self.clone(),
        }
    }

    pub(crate) fn error(&self, status: tonic::Status) -> Error {
        Error::from_status(status, &self.address, self.deadline)
    }
}

/// Messages of an import that may wait for the connection.
const IMPORT_MESSAGES_AHEAD: usize = 4;

/// The decisions as they are made.
#[derive(Debug)]
pub struct WatchStream {
    inner: Streaming<v1::WatchDecisionsResponse>,
    client: Client,
}

impl WatchStream {
    /// The next one.
    ///
    /// # Errors
    ///
    /// [`Error::Connection`] or the server's [`Error::Status`]; UNAVAILABLE when the server ended the stream, as it does
    /// when it stops.
    pub async fn next(&mut self) -> Result<v1::WatchDecisionsResponse, Error> {
        match self.inner.message().await {
            Ok(Some(decision)) => Ok(decision),
            Ok(None) => Err(Error::ended()),
            Err(status) => Err(self.client.error(status)),
        }
    }
}

/// The calls in progress that are to end.
#[derive(Debug)]
pub struct HangUpStream {
    inner: Streaming<v1::WatchHangUpsResponse>,
    client: Client,
}

impl HangUpStream {
    /// The next one. One that has not ended comes again every few seconds.
    ///
    /// # Errors
    ///
    /// [`Error::Connection`] or the server's [`Error::Status`]; UNAVAILABLE when the server ended the stream, as it does
    /// when it stops.
    pub async fn next(&mut self) -> Result<v1::HangUp, Error> {
        match self.inner.message().await {
            Ok(Some(order)) => Ok(order.hang_up.unwrap_or_default()),
            Ok(None) => Err(Error::ended()),
            Err(status) => Err(self.client.error(status)),
        }
    }
}

/// How training gets on.
#[derive(Debug)]
pub struct TrainStream {
    inner: Streaming<v1::TrainAccountsResponse>,
    client: Client,
}

impl TrainStream {
    /// What came out for the next account, or how far it has got; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`Error::Connection`] or the server's [`Error::Status`].
    pub async fn next(&mut self) -> Result<Option<v1::TrainAccountsResponse>, Error> {
        let answer = self.inner.message().await;
        answer.map_err(|status| self.client.error(status))
    }
}

/// An import under way. Nothing is imported before [`ImportStream::finish`]; dropped before that, it is called off.
#[derive(Debug)]
pub struct ImportStream {
    sender: mpsc::Sender<Option<v1::ImportEntriesRequest>>,
    call:
        tokio::task::JoinHandle<Result<tonic::Response<v1::ImportEntriesResponse>, tonic::Status>>,
    client: Client,
}

impl ImportStream {
    /// Sends some lines; waits while the server is behind. Whether the server still listens: where not,
    /// [`finish`](Self::finish) tells why.
    pub async fn send(&mut self, lines: v1::ImportLines) -> bool {
        let part = Some(v1::import_entries_request::Part::Lines(lines));
        self.sender
            .send(Some(v1::ImportEntriesRequest { part }))
            .await
            .is_ok()
    }

    /// Says that this was all, and waits for the server to take it.
    ///
    /// # Errors
    ///
    /// [`Error::Connection`] or the server's [`Error::Status`]: nothing was imported then.
    pub async fn finish(mut self) -> Result<v1::ImportEntriesResponse, Error> {
        // Where the server no longer listens, its answer says why.
        let _ = self.sender.send(None).await;
        match (&mut self.call).await {
            Ok(answer) => answer
                .map(tonic::Response::into_inner)
                .map_err(|status| self.client.error(status)),
            Err(stopped) => Err(self
                .client
                .error(tonic::Status::cancelled(stopped.to_string()))),
        }
    }
}

impl Drop for ImportStream {
    fn drop(&mut self) {
        self.call.abort();
    }
}
