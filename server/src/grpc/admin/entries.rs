//! The entries of the lists.

use std::sync::Arc;

use std::time::Duration;

use tfps_proto::v1::{self, import_entries_request::Part};
use tokio::{task::spawn_blocking, time::timeout};
use tonic::{Request, Response, Status, Streaming};

use super::{AdminRpc, Answer};
use crate::{
    admin::{AdminError, Import},
    auth::Permission,
    grpc::{caller, convert, status, uninterrupted},
};

/// How long an import may bring nothing.
const IMPORT_IDLE: Duration = Duration::from_secs(60);

pub(super) async fn list(
    rpc: &AdminRpc,
    request: Request<v1::ListEntriesRequest>,
) -> Answer<v1::ListEntriesResponse> {
    let caller = caller(&request)?;
    let request = request.into_inner();
    let (filter, matching) = convert::entry::filter(request.filter)?;
    let page = (request.page_size, request.page_token.as_str());
    let (records, next_page_token, total_size) = rpc
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

pub(super) async fn put(
    rpc: &AdminRpc,
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
    let entries = rpc.admin.read_entries(&caller, lines).await?;
    let admin = Arc::clone(&rpc.admin);
    let written =
        uninterrupted(async move { Ok(admin.put_entries(&caller, entries).await?) }).await?;
    Ok(Response::new(v1::PutEntriesResponse {
        created: written.created,
        replaced: written.replaced,
    }))
}

pub(super) async fn delete(
    rpc: &AdminRpc,
    request: Request<v1::DeleteEntriesRequest>,
) -> Answer<v1::DeleteEntriesResponse> {
    let caller = caller(&request)?;
    let (filter, matching) = convert::entry::filter(request.into_inner().filter)?;
    let admin = Arc::clone(&rpc.admin);
    let deleted =
        uninterrupted(async move { Ok(admin.delete_entries(&caller, filter, &matching).await?) })
            .await?;
    Ok(Response::new(v1::DeleteEntriesResponse { deleted }))
}

pub(super) async fn import(
    rpc: &AdminRpc,
    request: Request<Streaming<v1::ImportEntriesRequest>>,
) -> Answer<v1::ImportEntriesResponse> {
    let caller = caller(&request)?;
    // Before the first message, which a client may never send.
    caller.require(Permission::Change)?;
    let mut ending = rpc.endings.of(&caller);
    let mut parts = request.into_inner();
    let first = ending
        .or(next(&mut parts))
        .await?
        .and_then(|request| request.part);
    let Some(Part::Header(header)) = first else {
        return Err(status::invalid("header", "must be the first message"));
    };
    // What waits for its turn has brought nothing yet that takes memory.
    let place = async { Ok(rpc.admin.imports.place(&caller).await) };
    let place = ending.or(place).await?;
    let flags = (header.replace, header.skip_invalid);
    let header = convert::entry::header(header)?;
    let mut import = Import::start(&caller, header, flags, &rpc.admin)?;
    while let Some(request) = ending.or(next(&mut parts)).await? {
        let Some(Part::Lines(lines)) = request.part else {
            return Err(status::invalid("lines", "must be what follows the header"));
        };
        // Patterns take their time.
        let read = spawn_blocking(move || {
            for (number, line) in (lines.first_line.max(1)..).zip(&lines.lines) {
                import.line(number, line)?;
            }
            Ok::<_, AdminError>(import)
        });
        import = read
            .await
            .map_err(|error| Status::internal(error.to_string()))??;
    }
    let admin = Arc::clone(&rpc.admin);
    let imported = uninterrupted(async move {
        let imported = admin.import_entries(&caller, import).await?;
        drop(place);
        Ok(imported)
    })
    .await?;
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

/// The next part of an import, which does not wait for it for ever.
async fn next(
    parts: &mut Streaming<v1::ImportEntriesRequest>,
) -> Result<Option<v1::ImportEntriesRequest>, Status> {
    timeout(IMPORT_IDLE, parts.message())
        .await
        .unwrap_or_else(|_| Err(status::late_message(IMPORT_IDLE)))
}
