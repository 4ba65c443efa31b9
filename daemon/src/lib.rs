//! What every daemon of TFPS begins with: a configuration in layers, a log, room for open files, and a look at who may read its
//! secrets.

pub mod layers;
pub mod log;
pub mod open_files;
pub mod secret_file;
