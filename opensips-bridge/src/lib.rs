//! TFPS for every switch that speaks HTTP: [`request`] reads what a switch sends, `http` serves, [`app`] wires, starts and drains.

pub mod app;
pub mod config;
mod hang_up;
mod http;
pub mod request;
pub mod telemetry;
