//! The limit of open files: each connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// Kept for everything that is no connection of a client: servers, files, look-ups, the HTTP endpoint.
const RESERVE: usize = 256;

/// Raises the limit to what the system allows; how many connections it leaves room for, at most `wanted`, which is the value of
/// `key`. Says in the log where there is less room than wanted.
pub fn raise(wanted: usize, key: &str) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    let open_files = if setrlimit(Resource::Nofile, raised).is_ok() {
        limit.maximum
    } else {
        limit.current
    };
    let Some(open_files) = open_files else {
        return wanted;
    };
    let room = room(usize::try_from(open_files).unwrap_or(usize::MAX));
    if room < wanted {
        warn!(
            open_files,
            connections = room,
            "the limit of open files leaves room for fewer connections than {key} = {wanted}; raise it (LimitNOFILE= in systemd, \
             `ulimit -Hn` in a shell)"
        );
    }
    wanted.min(room)
}

fn room(open_files: usize) -> usize {
    let reserve = RESERVE.min(open_files / 2);
    (open_files - reserve).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_are_kept_for_what_is_no_connection() {
        assert_eq!(room(1_024), 768);
        assert_eq!(room(128), 64);
        assert_eq!(room(0), 1);
    }
}
