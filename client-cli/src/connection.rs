//! Connecting, and finding the token for it.

use std::{
    fs::{self, File},
    io::ErrorKind,
    net::IpAddr,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use tfps_client::{Client, Config, ConfigError, Error, Token};

use crate::{
    config::Settings,
    console::Console,
    failure::{Exit, Failure},
};

/// Where a server on this machine leaves its first token: `make run` of a source tree, then a package.
const TOKEN_PLACES: [&str; 2] = ["./var/admin.token", "/var/lib/tfps/admin.token"];

/// Connects as the settings say.
///
/// # Errors
///
/// When no token is found, a file can't be used, or the server is not reached.
pub async fn connect(settings: &Settings, console: &mut Console) -> Result<Client, Failure> {
    let local = is_local(&settings.server);
    let token = match &settings.token {
        Some(token) => token.clone(),
        None => Token::file(find_token(local, &settings.server)?),
    };
    for path in [token.path(), settings.tls.client_key_file.as_deref()]
        .into_iter()
        .flatten()
    {
        warn_if_exposed(path, console);
    }
    if !local && settings.server.starts_with("http://") {
        console
            .warn("the token travels in clear text: use https:// for a server on another machine");
    }
    let config = Config::new(&settings.server)
        .token(token)
        .tls(settings.tls.clone())
        .connect_timeout(settings.timeout.min(Duration::from_secs(3)))
        .deadline(Some(settings.timeout))
        .user_agent(concat!("tfpsctl/", env!("CARGO_PKG_VERSION")));
    Client::connect(config)
        .await
        .map_err(|error| not_connected(&error))
}

/// A group may read a secret: that is how a service gets a file of root's.
fn warn_if_exposed(path: &Path, console: &mut Console) {
    let mode = fs::metadata(path).map_or(0, |metadata| metadata.mode() & 0o7777);
    if mode & 0o006 != 0 {
        console.warn(&format!(
            "everybody on this machine may read or write the secret in {path}: chmod o= {path}",
            path = path.display()
        ));
    }
}

fn not_connected(error: &Error) -> Failure {
    match error {
        Error::Config(wrong) => {
            let failure = Failure::usage(wrong.to_string());
            match wrong {
                ConfigError::File { what: "token", source, .. } if source.kind() == ErrorKind::PermissionDenied => {
                    Failure { exit: Exit::NotPermitted, ..failure }
                        .hint("only its owner may read it: run tfpsctl as that user, or with sudo")
                }
                ConfigError::File { what: "token", .. } | ConfigError::EmptyToken { .. } => {
                    failure.hint("`tfpsctl token create` makes tokens; --token-file, TFPS_TOKEN_FILE or TFPS_TOKEN give one")
                }
                _ => failure,
            }
        }
        Error::Connection { address, cause, .. } => {
            let hint = if cause.contains("certificate") {
                "--ca-file names the authority that signed the server's certificate".to_owned()
            } else if cause.contains("corrupt message") || cause.contains("InvalidContentType") {
                format!(
                    "the server does not speak TLS there: try {}",
                    address.replacen("https", "http", 1)
                )
            } else {
                "is tfps-server running there? --server URL or TFPS_SERVER say where it is"
                    .to_owned()
            };
            Failure::new(Exit::Unreachable, error.to_string()).hint(hint)
        }
        other => Failure::call("cannot connect", other),
    }
}

/// The token that a server on this machine made at its first start.
fn find_token(local: bool, server: &str) -> Result<PathBuf, Failure> {
    let none = |what: String, hint: &str| Err(Failure::new(Exit::NotPermitted, what).hint(hint));
    if !local {
        return none(
            format!("no token for {server}"),
            "an admin of that server makes one with `tfpsctl token create`; give it with --token-file FILE, \
             TFPS_TOKEN_FILE or TFPS_TOKEN",
        );
    }
    for place in TOKEN_PLACES.map(Path::new) {
        match File::open(place) {
            Ok(_) => return Ok(place.to_owned()),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                return none(
                    format!("no token: {} may not be read", place.display()),
                    "only its owner may: run tfpsctl as that user or with sudo, or give a token of your own with \
                     --token-file",
                );
            }
            Err(_) => {}
        }
    }
    none(
        format!(
            "no token: neither {} nor {} is there",
            TOKEN_PLACES[0], TOKEN_PLACES[1]
        ),
        "tfps-server writes its first token to admin.token in its data directory; give it, or one that `tfpsctl token \
         create` made, with --token-file FILE, TFPS_TOKEN_FILE or TFPS_TOKEN",
    )
}

/// Whether the address is on this machine: only then may a token that lies around here be meant for it.
fn is_local(server: &str) -> bool {
    let rest = server.split_once("://").map_or(server, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or(rest);
    let host = match authority
        .strip_prefix('[')
        .and_then(|inner| inner.split_once(']'))
    {
        Some((address, _)) => address,
        None => authority
            .rsplit_once(':')
            .map_or(authority, |(host, _)| host),
    };
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_local() {
        for server in [
            "http://127.0.0.1:50051",
            "https://localhost:1/",
            "http://[::1]:50051",
            "http://127.8.8.8",
        ] {
            assert!(is_local(server), "{server}");
        }
        for server in [
            "https://tfps.example.com:50051",
            "http://10.0.0.1:1",
            "http://127.0.0.1.evil.com:1",
            "http://user@host:1",
        ] {
            assert!(!is_local(server), "{server}");
        }
    }
}
