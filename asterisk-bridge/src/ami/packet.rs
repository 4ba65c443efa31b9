//! A packet of the Asterisk Manager Interface: lines of `Key: value`, ended by an empty one.

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

use super::AmiError;

/// The longest line, in bytes. Asterisk's own are far shorter.
const LONGEST_LINE: u64 = 16 << 10;
/// The most lines of a packet.
const MOST_LINES: usize = 1_000;

/// A packet as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Packet(Vec<(String, String)>);

impl Packet {
    /// Reads the next one.
    pub(super) async fn read(reader: &mut (impl AsyncBufRead + Unpin)) -> Result<Self, AmiError> {
        let mut packet = Self::default();
        loop {
            let line = read_line(reader).await?;
            if line.is_empty() {
                if packet.0.is_empty() {
                    continue;
                }
                return Ok(packet);
            }
            if packet.0.len() >= MOST_LINES {
                return Err(AmiError::TooLong);
            }
            let (key, value) = line.split_once(':').unwrap_or((&line, ""));
            packet
                .0
                .push((key.trim().to_owned(), value.trim().to_owned()));
        }
    }

    /// The value of a key; empty where it has none.
    pub(super) fn get(&self, key: &str) -> &str {
        let is = |(name, _): &&(String, String)| name.eq_ignore_ascii_case(key);
        self.0.iter().find(is).map_or("", |(_, value)| value)
    }

    /// The value of a channel's variable that it brings.
    pub(super) fn variable(&self, name: &str) -> &str {
        let lines = self
            .0
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case("Variable"));
        lines
            .filter_map(|(_, line)| line.split_once('='))
            .find(|(variable, _)| *variable == name)
            .map_or("", |(_, value)| value)
    }
}

/// Reads a line, without its end.
pub(super) async fn read_line(
    reader: &mut (impl AsyncBufRead + Unpin),
) -> Result<String, AmiError> {
    let mut line = Vec::new();
    reader
        .take(LONGEST_LINE)
        .read_until(b'\n', &mut line)
        .await?;
    if line.last() != Some(&b'\n') {
        return Err(if line.len() as u64 >= LONGEST_LINE {
            AmiError::TooLong
        } else {
            AmiError::Closed
        });
    }
    while matches!(line.last(), Some(b'\n' | b'\r')) {
        line.pop();
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

/// An action as it is sent. Line ends within values would be more keys: they are left out.
pub(super) fn action(name: &str, keys: &[(&str, &str)]) -> String {
    let mut text = format!("Action: {name}\r\n");
    for (key, value) in keys {
        let value = value.replace(['\r', '\n'], "");
        text.push_str(&format!("{key}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    async fn read(text: &[u8]) -> Result<Packet, AmiError> {
        Packet::read(&mut &*text).await
    }

    #[tokio::test]
    async fn a_packet_is_read_by_its_keys() {
        let packet = read(
            b"\r\nEvent: Status\r\nChannel: PJSIP/alice-00000001\r\nVariable: TFPS_CALL_ID=a=b:c\r\nVariable: TFPS_VERDICT=ALLOW\r\n\r\n",
        )
        .await
        .unwrap();
        assert_eq!(packet.get("event"), "Status");
        assert_eq!(packet.get("Channel"), "PJSIP/alice-00000001");
        assert_eq!(packet.variable("TFPS_CALL_ID"), "a=b:c");
        assert_eq!(packet.variable("TFPS_VERDICT"), "ALLOW");
        assert_eq!((packet.get("Cause"), packet.variable("X")), ("", ""));
    }

    #[tokio::test]
    async fn what_is_cut_off_or_never_ends_is_an_error() {
        assert!(matches!(read(b"Event: X\r\n").await, Err(AmiError::Closed)));
        let endless = vec![b'x'; 2 * LONGEST_LINE as usize];
        assert!(matches!(read(&endless).await, Err(AmiError::TooLong)));
        let lines = b"a: b\r\n".repeat(2 * MOST_LINES);
        assert!(matches!(read(&lines).await, Err(AmiError::TooLong)));
    }

    #[test]
    fn a_value_adds_no_key() {
        assert_eq!(
            action(
                "Hangup",
                &[("Channel", "x\r\nAction: Command"), ("Cause", "21")]
            ),
            "Action: Hangup\r\nChannel: xAction: Command\r\nCause: 21\r\n\r\n"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let packet = runtime.block_on(read(&bytes));
            if let Ok(packet) = packet {
                let _ = (packet.get("Event"), packet.variable("x"));
            }
        }
    }
}
