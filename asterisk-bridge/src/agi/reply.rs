//! What Asterisk answers to a command.

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `200 result=…`, whatever came of it.
    Result {
        /// What stands behind `result=`: a number, or the digits that were typed.
        result: String,
        /// What stands in brackets, as it came: a variable's value, or `timeout`.
        note: Option<Vec<u8>>,
        /// Where playing stopped, in samples.
        endpos: Option<u64>,
    },
    /// `510`, or the whole of a `520`.
    Refused(String),
    /// `511`: the channel is dead.
    Dead,
}

/// What is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no reply of Asterisk's")]
pub struct BadReply(pub String);

/// One line, and what it means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A whole answer.
    Whole(Reply),
    /// The first line of a `520`; those up to [`is_end_of_usage`] belong to it.
    Usage(String),
    /// `HANGUP`, which may come at any time.
    HangUp,
}

/// Whether a line ends what began with [`Line::Usage`].
pub(super) fn is_end_of_usage(line: &[u8]) -> bool {
    line.starts_with(b"520 ")
}

/// Whether a line tells that the caller has hung up.
pub(super) fn is_hang_up(line: &[u8]) -> bool {
    line == b"HANGUP"
}

/// Reads a line that comes where an answer is due.
pub(super) fn read(line: &[u8]) -> Result<Line, BadReply> {
    if is_hang_up(line) {
        return Ok(Line::HangUp);
    }
    let told = |words: &[u8]| String::from_utf8_lossy(words).trim().to_owned();
    let reply = match (line.get(..3), line.get(3), line.get(4..)) {
        (Some(b"200"), Some(b' '), Some(rest)) => result(rest).map(Line::Whole),
        (Some(b"510" | b"520"), Some(b' '), Some(rest)) => {
            Some(Line::Whole(Reply::Refused(told(rest))))
        }
        (Some(b"511"), Some(b' '), _) => Some(Line::Whole(Reply::Dead)),
        (Some(b"520"), Some(b'-'), Some(rest)) => Some(Line::Usage(told(rest))),
        _ => None,
    };
    reply.ok_or_else(|| BadReply(told(&line[..line.len().min(100)])))
}

/// `result=1 (value) endpos=7`: the value may hold anything but the end of a line.
fn result(text: &[u8]) -> Option<Reply> {
    let text = text.trim_ascii().strip_prefix(b"result=")?;
    let end = text.iter().position(|byte| *byte == b' ');
    let (result, rest) = text.split_at(end.unwrap_or(text.len()));
    let rest = rest.trim_ascii_start();
    let (note, rest) = match rest.strip_prefix(b"(") {
        Some(inner) => {
            let end = inner.iter().rposition(|byte| *byte == b')')?;
            (Some(inner[..end].to_vec()), &inner[end + 1..])
        }
        None => (None, rest),
    };
    let endpos = rest
        .trim_ascii()
        .strip_prefix(b"endpos=")
        .and_then(|samples| str::from_utf8(samples).ok()?.parse().ok());
    Some(Reply::Result {
        result: str::from_utf8(result).ok()?.to_owned(),
        note,
        endpos,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(result: &str, note: Option<&str>, endpos: Option<u64>) -> Result<Line, BadReply> {
        Ok(Line::Whole(Reply::Result {
            result: result.to_owned(),
            note: note.map(|note| note.as_bytes().to_vec()),
            endpos,
        }))
    }

    #[test]
    fn answers_are_read_as_asterisk_writes_them() {
        assert_eq!(read(b"200 result=0"), whole("0", None, None));
        assert_eq!(read(b"200 result=-1 endpos=0"), whole("-1", None, Some(0)));
        assert_eq!(read(b"200 result=1234"), whole("1234", None, None));
        assert_eq!(read(b"200 result="), whole("", None, None));
        assert_eq!(
            read(b"200 result=12 (timeout)"),
            whole("12", Some("timeout"), None)
        );
        assert_eq!(
            read(b"200 result= (timeout)"),
            whole("", Some("timeout"), None)
        );
        assert_eq!(
            read(b"200 result=1 (a) \"b\" (c)"),
            whole("1", Some("a) \"b\" (c"), None)
        );
        assert_eq!(
            read(b"510 Invalid or unknown command"),
            Ok(Line::Whole(Reply::Refused(
                "Invalid or unknown command".to_owned()
            )))
        );
        let dead = "511 Command Not Permitted on a dead channel or intercept routine";
        assert_eq!(read(dead.as_bytes()), Ok(Line::Whole(Reply::Dead)));
        assert_eq!(
            read(b"520-Invalid command syntax.  Proper usage follows:"),
            Ok(Line::Usage(
                "Invalid command syntax.  Proper usage follows:".to_owned()
            ))
        );
        assert!(is_end_of_usage(b"520 End of proper usage."));
        assert_eq!(read(b"HANGUP"), Ok(Line::HangUp));
    }

    #[test]
    fn what_is_no_answer_is_told() {
        for line in [
            "",
            "2",
            "200",
            "200 ok",
            "200 result=1 (open",
            "HANGUP now",
            "404 x",
            "é200",
        ] {
            assert!(read(line.as_bytes()).is_err(), "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn a_value_comes_as_it_is(value in "[^\r\n]{0,60}") {
            let line = format!("200 result=1 ({value})");
            prop_assert_eq!(read(line.as_bytes()), whole("1", Some(&value), None));
        }

        #[test]
        fn no_line_makes_it_fall_over(line in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = read(&line);
            let _ = read(&[b"200 result=", &line[..]].concat());
        }
    }
}
