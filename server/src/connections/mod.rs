//! Connections: who may have how many, how they begin, and what ends them. All of it holds before anybody has sent a token.

mod accept;
mod grpc;
mod message;
mod preface;
mod table;
mod tls;

pub(crate) use accept::accept;
pub(crate) use grpc::GrpcServer;
pub(crate) use table::{Connection, Connections, Limits, OpenKind, Place};
pub(crate) use tls::LiveTls;
