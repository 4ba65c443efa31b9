//! AdminService.

use std::{pin::Pin, sync::Arc};

use futures::{Stream, StreamExt};
use tfps_engine::call::{MAX_DOMAIN, MAX_USERNAME};
use tfps_proto::v1::{self, admin_service_server::AdminService, import_entries_request::Part};
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};
use tonic::{Request, Response, Status, Streaming};

use super::{Stopping, caller, convert, status, uninterrupted};
use crate::{
    admin::{Admin, Import},
    auth::{Permission, Role},
    check::Checker,
    operation::Operation,
    store::TokenRecord,
};

/// The longest name of a policy or token, in bytes.
const MAX_NAME: usize = 64;

/// AdminService.
#[derive(Clone)]
pub struct AdminRpc {
    admin: Arc<Admin>,
    checker: Arc<Checker>,
    operation: Arc<Operation>,
    stopping: Stopping,
}

impl AdminRpc {
    /// Asks these.
    pub fn new(
        admin: Arc<Admin>,
        checker: Arc<Checker>,
        operation: Arc<Operation>,
        stopping: Stopping,
    ) -> Self {
        Self {
            admin,
            checker,
            operation,
            stopping,
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
        let caller = caller(&request)?;
        let request = request.into_inner();
        convert::bounded("domain", &request.domain, MAX_DOMAIN)?;
        convert::bounded("username_prefix", &request.username_prefix, MAX_USERNAME)?;
        let (views, next_page_token, total_size) = self
            .admin
            .list_accounts(
                &caller,
                &request.domain,
                &request.username_prefix,
                request.blocked,
                (request.page_size, &request.page_token),
            )
            .await?;
        let accounts = views.into_iter().map(convert::account::view).collect();
        Ok(Response::new(v1::ListAccountsResponse {
            accounts,
            next_page_token,
            total_size,
        }))
    }

    async fn get_account(
        &self,
        request: Request<v1::GetAccountRequest>,
    ) -> Answer<v1::GetAccountResponse> {
        let caller = caller(&request)?;
        let id = convert::account_id("account", request.into_inner().account)?;
        let account = Some(convert::account::view(
            self.admin.account(&caller, &id).await?,
        ));
        Ok(Response::new(v1::GetAccountResponse { account }))
    }

    async fn create_account(
        &self,
        request: Request<v1::CreateAccountRequest>,
    ) -> Answer<v1::CreateAccountResponse> {
        let caller = caller(&request)?;
        let account = request
            .into_inner()
            .account
            .ok_or_else(|| status::missing("account"))?;
        let key = v1::AccountKey {
            username: account.username.clone(),
            domain: account.domain.clone(),
        };
        let id = convert::account_id("account", Some(key))?;
        let change = convert::account::created(account)?;
        let admin = Arc::clone(&self.admin);
        let view =
            uninterrupted(async move { Ok(admin.create_account(&caller, &id, change).await?) })
                .await?;
        Ok(Response::new(v1::CreateAccountResponse {
            account: Some(convert::account::view(view)),
        }))
    }

    async fn update_account(
        &self,
        request: Request<v1::UpdateAccountRequest>,
    ) -> Answer<v1::UpdateAccountResponse> {
        let caller = caller(&request)?;
        let v1::UpdateAccountRequest {
            account,
            update_mask,
        } = request.into_inner();
        let account = account.ok_or_else(|| status::missing("account"))?;
        let key = v1::AccountKey {
            username: account.username.clone(),
            domain: account.domain.clone(),
        };
        let id = convert::account_id("account", Some(key))?;
        let etag = account.etag.clone();
        let change = convert::account::updated(&account, update_mask)?;
        let admin = Arc::clone(&self.admin);
        let view =
            uninterrupted(
                async move { Ok(admin.update_account(&caller, &id, &etag, change).await?) },
            )
            .await?;
        Ok(Response::new(v1::UpdateAccountResponse {
            account: Some(convert::account::view(view)),
        }))
    }

    async fn delete_account(
        &self,
        request: Request<v1::DeleteAccountRequest>,
    ) -> Answer<v1::DeleteAccountResponse> {
        let caller = caller(&request)?;
        let v1::DeleteAccountRequest { account, etag } = request.into_inner();
        let id = convert::account_id("account", account)?;
        let admin = Arc::clone(&self.admin);
        uninterrupted(async move { Ok(admin.delete_account(&caller, &id, &etag).await?) }).await?;
        Ok(Response::new(v1::DeleteAccountResponse {}))
    }

    async fn reset_usage(
        &self,
        request: Request<v1::ResetUsageRequest>,
    ) -> Answer<v1::ResetUsageResponse> {
        let caller = caller(&request)?;
        let id = convert::account_id("account", request.into_inner().account)?;
        let admin = Arc::clone(&self.admin);
        let view = uninterrupted(async move { Ok(admin.reset_usage(&caller, &id).await?) }).await?;
        Ok(Response::new(v1::ResetUsageResponse {
            account: Some(convert::account::view(view)),
        }))
    }

    async fn block_account(
        &self,
        request: Request<v1::BlockAccountRequest>,
    ) -> Answer<v1::BlockAccountResponse> {
        let caller = caller(&request)?;
        let v1::BlockAccountRequest { account, reason } = request.into_inner();
        let id = convert::account_id("account", account)?;
        let admin = Arc::clone(&self.admin);
        let view =
            uninterrupted(
                async move { Ok(admin.block_account(&caller, &id, Some(&reason)).await?) },
            )
            .await?;
        Ok(Response::new(v1::BlockAccountResponse {
            account: Some(convert::account::view(view)),
        }))
    }

    async fn unblock_account(
        &self,
        request: Request<v1::UnblockAccountRequest>,
    ) -> Answer<v1::UnblockAccountResponse> {
        let caller = caller(&request)?;
        let id = convert::account_id("account", request.into_inner().account)?;
        let admin = Arc::clone(&self.admin);
        let view = uninterrupted(async move { Ok(admin.block_account(&caller, &id, None).await?) })
            .await?;
        Ok(Response::new(v1::UnblockAccountResponse {
            account: Some(convert::account::view(view)),
        }))
    }

    async fn list_policies(
        &self,
        request: Request<v1::ListPoliciesRequest>,
    ) -> Answer<v1::ListPoliciesResponse> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        convert::bounded(
            "domain",
            request.domain.as_deref().unwrap_or_default(),
            MAX_DOMAIN,
        )?;
        let page = (request.page_size, request.page_token.as_str());
        let (views, next_page_token) = self
            .admin
            .list_policies(&caller, request.domain.as_deref(), page)
            .await?;
        let policies = views.iter().map(convert::policy::view).collect();
        Ok(Response::new(v1::ListPoliciesResponse {
            policies,
            next_page_token,
        }))
    }

