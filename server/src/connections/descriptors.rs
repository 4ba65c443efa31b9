//! The limit of open files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept for the database, the journal, lists, look-ups and the HTTP endpoint.
const RESERVE: usize = 256;

/// Raises the limit of open files to what the system allows; how many connections it leaves room for, at most `wanted`.
pub(crate) fn raise(wanted: usize) -> usize {
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
        tracing::warn!(
            open_files,
            connections = room,
            "the limit of open files leaves room for fewer connections than connections.max = {wanted}; raise it (LimitNOFILE= \
             in systemd, `ulimit -Hn` in a shell)"
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
    fn some_are_kept_for_the_database() {
        assert_eq!(room(1_024), 768);
        assert_eq!(room(128), 64);
        assert_eq!(room(0), 1);
    }
}
