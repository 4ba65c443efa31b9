//! Compiles the proto files without a protoc on the machine.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

const FILES: [&str; 11] = [
    "tfps/v1/account.proto",
    "tfps/v1/admin.proto",
    "tfps/v1/call.proto",
    "tfps/v1/check.proto",
    "tfps/v1/decision.proto",
    "tfps/v1/entry.proto",
    "tfps/v1/learn.proto",
    "tfps/v1/policy.proto",
    "tfps/v1/token.proto",
    "tfps/v1/training.proto",
    "tfps/v1/verify.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=tfps");
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("tfps.v1.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .codec_path("crate::codec::StrictCodec")
        .compile_fds(descriptors)?;
    Ok(())
}
