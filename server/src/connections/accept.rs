//! Takes connections.

use std::{io, sync::Arc, time::Duration};

use rustix::io::Errno;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};

use super::{Connections, Place};

/// How long accepting rests when the system has no descriptor or memory for another connection.
const REST: Duration = Duration::from_millis(100);
/// After how long without a sign of life the system asks whether the other side is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// How long the other side may leave what was sent unread.
const UNREAD: Duration = Duration::from_secs(30);

/// Takes connections until it is dropped, and gives each that has a place to `serve`.
pub(crate) async fn accept(
    listener: TcpListener,
    connections: Arc<Connections>,
    mut serve: impl FnMut(TcpStream, Place),
) {
    let mut failing = false;
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                failing = false;
                // Without a place it is dropped, which closes it.
                if let Ok(place) = connections.admit(address.ip()) {
                    prepare(&stream);
                    serve(stream, place);
                }
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if !failing {
                    tracing::error!(%error, "no connection can be accepted; it is tried again ten times a second");
                }
                failing = true;
                connections.make_room();
                sleep(REST).await;
            }
        }
    }
}

/// The connection was gone before it was taken: the next may be as good as any.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::TimedOut
    ) || matches!(
        Errno::from_io_error(error),
        Some(Errno::PROTO | Errno::PERM | Errno::NETDOWN | Errno::HOSTUNREACH | Errno::NETUNREACH)
    )
}

/// A socket that can't be told so serves as well.
fn prepare(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE));
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(UNREAD));
}
