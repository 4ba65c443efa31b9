//! What can go wrong with a call.

use std::{
    collections::HashMap, error::Error as StdError, io, path::PathBuf, sync::Arc, time::Duration,
};

use tonic::{Code, Status, TimeoutExpired};
use tonic_types::StatusExt;

/// Why a call has no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration can't work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No connection came up, or it broke.
    #[error("cannot reach {address}: {cause}")]
    Connection {
        /// Where TFPS should be.
        address: String,
        /// The root of the matter, such as `connection refused`.
        cause: String,
        /// Everything about it.
        #[source]
        source: Arc<dyn StdError + Send + Sync>,
    },
    /// No answer within the call's deadline.
    #[error("no answer within {} s", limit.as_secs_f64())]
    Deadline {
        /// The deadline, retries included.
        limit: Duration,
    },
    /// The server answered with an error.
    #[error(transparent)]
    Status(Box<Rejection>),
}

/// What is wrong with a [`Config`](crate::Config).
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Nowhere to connect to.
    #[error("no server is given; one looks like http://127.0.0.1:50051 or https://host:port")]
    NoServer,
    /// An address that is none.
    #[error(
        "`{url}` is not a server address: {why}; it looks like http://127.0.0.1:50051 or https://host:port"
    )]
    Address {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file that can't be read.
    #[error("cannot read the {what} file {}: {source}", path.display())]
    File {
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: Arc<io::Error>,
    },
    /// Nothing where a token should be.
    #[error("{place} is empty")]
    EmptyToken {
        /// Where it was looked for.
        place: String,
    },
    /// Something else where a token should be.
    #[error("{place} is none: a token is one word of printable ASCII")]
    BadToken {
        /// Where it was looked for.
        place: String,
    },
    /// A certificate without its key, or a key without its certificate.
    #[error("a client certificate and its key belong together: {missing} is missing")]
    HalfIdentity {
        /// Which half is missing.
        missing: &'static str,
    },
    /// Certificates for an address that uses none.
    #[error("certificates are given, but {url} does not use TLS: write https://")]
    TlsWithoutHttps {
        /// The address.
        url: String,
    },
    /// Certificates that TLS does not take.
    #[error("the certificates cannot be used: {why}")]
    Certificates {
        /// What is wrong with them.
        why: String,
    },
}

/// A gRPC status other than OK, with its details decoded.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", self.describe())]
pub struct Rejection {
    /// The gRPC status code.
    pub code: Code,
    /// What the server says, for a person to read.
    pub message: String,
    /// What the server says, for a program: `ErrorInfo.reason` such as `ETAG_MISMATCH`; empty where it says nothing.
    pub reason: String,
    /// `ErrorInfo.metadata`.
    pub metadata: HashMap<String, String>,
    /// The fields that are wrong (`BadRequest`).
    pub violations: Vec<FieldViolation>,
    /// When to come again (`RetryInfo`).
    pub retry_after: Option<Duration>,
}

/// A field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldViolation {
    /// The field's path, such as `check.dialed_number`.
    pub field: String,
    /// What is wrong with it, and what would be right.
    pub description: String,
}

/// `limits.daily_quota: at most 1000000`
impl std::fmt::Display for FieldViolation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.description)
    }
}

impl Error {
    /// The gRPC status code that fits: the server's own, UNAVAILABLE without a connection, DEADLINE_EXCEEDED.
    pub fn code(&self) -> Code {
        match self {
            Self::Config(_) => Code::InvalidArgument,
            Self::Connection { .. } => Code::Unavailable,
            Self::Deadline { .. } => Code::DeadlineExceeded,
            Self::Status(rejection) => rejection.code,
        }
    }

    /// The server's answer, where it gave one.
    pub fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Status(rejection) => Some(rejection),
            _ => None,
        }
    }

    /// A status that a call to `address`, with this deadline, ended in.
    pub(crate) fn from_status(status: Status, address: &str, deadline: Option<Duration>) -> Self {
        if status.code() == Code::DeadlineExceeded || expired_here(&status) {
            return Self::Deadline {
                limit: deadline.unwrap_or_default(),
            };
        }
        if is_transport(&status) {
            return Self::connection(address, Arc::new(status));
        }
        Self::Status(Box::new(Rejection::from(&status)))
    }

    /// A stream that the server ended.
    pub(crate) fn ended() -> Self {
        Self::Status(Box::new(Rejection::from(&Status::unavailable(
            "the server ended the stream",
        ))))
    }

    pub(crate) fn connection(address: &str, source: Arc<dyn StdError + Send + Sync>) -> Self {
        Self::Connection {
            address: address.to_owned(),
            cause: root_cause(&*source),
            source,
        }
    }
}

