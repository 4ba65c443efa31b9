//! The Rust client of TFPS: connection, token, TLS, deadlines and retries around the generated stubs.
//!
//! A switch asks [`Client::check`] while it sets up a call and does what the answer says:
//!
//! ```no_run
//! use tfps_client::{Client, Config, Token, v1};
//!
//! # async fn example() -> Result<(), tfps_client::Error> {
//! let client = Client::connect(
//!     Config::new("https://tfps.example.com:50051").token(Token::file("/etc/tfps/switch.token")),
//! )
//! .await?;
//!
//! let answer = client
//!     .check(v1::CheckRequest {
//!         account: Some(v1::AccountKey { username: "alice".into(), domain: "example.com".into() }),
//!         dialed_number: "0025221234567".into(),
//!         source_ip: "198.51.100.7".into(),
//!         user_agent: "Yealink SIP-T46S 66.85.0.5".into(),
//!         call_id: "a84b4c76e66710@198.51.100.7".into(),
//!         ..Default::default()
//!     })
//!     .await?;
//! match answer.verdict() {
//!     v1::Verdict::Allow => println!("let it through"),
//!     v1::Verdict::Challenge => println!("relay it to the IVR: {}", answer.code),
//!     _ => println!("refuse it: {} {}", answer.code, answer.reason),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Every RPC of `tfps.v1` is a method of [`Client`]; [`Client::stream_checks`] keeps many checks in flight on one
//! stream. The generated stubs are there as well ([`Client::check_service`] and its siblings), with the token sent
//! along but without deadlines and retries.

pub use tfps_proto::v1;
pub use tonic::Code;

pub use self::{
    calls::{ImportStream, TrainStream, WatchStream},
    config::{Config, Retry, Tls, Token},
    connection::{Client, Transport},
    error::{ConfigError, Error, FieldViolation, Rejection},
    stream::CheckStream,
    token::Bearer,
};

mod calls;
mod config;
mod connection;
mod error;
pub mod instances;
mod retry;
mod stream;
mod token;
