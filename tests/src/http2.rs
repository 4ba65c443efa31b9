//! HTTP/2 frame by frame: what no library would send.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// How HTTP/2 begins, before the first frame.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// An address of this machine that no honest client of a test has.
pub const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);
/// DATA.
pub const DATA: u8 = 0;
/// HEADERS.
pub const HEADERS: u8 = 1;
/// RST_STREAM.
pub const RST_STREAM: u8 = 3;
/// SETTINGS.
pub const SETTINGS: u8 = 4;
/// PING.
pub const PING: u8 = 6;
/// GOAWAY.
pub const GOAWAY: u8 = 7;
/// CONTINUATION.
pub const CONTINUATION: u8 = 9;
/// END_STREAM, or ACK.
pub const END_STREAM: u8 = 1;
/// END_HEADERS.
pub const END_HEADERS: u8 = 4;

/// A frame as the server sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream.
    pub stream: u32,
    /// What is in it.
    pub payload: Vec<u8>,
}

/// A frame's bytes.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .expect("a short payload")
        .to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The headers of a gRPC request, as they are in a HEADERS frame.
pub fn headers(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    let always = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "tfps"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    for (name, value) in always.iter().chain(more) {
        // A literal without indexing, with its name.
        block.push(0);
        for text in [name, value] {
            length(&mut block, text.len());
            block.extend(text.as_bytes());
        }
    }
    block
}

/// HPACK's integer with a prefix of seven bits.
fn length(block: &mut Vec<u8>, mut length: usize) {
    if length < 127 {
        block.push(u8::try_from(length).expect("short"));
        return;
    }
    block.push(127);
    length -= 127;
    while length >= 128 {
        block.push(u8::try_from(length % 128).expect("seven bits") | 128);
        length /= 128;
    }
    block.push(u8::try_from(length).expect("seven bits"));
}

/// A message with its prefix, as gRPC puts it into DATA.
pub fn message(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("a short message");
    [&[0], &length.to_be_bytes()[..], bytes].concat()
}

/// A TCP connection from this address.
///
/// # Errors
/// When it is not accepted.
pub async fn connect_from(from: Ipv4Addr, server: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(IpAddr::V4(from), 0))?;
    socket.connect(server).await
}

/// An HTTP/2 connection from this address, with these SETTINGS.
///
/// # Errors
/// When it is not accepted.
pub async fn http2_from(
    from: Ipv4Addr,
    server: SocketAddr,
    settings: &[(u16, u32)],
) -> io::Result<TcpStream> {
    let mut stream = connect_from(from, server).await?;
    let settings: Vec<u8> = settings
        .iter()
        .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()[..]].concat())
        .collect();
    let begin = [PREFACE, &frame(SETTINGS, 0, 0, &settings)].concat();
    stream.write_all(&begin).await?;
    Ok(stream)
}

/// The next frame; none when the server has closed, or says nothing for `patience`.
pub async fn next_frame(stream: &mut TcpStream, patience: Duration) -> Option<Frame> {
    timeout(patience, async {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await.ok()?;
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        })
    })
    .await
    .ok()
    .flatten()
}

/// Whether the server closes a connection within `patience`, whatever it says before.
pub async fn is_closed(stream: &mut TcpStream, patience: Duration) -> bool {
    let read = async {
        let mut bytes = [0; 4_096];
        while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
    };
    timeout(patience, read).await.is_ok()
}
