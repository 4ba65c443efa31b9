//! The decision service: gRPC, storage, the journal, configuration.
//!
//! From the top: [`app`] wires, starts and drains; [`grpc`] translates; [`check`], [`verify`], [`learn`],
//! [`train`], [`admin`] and [`feeds`] are the rooms, one a use case; [`state`], [`journal`], [`auth`] and [`accounts`] serve them; on the
//! ground are `connections`, [`store`], [`reputation`], [`geo`], [`sources`], [`outbound`], [`config`] and [`telemetry`]. Everything
//! that decides about a call is in `tfps-engine`.

pub mod accounts;
pub mod admin;
pub mod app;
pub mod auth;
pub mod calls;
pub mod check;
pub mod clock;
pub mod config;
mod connections;
pub mod feeds;
pub mod geo;
pub mod grpc;
pub mod habits;
mod http_endpoint;
pub mod journal;
pub mod learn;
pub mod operation;
pub mod outbound;
mod regular_file;
pub mod reputation;
pub mod restore;
pub mod sources;
pub mod state;
pub mod store;
pub mod telemetry;
pub mod train;
pub mod verify;
mod watched_file;
