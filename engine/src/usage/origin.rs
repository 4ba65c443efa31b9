//! Where a call came from, as verifications are counted.

use crate::{call::CallAttempt, network::SourceNetwork};

/// Where a call came from, as verifications are counted: what a caller who invents accounts can't invent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The network of its source, where the switch tells it.
    pub network: Option<SourceNetwork>,
    /// The trunk; empty where the switch does not tell it.
    pub trunk: Box<str>,
}

impl Origin {
    /// Of a call.
    pub fn of(call: &CallAttempt) -> Self {
        Self {
            network: call.source_ip.map(SourceNetwork::from),
            trunk: call.trunk.as_str().into(),
        }
    }
}
