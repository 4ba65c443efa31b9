//! Garbage and a megabyte in every text field of every request, by the descriptors: one that is new is tried too.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value,
};
use tfps_client::{
    Code,
    v1::{self},
};
use tfps_tests::{
    Server,
    garbage::GARBAGE,
    raw::Wire,
    scene::{DOMAIN, HOME_NUMBER, call},
};

/// Every field of every request, by the descriptors: one that is new is tried too.
#[tokio::test]
async fn no_field_of_any_request_takes_garbage_without_bound() {
    let server = Server::open().await;
    server.account("alice").await;
    let secret = std::fs::read_to_string(server.admin_token_path()).unwrap();
    let wire = Wire::to(&server, Some(secret.trim())).await;
    let pool = DescriptorPool::decode(tfps_proto::FILE_DESCRIPTOR_SET).unwrap();
    let mut without_bound = Vec::new();
    for service in pool
        .services()
        .filter(|service| service.package_name() == "tfps.v1")
    {
        for method in service.methods() {
            let path = format!("/{}/{}", service.full_name(), method.name());
            for field in text_fields(&method.input(), &mut Vec::new()) {
                let with = |text: &str| with_text(&method.input(), &field, text).encode_to_vec();
                let name = field
                    .iter()
                    .map(|field| field.name().to_owned())
                    .collect::<Vec<_>>()
                    .join(".");
                for text in GARBAGE {
                    let answer = wire.call(&path, vec![with(text)]).await;
                    if let Err(status) = &answer {
                        assert!(
                            is_refusal(status.code()),
                            "{path} {name} {text:?}: {status:?}"
                        );
                    }
                }
                let answer = wire.call(&path, vec![with(&"x".repeat(60_000))]).await;
                if !is_bounded(&answer) && !IGNORED.contains(&name.as_str()) {
                    let code = answer.map_or_else(|status| status.code(), |_| Code::Ok);
                    without_bound.push(format!("{path} {name}: {code:?}"));
                }
                // Bytes that are no UTF-8, in place of the text.
                let mut bytes = with("TEXT");
                let at = bytes
                    .windows(4)
                    .position(|window| window == b"TEXT")
                    .unwrap();
                bytes[at..at + 4].copy_from_slice(&[0xff, 0xfe, 0xc0, 0x80]);
                let status = wire.call(&path, vec![bytes]).await;
                let on_stream = path.ends_with("StreamChecks");
                match status {
                    Err(status) => assert!(
                        status.code() == Code::InvalidArgument,
                        "{path} {name}: {status:?}"
                    ),
                    Ok(_) => assert!(on_stream, "{path} {name} took bytes that are no UTF-8"),
                }
            }
        }
    }
    server.account("zoe").await;
    assert_eq!(server.code(call("zoe", HOME_NUMBER)).await, "A00");
    assert!(!server.said().contains("panicked"));
    assert!(
        without_bound.is_empty(),
        "sixty thousand letters were taken:\n{}",
        without_bound.join("\n")
    );
}

#[tokio::test]
async fn bytes_that_are_no_utf8_are_the_clients_error() {
    let server = Server::open().await;
    let secret = std::fs::read_to_string(server.admin_token_path()).unwrap();
    let wire = Wire::to(&server, Some(secret.trim())).await;
    let path = "/tfps.v1.CheckService/Check";
    // dialed_number, field 2: two bytes that UTF-8 never has.
    let status = wire
        .call(path, vec![vec![0x12, 0x02, 0xff, 0xfe]])
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(status.message().contains("dialed_number"), "{status:?}");
    // A length that is longer than the message, and no protobuf at all.
    for broken in [vec![0x12, 0x7f, 0x31], vec![0xff; 64], vec![0x0b]] {
        let status = wire.call(path, vec![broken]).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    }
    let status = wire.call(path, vec![vec![0; 8 << 20]]).await.unwrap_err();
    assert!(
        matches!(status.code(), Code::OutOfRange | Code::ResourceExhausted),
        "{status:?}"
    );
    let unknown = wire
        .call("/tfps.v1.CheckService/Nothing", vec![vec![]])
        .await;
    assert_eq!(unknown.unwrap_err().code(), Code::Unimplemented);
    server.account("alice").await;
    assert_eq!(server.code(call("alice", HOME_NUMBER)).await, "A00");
}

