//! What a server says while it runs.

use std::{
    io::{BufRead, BufReader, Read},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::time::sleep;

/// What a process has written to its standard error.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    text: Arc<Mutex<String>>,
    whole: Arc<AtomicBool>,
}

impl Said {
    pub(crate) fn all(&self) -> String {
        self.lines().clone()
    }

    pub(crate) fn hear(&self, stream: impl Read + Send + 'static) {
        let own = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let mut text = own.lines();
                text.push_str(&line);
                text.push('\n');
            }
            own.whole.store(true, Ordering::Release);
        });
    }

    /// All of it, once the process has ended: what it said last is still on its way through the pipe then.
    pub(crate) async fn to_the_end(&self) -> String {
        while !self.whole.load(Ordering::Acquire) {
            sleep(Duration::from_millis(5)).await;
        }
        self.all()
    }

    pub(crate) fn go_on_with(&self, next: &Self) {
        let before = self.all();
        next.lines().insert_str(0, &before);
    }

    fn lines(&self) -> MutexGuard<'_, String> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
