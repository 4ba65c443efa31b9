//! The binary as a person or a script meets it: its whole output and its exit code, against a made-up server.
#![allow(missing_docs, unreachable_pub)]

mod accounts;
mod afterwards;
mod calls;
mod fake;
mod lists;
mod operation;
mod policies;
mod risk;
mod simulate;
mod surroundings;
#[cfg(unix)]
mod terminal;
mod world;

use self::world::World;
