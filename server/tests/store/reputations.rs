//! What services said of addresses.

use jiff::Timestamp;
use tfps_server::store::{ReputationRecord, ReputationSource, SourceMark, Store};

use crate::scene::{minutes, noon};

fn said(source: ReputationSource, ip: &str, confidence: u8) -> ReputationRecord {
    ReputationRecord {
        source,
        ip: ip.parse().unwrap(),
        confidence,
        answered_at: noon(),
        expires_at: noon() + minutes(60),
    }
}

async fn loaded(store: &impl Store, now: Timestamp) -> Vec<ReputationRecord> {
    let mut records = Vec::new();
    store
        .load_reputations(now, &mut |record| records.push(record))
        .await
        .unwrap();
    records.sort();
    records
}

pub async fn answers_are_kept_over_older_ones_until_they_expire(store: &impl Store) {
    use ReputationSource::{AbuseIpdb, Apiban};
    let first = [
        said(AbuseIpdb, "192.0.2.1", 0),
        said(AbuseIpdb, "2001:db8::7", 100),
        said(Apiban, "192.0.2.1", 100),
    ];
    store.keep_reputations(&first, &[]).await.unwrap();
    assert_eq!(loaded(store, noon()).await, first);
    let newer = ReputationRecord {
        confidence: 87,
        answered_at: noon() + minutes(1),
        expires_at: noon() + minutes(61),
        ..first[0]
    };
    store.keep_reputations(&[newer], &[]).await.unwrap();
    assert_eq!(loaded(store, noon()).await, [newer, first[1], first[2]]);
    assert_eq!(loaded(store, noon() + minutes(60)).await, [newer]);
    let before = noon() - minutes(60 * 24);
    let pruned = store.prune(before, noon() + minutes(61)).await.unwrap();
    assert_eq!(pruned, 2);
    assert_eq!(loaded(store, noon()).await, [newer]);
}

pub async fn many_answers_are_kept_and_loaded_in_pages(store: &impl Store) {
    let mut many: Vec<ReputationRecord> = (0..12_345_u32)
        .map(|number| {
            let ip = std::net::Ipv4Addr::from(0xC633_0000 + number);
            said(ReputationSource::AbuseIpdb, &ip.to_string(), 50)
        })
        .collect();
    store.keep_reputations(&many, &[]).await.unwrap();
    many.sort();
    assert_eq!(loaded(store, noon()).await, many);
}

pub async fn how_far_a_source_was_read_is_kept(store: &impl Store) {
    let mark = SourceMark {
        name: "apiban".to_owned(),
        position: "1672531200".to_owned(),
        key_mark: "0a1b".to_owned(),
        refreshed_at: Some(noon()),
        retry_at: None,
    };
    let marks = [mark.clone()];
    store.keep_reputations(&[], &marks).await.unwrap();
    assert_eq!(store.source_marks().await.unwrap(), marks);
    let later = [SourceMark {
        position: String::new(),
        retry_at: Some(noon() + minutes(5)),
        ..mark
    }];
    store.keep_reputations(&[], &later).await.unwrap();
    assert_eq!(store.source_marks().await.unwrap(), later);
}