/// Output only: what a client sends there is not looked at.
const IGNORED: [&str; 6] = [
    "account.block_reason",
    "account.grants.country",
    "account.etag",
    "account.usage.cost_today",
    "policy.notices",
    "token.id",
];

/// Whether a field was refused for its length, on a stream inside the answer.
fn is_bounded(answer: &Result<Vec<Vec<u8>>, tonic::Status>) -> bool {
    match answer {
        Err(status) => status.code() == Code::InvalidArgument,
        Ok(answers) => answers.iter().any(|answer| {
            let answer = v1::StreamChecksResponse::decode(&answer[..]).ok();
            let result = answer.and_then(|answer| answer.result);
            matches!(
                result,
                Some(v1::stream_checks_response::Result::Error(error))
                    if error.code == i32::from(Code::InvalidArgument)
            )
        }),
    }
}

fn is_refusal(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidArgument | Code::NotFound | Code::FailedPrecondition | Code::AlreadyExists
    )
}

/// The paths to every string in a message.
fn text_fields(
    message: &MessageDescriptor,
    above: &mut Vec<FieldDescriptor>,
) -> Vec<Vec<FieldDescriptor>> {
    let mut found = Vec::new();
    for field in message.fields() {
        above.push(field.clone());
        match field.kind() {
            Kind::String => found.push(above.clone()),
            Kind::Message(inner) if inner.package_name() == "tfps.v1" => {
                found.extend(text_fields(&inner, above));
            }
            _ => {}
        }
        above.pop();
    }
    found
}

/// A message that a server would take, but for the text of one field.
fn with_text(message: &MessageDescriptor, path: &[FieldDescriptor], text: &str) -> DynamicMessage {
    let mut made = sensible(message);
    let (field, below) = path.split_first().expect("a path has a field");
    let value = match field.kind() {
        Kind::Message(inner) => Value::Message(with_text(&inner, below, text)),
        _ => Value::String(text.to_owned()),
    };
    let value = if field.is_list() {
        Value::List(vec![value])
    } else {
        value
    };
    made.set_field(field, value);
    made
}

/// A message in which what is required is there.
fn sensible(message: &MessageDescriptor) -> DynamicMessage {
    let mut made = DynamicMessage::new(message.clone());
    for (name, text) in [
        ("username", "alice"),
        ("domain", DOMAIN),
        ("dialed_number", HOME_NUMBER),
        ("name", "odd"),
    ] {
        // A filter's fields narrow what is found; left alone, it finds.
        if message.name().ends_with("Filter") {
            break;
        }
        if let Some(field) = message.get_field_by_name(name)
            && matches!(field.kind(), Kind::String)
        {
            made.set_field(&field, Value::String(text.to_owned()));
        }
    }
    for name in ["account", "check", "policy", "token", "filter"] {
        if let Some(field) = message.get_field_by_name(name)
            && let Kind::Message(inner) = field.kind()
            && !field.is_list()
        {
            made.set_field(&field, Value::Message(sensible(&inner)));
        }
    }
    for (name, number) in [
        ("kind", 2),
        ("action", 1),
        ("role", 3),
        ("event", 3),
        ("purpose", 3),
    ] {
        if let Some(field) = message.get_field_by_name(name)
            && matches!(field.kind(), Kind::Enum(_))
        {
            made.set_field(&field, Value::EnumNumber(number));
        }
    }
    if let Some(field) = message.get_field_by_name("update_mask")
        && let Kind::Message(inner) = field.kind()
    {
        let mut mask = DynamicMessage::new(inner);
        let paths = [
            "source_countries",
            "destination_countries",
            "policy",
            "email_address",
            "pin",
        ]
        .map(|path| Value::String(path.to_owned()));
        mask.set_field_by_name("paths", Value::List(paths.to_vec()));
        made.set_field(&field, Value::Message(mask));
    }
    made
}
