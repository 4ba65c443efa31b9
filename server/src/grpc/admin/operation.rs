//! Operation: how the server is, what it decided, its configuration.

use tfps_engine::call::MAX_DOMAIN;
use tfps_proto::v1;
use tonic::{Request, Response, Status};

use super::{AdminRpc, Answer};
use crate::{
    auth::Permission,
    check::EmergencyAlarm,
    grpc::{caller, convert},
    sources::{SourceState, SourceStatus},
};

pub(super) async fn status(
    rpc: &AdminRpc,
    request: Request<v1::GetStatusRequest>,
) -> Answer<v1::GetStatusResponse> {
    let caller = caller(&request)?;
    let overview = rpc.admin.overview(&caller).await?;
    let whole = overview.whole;
    let shown = |number: u64| if whole { number } else { 0 };
    let sources = if whole {
        rpc.operation.sources()
    } else {
        Vec::new()
    };
    let mut warnings = overview.warnings;
    warnings.extend(sources.iter().filter_map(SourceStatus::warning));
    warnings.extend(rpc.operation.reputations.notice().filter(|_| whole));
    let alarms = rpc.checker.emergency_alarms();
    let of_caller = alarms.iter().filter(|alarm| match &caller.domain {
        None => true,
        // What a source does with accounts of others is not theirs to see.
        Some(domain) => alarm.account_domain() == Some(domain),
    });
    warnings.extend(of_caller.map(EmergencyAlarm::warning));
    if whole {
        warnings.extend(rpc.operation.tls.as_ref().and_then(|tls| tls.warning()));
    }
    Ok(Response::new(v1::GetStatusResponse {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        start_time: Some(convert::timestamp(rpc.operation.started_at())),
        serving: !rpc.endings.is_stopping(),
        database: Some(v1::DatabaseStatus {
            kind: rpc.admin.store.kind().to_owned(),
            reachable: overview.database.is_ok(),
            error: overview
                .database
                .err()
                .filter(|_| whole)
                .unwrap_or_default(),
        }),
        journal: overview.journal.map(|journal| v1::JournalStatus {
            bytes: journal.bytes,
            not_yet_shipped: journal.not_yet_shipped,
            lag: journal.oldest.map(|oldest| {
                let waited = rpc.admin.clock.now().duration_since(oldest);
                prost_types::Duration {
                    seconds: waited.as_secs().max(0),
                    nanos: waited.subsec_nanos().max(0),
                }
            }),
            lost: journal.lost,
            error: journal
                .not_written
                .or(journal.not_shipped)
                .unwrap_or_default(),
        }),
        accounts: overview.accounts,
        policies: overview.policies,
        entries: overview.entries,
        pending_challenges: overview.pending_challenges,
        calls_in_progress: overview.calls_in_progress,
        requests_in_flight: shown(
            u64::try_from(rpc.operation.metrics().in_flight.get()).unwrap_or_default(),
        ),
        decisions: shown(rpc.operation.metrics().decisions()),
        warnings,
        memory_bytes: shown(crate::operation::resident_bytes()),
        sources: sources
            .into_iter()
            .filter(|source| source.state != SourceState::Off)
            .map(source_status)
            .collect(),
    }))
}

fn source_status(source: SourceStatus) -> v1::SourceStatus {
    let state = match source.state {
        SourceState::Off => v1::SourceState::Off,
        SourceState::Ok => v1::SourceState::Ok,
        SourceState::Paused => v1::SourceState::Paused,
        SourceState::Disabled => v1::SourceState::Disabled,
        SourceState::Failing => v1::SourceState::Failing,
    };
    v1::SourceStatus {
        name: source.name.into_owned(),
        state: state.into(),
        entries: source.entries,
        refresh_time: source.refreshed_at.map(convert::timestamp),
        retry_time: source.retry_at.map(convert::timestamp),
        error: source.error,
    }
}

pub(super) async fn statistics(
    rpc: &AdminRpc,
    request: Request<v1::GetStatisticsRequest>,
) -> Answer<v1::GetStatisticsResponse> {
    let caller = caller(&request)?;
    let request = request.into_inner();
    convert::bounded("domain", &request.domain, MAX_DOMAIN)?;
    let since = convert::moment("since", request.since)?;
    let until = convert::moment("until", request.until)?;
    let (since, until, statistics) = rpc
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

pub(super) async fn reload(
    rpc: &AdminRpc,
    request: Request<v1::ReloadRequest>,
) -> Answer<v1::ReloadResponse> {
    let caller = caller(&request)?;
    caller.require(Permission::Operate)?;
    let reloaded = rpc.operation.reload().map_err(|error| {
        Status::failed_precondition(format!("the old configuration stays in force: {error}"))
    })?;
    Ok(Response::new(v1::ReloadResponse {
        applied: reloaded.applied,
        needs_restart: reloaded.needs_restart,
    }))
}
