//! The Rust client: connection, token, TLS, deadlines.
