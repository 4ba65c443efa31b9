//! A bounded concurrent map whose oldest entries make room.

use std::{
    borrow::Borrow,
    hash::{BuildHasher, Hash},
    mem,
};

use hashbrown::{DefaultHashBuilder, HashTable};
use parking_lot::Mutex;

const SHARDS: usize = 32;

/// Two generations a shard: when the young one is full, it becomes the old one and the old one goes. An entry that is
/// used moves to the young one. So at most `capacity` entries are held, and what goes has not been used while at
/// least half of them were.
#[derive(Debug)]
pub(super) struct Aging<K, V> {
    shards: Box<[Mutex<Shard<K, V>>]>,
    half: usize,
    hasher: DefaultHashBuilder,
}

#[derive(Debug)]
struct Shard<K, V> {
    young: HashTable<(K, V)>,
    old: HashTable<(K, V)>,
}

impl<K: Hash + Eq, V: Default> Aging<K, V> {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self {
            shards: (0..SHARDS)
                .map(|_| {
                    Mutex::new(Shard {
                        young: HashTable::new(),
                        old: HashTable::new(),
                    })
                })
                .collect(),
            half: (capacity / SHARDS / 2).max(1),
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// Changes the entry of a key, which is made where there is none.
    pub(super) fn update<R>(&self, key: K, change: impl FnOnce(&mut V) -> R) -> R {
        let hash = self.hasher.hash_one(&key);
        let mut shard = self.shard(hash).lock();
        let Shard { young, old } = &mut *shard;
        let is_it = |(known, _): &(K, V)| *known == key;
        if let Ok(mut entry) = young.find_entry(hash, is_it) {
            return change(&mut entry.get_mut().1);
        }
        let value = match old.find_entry(hash, is_it) {
            Ok(entry) => entry.remove().0.1,
            Err(_) => V::default(),
        };
        if young.len() >= self.half {
            // The table that is emptied has the room that the new generation needs.
            mem::swap(young, old);
            young.clear();
        }
        let mut entry =
            young.insert_unique(hash, (key, value), |(known, _)| self.hasher.hash_one(known));
        change(&mut entry.get_mut().1)
    }

    /// Reads the entry of a key.
    pub(super) fn read<Q, R>(&self, key: &Q, read: impl FnOnce(&V) -> R) -> Option<R>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        let shard = self.shard(hash).lock();
        let is_it = |(known, _): &(K, V)| known.borrow() == key;
        shard
            .young
            .find(hash, is_it)
            .or_else(|| shard.old.find(hash, is_it))
            .map(|(_, value)| read(value))
    }

    /// Removes the entry of a key; whether there was one.
    pub(super) fn remove<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        let mut shard = self.shard(hash).lock();
        let Shard { young, old } = &mut *shard;
        let mut removed = false;
        for generation in [young, old] {
            if let Ok(entry) = generation.find_entry(hash, |(known, _)| known.borrow() == key) {
                entry.remove();
                removed = true;
            }
        }
        removed
    }

    /// Reads every entry, some of them at a time.
    pub(super) fn each(&self, mut read: impl FnMut(&K, &V)) {
        for shard in &self.shards {
            let shard = shard.lock();
            for (key, value) in shard.young.iter().chain(&shard.old) {
                read(key, value);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| {
                let shard = shard.lock();
                shard.young.len() + shard.old.len()
            })
            .sum()
    }

    fn shard(&self, hash: u64) -> &Mutex<Shard<K, V>> {
        // The table itself uses the low bits and the top seven.
        &self.shards[(hash >> 40) as usize % SHARDS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_keys_is_bounded_and_what_is_used_stays() {
        let map: Aging<u64, u32> = Aging::with_capacity(6_400);
        for key in 0..100_000 {
            map.update(key, |value| *value = 1);
            map.update(u64::MAX, |value| *value += 1);
        }
        assert!(map.len() <= 6_400, "{}", map.len());
        assert_eq!(map.read(&u64::MAX, |value| *value), Some(100_000));
        assert_eq!(map.read(&0, |value| *value), None);
    }
}
