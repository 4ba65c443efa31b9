//! The messages and services of `tfps.v1`, generated from `tfps/v1/*.proto`.

pub mod codec;

/// Package `tfps.v1`.
#[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub)]
pub mod v1 {
    tonic::include_proto!("tfps.v1");
}

/// The encoded `FileDescriptorSet` of `tfps.v1` and what it imports, for reflection and JSON.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tfps.v1.bin"));
