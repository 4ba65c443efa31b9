//! The Asterisk Gateway Interface over TCP (`FastAGI`), as Asterisk 16 to 22 speak it: [`Environment`] is what Asterisk tells
//! first, [`Session`] is a call that is told what to do, one command after the other: a command that is sent while another
//! plays ends that one, and no reply comes for it.

mod boundary;
mod command;
mod environment;
mod lines;
mod reply;
mod session;

pub use self::{
    boundary::Boundary,
    command::Command,
    environment::{BadEnvironment, Environment},
    lines::{Lines, Patience},
    reply::{BadReply, Reply},
    session::{Played, Session},
};

/// Why a call can't be talked to any more, or a command could not be done.
#[derive(Debug, thiserror::Error)]
pub enum AgiError {
    /// The caller has hung up: only variables can be read and set now.
    #[error("the caller has hung up")]
    HungUp,
    /// Asterisk closed the connection.
    #[error("Asterisk closed the connection")]
    Closed,
    /// Asterisk did not answer in time.
    #[error("Asterisk did not answer within {0} ms")]
    Silent(u128),
    /// A line is longer than any that Asterisk sends.
    #[error("a line is longer than {0} bytes")]
    LongLine(usize),
    /// The environment is not one.
    #[error(transparent)]
    Environment(#[from] BadEnvironment),
    /// A reply is not one.
    #[error(transparent)]
    Reply(#[from] BadReply),
    /// Asterisk does not know the command, or not with these arguments.
    #[error("Asterisk refuses {command}: {why}")]
    Refused {
        /// Its first words.
        command: &'static str,
        /// What Asterisk says.
        why: String,
    },
    /// Asterisk said something before the values that it was asked for: a caller wrote a line of its own, or this is no
    /// Asterisk.
    #[error("Asterisk says what it was not asked for: a caller may have written a line break")]
    Stray,
    /// A command would be longer than Asterisk reads.
    #[error("{command} would be {bytes} bytes long, Asterisk reads 2,047")]
    LongCommand {
        /// Its first words.
        command: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// The network failed.
    #[error("the connection broke: {0}")]
    Io(#[from] std::io::Error),
}

impl AgiError {
    /// As metrics name it.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::HungUp => "hang-up",
            Self::Closed => "closed",
            Self::Silent(_) => "silent",
            Self::LongLine(_) => "long-line",
            Self::Environment(_) => "environment",
            Self::Reply(_) => "reply",
            Self::Refused { .. } => "refused",
            Self::Stray => "stray",
            Self::LongCommand { .. } => "long-command",
            Self::Io(_) => "network",
        }
    }

    /// Whether a command can still be sent and its answer told from others.
    pub fn leaves_a_connection(&self) -> bool {
        match self {
            Self::HungUp | Self::Refused { .. } | Self::Stray | Self::LongCommand { .. } => true,
            Self::Environment(problem) => *problem != BadEnvironment::Endless,
            Self::Closed | Self::Silent(_) | Self::LongLine(_) | Self::Reply(_) | Self::Io(_) => {
                false
            }
        }
    }

    /// Whether what a caller wrote can bring it about: then it is a reason to deny his call, not to let it pass.
    pub fn may_be_the_callers_doing(&self) -> bool {
        matches!(
            self,
            Self::Stray
                | Self::LongCommand { .. }
                | Self::Environment(BadEnvironment::Line(_) | BadEnvironment::Repeated(_))
        )
    }
}
