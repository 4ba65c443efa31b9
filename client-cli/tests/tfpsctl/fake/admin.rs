//! Administration.

use std::{collections::BTreeMap, sync::atomic::Ordering};

use tfps_client::v1::{self, *};
use tfps_proto::v1::admin_service_server::AdminService;
use tonic::{Request, Response, Status, Streaming};

use super::{Answer, Answers, Fake, data, page, violation};

#[tonic::async_trait]
impl AdminService for Fake {
    async fn list_accounts(
        &self,
        request: Request<ListAccountsRequest>,
    ) -> Answer<ListAccountsResponse> {
        let request = request.into_inner();
        let state = self.state();
        let matching: Vec<_> = state
            .accounts
            .iter()
            .filter(|account| request.domain.is_empty() || account.domain == request.domain)
            .filter(|account| account.username.starts_with(&request.username_prefix))
            .filter(|account| {
                request
                    .blocked
                    .is_none_or(|blocked| account.blocked == blocked)
            })
            .cloned()
            .collect();
        let (accounts, next_page_token) = page(&matching, &request.page_token);
        Ok(Response::new(ListAccountsResponse {
            accounts,
            next_page_token,
            total_size: matching.len() as u64,
        }))
    }

    async fn get_account(&self, request: Request<GetAccountRequest>) -> Answer<GetAccountResponse> {
        let account = self
            .state()
            .account(request.into_inner().account.as_ref())?
            .clone();
        Ok(Response::new(GetAccountResponse {
            account: Some(account),
        }))
    }

    async fn create_account(
        &self,
        request: Request<CreateAccountRequest>,
    ) -> Answer<CreateAccountResponse> {
        let account = request.into_inner().account.unwrap_or_default();
        let mut state = self.state();
        let key = AccountKey {
            username: account.username.clone(),
            domain: account.domain.clone(),
        };
        if state.account(Some(&key)).is_ok() {
            return Err(Status::already_exists("there is such an account"));
        }
        state.asked.push((account.clone(), Vec::new()));
        let mut created = data::account(&account.username, &account.domain);
        created.etag = state.etag();
        let limits = created.limits.get_or_insert_default();
        let given = account.limits.unwrap_or_default();
        limits.concurrent_calls = given.concurrent_calls.or(limits.concurrent_calls);
        limits.concurrent_calls_off_hours = given
            .concurrent_calls_off_hours
            .or(limits.concurrent_calls_off_hours);
        limits.daily_quota = given.daily_quota.or(limits.daily_quota);
        limits.daily_quota_off_hours = given.daily_quota_off_hours.or(limits.daily_quota_off_hours);
        created.has_pin = !account.pin.is_empty();
        if !account.source_countries.is_empty() {
            created.source_countries = account.source_countries;
        }
        if !account.destination_countries.is_empty() {
            created.destination_countries = account.destination_countries;
        }
        state.accounts.push(created.clone());
        Ok(Response::new(CreateAccountResponse {
            account: Some(created),
        }))
    }