impl Rejection {
    /// The violations that [`message`](Self::message) does not tell already.
    pub fn untold_violations(&self) -> impl Iterator<Item = &FieldViolation> {
        self.violations
            .iter()
            .filter(|violation| !self.message.contains(&violation.description))
    }

    fn describe(&self) -> String {
        let mut text = if self.message.is_empty() {
            self.code.description().to_owned()
        } else {
            self.message.clone()
        };
        for violation in self.untold_violations() {
            text.push_str(&format!("; {violation}"));
        }
        text
    }
}

impl From<&Status> for Rejection {
    fn from(status: &Status) -> Self {
        let details = status.get_error_details();
        let (reason, metadata) = details
            .error_info()
            .map(|info| (info.reason.clone(), info.metadata.clone()))
            .unwrap_or_default();
        let violations = details
            .bad_request()
            .map(|bad| &bad.field_violations[..])
            .unwrap_or_default()
            .iter()
            .map(|violation| FieldViolation {
                field: violation.field.clone(),
                description: violation.description.clone(),
            })
            .collect();
        Self {
            code: status.code(),
            message: status.message().to_owned(),
            reason,
            metadata,
            violations,
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
        }
    }
}

/// Whether tonic gave up by its own clock: it says CANCELLED then.
fn expired_here(status: &Status) -> bool {
    status.code() == Code::Cancelled && causes(status).any(<dyn StdError>::is::<TimeoutExpired>)
}

/// Whether the status was made on this side since the connection failed, rather than sent by the server.
fn is_transport(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::Unknown | Code::Internal | Code::Cancelled
    ) && causes(status)
        .any(|cause| cause.is::<tonic::transport::Error>() || cause.is::<io::Error>())
}

/// The error and what caused it, in one line.
pub(crate) fn describe(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    for cause in causes(error) {
        text.push_str(&format!(": {cause}"));
    }
    text
}

fn root_cause(error: &(dyn StdError + 'static)) -> String {
    causes(error).last().unwrap_or(error).to_string()
}

fn causes<'e>(
    error: &'e (dyn StdError + 'static),
) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(error.source(), |cause: &&'e (dyn StdError + 'static)| {
        (*cause).source()
    })
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn details_are_decoded() {
        let mut details = ErrorDetails::with_error_info("QUOTA", "tfps", HashMap::new());
        details.add_bad_request_violation("limits.daily_quota", "at most 100,000");
        details.set_retry_info(Some(Duration::from_secs(7)));
        let status = Status::with_error_details(
            Code::InvalidArgument,
            "the account cannot be stored",
            details,
        );

        let error = Error::from_status(status, "http://127.0.0.1:1", None);
        assert_eq!(error.code(), Code::InvalidArgument);
        assert_eq!(
            error.to_string(),
            "the account cannot be stored; limits.daily_quota: at most 100,000"
        );
        let rejection = error.rejection().expect("the server answered");
        assert_eq!(rejection.reason, "QUOTA");
        assert_eq!(rejection.retry_after, Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_field_is_told_once() {
        let details = ErrorDetails::with_bad_request_violation("policy.name", "must not be empty");
        let status = Status::with_error_details(
            Code::InvalidArgument,
            "policy.name: must not be empty",
            details,
        );
        let error = Error::from_status(status, "http://127.0.0.1:1", None);
        assert_eq!(error.to_string(), "policy.name: must not be empty");
        assert_eq!(
            error
                .rejection()
                .expect("the server answered")
                .violations
                .len(),
            1
        );
    }

    #[test]
    fn a_server_that_is_unavailable_is_no_broken_connection() {
        let error = Error::from_status(Status::unavailable("draining"), "http://127.0.0.1:1", None);
        assert!(matches!(error, Error::Status(_)), "{error:?}");
        assert_eq!(error.to_string(), "draining");
    }

    #[test]
    fn a_deadline_is_one_whoever_watched_it() {
        let limit = Some(Duration::from_millis(1500));
        for status in [
            Status::deadline_exceeded("too slow"),
            Status::from_error(Box::new(TimeoutExpired(()))),
        ] {
            let error = Error::from_status(status, "http://127.0.0.1:1", limit);
            assert_eq!(error.to_string(), "no answer within 1.5 s");
            assert_eq!(error.code(), Code::DeadlineExceeded);
        }
    }
}
