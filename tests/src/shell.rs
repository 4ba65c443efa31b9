//! tfpsctl as an operator types it.

use std::{
    fs,
    io::{BufRead, BufReader, Lines, Write},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use tempfile::TempDir;

use crate::{Server, binaries};

/// A shell beside a server.
#[derive(Debug)]
pub struct Shell<'s> {
    server: &'s Server,
    folder: TempDir,
    variables: Vec<(String, String)>,
    /// The token's secret; without one, the first admin's token is taken.
    pub token: Option<String>,
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub struct Said {
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
    /// Its exit code.
    pub code: i32,
}

/// A command that goes on until it is stopped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl<'s> Shell<'s> {
    /// In an empty home folder.
    ///
    /// # Panics
    /// When there is no room for one.
    pub fn new(server: &'s Server) -> Self {
        Self {
            server,
            folder: tempfile::tempdir().expect("a temporary folder"),
            variables: Vec::new(),
            token: None,
        }
    }

    /// Sets a variable of the environment.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Writes a file of the home folder.
    ///
    /// # Panics
    /// When it can't be written.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).expect("a file");
        path
    }

    /// Runs a command to its end.
    ///
    /// # Panics
    /// When it can't be run.
    pub fn run(&self, line: &str) -> Said {
        self.run_with_input(line, "")
    }

    /// The same with what is typed.
    ///
    /// # Panics
    /// When it can't be run.
    pub fn run_with_input(&self, line: &str, input: &str) -> Said {
        let mut child = self.spawn(line);
        // A command that fails early does not read it.
        let _ = child
            .stdin
            .take()
            .expect("it is piped")
            .write_all(input.as_bytes());
        let Output {
            status,
            stdout,
            stderr,
        } = child.wait_with_output().expect("it ends");
        Said {
            out: String::from_utf8(stdout).expect("it says UTF-8"),
            err: String::from_utf8(stderr).expect("it says UTF-8"),
            code: status.code().expect("it exits by itself"),
        }
    }

    /// What a command that succeeds writes as JSON.
    ///
    /// # Panics
    /// When it fails, or writes something else.
    #[track_caller]
    pub fn json(&self, line: &str) -> serde_json::Value {
        let said = self.run(&format!("{line} --output json"));
        assert_eq!(said.code, 0, "{line}: {said:?}");
        serde_json::from_str(&said.out).expect(line)
    }

    /// Starts a command that goes on.
    ///
    /// # Panics
    /// When it can't be run.
    pub fn start(&self, line: &str) -> Running {
        let mut child = self.spawn(line);
        let out = child.stdout.take().expect("it is piped");
        Running {
            child,
            lines: BufReader::new(out).lines(),
        }
    }

    fn spawn(&self, line: &str) -> Child {
        let mut command = Command::new(binaries::tfpsctl());
        command
            .args(words(line))
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env("TFPS_SERVER", self.server.url())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        match &self.token {
            Some(secret) => command.env("TFPS_TOKEN", secret),
            None => command.env("TFPS_TOKEN_FILE", self.server.admin_token_path()),
        };
        command.spawn().expect("tfpsctl is built")
    }
}

impl Running {
    /// The next line that it writes.
    ///
    /// # Panics
    /// When it has ended.
    pub fn line(&mut self) -> String {
        self.lines
            .next()
            .expect("it goes on")
            .expect("it says UTF-8")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Words at spaces; what stands in single quotes is one.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split('\'').enumerate().flat_map(|(at, part)| {
        let quoted = (at % 2 == 1).then_some(part);
        let plain = (at % 2 == 0).then(|| part.split_whitespace());
        quoted.into_iter().chain(plain.into_iter().flatten())
    })
}
