//! What every daemon of TFPS begins with: a configuration in layers, and a log.

pub mod layers;
pub mod log;
