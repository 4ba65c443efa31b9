//! Lines from a peer that may send half of one, or one without an end, or nothing.

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::{Instant, timeout_at},
};

use super::AgiError;

/// The longest line that is taken: twice the longest SIP message that an Asterisk takes, of which a caller can have most of
/// written into one line.
pub(super) const LONGEST: usize = 1 << 17;

/// Until when a line may come.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    limit: Duration,
    until: Instant,
}

impl Patience {
    /// So long from now.
    pub fn of(limit: Duration) -> Self {
        Self {
            limit,
            until: Instant::now() + limit,
        }
    }

    /// What comes of something that must be over by then.
    ///
    /// # Errors
    /// [`AgiError::Silent`]
    pub(super) async fn within<F: Future>(self, doing: F) -> Result<F::Output, AgiError> {
        timeout_at(self.until, doing)
            .await
            .map_err(|_| AgiError::Silent(self.limit.as_millis()))
    }
}

/// The lines that come.
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    /// What of the buffer has been given out.
    taken: usize,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// The lines of a connection.
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: Vec::new(),
            taken: 0,
        }
    }

    /// The next line without its end, as it came. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`AgiError::Closed`], [`AgiError::Silent`], [`AgiError::LongLine`] or that of the network.
    pub async fn next(&mut self, patience: Patience) -> Result<Vec<u8>, AgiError> {
        let mut searched = self.taken;
        loop {
            if let Some(at) = self.buffer[searched..]
                .iter()
                .position(|byte| *byte == b'\n')
            {
                let line = &self.buffer[self.taken..searched + at];
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                let line = line.to_vec();
                self.taken = searched + at + 1;
                return Ok(line);
            }
            self.buffer.drain(..self.taken);
            self.taken = 0;
            searched = self.buffer.len();
            if searched > LONGEST {
                return Err(AgiError::LongLine(LONGEST));
            }
            let read = self.reader.read_buf(&mut self.buffer);
            if patience.within(read).await?? == 0 {
                return Err(AgiError::Closed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    fn soon() -> Patience {
        Patience::of(Duration::from_secs(5))
    }

    #[tokio::test]
    async fn lines_come_whole_however_they_are_sent() {
        let (mut peer, own) = duplex(4);
        let sending = tokio::spawn(async move {
            peer.write_all(b"agi_network: yes\r\n\nlast\n")
                .await
                .unwrap();
        });
        let mut lines = Lines::new(own);
        for line in ["agi_network: yes", "", "last"] {
            assert_eq!(lines.next(soon()).await.unwrap(), line.as_bytes());
        }
        sending.await.unwrap();
        assert!(matches!(lines.next(soon()).await, Err(AgiError::Closed)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_is_waited_for_so_long_and_may_send_so_much() {
        let (mut peer, own) = duplex(1 << 18);
        let mut lines = Lines::new(own);
        peer.write_all(b"half a li").await.unwrap();
        assert!(matches!(
            lines.next(soon()).await,
            Err(AgiError::Silent(5_000))
        ));
        // It goes on where it stopped.
        peer.write_all(b"ne\n").await.unwrap();
        assert_eq!(lines.next(soon()).await.unwrap(), b"half a line");
        peer.write_all(&[b'x'; LONGEST + 1]).await.unwrap();
        assert!(matches!(
            lines.next(soon()).await,
            Err(AgiError::LongLine(_))
        ));
    }
}
