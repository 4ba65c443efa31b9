//! Accounts.

use std::sync::Arc;

use tfps_engine::call::{MAX_DOMAIN, MAX_USERNAME};
use tfps_proto::v1;
use tonic::{Request, Response};

use super::{AdminRpc, Answer};
use crate::grpc::{caller, convert, status, uninterrupted};

pub(super) async fn list(
    rpc: &AdminRpc,
    request: Request<v1::ListAccountsRequest>,
) -> Answer<v1::ListAccountsResponse> {
    let caller = caller(&request)?;
    let request = request.into_inner();
    convert::bounded("domain", &request.domain, MAX_DOMAIN)?;
    convert::bounded("username_prefix", &request.username_prefix, MAX_USERNAME)?;
    let (views, next_page_token, total_size) = rpc
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

pub(super) async fn get(
    rpc: &AdminRpc,
    request: Request<v1::GetAccountRequest>,
) -> Answer<v1::GetAccountResponse> {
    let caller = caller(&request)?;
    let id = convert::account_id("account", request.into_inner().account)?;
    let account = Some(convert::account::view(
        rpc.admin.account(&caller, &id).await?,
    ));
    Ok(Response::new(v1::GetAccountResponse { account }))
}

pub(super) async fn create(
    rpc: &AdminRpc,
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
    let admin = Arc::clone(&rpc.admin);
    let view =
        uninterrupted(async move { Ok(admin.create_account(&caller, &id, change).await?) }).await?;
    Ok(Response::new(v1::CreateAccountResponse {
        account: Some(convert::account::view(view)),
    }))
}

pub(super) async fn update(
    rpc: &AdminRpc,
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
    let admin = Arc::clone(&rpc.admin);
    let view =
        uninterrupted(async move { Ok(admin.update_account(&caller, &id, &etag, change).await?) })
            .await?;
    Ok(Response::new(v1::UpdateAccountResponse {
        account: Some(convert::account::view(view)),
    }))
}

pub(super) async fn delete(
    rpc: &AdminRpc,
    request: Request<v1::DeleteAccountRequest>,
) -> Answer<v1::DeleteAccountResponse> {
    let caller = caller(&request)?;
    let v1::DeleteAccountRequest { account, etag } = request.into_inner();
    let id = convert::account_id("account", account)?;
    let admin = Arc::clone(&rpc.admin);
    uninterrupted(async move { Ok(admin.delete_account(&caller, &id, &etag).await?) }).await?;
    Ok(Response::new(v1::DeleteAccountResponse {}))
}

pub(super) async fn reset(
    rpc: &AdminRpc,
    request: Request<v1::ResetUsageRequest>,
) -> Answer<v1::ResetUsageResponse> {
    let caller = caller(&request)?;
    let id = convert::account_id("account", request.into_inner().account)?;
    let admin = Arc::clone(&rpc.admin);
    let view = uninterrupted(async move { Ok(admin.reset_usage(&caller, &id).await?) }).await?;
    Ok(Response::new(v1::ResetUsageResponse {
        account: Some(convert::account::view(view)),
    }))
}

pub(super) async fn block(
    rpc: &AdminRpc,
    request: Request<v1::BlockAccountRequest>,
) -> Answer<v1::BlockAccountResponse> {
    let caller = caller(&request)?;
    let v1::BlockAccountRequest { account, reason } = request.into_inner();
    let id = convert::account_id("account", account)?;
    let admin = Arc::clone(&rpc.admin);
    let view =
        uninterrupted(async move { Ok(admin.block_account(&caller, &id, Some(&reason)).await?) })
            .await?;
    Ok(Response::new(v1::BlockAccountResponse {
        account: Some(convert::account::view(view)),
    }))
}

pub(super) async fn unblock(
    rpc: &AdminRpc,
    request: Request<v1::UnblockAccountRequest>,
) -> Answer<v1::UnblockAccountResponse> {
    let caller = caller(&request)?;
    let id = convert::account_id("account", request.into_inner().account)?;
    let admin = Arc::clone(&rpc.admin);
    let view =
        uninterrupted(async move { Ok(admin.block_account(&caller, &id, None).await?) }).await?;
    Ok(Response::new(v1::UnblockAccountResponse {
        account: Some(convert::account::view(view)),
    }))
}
