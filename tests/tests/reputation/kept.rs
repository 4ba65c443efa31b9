//! What is kept over a restart and for how long, the blacklist, and what is reported back.

use super::*;

#[tokio::test]
async fn what_is_known_survives_a_restart() {
    let abuseipdb = FakeAbuseIpdb::start(&[(BAD, 87)]).await;
    let list = apiban(&[&[BANNED]]).await;
    let config = format!("{}{}", abuseipdb.config(), apiban_config(&list));
    let mut server = server(&config).await;
    deny_unavailable(&server).await;
    assert_eq!(server.code(from_ip(BAD)).await, "R02");
    assert_eq!(server.code(from_ip(GOOD)).await, "A00");
    eventually("the list is read", || async {
        (server.code(from_ip(BANNED)).await == "R15").then_some(())
    })
    .await;
    // Both go away; the server is killed a moment after it was told, and then stopped properly.
    sleep(Duration::from_millis(2_500)).await;
    abuseipdb.fail_with(Reply::json(500, "{}"));
    list.answer(|_| Reply::Closed);
    let checks = abuseipdb.service.count("/check");
    for kill in [true, false] {
        if kill {
            server.kill9();
        } else {
            server.terminate();
            server.ended().await;
        }
        server.restart().await;
        assert_eq!(server.code(from_ip(BAD)).await, "R02");
        assert_eq!(server.code(from_ip(GOOD)).await, "A00");
        assert_eq!(server.code(from_ip(BANNED)).await, "R15");
    }
    assert_eq!(abuseipdb.service.count("/check"), checks);
}

