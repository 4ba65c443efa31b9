//! What every daemon of TFPS begins with: a configuration in layers, a log, and room for open files.

pub mod layers;
pub mod log;
pub mod open_files;
