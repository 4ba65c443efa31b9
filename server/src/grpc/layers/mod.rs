//! What every request passes through, from the outside: the log, what is open to anybody, authentication, the budget of its token,
//! admission, the deadline.

mod admission;
mod authentication;
mod budget;
mod deadline;
mod open;
mod request_log;
mod unread;

pub use admission::AdmissionLayer;
pub use authentication::AuthenticationLayer;
pub use budget::BudgetLayer;
pub use deadline::{DeadlineLayer, Deadlines};
pub use open::{LARGEST_MESSAGE, OpenLayer};
pub use request_log::RequestLogLayer;

use std::future::{Ready, ready};

use futures::future::Either;
use tonic::{Status, body::Body};

/// A response that is either refused here or comes from further in.
type RefusedOr<F, E> = Either<Ready<Result<http::Response<Body>, E>>, F>;

fn refuse<F, E>(status: Status) -> RefusedOr<F, E> {
    Either::Left(ready(Ok(status.into_http())))
}
