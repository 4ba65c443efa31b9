//! A server and a shell, as each story has its own.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
};

use tempfile::TempDir;
use tokio::{io::AsyncWriteExt, process::Command};

use super::fake::Fake;

/// A server and an empty home folder, which is also where commands are run.
pub struct World {
    pub fake: Fake,
    pub address: SocketAddr,
    pub folder: TempDir,
    /// Everything that was run and said.
    pub transcript: String,
}

impl World {
    pub async fn new() -> Self {
        let (fake, address) = Fake::serve().await;
        Self {
            fake,
            address,
            folder: tempfile::tempdir().expect("a folder"),
            transcript: String::new(),
        }
    }

    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).expect("a folder");
        fs::write(&path, content).expect("a file");
        path
    }

    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tfpsctl"));
        command
            .args(words(line))
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TMPDIR", self.folder.path())
            .env("TFPS_SERVER", format!("http://{}", self.address))
            .env("TFPS_TOKEN", "tfps_admin")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs a line, with the server's address and an admin's token in the environment.
    pub async fn run(&mut self, line: &str) -> &mut Self {
        let command = self.command(line);
        self.finish(line, command, "").await
    }

    pub async fn run_with_input(&mut self, line: &str, input: &str) -> &mut Self {
        let command = self.command(line);
        self.finish(&format!("{line} <<< {input:?}"), command, input)
            .await
    }

    pub async fn run_with(&mut self, line: &str, name: &str, value: &str) -> &mut Self {
        let mut command = self.command(line);
        command.env(name, value);
        self.finish(&format!("{name}={value} tfpsctl {line}"), command, "")
            .await
    }

    pub async fn finish(&mut self, title: &str, mut command: Command, input: &str) -> &mut Self {
        let mut child = command
            .stdin(Stdio::piped())
            .spawn()
            .expect("the binary is built");
        let mut stdin = child.stdin.take().expect("it is piped");
        // A command that fails early does not read it.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = child.wait_with_output().await.expect("it ends");
        let said =
            |bytes: Vec<u8>, name: &str| match String::from_utf8(bytes).expect("it says UTF-8") {
                text if text.is_empty() => String::new(),
                text => format!("--- {name}\n{text}"),
            };
        let code = output.status.code().expect("it exits by itself");
        let (stdout, stderr) = (said(output.stdout, "stdout"), said(output.stderr, "stderr"));
        let text = format!("$ {title}\n{stdout}{stderr}--- exit {code}\n\n");
        let text = text
            .replace(&self.address.to_string(), "[server]")
            .replace(&self.folder.path().display().to_string(), "[home]");
        self.transcript.push_str(&text);
        self
    }
}

/// Words at spaces; what stands in single quotes is one.
fn words(line: &str) -> Vec<String> {
    line.split('\'')
        .enumerate()
        .flat_map(|(at, part)| match at % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .collect()
}
