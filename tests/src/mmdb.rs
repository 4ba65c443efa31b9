//! Databases of addresses, small ones, as vendors lay them out (<https://maxmind.github.io/MaxMind-DB/>).

use std::{fs, net::IpAddr, path::Path};

use ipnet::IpNet;

/// What stands in a record.
#[derive(Clone, Debug)]
pub enum Value {
    /// A text.
    Text(&'static str),
    /// A number.
    Number(u32),
    /// A number of 16 bits.
    Short(u16),
    /// A number of 64 bits.
    Long(u64),
    /// A list with nothing in it.
    Nothing,
    /// Values by name.
    Map(Vec<(&'static str, Value)>),
}

/// A record as MaxMind and DB-IP lay a country out.
pub fn iso_code(code: &'static str) -> Value {
    let country = Value::Map(vec![("iso_code", Value::Text(code))]);
    Value::Map(vec![("country", country)])
}

/// A record as MaxMind, DB-IP and ip-location-db lay an ASN out.
pub fn asn(number: u32) -> Value {
    Value::Map(vec![("autonomous_system_number", Value::Number(number))])
}

/// Writes a database of networks, in one go as `geoipupdate` does.
///
/// # Panics
/// When the file can't be written.
pub fn write(path: &Path, networks: &[(&str, Value)]) {
    let draft = path.with_extension("draft");
    fs::write(&draft, bytes(networks)).expect("a database is written");
    fs::rename(draft, path).expect("a database is put in place");
}

/// A database of networks, none within another.
///
/// # Panics
/// When a network is none.
pub fn bytes(networks: &[(&str, Value)]) -> Vec<u8> {
    /// Sixteen bytes of zero part the tree from the data.
    const SEPARATOR: usize = 16;
    let mut nodes: Vec<[Slot; 2]> = vec![[Slot::Empty; 2]];
    let mut data = Vec::new();
    for (network, value) in networks {
        let offset = data.len();
        encode(value, &mut data);
        let (address, length) = in_ipv6(network.parse().expect("a network"));
        let mut node = 0;
        for depth in 0..length {
            let side = usize::from(address >> (127 - depth) & 1 == 1);
            if depth + 1 == length {
                nodes[node][side] = Slot::Data(offset);
            } else if let Slot::Node(next) = nodes[node][side] {
                node = next;
            } else {
                nodes.push([Slot::Empty; 2]);
                nodes[node][side] = Slot::Node(nodes.len() - 1);
                node = nodes.len() - 1;
            }
        }
    }
    let mut bytes = Vec::new();
    for slot in nodes.iter().flatten() {
        let record = match *slot {
            Slot::Empty => nodes.len(),
            Slot::Node(node) => node,
            Slot::Data(offset) => nodes.len() + SEPARATOR + offset,
        };
        bytes.extend(
            u32::try_from(record)
                .expect("a small database")
                .to_be_bytes(),
        );
    }
    bytes.extend([0; SEPARATOR]);
    bytes.extend(data);
    bytes.extend(b"\xab\xcd\xefMaxMind.com");
    let count = u32::try_from(nodes.len()).expect("a small database");
    let metadata = Value::Map(vec![
        ("binary_format_major_version", Value::Short(2)),
        ("binary_format_minor_version", Value::Short(0)),
        ("build_epoch", Value::Long(1_800_000_000)),
        ("database_type", Value::Text("Test")),
        ("description", Value::Map(Vec::new())),
        ("languages", Value::Nothing),
        ("ip_version", Value::Short(6)),
        ("node_count", Value::Number(count)),
        ("record_size", Value::Short(32)),
    ]);
    encode(&metadata, &mut bytes);
    bytes
}

#[derive(Clone, Copy)]
enum Slot {
    Empty,
    Node(usize),
    Data(usize),
}

/// An IPv4 network stands under ::/96.
fn in_ipv6(network: IpNet) -> (u128, u8) {
    match network.addr() {
        IpAddr::V4(ip) => (u128::from(u32::from(ip)), network.prefix_len() + 96),
        IpAddr::V6(ip) => (u128::from(ip), network.prefix_len()),
    }
}

fn encode(value: &Value, into: &mut Vec<u8>) {
    let head = |kind: u8, size: usize| {
        assert!(size < 29, "only short values are written");
        kind << 5 | u8::try_from(size).expect("it is short")
    };
    match value {
        Value::Text(text) => {
            into.push(head(2, text.len()));
            into.extend(text.as_bytes());
        }
        Value::Number(number) => {
            into.push(head(6, 4));
            into.extend(number.to_be_bytes());
        }
        Value::Short(number) => {
            into.push(head(5, 2));
            into.extend(number.to_be_bytes());
        }
        Value::Long(number) => {
            // A kind above 7 stands in a byte of its own.
            into.extend([head(0, 8), 9 - 7]);
            into.extend(number.to_be_bytes());
        }
        Value::Nothing => into.extend([head(0, 0), 11 - 7]),
        Value::Map(values) => {
            into.push(head(7, values.len()));
            for (name, value) in values {
                encode(&Value::Text(name), into);
                encode(value, into);
            }
        }
    }
}