    async fn update_account(
        &self,
        request: Request<UpdateAccountRequest>,
    ) -> Answer<UpdateAccountResponse> {
        let request = request.into_inner();
        let (account, mask) = (
            request.account.unwrap_or_default(),
            request.update_mask.unwrap_or_default().paths,
        );
        let mut state = self.state();
        let key = AccountKey {
            username: account.username.clone(),
            domain: account.domain.clone(),
        };
        if self.rival() {
            let etag = state.etag();
            state.account(Some(&key))?.etag = etag;
        }
        let etag = state.etag();
        state.asked.push((account.clone(), mask.clone()));
        let present = state.account(Some(&key))?;
        if !account.etag.is_empty() && account.etag != present.etag {
            return Err(Status::aborted("the account changed meanwhile"));
        }
        let limits = account.limits.unwrap_or_default();
        if limits.daily_quota() > 100_000 {
            return Err(violation("account.limits.daily_quota", "at most 100000"));
        }
        let kept = present.limits.get_or_insert_default();
        for path in &mask {
            match path.as_str() {
                "limits.concurrent_calls" => kept.concurrent_calls = limits.concurrent_calls,
                "limits.concurrent_calls_off_hours" => {
                    kept.concurrent_calls_off_hours = limits.concurrent_calls_off_hours;
                }
                "limits.daily_quota" => kept.daily_quota = limits.daily_quota,
                "limits.daily_quota_off_hours" => {
                    kept.daily_quota_off_hours = limits.daily_quota_off_hours;
                }
                "source_countries" => present
                    .source_countries
                    .clone_from(&account.source_countries),
                "destination_countries" => present
                    .destination_countries
                    .clone_from(&account.destination_countries),
                "policy" => present.policy.clone_from(&account.policy),
                "email_address" => present.email_address.clone_from(&account.email_address),
                "pin" => present.has_pin = !account.pin.is_empty(),
                other => return Err(violation("update_mask", &format!("no field {other}"))),
            }
        }
        present.etag = etag;
        Ok(Response::new(UpdateAccountResponse {
            account: Some(present.clone()),
        }))
    }

    async fn delete_account(
        &self,
        request: Request<DeleteAccountRequest>,
    ) -> Answer<DeleteAccountResponse> {
        let key = request.into_inner().account;
        let mut state = self.state();
        let gone = state.account(key.as_ref())?.clone();
        state.accounts.retain(|account| *account != gone);
        Ok(Response::new(DeleteAccountResponse {}))
    }

    async fn reset_usage(&self, request: Request<ResetUsageRequest>) -> Answer<ResetUsageResponse> {
        let mut state = self.state();
        let account = state.account(request.into_inner().account.as_ref())?;
        account.usage = Some(AccountUsage::default());
        Ok(Response::new(ResetUsageResponse {
            account: Some(account.clone()),
        }))
    }

    async fn block_account(
        &self,
        request: Request<BlockAccountRequest>,
    ) -> Answer<BlockAccountResponse> {
        let request = request.into_inner();
        let mut state = self.state();
        let account = state.account(request.account.as_ref())?;
        (account.blocked, account.block_reason) = (true, request.reason);
        Ok(Response::new(BlockAccountResponse {
            account: Some(account.clone()),
        }))
    }

    async fn unblock_account(
        &self,
        request: Request<UnblockAccountRequest>,
    ) -> Answer<UnblockAccountResponse> {
        let mut state = self.state();
        let account = state.account(request.into_inner().account.as_ref())?;
        (account.blocked, account.block_reason) = (false, String::new());
        Ok(Response::new(UnblockAccountResponse {
            account: Some(account.clone()),
        }))
    }

    async fn list_locks(&self, _request: Request<ListLocksRequest>) -> Answer<ListLocksResponse> {
        let locks = data::locks();
        Ok(Response::new(ListLocksResponse {
            total_size: locks.len() as u64 + 1,
            locks,
        }))
    }

    async fn unlock(&self, request: Request<UnlockRequest>) -> Answer<UnlockResponse> {
        let request = request.into_inner();
        if request.source == "192.0.2.1" {
            return Err(Status::not_found(
                "there is no failed verification of source 192.0.2.1",
            ));
        }
        Ok(Response::new(UnlockResponse {}))
    }

    async fn list_policies(
        &self,
        request: Request<ListPoliciesRequest>,
    ) -> Answer<ListPoliciesResponse> {
        let (policies, next_page_token) =
            page(&self.state().policies, &request.into_inner().page_token);
        Ok(Response::new(ListPoliciesResponse {
            policies,
            next_page_token,
        }))
    }

