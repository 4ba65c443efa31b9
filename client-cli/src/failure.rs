//! How a command ends.
//!
//! | exit code | meaning | gRPC status |
//! | --- | --- | --- |
//! | 0 | done; with `check`: the call is allowed; with `check --file`: every line was decided | OK |
//! | 1 | failed: some lines were not decided, a verification was not passed, or anything else | INTERNAL, RESOURCE_EXHAUSTED, … |
//! | 2 | wrong usage: the command line, a file or a value | INVALID_ARGUMENT, OUT_OF_RANGE |
//! | 3 | `check`: the call is denied | OK |
//! | 4 | `check`: the call is challenged | OK |
//! | 5 | not found | NOT_FOUND |
//! | 6 | not permitted, or no valid token | PERMISSION_DENIED, UNAUTHENTICATED |
//! | 7 | server not reached or not available, or no answer in time | UNAVAILABLE, DEADLINE_EXCEEDED |
//! | 8 | changed meanwhile, exists already, or its state does not allow it | ABORTED, ALREADY_EXISTS, FAILED_PRECONDITION |

use std::{fmt::Display, io, process::ExitCode};

use tfps_client::{Code, Error};

/// The exit codes, for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done; with `check`: the call is allowed.
    Done = 0,
    /// It failed, for none of the reasons below.
    Failed = 1,
    /// The command line, a file or a value is wrong.
    Usage = 2,
    /// `check`: the call is denied.
    Denied = 3,
    /// `check`: the call is challenged.
    Challenged = 4,
    /// No such account, policy, entry, challenge, decision or token.
    NotFound = 5,
    /// The token is missing, not known, or its role does not allow it.
    NotPermitted = 6,
    /// The server is not reached, not available, or did not answer in time.
    Unreachable = 7,
    /// It changed meanwhile, exists already, or its state does not allow it.
    Conflict = 8,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What `--help` says about exit codes.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done; with check: the call is allowed
  1  failed
  2  wrong usage: the command line, a file or a value
  3  check: the call is denied
  4  check: the call is challenged
  5  not found
  6  not permitted, or no valid token
  7  server not reached or not available, or no answer in time
  8  changed meanwhile, exists already, or its state does not allow it";

/// Why a command did not do what it should: what failed and why, the details, and what to do next.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What failed, and why.
    pub what: String,
    /// A line each: the fields that are wrong, the lines that are malformed.
    pub details: Vec<String>,
    /// What to do next.
    pub hint: Option<String>,
    /// Nobody reads any more: nothing is said.
    pub silent: bool,
}

impl Failure {
    /// A failure with this exit code.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self {
            exit,
            what: what.into(),
            details: Vec::new(),
            hint: None,
            silent: false,
        }
    }

    /// Something that was given is wrong.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// What to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Standard output can't be written. A closed pipe (`tfpsctl list | head -1`) is no news to anybody.
    pub fn output(error: &io::Error) -> Self {
        let silent = error.kind() == io::ErrorKind::BrokenPipe;
        let exit = if silent { Exit::Done } else { Exit::Failed };
        Self {
            silent,
            ..Self::new(exit, format!("cannot write to standard output: {error}"))
        }
    }

    /// What a call to the server ended in, while `doing`.
    pub fn call(doing: impl Display, error: &Error) -> Self {
        let (exit, hint) = match error.code() {
            Code::NotFound => (Exit::NotFound, None),
            Code::PermissionDenied => (
                Exit::NotPermitted,
                Some("the token's role does not allow this; take another with --token-file"),
            ),
            Code::Unauthenticated => (
                Exit::NotPermitted,
                Some(
                    "the server does not take this token: it was revoked, has expired, or is another server's; \
                     give one with --token-file or TFPS_TOKEN",
                ),
            ),
            Code::DeadlineExceeded => (Exit::Unreachable, Some("--timeout SECONDS waits longer")),
            Code::Unavailable if matches!(error, Error::Connection { .. }) => (
                Exit::Unreachable,
                Some("is tfps-server running there? --server URL or TFPS_SERVER say where it is"),
            ),
            Code::Unavailable => (
                Exit::Unreachable,
                Some("the server is there but cannot do it now; try again later"),
            ),
            Code::Aborted => (
                Exit::Conflict,
                Some("somebody else changed it meanwhile: look at it again, then repeat"),
            ),
            Code::AlreadyExists | Code::FailedPrecondition => (Exit::Conflict, None),
            Code::InvalidArgument | Code::OutOfRange => (Exit::Usage, None),
            _ => (Exit::Failed, None),
        };
        let (why, details) = match error.rejection() {
            None => (error.to_string(), Vec::new()),
            Some(rejection) => {
                let message = if rejection.message.is_empty() {
                    rejection.code.description().to_owned()
                } else {
                    rejection.message.clone()
                };
                (
                    message,
                    rejection
                        .untold_violations()
                        .map(ToString::to_string)
                        .collect(),
                )
            }
        };
        let what = format!("{doing}: {why}");
        Self {
            exit,
            what,
            details,
            hint: hint.map(str::to_owned),
            silent: false,
        }
    }
}

/// Says what was being done when a call failed.
pub trait Doing<T> {
    /// As in `client.get_account(request).await.doing("cannot show the account")?`.
    ///
    /// # Errors
    ///
    /// The call's error, told as a [`Failure`].
    fn doing(self, doing: impl Display) -> Result<T, Failure>;
}

impl<T> Doing<T> for Result<T, Error> {
    fn doing(self, doing: impl Display) -> Result<T, Failure> {
        self.map_err(|error| Failure::call(doing, &error))
    }
}
