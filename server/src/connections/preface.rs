//! How HTTP/2 begins: 24 bytes that are always the same, and a SETTINGS frame.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The preface and the header of a frame.
const BEGINNING: usize = 24 + 9;
/// Where in a frame's header its type stands, and SETTINGS.
const TYPE: (usize, u8) = (3, 4);

/// Waits until the other side has begun to speak HTTP/2.
///
/// # Errors
/// When it speaks something else, or ends.
pub(super) async fn begun<I: AsyncRead + Unpin>(mut stream: I) -> io::Result<Begun<I>> {
    let mut bytes = [0; BEGINNING];
    let mut read = 0;
    while read < BEGINNING {
        match stream.read(&mut bytes[read..]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => read += more,
        }
        let preface = read.min(PREFACE.len());
        if bytes[..preface] != PREFACE[..preface] {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the client does not speak HTTP/2",
            ));
        }
    }
    let (at, settings) = TYPE;
    if bytes[PREFACE.len() + at] != settings {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "HTTP/2 does not begin with SETTINGS",
        ));
    }
    Ok(Begun {
        stream,
        bytes,
        given: 0,
    })
}

pin_project! {
    /// A stream whose beginning was read, and is read again.
    pub(super) struct Begun<I> {
        #[pin]
        stream: I,
        bytes: [u8; BEGINNING],
        given: usize,
    }
}

impl<I: AsyncRead> AsyncRead for Begun<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.project();
        if *this.given < BEGINNING {
            let rest = &this.bytes[*this.given..];
            let some = rest.len().min(buffer.remaining());
            buffer.put_slice(&rest[..some]);
            *this.given += some;
            return Poll::Ready(Ok(()));
        }
        ready!(this.stream.poll_read(context, buffer))?;
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite> AsyncWrite for Begun<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().stream.poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().stream.poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

    async fn told(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let (mut client, server) = duplex(256);
        client.write_all(bytes).await?;
        client.shutdown().await?;
        let mut all = Vec::new();
        begun(server).await?.read_to_end(&mut all).await?;
        Ok(all)
    }

    #[tokio::test]
    async fn what_was_read_is_read_again() {
        let bytes = [&PREFACE[..], &SETTINGS, b"and more"].concat();
        assert_eq!(told(&bytes).await.unwrap(), bytes);
    }

    #[tokio::test]
    async fn what_is_not_http2_ends_at_once() {
        for bytes in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x01\0\0\0\0\0",
        ] {
            assert!(told(bytes).await.is_err(), "{bytes:?}");
        }
    }
}