    async fn get_policy(&self, request: Request<GetPolicyRequest>) -> Answer<GetPolicyResponse> {
        let GetPolicyRequest { name, domain } = request.into_inner();
        let state = self.state();
        let policy = state
            .policies
            .iter()
            .find(|policy| policy.name == name && policy.domain == domain)
            .cloned();
        let policy = policy.ok_or_else(|| Status::not_found("no such policy"))?;
        Ok(Response::new(GetPolicyResponse {
            policy: Some(policy),
        }))
    }

    async fn put_policy(&self, request: Request<PutPolicyRequest>) -> Answer<PutPolicyResponse> {
        let mut policy = request.into_inner().policy.unwrap_or_default();
        if policy.time_zone == "Mars/Olympus" {
            return Err(violation("policy.time_zone", "not an IANA time zone"));
        }
        let mut state = self.state();
        let is_it =
            |present: &Policy| present.name == policy.name && present.domain == policy.domain;
        let etag = state.etag();
        if self.rival() {
            state
                .policies
                .iter_mut()
                .filter(|present| is_it(present))
                .for_each(|present| present.etag.push('!'));
        }
        let present = state.policies.iter().find(|present| is_it(present));
        if !policy.etag.is_empty() && present.is_some_and(|present| present.etag != policy.etag) {
            return Err(Status::aborted("the policy changed meanwhile"));
        }
        state.policies.retain(|present| !is_it(present));
        policy.etag = etag;
        state.policies.push(policy.clone());
        Ok(Response::new(PutPolicyResponse {
            policy: Some(policy),
        }))
    }

    async fn delete_policy(
        &self,
        request: Request<DeletePolicyRequest>,
    ) -> Answer<DeletePolicyResponse> {
        let DeletePolicyRequest { name, domain, .. } = request.into_inner();
        if name == "default" {
            return Err(Status::failed_precondition(
                "the general default policy stays",
            ));
        }
        let mut state = self.state();
        let before = state.policies.len();
        state
            .policies
            .retain(|policy| policy.name != name || policy.domain != domain);
        if state.policies.len() == before {
            return Err(Status::not_found("no such policy"));
        }
        Ok(Response::new(DeletePolicyResponse {}))
    }

    async fn list_entries(
        &self,
        request: Request<ListEntriesRequest>,
    ) -> Answer<ListEntriesResponse> {
        let request = request.into_inner();
        let matching = self.state().matching(&request.filter.unwrap_or_default());
        let (entries, next_page_token) = page(&matching, &request.page_token);
        Ok(Response::new(ListEntriesResponse {
            entries,
            next_page_token,
            total_size: matching.len() as u64,
        }))
    }

    async fn put_entries(&self, request: Request<PutEntriesRequest>) -> Answer<PutEntriesResponse> {
        let mut answer = PutEntriesResponse::default();
        let mut state = self.state();
        for entry in request.into_inner().entries {
            if entry.value.starts_with('x') {
                return Err(violation("entries[0].value", "not an address or CIDR"));
            }
            let before = state.entries.len();
            state.entries.retain(|present| present.value != entry.value);
            let replaced = (before - state.entries.len()) as u64;
            answer.replaced += replaced;
            answer.created += 1 - replaced;
            state.entries.push(entry);
        }
        Ok(Response::new(answer))
    }

    async fn delete_entries(
        &self,
        request: Request<DeleteEntriesRequest>,
    ) -> Answer<DeleteEntriesResponse> {
        let mut state = self.state();
        let gone = state.matching(&request.into_inner().filter.unwrap_or_default());
        state.entries.retain(|entry| !gone.contains(entry));
        Ok(Response::new(DeleteEntriesResponse {
            deleted: gone.len() as u64,
        }))
    }

