//! The log, on standard error.

use std::io::IsTerminal;

use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    EnvFilter, Registry as Subscriber, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

/// The log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives such as `info,tfps::request=debug`.
    pub level: String,
    /// `text` or `json`.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Text,
        }
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Changes what is logged.
#[derive(Clone, Debug)]
pub struct LogLevel {
    handle: reload::Handle<EnvFilter, Subscriber>,
    own: &'static [&'static str],
}

impl LogLevel {
    /// Logs by other directives from now on.
    ///
    /// # Errors
    /// When they do not read.
    pub fn set(&self, directives: &str) -> Result<(), String> {
        let filter = filter(directives, self.own)?;
        self.handle
            .reload(filter)
            .map_err(|error| error.to_string())
    }
}

/// Starts the log of a program whose own targets begin with one of `own`.
///
/// # Errors
/// When the directives do not read.
pub fn start(log: &Log, own: &'static [&'static str]) -> Result<LogLevel, String> {
    let (filter, handle) = reload::Layer::new(filter(&log.level, own)?);
    let subscriber = tracing_subscriber::registry().with(filter);
    let started = match log.format {
        LogFormat::Text => {
            let coloured =
                std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            let lines = fmt::layer()
                .with_ansi(coloured)
                .with_writer(std::io::stderr);
            subscriber.with(lines).try_init()
        }
        LogFormat::Json => subscriber
            .with(fmt::layer().json().with_writer(std::io::stderr))
            .try_init(),
    };
    started.map_err(|error| error.to_string())?;
    Ok(LogLevel { handle, own })
}

/// A bare `debug` or `trace` means the program, not the libraries it stands on.
fn filter(directives: &str, own: &[&str]) -> Result<EnvFilter, String> {
    let spelled = match directives.parse() {
        Ok(level @ (LevelFilter::DEBUG | LevelFilter::TRACE)) => {
            own.iter().fold("info".to_owned(), |spelled, target| {
                format!("{spelled},{target}={level}")
            })
        }
        _ => directives.to_owned(),
    };
    spelled
        .parse::<EnvFilter>()
        .map_err(|error| bad_level(directives, &error))
}

fn bad_level(directives: &str, error: &dyn std::error::Error) -> String {
    format!(
        "log.level is {directives:?}: {error}; right would be error, warn, info, debug, trace, or `info,tfps::request=debug`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_level_is_the_programs_and_directives_are_taken_as_they_are() {
        assert_eq!(
            filter("debug", &["tfps", "other"])
                .unwrap()
                .to_string()
                .split(',')
                .count(),
            3,
            "info for the libraries, debug for two targets"
        );
        assert_eq!(filter("warn", &["tfps"]).unwrap().to_string(), "warn");
        assert!(
            filter("h2=trace", &[])
                .unwrap()
                .to_string()
                .contains("h2=trace")
        );
        assert!(filter("loud=x", &[]).unwrap_err().contains("loud=x"));
    }
}
