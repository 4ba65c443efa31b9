//! Policies.

use std::sync::Arc;

use tfps_engine::call::MAX_DOMAIN;
use tfps_proto::v1;
use tonic::{Request, Response};

use super::{AdminRpc, Answer, MAX_NAME};
use crate::grpc::{caller, convert, status, uninterrupted};

pub(super) async fn list(
    rpc: &AdminRpc,
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
    let (views, next_page_token) = rpc
        .admin
        .list_policies(&caller, request.domain.as_deref(), page)
        .await?;
    let policies = views.iter().map(convert::policy::view).collect();
    Ok(Response::new(v1::ListPoliciesResponse {
        policies,
        next_page_token,
    }))
}

pub(super) async fn get(
    rpc: &AdminRpc,
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
        &rpc.admin.policy(&caller, &domain, &name).await?,
    ));
    Ok(Response::new(v1::GetPolicyResponse { policy }))
}

pub(super) async fn put(
    rpc: &AdminRpc,
    request: Request<v1::PutPolicyRequest>,
) -> Answer<v1::PutPolicyResponse> {
    let caller = caller(&request)?;
    let policy = request
        .into_inner()
        .policy
        .ok_or_else(|| status::missing("policy"))?;
    let (document, etag, pin) = convert::policy::document(policy)?;
    let admin = Arc::clone(&rpc.admin);
    let view =
        uninterrupted(async move { Ok(admin.put_policy(&caller, document, &etag, &pin).await?) })
            .await?;
    Ok(Response::new(v1::PutPolicyResponse {
        policy: Some(convert::policy::view(&view)),
    }))
}

pub(super) async fn delete(
    rpc: &AdminRpc,
    request: Request<v1::DeletePolicyRequest>,
) -> Answer<v1::DeletePolicyResponse> {
    let caller = caller(&request)?;
    let v1::DeletePolicyRequest { name, domain, etag } = request.into_inner();
    convert::bounded("name", &name, MAX_NAME)?;
    convert::bounded("domain", &domain, MAX_DOMAIN)?;
    let admin = Arc::clone(&rpc.admin);
    uninterrupted(async move { Ok(admin.delete_policy(&caller, &domain, &name, &etag).await?) })
        .await?;
    Ok(Response::new(v1::DeletePolicyResponse {}))
}
