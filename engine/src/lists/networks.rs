//! Addresses and networks, found by their longest match.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixMap;

use super::{
    Change, EntryKey, EntryValue, ListEntry,
    entry::{Hit, Record, SourceHit, decisive},
};

/// The listed networks.
#[derive(Clone, Debug, Default)]
pub(super) struct Networks {
    v4: PrefixMap<Ipv4Net, Records>,
    v6: PrefixMap<Ipv6Net, Records>,
    records: usize,
}

/// Nearly every network is listed by one source.
#[derive(Clone, Debug)]
enum Records {
    One(Record),
    More(Vec<Record>),
}

impl Records {
    fn as_slice(&self) -> &[Record] {
        match self {
            Self::One(record) => std::slice::from_ref(record),
            Self::More(records) => records,
        }
    }
}

impl Networks {
    pub(super) fn len(&self) -> usize {
        self.records
    }

    pub(super) fn look_up(&self, ip: IpAddr, now: i64) -> Option<SourceHit<'_>> {
        match ip.to_canonical() {
            IpAddr::V4(ip) => {
                let host = Ipv4Net::from(ip);
                let (network, records) = self.v4.get_lpm(&host)?;
                hit(IpNet::V4(network), records, now).or_else(|| {
                    self.v4
                        .cover(&host)
                        .filter_map(|(network, records)| hit(IpNet::V4(network), records, now))
                        .last()
                })
            }
            IpAddr::V6(ip) => {
                let host = Ipv6Net::from(ip);
                let (network, records) = self.v6.get_lpm(&host)?;
                hit(IpNet::V6(network), records, now).or_else(|| {
                    self.v6
                        .cover(&host)
                        .filter_map(|(network, records)| hit(IpNet::V6(network), records, now))
                        .last()
                })
            }
        }
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (EntryValue, &Record)> {
        let v4 = self
            .v4
            .iter()
            .map(|(network, records)| (IpNet::V4(network), records));
        let v6 = self
            .v6
            .iter()
            .map(|(network, records)| (IpNet::V6(network), records));
        v4.chain(v6).flat_map(|(network, records)| {
            let records = records.as_slice().iter();
            records.map(move |record| (EntryValue::Ip(network), record))
        })
    }

    /// The first record of exactly this network.
    pub(super) fn record(&self, network: &IpNet) -> Option<&Record> {
        self.get(network)?.as_slice().first()
    }

    /// This table with some changes.
    pub(super) fn with(&self, changes: Vec<Change>) -> Self {
        let mut changed = self.clone();
        for change in changes {
            let (Change::Put(ListEntry {
                key: EntryKey { value, source, .. },
                ..
            })
            | Change::Remove(EntryKey { value, source, .. })) = &change;
            let EntryValue::Ip(network) = value else {
                continue;
            };
            let mut records = changed
                .get(network)
                .map(|records| records.as_slice().to_vec())
                .unwrap_or_default();
            let before = records.len();
            records.retain(|record| record.source != *source);
            if let Change::Put(entry) = &change {
                records.push(Record::new(entry));
            }
            changed.records = changed.records + records.len() - before;
            changed.set(*network, records);
        }
        changed
    }

    fn get(&self, network: &IpNet) -> Option<&Records> {
        match network {
            IpNet::V4(network) => self.v4.get(network),
            IpNet::V6(network) => self.v6.get(network),
        }
    }

    fn set(&mut self, network: IpNet, mut records: Vec<Record>) {
        let records = match records.len() {
            0 => None,
            1 => records.pop().map(Records::One),
            _ => Some(Records::More(records)),
        };
        match (network, records) {
            (IpNet::V4(network), Some(records)) => drop(self.v4.insert(network, records)),
            (IpNet::V6(network), Some(records)) => drop(self.v6.insert(network, records)),
            (IpNet::V4(network), None) => drop(self.v4.remove(&network)),
            (IpNet::V6(network), None) => drop(self.v6.remove(&network)),
        }
    }
}

fn hit(network: IpNet, records: &Records, now: i64) -> Option<SourceHit<'_>> {
    let record = decisive(records.as_slice(), now)?;
    Some(Hit {
        record,
        value: network,
        length: network.prefix_len(),
    })
}
