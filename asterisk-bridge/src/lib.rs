//! TFPS for Asterisk. [`agi`] speaks the Asterisk Gateway Interface with one call, and knows nothing of what is said in it; `ami` follows
//! calls by the Asterisk Manager Interface and ends them;
//! `channel` reads what a call is and tells the dialplan what was decided, `voice` speaks with the caller, `flow` is what is done
//! with a call: a script each. [`app`] wires, starts and drains.

pub mod agi;
mod ami;
pub mod app;
mod channel;
pub mod config;
mod door;
mod flow;
mod http_endpoint;
mod telemetry;
mod voice;
