//! gRPC: translates messages to domain types and back, decides nothing.

mod admin;
mod answers;
mod check;
mod convert;
mod dispatch;
mod ending;
pub mod layers;
mod learn;
mod status;
mod verify;

pub use admin::AdminRpc;
pub use check::CheckRpc;
use dispatch::is_bulk;
pub use dispatch::{Dispatch, LARGEST_BULK, LARGEST_CALL, LARGEST_OTHER};
pub use ending::Endings;
pub use learn::LearnRpc;
pub(crate) use status::late_message;
pub use verify::VerifyRpc;

use std::{future::Future, sync::Arc};

use tonic::{Request, Status};

use crate::auth::{Caller, Principal};

/// Told when the server stops, so that streams end.
pub type Stopping = tokio::sync::watch::Receiver<bool>;

/// Who asks.
fn caller<T>(request: &Request<T>) -> Result<Arc<Principal>, Status> {
    request
        .extensions()
        .get::<Caller>()
        .map(|caller| Arc::clone(&caller.0))
        .ok_or_else(|| status::unauthenticated("no token"))
}

/// Runs a change to its end even if the client hangs up in the middle: what is in the database must get to memory.
async fn uninterrupted<T: Send + 'static>(
    change: impl Future<Output = Result<T, Status>> + Send + 'static,
) -> Result<T, Status> {
    tokio::spawn(change)
        .await
        .unwrap_or_else(|error| Err(Status::internal(format!("the request failed: {error}"))))
}
