//! The day's look-ups, which anybody on the internet would like to spend.

use super::*;

/// AbuseIPDB with so many look-ups a day.
fn daily(abuseipdb: &FakeAbuseIpdb, limit: usize) {
    let asked = AtomicUsize::new(0);
    abuseipdb.mended_with(move |reply| {
        let asked = asked.fetch_add(1, Ordering::Relaxed) + 1;
        if asked > limit {
            return limited(29_000);
        }
        reply
            .with("X-RateLimit-Limit", limit.to_string())
            .with("X-RateLimit-Remaining", (limit - asked).to_string())
    });
}

/// Calls of unknown accounts, each from an address of its own, a hundred at once.
async fn flood(server: &Server, calls: u32) -> Vec<String> {
    let mut codes = Vec::new();
    for hundred in 0..calls / 100 {
        let calls = (100 * hundred..100 * (hundred + 1)).map(|number| {
            let ip = format!("93.{}.{}.7", 100 + number / 250, number % 250);
            server.code(from(&ip, call(&format!("nobody{number}"), HOME_NUMBER)))
        });
        codes.extend(join_all(calls).await);
    }
    codes
}

#[tokio::test]
async fn unknown_accounts_do_not_spend_what_known_ones_need() {
    let abuseipdb = FakeAbuseIpdb::start(&[(BAD, 87)]).await;
    daily(&abuseipdb, 1_000);
    let server = server(&abuseipdb.config()).await;
    assert_eq!(server.code(from_ip(GOOD)).await, "A00");
    let codes = flood(&server, 5_000).await;
    assert!(codes.iter().all(|code| code == "V01"), "{codes:?}");
    let asked = abuseipdb.service.count("/check");
    assert!((10..40).contains(&asked), "{asked}");
    // The known account's call from a bad address is denied as ever.
    assert_eq!(server.code(from_ip(BAD)).await, "R02");
    assert_eq!(state(&server, "abuseipdb").await, SourceState::Ok);
    // What was held back is told.
    let warning = warnings(&server).await;
    assert!(
        warning.contains("abuseipdb: look-ups are held back: today 49")
            && warning.contains("for calls of unknown accounts and 0 of known ones; 9")
            && warning.contains("reserved for known accounts"),
        "{warning}"
    );
    let held_back = r#"tfps_look_ups_held_back_total{accounts="unknown"}"#;
    assert!(metric(&server, held_back).await > 4_900);
    let left = metric(&server, "tfps_look_ups_left").await;
    assert!((960..990).contains(&left), "{left}");
    let logged = server.said().matches("look-ups are held back").count();
    assert_eq!(logged, 1, "it is not logged for each of them");
    // What is not known is for the policy to decide.
    deny_unavailable(&server).await;
    let unknown = from("93.99.1.1", call("nobody", HOME_NUMBER));
    assert_eq!(server.code(unknown).await, "R02");
}

#[tokio::test]
async fn one_stolen_account_does_not_spend_what_all_need() {
    let abuseipdb = FakeAbuseIpdb::start(&[(BAD, 87)]).await;
    daily(&abuseipdb, 1_000);
    let server = server(&abuseipdb.config()).await;
    server.account("bob").await;
    for number in 0..500 {
        let ip = format!("93.{}.{}.7", 100 + number / 250, number % 250);
        let call = CheckRequest {
            dialed_number: format!("1212555{number:04}"),
            ..from_ip(&ip)
        };
        assert_eq!(server.code(call).await, "A00");
    }
    let asked = abuseipdb.service.count("/check");
    assert!((40..=60).contains(&asked), "{asked}");
    let of_bob = from(BAD, call("bob", HOME_NUMBER));
    assert_eq!(server.code(of_bob).await, "R02");
}

#[tokio::test]
async fn addresses_of_one_64_are_one_look_up() {
    let abuseipdb = FakeAbuseIpdb::start(&[]).await;
    let server = server(&abuseipdb.config()).await;
    for host in 1..100 {
        let call = CheckRequest {
            dialed_number: format!("1212555{host:04}"),
            ..from_ip(&format!("2a00:1450:1:2::{host:x}"))
        };
        assert_eq!(server.code(call).await, "A00");
    }
    assert_eq!(abuseipdb.service.count("/check"), 1);
}

#[tokio::test]
async fn accounts_that_a_bot_has_just_onboarded_do_not_spend_what_known_ones_need() {
    let abuseipdb = FakeAbuseIpdb::start(&[(BAD, 87)]).await;
    daily(&abuseipdb, 1_000);
    let server = server(&abuseipdb.config()).await;
    for number in 0..20 {
        let username = format!("bot{number}");
        let decision = server.check(call(&username, HOME_NUMBER)).await;
        server.verify(&username, &decision).await;
    }
    for hundred in 0..10 {
        let calls = (100 * hundred..100 * (hundred + 1)).map(|number| {
            let ip = format!("93.{}.{}.7", 100 + number / 250, number % 250);
            let dialed = format!("1212555{number:04}");
            server.code(from(&ip, call(&format!("bot{}", number % 20), &dialed)))
        });
        join_all(calls).await;
    }
    let asked = abuseipdb.service.count("/check");
    assert!((10..40).contains(&asked), "{asked}");
    assert_eq!(server.code(from_ip(BAD)).await, "R02");
}
