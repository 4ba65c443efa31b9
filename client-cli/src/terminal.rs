//! The terminal that somebody types on.

/// While it lives, what is typed on standard input's terminal is not shown. Where that is no terminal, nothing changes.
#[derive(Debug)]
pub struct Unseen {
    #[cfg(unix)]
    before: Option<rustix::termios::Termios>,
}

#[cfg(unix)]
impl Unseen {
    /// Shows no more. What was typed before and not read yet was seen already, and is dropped.
    pub fn begin() -> Self {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin).ok().and_then(|before| {
            let mut unseen = before.clone();
            unseen.local_modes.remove(LocalModes::ECHO);
            tcsetattr(&stdin, OptionalActions::Flush, &unseen).ok()?;
            Some(before)
        });
        Self { before }
    }
}

#[cfg(unix)]
impl Drop for Unseen {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        if let Some(before) = &self.before {
            // Where the terminal has gone, there is nothing to be shown on.
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
        }
    }
}

#[cfg(not(unix))]
impl Unseen {
    /// This system's terminals are not known: what is typed is seen.
    pub fn begin() -> Self {
        Self {}
    }
}