    async fn get_policy(
        &self,
        request: Request<v1::GetPolicyRequest>,
    ) -> Answer<v1::GetPolicyResponse> {
        let caller = caller(&request)?;
        let v1::GetPolicyRequest { name, domain } = request.into_inner();
        convert::bounded("name", &name, MAX_NAME)?;
        convert::bounded("domain", &domain, MAX_DOMAIN)?;
        if name.is_empty() {
            return Err(status::missing("name"));
        }
        let policy = Some(convert::policy::view(
            &self.admin.policy(&caller, &domain, &name).await?,
        ));
        Ok(Response::new(v1::GetPolicyResponse { policy }))
    }

    async fn put_policy(
        &self,
        request: Request<v1::PutPolicyRequest>,
    ) -> Answer<v1::PutPolicyResponse> {
        let caller = caller(&request)?;
        let policy = request
            .into_inner()
            .policy
            .ok_or_else(|| status::missing("policy"))?;
        let (document, etag, pin) = convert::policy::document(policy)?;
        let admin = Arc::clone(&self.admin);
        let view =
            uninterrupted(
                async move { Ok(admin.put_policy(&caller, document, &etag, &pin).await?) },
            )
            .await?;
        Ok(Response::new(v1::PutPolicyResponse {
            policy: Some(convert::policy::view(&view)),
        }))
    }

