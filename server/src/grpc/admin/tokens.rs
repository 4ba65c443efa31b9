//! Tokens.

use std::sync::Arc;

use tfps_proto::v1;
use tonic::{Request, Response};

use super::{AdminRpc, Answer, MAX_NAME};
use crate::{
    auth::Role,
    grpc::{caller, convert, status, uninterrupted},
    store::TokenRecord,
};

pub(super) async fn list(
    rpc: &AdminRpc,
    request: Request<v1::ListTokensRequest>,
) -> Answer<v1::ListTokensResponse> {
    let caller = caller(&request)?;
    let request = request.into_inner();
    let (records, next_page_token) = rpc
        .admin
        .list_tokens(&caller, (request.page_size, &request.page_token))
        .await?;
    let tokens = records.into_iter().map(token).collect();
    Ok(Response::new(v1::ListTokensResponse {
        tokens,
        next_page_token,
    }))
}

pub(super) async fn create(
    rpc: &AdminRpc,
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
    let admin = Arc::clone(&rpc.admin);
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

pub(super) async fn revoke(
    rpc: &AdminRpc,
    request: Request<v1::RevokeTokenRequest>,
) -> Answer<v1::RevokeTokenResponse> {
    let caller = caller(&request)?;
    let id = request.into_inner().id;
    convert::bounded("id", &id, MAX_NAME)?;
    if id.is_empty() {
        return Err(status::missing("id"));
    }
    let admin = Arc::clone(&rpc.admin);
    uninterrupted(async move { Ok(admin.revoke_token(&caller, &id).await?) }).await?;
    Ok(Response::new(v1::RevokeTokenResponse {}))
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
