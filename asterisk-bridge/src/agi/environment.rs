//! What Asterisk tells before it takes commands: `agi_…: value` lines and an empty one.

use std::collections::HashMap;

use tokio::io::AsyncRead;

use super::{AgiError, Lines, Patience};

/// All lines together, in bytes: twice what fits into the longest SIP message that an Asterisk takes, of which a caller can
/// have most of told, in as many lines as he likes.
const MOST_BYTES: usize = 1 << 17;
/// What Asterisk writes where it knows nothing.
const UNKNOWN: &str = "unknown";

/// What Asterisk tells about a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    values: HashMap<String, String>,
}

/// What is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEnvironment {
    /// A line is no `name: value`: a value that a caller wrote has a line break, as in `sip:1%0a2@…`.
    #[error("line {0} of the environment is no `agi_name: value`")]
    Line(usize),
    /// A name comes twice: a value that a caller wrote may have brought a line of its own.
    #[error("the environment has {0} twice")]
    Repeated(String),
    /// It does not end.
    #[error("the environment does not end after {MOST_BYTES} bytes")]
    Endless,
    /// No script is asked for.
    #[error("the environment has no agi_network_script: the dialplan's AGI() names none")]
    NoScript,
}

impl Environment {
    /// Reads it.
    ///
    /// # Errors
    /// [`AgiError::Environment`], told at its end, so that commands can follow (but for [`BadEnvironment::Endless`]), or that of
    /// the connection.
    pub async fn read<R: AsyncRead + Unpin>(
        lines: &mut Lines<R>,
        patience: Patience,
    ) -> Result<Self, AgiError> {
        let mut environment = Self::default();
        let mut problem = Ok(());
        let mut bytes = 0;
        for number in 1.. {
            let line = lines.next(patience).await?;
            if line.is_empty() {
                problem?;
                return Ok(environment);
            }
            bytes += line.len();
            if bytes > MOST_BYTES {
                break;
            }
            let put = environment.put(number, &String::from_utf8_lossy(&line));
            problem = problem.and(put);
        }
        Err(BadEnvironment::Endless.into())
    }

    fn put(&mut self, number: usize, line: &str) -> Result<(), BadEnvironment> {
        let (name, value) = line
            .split_once(':')
            .filter(|(name, _)| name.starts_with("agi_"))
            .ok_or(BadEnvironment::Line(number))?;
        let name = name.trim().to_owned();
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        match self.values.insert(name.clone(), value) {
            None => Ok(()),
            Some(_) => Err(BadEnvironment::Repeated(name)),
        }
    }

    /// A value, by its name without `agi_`; what is `unknown` or empty is none.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values
            .get(&format!("agi_{name}"))
            .map(String::as_str)
            .filter(|value| !value.is_empty() && *value != UNKNOWN)
    }

    /// The script that is asked for, without its query.
    ///
    /// # Errors
    /// When there is none.
    pub fn script(&self) -> Result<&str, BadEnvironment> {
        let script = self.get("network_script").unwrap_or_default();
        let script = script.split('?').next().unwrap_or_default();
        let script = script.trim_matches('/');
        if script.is_empty() {
            return Err(BadEnvironment::NoScript);
        }
        Ok(script)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    async fn of(text: &[u8]) -> Result<Environment, AgiError> {
        let mut lines = Lines::new(text);
        Environment::read(&mut lines, Patience::of(Duration::from_secs(1))).await
    }

    #[tokio::test]
    async fn what_asterisk_tells_is_read() {
        let environment = of(b"agi_network: yes\nagi_network_script: check?domain=a.b\nagi_request: agi://127.0.0.1/check\n\
            agi_callerid: 12125550123\nagi_calleridname: unknown\nagi_accountcode: \nagi_uniqueid: 1700000000.7\n\
            agi_arg_1: alice: the first\n\n200 result=0\n")
        .await
        .unwrap();
        assert_eq!(environment.script(), Ok("check"));
        assert_eq!(environment.get("callerid"), Some("12125550123"));
        assert_eq!(environment.get("calleridname"), None);
        assert_eq!(environment.get("accountcode"), None);
        assert_eq!(environment.get("arg_1"), Some("alice: the first"));
    }

    #[tokio::test]
    async fn what_is_no_environment_is_refused() {
        async fn refused(text: &[u8]) -> String {
            of(text).await.unwrap_err().to_string()
        }
        assert!(
            refused(b"GET / HTTP/1.1\nHost: x\n\n")
                .await
                .contains("line 1")
        );
        assert!(
            refused(b"agi_network: yes\nuser: x\n\n")
                .await
                .contains("line 2")
        );
        let twice = b"agi_callerid: 1\nagi_callerid: 2\n\n";
        assert!(refused(twice).await.contains("agi_callerid twice"));
        assert!(refused(b"agi_network: yes\n").await.contains("closed"));
        let large: String = (0..20_000).map(|n| format!("agi_{n}: x\n")).collect();
        assert!(refused(large.as_bytes()).await.contains("does not end"));
        let none = of(b"agi_network: yes\nagi_network_script: ?x=1\n\n").await;
        assert_eq!(none.unwrap().script(), Err(BadEnvironment::NoScript));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_fall_over(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let _ = runtime.block_on(of(&text));
        }
    }
}
