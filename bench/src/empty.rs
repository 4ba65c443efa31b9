//! A unary service that does nothing, with messages of any size.

/// Package `tfps.bench`.
#[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub)]
pub mod v1 {
    tonic::include_proto!("tfps.bench");
}

/// The filling that makes a message of so many bytes: those that the field's tag and length do not take.
///
/// A message of 130 bytes can't be made, since the length of its filling would take one byte more: it gets 131.
pub fn filling(message_bytes: usize) -> Vec<u8> {
    let tag = 1;
    let length = match message_bytes {
        0..=129 => 1,
        130..=16_386 => 2,
        _ => 3,
    };
    let filling = message_bytes.saturating_sub(tag + length);
    // Where the length would shrink with the filling, it is the longer message.
    vec![
        b'x';
        if length == 2 {
            filling.max(128)
        } else {
            filling
        }
    ]
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[test]
    fn a_filled_message_is_as_long_as_it_was_asked_to_be() {
        for bytes in (3..1_000).filter(|bytes| *bytes != 130) {
            let message = v1::CallRequest {
                filling: filling(bytes),
            };
            assert_eq!(message.encoded_len(), bytes);
        }
        let message = v1::CallRequest {
            filling: filling(130),
        };
        assert_eq!(message.encoded_len(), 131);
    }
}
