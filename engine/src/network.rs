//! The network that a source address stands for when sources are counted.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// What one party on the internet holds at the least: one IPv4 address, or one IPv6 /64. Whoever has a /64 has 2⁶⁴ addresses to
/// ask from, so IPv6 sources are counted by it.
///
/// IPv4-mapped addresses (RFC 4291), 6to4 (RFC 3056, `2002::/16`) and the well-known NAT64 prefix (RFC 6052, `64:ff9b::/96`) are the IPv4
/// address that they carry: there is one way to write each network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SourceNetwork {
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 /64: its upper 64 bits.
    V6(u64),
}

impl From<IpAddr> for SourceNetwork {
    fn from(ip: IpAddr) -> Self {
        let v6 = match ip.to_canonical() {
            IpAddr::V4(v4) => return Self::V4(v4),
            IpAddr::V6(v6) => v6,
        };
        match v6.segments() {
            [0x2002, high, low, ..] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
                Self::V4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
            }
            [a, b, c, d, ..] => Self::V6(
                [a, b, c, d]
                    .into_iter()
                    .fold(0, |bits, segment| bits << 16 | u64::from(segment)),
            ),
        }
    }
}

/// `192.0.2.1`, or `2001:db8:1:2::/64`.
impl fmt::Display for SourceNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(ip) => ip.fmt(f),
            Self::V6(bits) => write!(f, "{}/64", Ipv6Addr::from(u128::from(*bits) << 64)),
        }
    }
}

impl SourceNetwork {
    /// The site that an IPv6 network is part of.
    pub fn site(self) -> Option<Site> {
        match self {
            Self::V4(_) => None,
            Self::V6(bits) => Some(Site(bits >> 16)),
        }
    }
}

/// An IPv6 /48, which is what one site is given (RFC 6177), with 65,536 networks: its upper 48 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Site(u64);

impl Site {
    /// How many times as much as one of its networks a whole site may do.
    pub const SHARE: u32 = 16;
}

/// `2001:db8:1::/48`
impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/48", Ipv6Addr::from(u128::from(self.0) << 80))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn network(ip: &str) -> SourceNetwork {
        ip.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn an_ipv4_address_is_itself_however_it_is_carried() {
        for ip in [
            "192.0.2.1",
            "::ffff:192.0.2.1",
            "2002:c000:201::1",
            "2002:c000:0201:ffff:1:2:3:4",
            "64:ff9b::192.0.2.1",
        ] {
            assert_eq!(network(ip).to_string(), "192.0.2.1", "{ip}");
        }
    }

    #[test]
    fn ipv6_is_counted_by_64() {
        assert_eq!(
            network("2001:db8:1:2:3:4:5:6").to_string(),
            "2001:db8:1:2::/64"
        );
        assert_eq!(network("2001:db8:1:2::"), network("2001:db8:1:2:ffff::1"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        // Only the well-known /96 carries an IPv4 address by itself.
        assert_eq!(
            network("64:ff9b:1::192.0.2.1").to_string(),
            "64:ff9b:1::/64"
        );
        assert_eq!(network("64:ff9b::1:c000:201").to_string(), "64:ff9b::/64");
    }

    #[test]
    fn an_ipv6_network_is_part_of_a_48() {
        let site = |ip: &str| network(ip).site().map(|site| site.to_string());
        assert_eq!(site("2001:db8:1:2::7").as_deref(), Some("2001:db8:1::/48"));
        assert_eq!(site("192.0.2.1"), None);
        assert_eq!(site("2002:c000:201::1"), None);
    }

    proptest! {
        #[test]
        fn addresses_of_one_network_are_one(prefix: u64, hosts: (u64, u64)) {
            let of = |host: u64| {
                IpAddr::V6(Ipv6Addr::from(u128::from(prefix) << 64 | u128::from(host)))
            };
            let (one, other) = (SourceNetwork::from(of(hosts.0)), SourceNetwork::from(of(hosts.1)));
            if let (SourceNetwork::V6(a), SourceNetwork::V6(b)) = (one, other) {
                prop_assert_eq!(a, b);
                prop_assert_eq!(a, prefix);
            }
        }
    }
}