    /// A line that starts with `x` is wrong; the list is taken when the stream ends, and only then.
    async fn import_entries(
        &self,
        request: Request<Streaming<ImportEntriesRequest>>,
    ) -> Answer<ImportEntriesResponse> {
        let mut requests = request.into_inner();
        let mut header = ImportHeader::default();
        let mut answer = ImportEntriesResponse::default();
        let mut taken = BTreeMap::new();
        while let Some(request) = requests.message().await? {
            match request.part {
                Some(import_entries_request::Part::Header(given)) => header = given,
                Some(import_entries_request::Part::Lines(lines)) => {
                    for (line, value) in (lines.first_line..).zip(lines.lines) {
                        if value.starts_with('x') {
                            let why = "not a number".to_owned();
                            if !header.skip_invalid {
                                return Err(violation(&format!("lines[{line}]"), "not a number"));
                            }
                            answer.rejected_count += 1;
                            answer.rejected.push(RejectedLine { line, value, why });
                        } else if !value.is_empty() && taken.insert(value, ()).is_some() {
                            answer.duplicates += 1;
                        }
                    }
                }
                None => return Err(violation("part", "required")),
            }
        }
        answer.created = taken.len() as u64;
        let entry = |value: &String| Entry {
            kind: header.kind,
            action: header.action,
            value: value.clone(),
            source: header.source.clone(),
            ..Default::default()
        };
        self.state().entries.extend(taken.keys().map(entry));
        Ok(Response::new(answer))
    }

    async fn list_decisions(
        &self,
        request: Request<ListDecisionsRequest>,
    ) -> Answer<ListDecisionsResponse> {
        let request = request.into_inner();
        let filter = request.filter.unwrap_or_default();
        let state = self.state();
        let matching: Vec<_> = state
            .decisions
            .iter()
            .filter(|decision| filter.codes.is_empty() || filter.codes.contains(&decision.code))
            .filter(|decision| decision.e164.starts_with(&filter.number_prefix))
            .cloned()
            .collect();
        let (decisions, next_page_token) = page(&matching, &request.page_token);
        Ok(Response::new(ListDecisionsResponse {
            decisions,
            next_page_token,
            not_yet_listed: 3,
        }))
    }

    type WatchDecisionsStream = Answers<WatchDecisionsResponse>;

    /// The first watcher gets two decisions and is cut off, the second one more, and then is no longer allowed.
    async fn watch_decisions(
        &self,
        _: Request<WatchDecisionsRequest>,
    ) -> Answer<Self::WatchDecisionsStream> {
        let decisions = self.state().decisions.clone();
        let answer = |decision: &Decision, skipped| {
            Ok(WatchDecisionsResponse {
                decision: Some(decision.clone()),
                skipped,
            })
        };
        let answers = match self.0.watches.fetch_add(1, Ordering::SeqCst) {
            0 => vec![answer(&decisions[0], 0), answer(&decisions[1], 0)],
            1 => return Err(Status::unavailable("starting")),
            _ => vec![
                answer(&decisions[2], 7),
                Err(Status::permission_denied("the token was revoked")),
            ],
        };
        Ok(Response::new(Box::pin(tokio_stream::iter(answers))))
    }

    async fn explain_check(
        &self,
        request: Request<ExplainCheckRequest>,
    ) -> Answer<ExplainCheckResponse> {
        let check = request.into_inner().check.unwrap_or_default();
        Ok(Response::new(ExplainCheckResponse {
            decision: Some(Self::decide(&check)?),
            findings: data::findings(),
            policy: "default".to_owned(),
            account_known: true,
            reading: vec![
                "011 is dialed before an international number in United States".to_owned(),
                "+5352345678: Cuba, mobile, valid".to_owned(),
            ],
        }))
    }

    async fn get_status(&self, _: Request<GetStatusRequest>) -> Answer<GetStatusResponse> {
        Ok(Response::new(data::status()))
    }

    async fn get_statistics(
        &self,
        _: Request<GetStatisticsRequest>,
    ) -> Answer<GetStatisticsResponse> {
        Ok(Response::new(data::statistics()))
    }

    async fn list_tokens(&self, _: Request<ListTokensRequest>) -> Answer<ListTokensResponse> {
        Ok(Response::new(ListTokensResponse {
            tokens: data::tokens(),
            ..Default::default()
        }))
    }

