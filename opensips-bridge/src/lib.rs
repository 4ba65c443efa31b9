//! TFPS for every switch that speaks HTTP: [`request`] reads what a switch sends, `upstream` asks the servers and knows
//! which of them answer, `http` serves, [`app`] wires, starts and drains.

pub mod app;
pub mod config;
mod http;
pub mod request;
pub mod telemetry;
mod upstream;
