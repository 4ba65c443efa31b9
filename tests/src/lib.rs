//! End to end: real processes, real databases. [`Server`] starts a tfps-server of its own for each test, [`scene`] sets
//! it up, and the stories in `tests/` tell what a switch, a caller and an operator see.

pub mod agi;
pub mod asterisk;
pub mod binaries;
pub mod bridge;
pub mod certificates;
pub mod claims;
pub mod clock;
pub mod fake_asterisk;
pub mod fake_reputation;
pub mod fake_service;
pub mod freepbx;
pub mod garbage;
pub mod handset;
pub mod http2;
pub mod list_host;
pub mod mmdb;
pub mod peers;
pub mod raw;
mod said;
pub mod scene;
mod server;
pub mod shell;
pub mod sip;
pub mod sipp;
pub mod tap;
pub mod verification;

pub use agi::AsteriskBridge;
pub use bridge::Bridge;
pub use server::{Command, Refused, Server, eventually};
