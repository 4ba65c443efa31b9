//! What every command works with.

use jiff::Timestamp;
use tfps_client::Client;

use crate::console::Console;

/// A connection, somebody to talk to, and the time.
#[derive(Debug)]
pub struct Session<'c> {
    /// The connection.
    pub client: Client,
    /// The person or script in front of it.
    pub console: &'c mut Console,
    /// When the command was given.
    pub now: Timestamp,
}
