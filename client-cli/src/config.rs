//! Settings: the command line before the environment before the configuration file before the defaults.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use tfps_client::{Tls, Token};

use crate::{arguments::Global, console::Format, failure::Failure};

/// Where a server listens that nobody configured.
const DEFAULT_SERVER: &str = "http://127.0.0.1:50051";

/// How long a call may take where nothing is set.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// What holds for this command.
#[derive(Debug)]
pub struct Settings {
    /// The server's address.
    pub server: String,
    /// The token; unset: it has to be looked for.
    pub token: Option<Token>,
    /// The certificates.
    pub tls: Tls,
    /// How long a call may take.
    pub timeout: Duration,
    /// How data is written.
    pub output: Format,
}

/// A configuration file. Relative paths in it are relative to its folder.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    server: Option<String>,
    token_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    client_cert_file: Option<PathBuf>,
    client_key_file: Option<PathBuf>,
    output: Option<Format>,
    timeout: Option<f64>,
}

impl Settings {
    /// Reads the environment and the configuration file.
    ///
    /// # Errors
    ///
    /// When the file can't be read, or has a key or value that is none.
    pub fn resolve(global: &Global) -> Result<Self, Failure> {
        let file = ConfigFile::find(global.config.as_deref())?;
        let token = match (
            &global.token_file,
            variable("TFPS_TOKEN")?,
            variable("TFPS_TOKEN_FILE")?,
        ) {
            (Some(path), ..) => Some(Token::file(path)),
            (None, Some(secret), _) => Some(Token::secret(secret)),
            (None, None, Some(path)) => Some(Token::file(path)),
            (None, None, None) => file.token_file.map(Token::file),
        };
        let timeout = global
            .timeout
            .or(file.timeout)
            .map_or(DEFAULT_TIMEOUT, Duration::from_secs_f64);
        Ok(Self {
            server: match (&global.server, variable("TFPS_SERVER")?, file.server) {
                (Some(server), ..) => server.clone(),
                (None, Some(server), _) | (None, None, Some(server)) => server,
                (None, None, None) => DEFAULT_SERVER.to_owned(),
            },
            token,
            tls: Tls {
                ca_file: global.ca_file.clone().or(file.ca_file),
                client_cert_file: global.client_cert.clone().or(file.client_cert_file),
                client_key_file: global.client_key.clone().or(file.client_key_file),
                domain: None,
            },
            timeout,
            output: global.output.or(file.output).unwrap_or(Format::Table),
        })
    }
}

impl ConfigFile {
    /// The file that is named, or else the first that exists.
    fn find(named: Option<&Path>) -> Result<Self, Failure> {
        if let Some(path) = named {
            let text = fs::read_to_string(path).map_err(|error| {
                Failure::usage(format!(
                    "cannot read the configuration file {}: {error}",
                    path.display()
                ))
            })?;
            return Self::parse(&text, path);
        }
        for path in places() {
            match fs::read_to_string(&path) {
                Ok(text) => return Self::parse(&text, &path),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(Failure::usage(format!(
                        "cannot read the configuration file {}: {error}",
                        path.display()
                    )));
                }
            }
        }
        Ok(Self::default())
    }

    fn parse(text: &str, path: &Path) -> Result<Self, Failure> {
        let mut file: Self = toml::from_str(text).map_err(|error| {
            let mut failure = Failure::usage(format!(
                "the configuration file {} is wrong: {}",
                path.display(),
                error.message()
            ));
            failure
                .details
                .extend(error.span().map(|span| quote(text, span.start)));
            failure
        })?;
        if let Some(timeout) = file
            .timeout
            .filter(|&seconds| !(seconds > 0.0 && seconds <= 86_400.0))
        {
            return Err(Failure::usage(format!(
                "the configuration file {} is wrong: timeout = {timeout}: it is a number of seconds, more than 0 and at \
                 most 86400",
                path.display()
            )));
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        for path in [
            &mut file.token_file,
            &mut file.ca_file,
            &mut file.client_cert_file,
            &mut file.client_key_file,
        ] {
            *path = path.take().map(|path| folder.join(path));
        }
        Ok(file)
    }
}

/// Where a configuration file is looked for.
fn places() -> Vec<PathBuf> {
    let own = env::var_os("XDG_CONFIG_HOME")
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")))
        .map(|folder| folder.join("tfps/tfpsctl.toml"));
    own.into_iter()
        .chain([PathBuf::from("/etc/tfps/tfpsctl.toml")])
        .collect()
}

/// An environment variable that is set to something.
fn variable(name: &str) -> Result<Option<String>, Failure> {
    match env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => {
            Err(Failure::usage(format!("the variable {name} is not UTF-8")))
        }
    }
}

/// The line of a text that an offset is in, with its number.
fn quote(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let number = before.matches('\n').count();
    format!(
        "line {}: {}",
        number + 1,
        text.lines().nth(number).unwrap_or_default().trim()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> (String, Vec<String>) {
        let failure = ConfigFile::parse(text, Path::new("/etc/tfps/tfpsctl.toml")).unwrap_err();
        (failure.what, failure.details)
    }

    #[test]
    fn an_unknown_key_is_named_with_those_that_are_known() {
        let (what, details) = refusal("server = \"http://a:1\"\ntoken = \"x\"\n");
        assert!(
            what.contains("/etc/tfps/tfpsctl.toml") && what.contains("`token`"),
            "{what}"
        );
        for key in [
            "server",
            "token_file",
            "ca_file",
            "client_cert_file",
            "client_key_file",
            "output",
            "timeout",
        ] {
            assert!(what.contains(&format!("`{key}`")), "{what}");
        }
        assert_eq!(details, ["line 2: token = \"x\""]);
    }

    #[test]
    fn a_wrong_value_is_told_with_what_is_right() {
        assert!(
            refusal("output = \"xml\"")
                .0
                .contains("expected one of `table`, `json`, `csv`")
        );
        assert!(refusal("timeout = 0").0.contains("more than 0"));
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let file = ConfigFile::parse(
            "token_file = \"token\"\nca_file = \"/ca.pem\"",
            Path::new("/etc/tfps/x.toml"),
        );
        let file = file.unwrap();
        assert_eq!(file.token_file.unwrap(), Path::new("/etc/tfps/token"));
        assert_eq!(file.ca_file.unwrap(), Path::new("/ca.pem"));
    }
}