    async fn create_token(
        &self,
        request: Request<CreateTokenRequest>,
    ) -> Answer<CreateTokenResponse> {
        let token = Token {
            id: "t3".to_owned(),
            ..request.into_inner().token.unwrap_or_default()
        };
        Ok(Response::new(CreateTokenResponse {
            token: Some(token),
            secret: "tfps_0123456789".to_owned(),
        }))
    }

    async fn revoke_token(
        &self,
        request: Request<RevokeTokenRequest>,
    ) -> Answer<RevokeTokenResponse> {
        if request.into_inner().id == "t1" {
            return Ok(Response::new(RevokeTokenResponse {}));
        }
        Err(Status::not_found("no such token"))
    }

    async fn list_calls(&self, request: Request<ListCallsRequest>) -> Answer<ListCallsResponse> {
        let username = request.into_inner().username;
        let calls = data::calls().into_iter();
        let is_asked = |call: &OpenCall| {
            username.is_empty()
                || call
                    .account
                    .as_ref()
                    .is_some_and(|of| of.username == username)
        };
        Ok(Response::new(ListCallsResponse {
            calls: calls.filter(is_asked).collect(),
            next_page_token: String::new(),
            listeners: 0,
        }))
    }

    async fn end_calls(&self, request: Request<EndCallsRequest>) -> Answer<EndCallsResponse> {
        let number = request.into_inner().number;
        let calls = data::calls().into_iter();
        Ok(Response::new(EndCallsResponse {
            calls: calls
                .filter(|call| call.e164 == number && !call.emergency)
                .collect(),
            listeners: 1,
        }))
    }

    type TrainAccountsStream = Answers<TrainAccountsResponse>;

    async fn train_accounts(
        &self,
        request: Request<TrainAccountsRequest>,
    ) -> Answer<Self::TrainAccountsStream> {
        let request = request.into_inner();
        let mut training = data::training();
        if request.dry_run {
            training.id.clear();
        } else if request.mode() == TrainingMode::Apply {
            training.state = TrainingState::Applied.into();
        }
        let all = TrainAccountsResponse {
            training: None,
            done: 1_204,
            total: 1_204,
            too_young: 203,
            fitting: 999,
            blocked: 1,
            left_out: None,
        };
        let one = TrainAccountsResponse {
            training: Some(training),
            done: 700,
            ..all.clone()
        };
        Ok(Response::new(Box::pin(tokio_stream::iter([
            Ok(one),
            Ok(all),
        ]))))
    }

    async fn list_trainings(
        &self,
        request: Request<ListTrainingsRequest>,
    ) -> Answer<ListTrainingsResponse> {
        let of = request.into_inner().state;
        let all = [data::training()];
        let trainings = all
            .into_iter()
            .filter(|training| of == 0 || of == training.state);
        Ok(Response::new(ListTrainingsResponse {
            trainings: trainings.collect(),
            next_page_token: String::new(),
        }))
    }

    async fn apply_training(
        &self,
        request: Request<ApplyTrainingRequest>,
    ) -> Answer<ApplyTrainingResponse> {
        if request.into_inner().id != "tr1" {
            return Err(Status::not_found("there is no such training"));
        }
        Ok(Response::new(ApplyTrainingResponse {
            training: Some(data::training()),
        }))
    }

    async fn revert_training(
        &self,
        request: Request<RevertTrainingRequest>,
    ) -> Answer<RevertTrainingResponse> {
        let id = request.into_inner().id;
        Err(Status::failed_precondition(format!(
            "the training {id} is suggested, not applied"
        )))
    }

    async fn reload(&self, _: Request<v1::ReloadRequest>) -> Answer<ReloadResponse> {
        Ok(Response::new(ReloadResponse {
            applied: vec!["log.level".to_owned()],
            needs_restart: vec!["grpc.listen".to_owned()],
        }))
    }
}
