//! What a call gets by its source, and how long it waits to know it.

use super::*;

#[tokio::test]
async fn r02_is_what_abuseipdb_says() {
    let abuseipdb = FakeAbuseIpdb::start(&[(BAD, 87), ("2a00:1450::7", 100)]).await;
    let server = server(&abuseipdb.config()).await;
    let decision = server.check(from_ip(BAD)).await;
    assert_eq!(
        (decision.code.as_str(), decision.verdict()),
        ("R02", Verdict::Deny)
    );
    assert_eq!(
        decision.reason,
        "AbuseIPDB's confidence that the source is abusive is 87 % (look-up), denied from 10 %"
    );
    assert_eq!(server.code(from_ip(GOOD)).await, "A00");
    assert_eq!(server.code(from_ip("2a00:1450::7")).await, "R02");
    // Good or bad, once is enough; and an IPv4-mapped address is its IPv4.
    for _ in 0..5 {
        assert_eq!(server.code(from_ip(&format!("::ffff:{BAD}"))).await, "R02");
        assert_eq!(server.code(from_ip(GOOD)).await, "A00");
    }
    assert_eq!(abuseipdb.service.count("/check"), 3);
    let asked = &abuseipdb.service.asked()[0];
    assert_eq!(asked.fields["maxAgeInDays"], "30");
    assert_eq!(asked.headers["accept"], "application/json");
    assert!(asked.headers["user-agent"].starts_with("tfps/"));

    // Nobody is asked about addresses that are not public.
    for ip in [
        "10.0.0.1",
        "192.168.1.1",
        "127.0.0.1",
        "169.254.1.1",
        "100.64.0.1",
        "::1",
        "fe80::1",
        "fd00::7",
        "::ffff:10.0.0.1",
        "",
    ] {
        assert_eq!(server.code(from_ip(ip)).await, "A00", "{ip}");
    }
    assert_eq!(abuseipdb.service.count("/check"), 3);

    let explained = server
        .admin()
        .explain_check(v1::ExplainCheckRequest {
            check: Some(from_ip(BAD)),
        })
        .await
        .unwrap();
    assert!(format!("{explained:?}").contains("87 % (look-up)"));
    let status = source(&server, "abuseipdb").await.unwrap();
    assert_eq!((status.state(), status.entries), (SourceState::Ok, 3));
    let answered = r#"tfps_look_ups_total{source="abuseipdb",result="answered"}"#;
    assert_eq!(metric(&server, answered).await, 3);
    assert_eq!(
        metric(&server, r#"tfps_source_up{source="abuseipdb"}"#).await,
        1
    );
    // The log is at its wordiest, and yet:
    assert!(!server.said().contains(KEY));
}

#[tokio::test]
async fn r15_is_what_apiban_lists() {
    let service = apiban(&[&["192.0.2.77", "10.0.0.1"], &[BANNED], &[]]).await;
    let server = server(&apiban_config(&service)).await;
    let listed = eventually("the list is read to its end", || async {
        let status = source(&server, "apiban").await?;
        (status.entries == 2 && service.count("/banned/1003") > 0).then_some(status)
    })
    .await;
    assert_eq!(listed.state(), SourceState::Ok);
    let decision = server.check(from_ip(BANNED)).await;
    assert_eq!(decision.code, "R15");
    assert_eq!(server.code(from_ip(GOOD)).await, "A00");
    assert_eq!(server.code(from_ip("10.0.0.1")).await, "A00");
    // It is polled, and never asked about a call.
    assert_eq!(service.asked().len(), 4);
    assert!(!server.said().contains(KEY));
}

#[tokio::test]
async fn the_configuration_wins() {
    let abuseipdb = FakeAbuseIpdb::start(&[(BAD, 100)]).await;
    let known = format!(
        "{}\n[[reputation]]\nnetwork = \"{BAD}/32\"\nabuse_confidence = 0\n\
         [[reputation]]\nnetwork = \"{GOOD}/32\"\nabuse_confidence = 50\n",
        abuseipdb.config()
    );
    let server = server(&known).await;
    assert_eq!(server.code(from_ip(BAD)).await, "A00");
    let decision = server.check(from_ip(GOOD)).await;
    assert!(
        decision.reason.contains("50 % (configuration)"),
        "{decision:?}"
    );
    assert_eq!(abuseipdb.service.asked().len(), 0);
}

#[tokio::test]
async fn what_is_decided_without_it_is_not_looked_up() {
    let abuseipdb = FakeAbuseIpdb::start(&[(BAD, 100), (BANNED, 100)]).await;
    let list = apiban(&[&[BANNED]]).await;
    let config = format!("{}{}", abuseipdb.config(), apiban_config(&list));
    let server = server(&config).await;
    reaches(&server, "apiban", SourceState::Ok).await;
    eventually("the list is read", || async {
        (source(&server, "apiban").await?.entries == 1).then_some(())
    })
    .await;
    assert_eq!(server.code(from_ip(BANNED)).await, "R15");
    server.list(EntryKind::Ip, BAD, EntryAction::Allow).await;
    assert_eq!(server.code(from_ip(BAD)).await, "A00");
    server
        .policy(|policy| {
            policy.rules.push(v1::RuleSetting {
                rule: v1::Rule::Reputation.into(),
                mode: v1::RuleMode::Off.into(),
            });
        })
        .await;
    assert_eq!(server.code(from_ip(GOOD)).await, "A00");
    assert_eq!(abuseipdb.service.asked().len(), 0);
}

#[tokio::test]
async fn fifty_calls_at_once_wait_for_one_look_up() {
    let abuseipdb = FakeAbuseIpdb::start(&[(BAD, 87)]).await;
    abuseipdb.mended_with(|reply| reply.after(Duration::from_millis(400)));
    let server = server(&abuseipdb.config()).await;
    let codes = join_all((0..50).map(|_| server.code(from_ip(BAD)))).await;
    assert!(codes.iter().all(|code| code == "R02"), "{codes:?}");
    assert_eq!(abuseipdb.checks_of(BAD), 1);
}

#[tokio::test]
async fn a_call_waits_no_longer_than_its_budget() {
    let abuseipdb = FakeAbuseIpdb::start(&[(BAD, 87), (BANNED, 99)]).await;
    abuseipdb.mended_with(|reply| reply.after(Duration::from_millis(1_500)));
    let mut server = server_waiting(50, &abuseipdb.config()).await;
    let started = Instant::now();
    assert_eq!(server.code(from_ip(BAD)).await, "A00");
    let took = started.elapsed();
    assert!(
        (Duration::from_millis(50)..Duration::from_millis(1_400)).contains(&took),
        "{took:?}"
    );
    assert_eq!(metric(&server, "tfps_look_ups_late_total").await, 1);
    // It went on behind.
    eventually("the answer is known", || async {
        (server.code(from_ip(BAD)).await == "R02").then_some(())
    })
    .await;
    assert_eq!(abuseipdb.checks_of(BAD), 1);

    server.write_config(&format!("requests.look_up_ms = 0\n{}", abuseipdb.config()));
    server.admin().reload(Default::default()).await.unwrap();
    deny_unavailable(&server).await;
    let decision = server.check(from_ip(BANNED)).await;
    assert!(decision.reason.contains("not known"), "{decision:?}");
    eventually("the answer is known", || async {
        let decision = server.check(from_ip(BANNED)).await;
        decision.reason.contains("99 % (look-up)").then_some(())
    })
    .await;
    assert_eq!(abuseipdb.checks_of(BANNED), 1);
}

#[tokio::test]
async fn a_flood_of_unknown_addresses_is_bounded_and_hinders_nobody() {
    let abuseipdb = FakeAbuseIpdb::start(&[(BAD, 87)]).await;
    let config = format!(
        "{}look_ups_at_once = 4\nlook_ups_waiting = 16\n",
        abuseipdb.config()
    );
    let server = server_waiting(250, &config).await;
    assert_eq!(server.code(from_ip(BAD)).await, "R02");
    let open = Arc::new(AtomicUsize::new(0));
    abuseipdb.mended_with({
        let open = Arc::clone(&open);
        move |reply| {
            open.fetch_add(1, Ordering::Relaxed);
            reply.after(Duration::from_secs(2))
        }
    });
    let flood = join_all((0..2_000).map(|number| {
        let ip = format!("93.184.{}.{}", number / 250, number % 250);
        let server = &server;
        async move {
            let started = Instant::now();
            let code = server.code(from_ip(&ip)).await;
            (code, started.elapsed())
        }
    }));
    let known = async {
        let mut slowest = Duration::ZERO;
        for _ in 0..50 {
            let started = Instant::now();
            assert_eq!(server.code(from_ip(BAD)).await, "R02");
            slowest = slowest.max(started.elapsed());
        }
        slowest
    };
    let (flood, slowest) = tokio::join!(flood, known);
    assert!(flood.iter().all(|(code, _)| code == "A00"));
    assert!(open.load(Ordering::Relaxed) <= 8);
    assert!(metric(&server, "tfps_look_ups_waiting").await <= 20);
    assert!(metric(&server, "tfps_look_ups_overflowed_total").await >= 1_900);
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
}