    async fn delete_policy(
        &self,
        request: Request<v1::DeletePolicyRequest>,
    ) -> Answer<v1::DeletePolicyResponse> {
        let caller = caller(&request)?;
        let v1::DeletePolicyRequest { name, domain, etag } = request.into_inner();
        convert::bounded("name", &name, MAX_NAME)?;
        convert::bounded("domain", &domain, MAX_DOMAIN)?;
        let admin = Arc::clone(&self.admin);
        uninterrupted(
            async move { Ok(admin.delete_policy(&caller, &domain, &name, &etag).await?) },
        )
        .await?;
        Ok(Response::new(v1::DeletePolicyResponse {}))
    }

    async fn list_entries(
        &self,
        request: Request<v1::ListEntriesRequest>,
    ) -> Answer<v1::ListEntriesResponse> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let (filter, matching) = convert::entry::filter(request.filter)?;
        let page = (request.page_size, request.page_token.as_str());
        let (records, next_page_token, total_size) = self
            .admin
            .list_entries(&caller, filter, &matching, page)
            .await?;
        let entries = records.into_iter().map(convert::entry::record).collect();
        Ok(Response::new(v1::ListEntriesResponse {
            entries,
            next_page_token,
            total_size,
        }))
    }

    async fn put_entries(
        &self,
        request: Request<v1::PutEntriesRequest>,
    ) -> Answer<v1::PutEntriesResponse> {
        let caller = caller(&request)?;
        let lines = request
            .into_inner()
            .entries
            .into_iter()
            .enumerate()
            .map(|(index, entry)| convert::entry::line(&format!("entries[{index}]"), entry))
            .collect::<Result<Vec<_>, _>>()?;
        let admin = Arc::clone(&self.admin);
        let written =
            uninterrupted(async move { Ok(admin.put_entries(&caller, lines).await?) }).await?;
        Ok(Response::new(v1::PutEntriesResponse {
            created: written.created,
            replaced: written.replaced,
        }))
    }

    async fn delete_entries(
        &self,
        request: Request<v1::DeleteEntriesRequest>,
    ) -> Answer<v1::DeleteEntriesResponse> {
        let caller = caller(&request)?;
        let (filter, matching) = convert::entry::filter(request.into_inner().filter)?;
        let admin = Arc::clone(&self.admin);
        let deleted =
            uninterrupted(
                async move { Ok(admin.delete_entries(&caller, filter, &matching).await?) },
            )
            .await?;
        Ok(Response::new(v1::DeleteEntriesResponse { deleted }))
    }

    async fn import_entries(
        &self,
        request: Request<Streaming<v1::ImportEntriesRequest>>,
    ) -> Answer<v1::ImportEntriesResponse> {
        let caller = caller(&request)?;
        let mut parts = request.into_inner();
        let first = parts.message().await?.and_then(|request| request.part);
        let Some(Part::Header(header)) = first else {
            return Err(status::invalid("header", "must be the first message"));
        };
        let flags = (header.replace, header.skip_invalid);
        let mut import = Import::start(&caller, convert::entry::header(header)?, flags)?;
        while let Some(request) = parts.message().await? {
            let Some(Part::Lines(lines)) = request.part else {
                return Err(status::invalid("lines", "must be what follows the header"));
            };
            for (number, line) in (lines.first_line.max(1)..).zip(&lines.lines) {
                import.line(number, line)?;
            }
        }
        let admin = Arc::clone(&self.admin);
        let imported =
            uninterrupted(async move { Ok(admin.import_entries(&caller, import).await?) }).await?;
        Ok(Response::new(v1::ImportEntriesResponse {
            created: imported.written.created,
            replaced: imported.written.replaced,
            deleted: imported.written.removed,
            duplicates: imported.duplicates,
            rejected_count: imported.rejected_count,
            rejected: imported
                .rejected
                .into_iter()
                .map(|line| v1::RejectedLine {
                    line: line.line,
                    value: line.value,
                    why: line.why,
                })
                .collect(),
        }))
    }

    async fn list_decisions(
        &self,
        request: Request<v1::ListDecisionsRequest>,
    ) -> Answer<v1::ListDecisionsResponse> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let filter = convert::decision::filter(request.filter)?;
        let page = self
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

    type WatchDecisionsStream =
        Pin<Box<dyn Stream<Item = Result<v1::WatchDecisionsResponse, Status>> + Send>>;

    async fn watch_decisions(
        &self,
        request: Request<v1::WatchDecisionsRequest>,
    ) -> Answer<Self::WatchDecisionsStream> {
        let caller = caller(&request)?;
        caller.require(Permission::See)?;
        let mut filter = convert::decision::filter(request.into_inner().filter)?;
        filter.domain = caller.narrow(filter.domain.as_deref().unwrap_or_default())?;
        let mut stopping = self.stopping.clone();
        let stop = async move {
            let _ = stopping.wait_for(|stopping| *stopping).await;
        };
        let mut skipped = 0;
        let decisions = BroadcastStream::new(self.checker.watch()).filter_map(move |record| {
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
        let end = futures::stream::once(async { Err(status::stopping()) });
        Ok(Response::new(Box::pin(
            decisions.take_until(Box::pin(stop)).chain(end),
        )))
    }

    async fn explain_check(
        &self,
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
        let explained = self.checker.explain(&caller, raw, at).await?;
        Ok(Response::new(v1::ExplainCheckResponse {
            policy: explained.record.policy.clone(),
            decision: Some(convert::decision::response(explained.record)),
            findings: explained
                .findings
                .into_iter()
                .map(convert::decision::finding)
                .collect(),
            account_known: explained.account_known,
        }))
    }

    async fn get_status(
        &self,
        request: Request<v1::GetStatusRequest>,
    ) -> Answer<v1::GetStatusResponse> {
        let caller = caller(&request)?;
        let overview = self.admin.overview(&caller).await?;
        let whole = overview.whole;
        let shown = |number: u64| if whole { number } else { 0 };
        let journal = &self.admin.journal;
        let lag = self
            .admin
            .shipper
            .oldest()
            .filter(|_| journal.pending() > 0)
            .map(|oldest| {
                let waited = self.admin.clock.now().duration_since(oldest);
                prost_types::Duration {
                    seconds: waited.as_secs().max(0),
                    nanos: waited.subsec_nanos().max(0),
                }
            });
        Ok(Response::new(v1::GetStatusResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            start_time: Some(convert::timestamp(self.operation.started_at())),
            serving: !*self.stopping.borrow(),
            database: Some(v1::DatabaseStatus {
                kind: self.admin.store.kind().to_owned(),
                reachable: overview.database.is_ok(),
                error: overview
                    .database
                    .err()
                    .filter(|_| whole)
                    .unwrap_or_default(),
            }),
            journal: whole.then(|| v1::JournalStatus {
                bytes: journal.bytes(),
                not_yet_shipped: journal.pending(),
                lag,
                lost: journal.lost(),
                error: journal
                    .error()
                    .or_else(|| self.admin.shipper.error())
                    .unwrap_or_default(),
            }),
            accounts: overview.accounts,
            policies: overview.policies,
            entries: overview.entries,
            pending_challenges: overview.pending_challenges,
            calls_in_progress: overview.calls_in_progress,
            requests_in_flight: shown(
                u64::try_from(self.operation.metrics().in_flight.get()).unwrap_or_default(),
            ),
            decisions: shown(self.operation.metrics().decisions()),
            warnings: overview.warnings,
            memory_bytes: shown(crate::operation::resident_bytes()),
        }))
    }

    async fn get_statistics(
        &self,
        request: Request<v1::GetStatisticsRequest>,
    ) -> Answer<v1::GetStatisticsResponse> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        convert::bounded("domain", &request.domain, MAX_DOMAIN)?;
        let since = convert::moment("since", request.since)?;
        let until = convert::moment("until", request.until)?;
        let (since, until, statistics) = self
            .admin
            .statistics(&caller, since, until, &request.domain)
            .await?;
        let of_verdict = |verdict: i32| -> u64 {
            statistics
                .by_code
                .iter()
                .filter(|(_, other, _)| *other == verdict)
                .map(|(_, _, count)| count)
                .sum()
        };
        let counts = |counts: &[(String, u64)]| {
            counts
                .iter()
                .map(|(key, count)| v1::StatisticsCount {
                    key: key.clone(),
                    count: *count,
                })
                .collect()
        };
        Ok(Response::new(v1::GetStatisticsResponse {
            since: Some(convert::timestamp(since)),
            until: Some(convert::timestamp(until)),
            total: statistics.by_code.iter().map(|(_, _, count)| count).sum(),
            allowed: of_verdict(1),
            denied: of_verdict(2),
            challenged: of_verdict(3),
            by_code: statistics
                .by_code
                .iter()
                .map(|(code, _, count)| v1::StatisticsCount {
                    key: code.clone(),
                    count: *count,
                })
                .collect(),
            top_destination_countries: counts(&statistics.countries),
            top_stopped_accounts: counts(&statistics.stopped),
        }))
    }

    async fn list_tokens(
        &self,
        request: Request<v1::ListTokensRequest>,
    ) -> Answer<v1::ListTokensResponse> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let (records, next_page_token) = self
            .admin
            .list_tokens(&caller, (request.page_size, &request.page_token))
            .await?;
        let tokens = records.into_iter().map(token).collect();
        Ok(Response::new(v1::ListTokensResponse {
            tokens,
            next_page_token,
        }))
    }

    async fn create_token(
        &self,
        request: Request<v1::CreateTokenRequest>,
    ) -> Answer<v1::CreateTokenResponse> {
        let caller = caller(&request)?;
        let asked = request
            .into_inner()
            .token
            .ok_or_else(|| status::missing("token"))?;
        let role = match v1::Role::try_from(asked.role) {
            Ok(v1::Role::Admin) => Role::Admin,
            Ok(v1::Role::DomainAdmin) => Role::DomainAdmin,
            Ok(v1::Role::Switch) => Role::Switch,
            Ok(v1::Role::ReadOnly) => Role::ReadOnly,
            _ => {
                return Err(status::invalid(
                    "token.role",
                    "must be admin, domain-admin, switch or read-only",
                ));
            }
        };
        let expires_at = convert::moment("token.expires_at", asked.expires_at)?;
        let admin = Arc::clone(&self.admin);
        let made = uninterrupted(async move {
            Ok(admin
                .create_token(&caller, &asked.name, role, &asked.domain, expires_at)
                .await?)
        })
        .await?;
        let secret = made.secret.reveal().to_owned();
        Ok(Response::new(v1::CreateTokenResponse {
            token: Some(token(made.record)),
            secret,
        }))
    }

    async fn revoke_token(
        &self,
        request: Request<v1::RevokeTokenRequest>,
    ) -> Answer<v1::RevokeTokenResponse> {
        let caller = caller(&request)?;
        let id = request.into_inner().id;
        convert::bounded("id", &id, MAX_NAME)?;
        if id.is_empty() {
            return Err(status::missing("id"));
        }
        let admin = Arc::clone(&self.admin);
        uninterrupted(async move { Ok(admin.revoke_token(&caller, &id).await?) }).await?;
        Ok(Response::new(v1::RevokeTokenResponse {}))
    }

    async fn reload(&self, request: Request<v1::ReloadRequest>) -> Answer<v1::ReloadResponse> {
        let caller = caller(&request)?;
        caller.require(Permission::Operate)?;
        let reloaded = self.operation.reload().map_err(|error| {
            Status::failed_precondition(format!("the old configuration stays in force: {error}"))
        })?;
        Ok(Response::new(v1::ReloadResponse {
            applied: reloaded.applied,
            needs_restart: reloaded.needs_restart,
        }))
    }
}

fn token(record: TokenRecord) -> v1::Token {
    let role = match Role::parse(&record.role) {
        Some(Role::Admin) => v1::Role::Admin,
        Some(Role::DomainAdmin) => v1::Role::DomainAdmin,
        Some(Role::Switch) => v1::Role::Switch,
        Some(Role::ReadOnly) => v1::Role::ReadOnly,
        None => v1::Role::Unspecified,
    };
    v1::Token {
        id: record.id,
        name: record.name,
        role: role.into(),
        domain: record.domain,
        create_time: Some(convert::timestamp(record.created_at)),
        expires_at: record.expires_at.map(convert::timestamp),
    }
}