#[tokio::test]
async fn the_blacklist_spares_look_ups_and_is_fetched_once_a_day() {
    let abuseipdb = FakeAbuseIpdb::start(&[]).await;
    abuseipdb.blacklist(&[(BAD, 100), ("2a00:1450::7", 99), ("10.0.0.1", 100)]);
    let config = abuseipdb
        .config()
        .replace("blacklist_limit = 0", "blacklist_limit = 7");
    let mut server = server(&config).await;
    let listed = eventually("the blacklist is fetched", || async {
        source(&server, "abuseipdb-blacklist")
            .await
            .filter(|status| status.entries == 2)
    })
    .await;
    assert_eq!(listed.state(), SourceState::Ok);
    let decision = server.check(from_ip(BAD)).await;
    assert!(
        decision.reason.contains("100 % (blacklist)"),
        "{decision:?}"
    );
    assert_eq!(server.code(from_ip("2a00:1450::7")).await, "R02");
    assert_eq!(abuseipdb.service.count("/check"), 0);
    let fetched = abuseipdb.service.asked();
    assert_eq!(fetched[0].fields["limit"], "7");
    // The free plan refuses it.
    assert!(!fetched[0].fields.contains_key("confidenceMinimum"));
    // A list that is younger than a day is not fetched again.
    server.kill9();
    server.restart().await;
    assert_eq!(server.code(from_ip(BAD)).await, "R02");
    server.admin().reload(Default::default()).await.unwrap();
    assert_eq!(server.code(from_ip(GOOD)).await, "A00");
    sleep(Duration::from_millis(200)).await;
    assert_eq!(abuseipdb.service.count("/blacklist"), 1);
    // One that does not read is.
    server.terminate();
    server.ended().await;
    std::fs::write(server.data_dir().join("abuseipdb-blacklist"), "torn").unwrap();
    server.restart().await;
    eventually("it is fetched anew", || async {
        (abuseipdb.service.count("/blacklist") == 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_blacklist_that_fails_leaves_look_ups_alone() {
    let abuseipdb = FakeAbuseIpdb::start(&[(BAD, 87)]).await;
    abuseipdb.mended_with(|reply| reply);
    let limited_list = {
        let knows = abuseipdb.clone();
        move |reply: Reply| match &reply {
            Reply::Whole { body, .. } if body.contains("generatedAt") => {
                let _ = &knows;
                limited(1_000)
            }
            _ => reply,
        }
    };
    abuseipdb.mended_with(limited_list);
    let config = abuseipdb
        .config()
        .replace("blacklist_limit = 0", "blacklist_limit = 10");
    let mut server = server(&config).await;
    reaches(&server, "abuseipdb-blacklist", SourceState::Paused).await;
    assert_eq!(server.code(from_ip(BAD)).await, "R02");
    assert_eq!(state(&server, "abuseipdb").await, SourceState::Ok);
    server.terminate();
    server.ended().await;
    server.restart().await;
    assert_eq!(server.code(from_ip(BAD)).await, "R02");
    reaches(&server, "abuseipdb-blacklist", SourceState::Paused).await;
    assert_eq!(abuseipdb.service.count("/blacklist"), 1);
}

#[tokio::test]
async fn denied_attacks_are_reported_where_it_is_wanted() {
    let abuseipdb = FakeAbuseIpdb::start(&[(BAD, 87)]).await;
    let scanner = |ip: &str| CheckRequest {
        user_agent: "friendly-scanner".to_owned(),
        ..from_ip(ip)
    };
    let mut server = server(&abuseipdb.config()).await;
    assert_eq!(server.code(scanner(GOOD)).await, "R01");
    sleep(Duration::from_millis(200)).await;
    assert_eq!(abuseipdb.service.count("/report"), 0);

    server.write_config(&format!("{}report = true\n", abuseipdb.config()));
    server.admin().reload(Default::default()).await.unwrap();
    for _ in 0..5 {
        assert_eq!(server.code(scanner(GOOD)).await, "R01");
    }
    // What AbuseIPDB said itself is not told to it; addresses that are not public or that the operator allows are not told.
    assert_eq!(server.code(from_ip(BAD)).await, "R02");
    for ip in ["10.0.0.1", "::ffff:192.168.1.1", "127.0.0.1"] {
        assert_eq!(server.code(scanner(ip)).await, "R01");
    }
    server
        .list(EntryKind::Ip, "93.184.216.35", EntryAction::Allow)
        .await;
    assert_eq!(server.code(scanner("93.184.216.35")).await, "R01");
    let dry = CheckRequest {
        dry_run: true,
        ..scanner("93.184.216.36")
    };
    assert_eq!(server.code(dry).await, "R01");
    // What a tenant's switch says of an address is not told in the operator's name.
    let switch = server.token(v1::Role::Switch, DOMAIN).await;
    let switch = server.client_of(&switch).await;
    let denied = switch.check(scanner("93.184.216.38")).await.unwrap();
    assert_eq!(denied.code, "R01");
    assert_eq!(server.code(scanner(BANNED)).await, "R01");
    eventually("the last is reported", || async {
        let asked = abuseipdb.service.asked();
        asked
            .iter()
            .any(|asked| asked.fields.get("ip").is_some_and(|ip| ip == BANNED))
            .then_some(())
    })
    .await;
    let reports: Vec<_> = abuseipdb
        .service
        .asked()
        .into_iter()
        .filter(|asked| asked.path == "/api/v2/report")
        .collect();
    let told: Vec<_> = reports
        .iter()
        .map(|asked| asked.fields["ip"].as_str())
        .collect();
    assert_eq!(told, [GOOD, BANNED]);
    let first = &reports[0];
    assert_eq!(first.fields["categories"], "8");
    assert_eq!(
        first.fields["comment"],
        "SIP call attempt denied by TFPS: user agent on the block list (R01)"
    );
    assert!(!first.text.contains("alice") && !first.text.contains(HOME_NUMBER));
    // Asked is not yet answered.
    eventually("both are answered", || async {
        let answered = metric(&server, r#"tfps_abuse_reports_total{result="answered"}"#).await;
        (answered == 2).then_some(())
    })
    .await;
    // A policy that only monitors denies nobody.
    server.policy(|policy| policy.monitor = true).await;
    assert_eq!(server.code(scanner("93.184.216.37")).await, "A00");
    sleep(Duration::from_millis(200)).await;
    assert_eq!(abuseipdb.service.count("/report"), 2);
}

#[tokio::test]
async fn an_old_answer_serves_while_it_is_refreshed_and_is_dropped_after_a_week() {
    let abuseipdb = FakeAbuseIpdb::start(&[(BAD, 87), (BANNED, 55)]).await;
    let mut server = server(&abuseipdb.config()).await;
    assert_eq!(server.code(from_ip(BAD)).await, "R02");
    assert_eq!(server.code(from_ip(BANNED)).await, "R02");
    server.terminate();
    server.ended().await;
    // Twenty-five hours and seven days pass.
    let mut database = database(&server).await;
    for (ip, hours) in [(BAD, 25_i64), (BANNED, 7 * 24)] {
        sqlx::query(
            "UPDATE reputations SET answered_at = answered_at - ?, expires_at = expires_at - ? WHERE ip = ?",
        )
        .bind(hours * 3_600_000)
        .bind(hours * 3_600_000)
        .bind(ip)
        .execute(&mut database)
        .await
        .unwrap();
    }
    database.close().await.unwrap();
    let reformed = FakeAbuseIpdb::start(&[]).await;
    reformed.mended_with(|reply| reply.after(Duration::from_millis(700)));
    server.write_config(&format!(
        "requests.look_up_ms = 10000\n{}",
        reformed.config()
    ));
    server.restart().await;
    let started = Instant::now();
    for _ in 0..10 {
        let decision = server.check(from_ip(BAD)).await;
        if started.elapsed() < Duration::from_millis(600) {
            assert!(decision.reason.contains("87 % (look-up)"), "{decision:?}");
        }
    }
    eventually("it is refreshed", || async {
        (server.code(from_ip(BAD)).await == "A00").then_some(())
    })
    .await;
    assert_eq!(reformed.checks_of(BAD), 1);
    // The other is unknown again: the call waits.
    assert_eq!(server.code(from_ip(BANNED)).await, "A00");
    assert_eq!(reformed.checks_of(BANNED), 1);
}
