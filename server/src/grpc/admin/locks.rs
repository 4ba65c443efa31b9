//! What failed verifications have locked.

use std::{net::IpAddr, sync::Arc};

use jiff::Timestamp;
use tfps_engine::{
    call::{MAX_DOMAIN, MAX_TRUNK},
    network::SourceNetwork,
    usage::SpotKind,
};
use tfps_proto::v1;
use tonic::{Request, Response, Status};

use super::{AdminRpc, Answer, MAX_NAME};
use crate::{
    admin::{LockView, LockedThing, Unlocking},
    grpc::{caller, convert, status, uninterrupted},
};

pub(super) fn list(
    rpc: &AdminRpc,
    request: &Request<v1::ListLocksRequest>,
) -> Answer<v1::ListLocksResponse> {
    let caller = caller(request)?;
    let request = request.get_ref();
    convert::bounded("domain", &request.domain, MAX_DOMAIN)?;
    let (locks, total_size) = rpc
        .admin
        .list_locks(&caller, &request.domain, request.max_size)?;
    Ok(Response::new(v1::ListLocksResponse {
        locks: locks.into_iter().map(lock).collect(),
        total_size,
    }))
}

pub(super) async fn unlock(
    rpc: &AdminRpc,
    request: Request<v1::UnlockRequest>,
) -> Answer<v1::UnlockResponse> {
    let caller = caller(&request)?;
    let what = unlocking(request.into_inner())?;
    let admin = Arc::clone(&rpc.admin);
    uninterrupted(async move { Ok(admin.unlock(&caller, what).await?) }).await?;
    Ok(Response::new(v1::UnlockResponse {}))
}

fn unlocking(request: v1::UnlockRequest) -> Result<Unlocking, Status> {
    let v1::UnlockRequest {
        account,
        domain,
        source,
        trunk,
        policy,
    } = request;
    convert::bounded("domain", &domain, MAX_DOMAIN)?;
    convert::bounded("trunk", &trunk, MAX_TRUNK)?;
    convert::bounded("policy", &policy, MAX_NAME)?;
    let given = [
        account.is_some(),
        !source.is_empty(),
        !trunk.is_empty(),
        !policy.is_empty(),
    ];
    if given.into_iter().filter(|given| *given).count() != 1 {
        let problem = "or source, trunk or policy must be given, and only one of them";
        return Err(status::invalid("account", problem));
    }
    if account.is_some() {
        return Ok(Unlocking::Account(convert::account_id("account", account)?));
    }
    if domain.is_empty() {
        return Err(status::missing("domain"));
    }
    if !source.is_empty() {
        return Ok(Unlocking::Source(domain, network(&source)?));
    }
    if !trunk.is_empty() {
        return Ok(Unlocking::Trunk(domain, trunk));
    }
    Ok(Unlocking::PolicyPin(domain, policy))
}

/// An address, or a network as it is listed.
fn network(source: &str) -> Result<SourceNetwork, Status> {
    let address = source.strip_suffix("/64").unwrap_or(source);
    let address: IpAddr = address.parse().map_err(|_| {
        status::invalid(
            "source",
            "must be an address such as `192.0.2.7`, or a network as it is listed, such as `2001:db8:1:2::/64`",
        )
    })?;
    Ok(address.into())
}

fn lock(view: LockView) -> v1::Lock {
    let moment = |second| Timestamp::from_second(second).ok().map(convert::timestamp);
    let lock = v1::Lock {
        failures: view.lock.failures,
        since: moment(view.lock.since),
        until: view.lock.until.and_then(moment),
        reason: view.reason,
        source: view
            .lock
            .network
            .map(|network| network.to_string())
            .unwrap_or_default(),
        ..v1::Lock::default()
    };
    match view.thing {
        LockedThing::Account(id, known) => v1::Lock {
            kind: v1::LockKind::Account.into(),
            domain: id.domain().to_owned(),
            username: id.username().to_owned(),
            known,
            ..lock
        },
        LockedThing::Spot(spot) => {
            let domain = spot.domain.into_string();
            match spot.kind {
                SpotKind::Source { network, known } => v1::Lock {
                    kind: v1::LockKind::Source.into(),
                    domain,
                    source: network.to_string(),
                    known,
                    ..lock
                },
                SpotKind::Trunk { name, known } => v1::Lock {
                    kind: v1::LockKind::Trunk.into(),
                    domain,
                    trunk: name.into_string(),
                    source: String::new(),
                    known,
                    ..lock
                },
                SpotKind::Pin { policy } => v1::Lock {
                    kind: v1::LockKind::PolicyPin.into(),
                    domain,
                    policy: policy.into_string(),
                    source: String::new(),
                    ..lock
                },
            }
        }
    }
}
