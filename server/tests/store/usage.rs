//! What accounts have used: days and calls in progress.

use tfps_engine::exposure::{Exposure, Money};
use tfps_server::{
    journal::{CallRecord, Progress},
    store::{DayUsage, OpenCallRecord, Shipment, Store},
};

use crate::scene::{id, minutes, noon};

pub async fn usage_adds_up_and_starts_anew_after_a_reset(store: &impl Store) {
    let used = |name: &str, day, business, off_hours| DayUsage {
        account: id(name),
        day,
        business,
        off_hours,
        exposure: Exposure {
            cost: Money::from_millionths(u64::from(business) * 1_000),
            seconds_abroad: u64::from(off_hours) * 60,
            ..Exposure::default()
        },
        taken_back: Exposure::default(),
    };
    let ship = async |resets: &[&str], usage: Vec<DayUsage>| {
        let shipment = Shipment {
            resets: resets.iter().map(|name| (id(name), 0)).collect(),
            usage,
            ..Shipment::default()
        };
        store.ship(&shipment).await.unwrap();
        let mut usage = store.usage_since(20_260_608).await.unwrap();
        usage.sort_by(|one, other| (one.day, &one.account).cmp(&(other.day, &other.account)));
        usage
    };
    let first = vec![
        used("a@b", 20_260_607, 9, 9),
        used("a@b", 20_260_608, 1, 2),
        used("b@b", 20_260_608, 3, 0),
    ];
    assert_eq!(ship(&[], first.clone()).await, first[1..]);
    assert_eq!(
        ship(
            &[],
            vec![used("a@b", 20_260_608, 1, 0), used("a@b", 20_260_609, 5, 0)]
        )
        .await,
        [
            used("a@b", 20_260_608, 2, 2),
            used("b@b", 20_260_608, 3, 0),
            used("a@b", 20_260_609, 5, 0)
        ]
    );
    // What was used after the reset counts.
    assert_eq!(
        ship(&["a@b"], vec![used("a@b", 20_260_609, 1, 1)]).await,
        [used("b@b", 20_260_608, 3, 0), used("a@b", 20_260_609, 1, 1)]
    );
}

pub async fn calls_that_have_not_ended_hold_their_slots(store: &impl Store) {
    let until = (noon() + minutes(240)).as_second();
    let call = |call_id: &str, progress: Progress, after: i64| CallRecord {
        username: "alice".to_owned(),
        domain: "example.com".to_owned(),
        call_id: call_id.to_owned(),
        progress: progress as i32,
        at: (noon() + minutes(after)).as_millisecond(),
        slot_until: if progress == Progress::Ended {
            0
        } else {
            until
        },
        e164: if progress == Progress::Answered {
            "37128054190".to_owned()
        } else {
            String::new()
        },
        ..CallRecord::default()
    };
    let shipment = Shipment {
        calls: vec![
            call("goes-on", Progress::Started, 0),
            call("goes-on", Progress::Answered, 1),
            call("over", Progress::Started, 0),
            call("over", Progress::Ended, 2),
            // The word of its start comes late.
            call("over-before", Progress::Ended, 2),
            call("over-before", Progress::Started, 0),
        ],
        ..Shipment::default()
    };
    store.ship(&shipment).await.unwrap();
    let goes_on = OpenCallRecord {
        account: id("alice@example.com"),
        call_id: "goes-on".to_owned(),
        decision_id: String::new(),
        attempt_key: String::new(),
        e164: "37128054190".to_owned(),
        emergency: false,
        answered_at: Some(noon() + minutes(1)),
        slot_until: until,
        charged_from: 0,
    };
    assert_eq!(
        store.open_calls(noon()).await.unwrap(),
        std::slice::from_ref(&goes_on)
    );
    let later = noon() + minutes(240);
    assert!(store.open_calls(later).await.unwrap().is_empty());
    // What it came to before its account's counters were set to zero is forgiven.
    let reset_at = noon() + minutes(5);
    let reset = Shipment {
        resets: vec![(id("alice@example.com"), reset_at.as_millisecond())],
        ..Shipment::default()
    };
    store.ship(&reset).await.unwrap();
    let forgiven = OpenCallRecord {
        charged_from: reset_at.as_second(),
        ..goes_on
    };
    assert_eq!(store.open_calls(noon()).await.unwrap(), [forgiven]);
}
