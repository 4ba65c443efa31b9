//! A server of the API with a handful of made-up data, in the tests' own process.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU32, Ordering},
    },
};

use tfps_client::v1::*;
use tfps_proto::v1::{
    admin_service_server::AdminServiceServer, check_service_server::CheckServiceServer,
    learn_service_server::LearnServiceServer, verify_service_server::VerifyServiceServer,
};
use tokio::net::TcpListener;
use tokio_stream::Stream;
use tonic::{
    Code, Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};
use tonic_types::{ErrorDetails, StatusExt};

mod admin;
mod calls;
pub mod data;

/// Takes the token `tfps_admin` for everything, `tfps_switch` for all but administration.
#[derive(Clone, Default)]
pub struct Fake(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    /// How many updates find that somebody else was faster.
    rivals: AtomicU32,
    watches: AtomicU32,
}

#[derive(Default)]
pub struct State {
    pub accounts: Vec<Account>,
    pub policies: Vec<Policy>,
    pub entries: Vec<Entry>,
    pub decisions: Vec<Decision>,
    /// The last account that was created or updated, as it was asked, and the mask.
    pub asked: Vec<(Account, Vec<String>)>,
    pub lessons: Vec<LearnRequest>,
    pub checks: Vec<CheckRequest>,
    changes: u64,
}

impl Fake {
    /// Serves on a free port.
    pub async fn serve() -> (Self, SocketAddr) {
        let fake = Self::default();
        *fake.state() = data::state();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let router = Server::builder()
            .add_service(CheckServiceServer::new(fake.clone()))
            .add_service(LearnServiceServer::new(fake.clone()))
            .add_service(VerifyServiceServer::new(fake.clone()))
            .add_service(AdminServiceServer::with_interceptor(fake.clone(), admin));
        tokio::spawn(async move {
            router
                .serve_with_incoming(TcpIncoming::from(listener))
                .await
        });
        (fake, address)
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0
            .state
            .lock()
            .expect("no test panics while it holds it")
    }

    /// The next `number` updates find that somebody else was faster.
    pub fn set_rivals(&self, number: u32) {
        self.0.rivals.store(number, Ordering::SeqCst);
    }

    fn rival(&self) -> bool {
        self.0
            .rivals
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |rivals| {
                rivals.checked_sub(1)
            })
            .is_ok()
    }

    fn decide(check: &CheckRequest) -> Result<CheckResponse, Status> {
        if check.dialed_number.len() > 64 {
            return Err(violation("check.dialed_number", "at most 64 characters"));
        }
        Ok(data::decision(check))
    }
}

fn admin(request: Request<()>) -> Result<Request<()>, Status> {
    match request
        .metadata()
        .get("authorization")
        .map(tonic::metadata::MetadataValue::as_bytes)
    {
        Some(b"Bearer tfps_admin") => Ok(request),
        Some(b"Bearer tfps_switch") => Err(Status::permission_denied(
            "the role switch does not administer",
        )),
        _ => Err(Status::unauthenticated("no such token")),
    }
}

fn violation(field: &str, description: &str) -> Status {
    let details = ErrorDetails::with_bad_request_violation(field, description);
    Status::with_error_details(Code::InvalidArgument, "the request is malformed", details)
}

fn no_account() -> Status {
    Status::not_found("no such account")
}

impl State {
    fn account(&mut self, key: Option<&AccountKey>) -> Result<&mut Account, Status> {
        let key = key.ok_or_else(|| violation("account", "required"))?;
        self.accounts
            .iter_mut()
            .find(|account| account.username == key.username && account.domain == key.domain)
            .ok_or_else(no_account)
    }

    fn etag(&mut self) -> String {
        self.changes += 1;
        format!("etag-{}", self.changes)
    }

    fn matching(&self, filter: &EntryFilter) -> Vec<Entry> {
        let matches = |entry: &&Entry| {
            (filter.kind == 0 || entry.kind == filter.kind)
                && (filter.action == 0 || entry.action == filter.action)
                && (filter.value.is_empty() || entry.value == filter.value)
                && (filter.source.is_empty() || entry.source == filter.source)
                && filter
                    .domain
                    .as_ref()
                    .is_none_or(|domain| entry.domain == *domain)
                && (filter.matching.is_empty() || filter.matching.starts_with(&entry.value))
        };
        self.entries.iter().filter(matches).cloned().collect()
    }
}

/// A page of two, so that even a handful of things has several.
fn page<T: Clone>(things: &[T], token: &str) -> (Vec<T>, String) {
    let from: usize = token.parse().unwrap_or(0);
    let next = from + 2;
    let token = if next < things.len() {
        next.to_string()
    } else {
        String::new()
    };
    (things.iter().skip(from).take(2).cloned().collect(), token)
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
type Answer<T> = Result<Response<T>, Status>;
