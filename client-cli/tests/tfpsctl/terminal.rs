//! What a terminal shows of what is typed: a captcha, but never a PIN.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, tcgetattr},
};

use super::fake::Fake;

/// Somebody at a terminal, on which a command waits for an answer.
struct Somebody {
    keyboard_and_screen: File,
    terminal: File,
    child: Child,
}

impl Somebody {
    /// Runs a line, and waits until it asks.
    fn runs(line: &str, address: SocketAddr) -> Self {
        let pty = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&pty).expect("it is ours");
        unlockpt(&pty).expect("it is ours");
        let name = ptsname(&pty, Vec::new()).expect("it has a name");
        let terminal = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(name.to_str().expect("it is ASCII"))
            .expect("it opens");
        let mut child = Command::new(env!("CARGO_BIN_EXE_tfpsctl"))
            .args(line.split_whitespace())
            .env("TFPS_SERVER", format!("http://{address}"))
            .env("TFPS_TOKEN", "tfps_admin")
            .stdin(terminal.try_clone().expect("a handle"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary is built");
        let mut said = child.stderr.take().expect("it is piped");
        let mut heard = Vec::new();
        while !heard.ends_with(b"types: ") && !heard.ends_with(b"PIN: ") {
            let mut byte = [0];
            said.read_exact(&mut byte).expect("it asks");
            heard.push(byte[0]);
        }
        thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Self {
            keyboard_and_screen: File::from(pty),
            terminal,
            child,
        }
    }

    fn types(&mut self, text: &str) {
        self.keyboard_and_screen
            .write_all(text.as_bytes())
            .expect("it is typed");
    }

    fn exit_code(&mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// What the screen showed. What somebody types next is seen again, so this ends with a mark of ours.
    fn saw(&mut self) -> String {
        assert!(
            tcgetattr(&self.terminal)
                .expect("it is a terminal")
                .local_modes
                .contains(LocalModes::ECHO),
            "what is typed next is seen again"
        );
        self.types("$");
        let mut seen = Vec::new();
        while !seen.ends_with(b"$") {
            let mut byte = [0];
            self.keyboard_and_screen
                .read_exact(&mut byte)
                .expect("the mark is shown");
            seen.push(byte[0]);
        }
        String::from_utf8(seen).expect("it is ASCII")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_captcha_is_seen_and_a_pin_is_not() {
    let (_fake, address) = Fake::serve().await;
    for (line, digits, exit, seen) in [
        (
            "verify alice example.com --challenge c-1",
            "0417",
            0,
            "0417",
        ),
        ("verify alice example.com --purpose quota", "1111", 1, ""),
    ] {
        let mut somebody = Somebody::runs(line, address);
        somebody.types(&format!("{digits}\n"));
        assert_eq!(somebody.exit_code(), Some(exit), "{line}");
        let screen = somebody.saw();
        assert_eq!(screen.trim_end_matches('$').trim(), seen, "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gives_up_at_the_pin_sees_again_what_he_types() {
    let (_fake, address) = Fake::serve().await;
    let mut somebody = Somebody::runs("verify alice example.com --purpose quota", address);
    let sent = Command::new("kill")
        .args(["-INT", &somebody.child.id().to_string()])
        .status()
        .expect("kill(1) runs");
    assert!(sent.success());
    assert_eq!(somebody.exit_code(), Some(1));
    somebody.saw();
}
