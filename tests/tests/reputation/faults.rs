//! Services that fail, refuse or say too many; a configuration that is wrong.

use tfps_tests::certificates::Certificates;

use super::*;

#[tokio::test]
async fn no_fault_is_taken_for_a_good_reputation() {
    let whole = r#"{"data":{"ipAddress":"IP","abuseConfidenceScore":0,"isp":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}}"#;
    let faults = [
        Reply::json(200, ""),
        Reply::json(200, "<html><body>It works!</body></html>"),
        Reply::json(200, r#"{"data":{}}"#),
        Reply::json(
            200,
            r#"{"data":{"ipAddress":"IP","abuseConfidenceScore":null}}"#,
        ),
        Reply::json(
            200,
            r#"{"data":{"ipAddress":"IP","abuseConfidenceScore":"0"}}"#,
        ),
        Reply::json(
            200,
            r#"{"data":{"ipAddress":"192.0.2.1","abuseConfidenceScore":0}}"#,
        ),
        Reply::json(200, r#"{"data":null}"#),
        Reply::Half(whole.to_owned()),
        Reply::Stuck(whole.to_owned()),
        Reply::Endless(10_000_000),
        Reply::Closed,
        Reply::json(200, whole).after(Duration::from_secs(5)),
        error(404, "not found"),
        error(422, "The ip address must be a valid IPv4 or IPv6 address."),
        error(500, "oops"),
        Reply::json(503, "<html>Service Unavailable</html>"),
        Reply::json(204, ""),
    ];
    let abuseipdb = FakeAbuseIpdb::start(&[]).await;
    let server = server(&format!("{}timeout_ms = 300\n", abuseipdb.config())).await;
    deny_unavailable(&server).await;
    for (number, fault) in faults.into_iter().enumerate() {
        let ip = format!("93.184.216.{number}");
        let about = ip.clone();
        abuseipdb.service.answer(move |_| of_ip(&fault, &about));
        let told = format!("{:?}", abuseipdb.service);
        let decision = server.check(from_ip(&ip)).await;
        assert_eq!(decision.code, "R02", "fault {number} at {told}");
        assert!(decision.reason.contains("not known"), "{decision:?}");
        assert_eq!(abuseipdb.checks_of(&ip), 1, "fault {number}");
        // It is not asked again at once about the same address.
        server.check(from_ip(&ip)).await;
        assert_eq!(abuseipdb.checks_of(&ip), 1, "fault {number}");
        // Many failures in a row would have it left alone: something right comes between.
        abuseipdb.mended();
        let good = format!("93.184.217.{number}");
        assert_eq!(server.code(from_ip(&good)).await, "A00");
    }
    let failed = r#"tfps_look_ups_total{source="abuseipdb",result="failed"}"#;
    assert_eq!(metric(&server, failed).await, 16);
    let no_answer = r#"tfps_look_ups_total{source="abuseipdb",result="no-answer"}"#;
    assert_eq!(metric(&server, no_answer).await, 1);
    assert!(!server.said().contains(KEY));
}

/// A fault about an address.
fn of_ip(fault: &Reply, ip: &str) -> Reply {
    match fault.clone() {
        Reply::Whole {
            status,
            headers,
            body,
        } => Reply::Whole {
            status,
            headers,
            body: body.replace("IP\"", &format!("{ip}\"")),
        },
        Reply::Half(body) => Reply::Half(body.replace("IP\"", &format!("{ip}\""))),
        Reply::Stuck(body) => Reply::Stuck(body.replace("IP\"", &format!("{ip}\""))),
        other => other,
    }
}

#[tokio::test]
async fn a_service_that_fails_is_left_alone_for_a_while() {
    let abuseipdb = FakeAbuseIpdb::start(&[(BAD, 87)]).await;
    abuseipdb.fail_with(Reply::json(500, "{}"));
    let server = server(&abuseipdb.config()).await;
    for number in 0..40 {
        let ip = format!("93.184.216.{number}");
        assert_eq!(server.code(from_ip(&ip)).await, "A00");
    }
    let asked = abuseipdb.service.asked().len();
    assert!((3..10).contains(&asked), "{asked}");
    let status = reaches(&server, "abuseipdb", SourceState::Failing).await;
    assert!(status.error.contains("500"), "{status:?}");
    assert!(status.retry_time.is_some());
    assert!(
        warnings(&server)
            .await
            .contains("abuseipdb is failing: status 500")
    );
    assert_eq!(
        metric(&server, r#"tfps_source_up{source="abuseipdb"}"#).await,
        0
    );
    abuseipdb.mended();
    eventually("it is asked again", || async {
        (server.code(from_ip(BAD)).await == "R02").then_some(())
    })
    .await;
    assert_eq!(state(&server, "abuseipdb").await, SourceState::Ok);
    assert_eq!(warnings(&server).await, "");
}

#[tokio::test]
async fn too_many_requests_stop_the_asking_until_it_is_time() {
    let abuseipdb = FakeAbuseIpdb::start(&[(BAD, 87)]).await;
    let mut server = server(&abuseipdb.config()).await;
    assert_eq!(server.code(from_ip(GOOD)).await, "A00");
    abuseipdb.fail_with(limited(8));
    let said = Instant::now();
    assert_eq!(server.code(from_ip(BAD)).await, "A00");
    abuseipdb.mended();
    assert_eq!(server.code(from_ip(BAD)).await, "A00");
    assert_eq!(abuseipdb.service.count("/check"), 2);
    let status = source(&server, "abuseipdb").await.unwrap();
    assert_eq!(status.state(), SourceState::Paused);
    assert!(status.error.contains("Daily rate limit"), "{status:?}");
    assert!(
        warnings(&server)
            .await
            .contains("abuseipdb is paused, until")
    );
    // Neither a reload nor a restart makes it forget.
    server.admin().reload(Default::default()).await.unwrap();
    assert_eq!(server.code(from_ip(BAD)).await, "A00");
    server.terminate();
    server.ended().await;
    server.restart().await;
    assert_eq!(server.code(from_ip(BAD)).await, "A00");
    assert_eq!(server.code(from_ip(GOOD)).await, "A00");
    if said.elapsed() < Duration::from_secs(7) {
        assert_eq!(state(&server, "abuseipdb").await, SourceState::Paused);
        assert_eq!(abuseipdb.service.count("/check"), 2);
    }
    eventually("it is asked again", || async {
        (server.code(from_ip(BAD)).await == "R02").then_some(())
    })
    .await;
    assert!(said.elapsed() >= Duration::from_secs(8));
    assert_eq!(state(&server, "abuseipdb").await, SourceState::Ok);
    assert_eq!(abuseipdb.checks_of(BAD), 2);
}

#[tokio::test]
async fn a_refused_key_disables_until_there_is_another() {
    for status in [401, 402, 403] {
        let abuseipdb = FakeAbuseIpdb::start(&[(BAD, 87)]).await;
        let mut server = server(&abuseipdb.config()).await;
        abuseipdb.fail_with(error(status, "Authentication failed."));
        for _ in 0..5 {
            assert_eq!(server.code(from_ip(BAD)).await, "A00");
        }
        assert_eq!(abuseipdb.service.asked().len(), 1);
        let told = source(&server, "abuseipdb").await.unwrap();
        assert_eq!(told.state(), SourceState::Disabled);
        let warning = format!(
            "abuseipdb is disabled until the configuration is taken anew: status {status}: Authentication failed."
        );
        assert!(warnings(&server).await.contains(&warning));
        abuseipdb.mended();
        let key_file = server.data_dir().join("abuseipdb.key");
        std::fs::write(&key_file, format!("{KEY}\n")).unwrap();
        let config = abuseipdb.config().replace(
            &format!("key = {KEY:?}"),
            &format!("key_file = {key_file:?}"),
        );
        server.write_config(&format!("requests.look_up_ms = 10000\n{config}"));
        let reloaded = server.admin().reload(Default::default()).await.unwrap();
        assert!(reloaded.applied.contains(&"abuseipdb.key_file".to_owned()));
        assert_eq!(server.code(from_ip(BAD)).await, "R02");
        assert_eq!(state(&server, "abuseipdb").await, SourceState::Ok);
        // Without a key it is off.
        server.write_config("");
        server.admin().reload(Default::default()).await.unwrap();
        assert_eq!(server.code(from_ip(BAD)).await, "A00");
        assert_eq!(source(&server, "abuseipdb").await, None);
    }
}

#[tokio::test]
async fn the_key_goes_nowhere_else() {
    let elsewhere = FakeService::start(|_| Reply::json(200, "{}")).await;
    let abuseipdb = FakeAbuseIpdb::start(&[]).await;
    let target = format!("{}/api/v2/check", elsewhere.url());
    abuseipdb.fail_with(Reply::json(302, "").with("Location", target));
    let list = FakeService::start({
        let target = elsewhere.url();
        move |_| Reply::json(301, "").with("Location", target.clone())
    })
    .await;
    let config = format!("{}{}", abuseipdb.config(), apiban_config(&list));
    let server = server(&config).await;
    assert_eq!(server.code(from_ip(BAD)).await, "A00");
    let told = reaches(&server, "apiban", SourceState::Failing).await;
    assert_eq!(told.error, "status 301: redirects are not followed");
    assert_eq!(elsewhere.asked().len(), 0);
    assert!(!server.said().contains(KEY));
}

#[tokio::test]
async fn certificates_are_checked() {
    let files = Certificates::new();
    let abuseipdb =
        FakeAbuseIpdb::start_tls(&[(BAD, 87)], &files.certificate(), &files.key()).await;
    let mut server = server(&abuseipdb.config()).await;
    for number in 0..3 {
        let ip = format!("93.184.216.{number}");
        assert_eq!(server.code(from_ip(&ip)).await, "A00");
    }
    let told = reaches(&server, "abuseipdb", SourceState::Failing).await;
    assert!(told.error.contains("certificate"), "{told:?}");
    assert_eq!(abuseipdb.service.asked().len(), 0);

    server.write_config(&format!(
        "requests.look_up_ms = 10000\n[outbound]\nca_file = {:?}\n{}",
        files.authority(),
        abuseipdb.config()
    ));
    server.admin().reload(Default::default()).await.unwrap();
    assert_eq!(server.code(from_ip(BAD)).await, "R02");
    // What does not read is refused, and the old configuration stays.
    let none = files.folder().join("none.pem");
    std::fs::write(&none, "nothing").unwrap();
    server.write_config(&format!(
        "[outbound]\nca_file = {:?}\n{}",
        none,
        abuseipdb.config()
    ));
    let refused = server.admin().reload(Default::default()).await.unwrap_err();
    assert!(
        refused.to_string().contains("outbound.ca_file"),
        "{refused}"
    );
}

#[tokio::test]
async fn apiban_refuses_a_key_or_says_too_many() {
    let list = apiban(&[&[BANNED]]).await;
    let wrong = apiban_config(&list).replace(KEY, "another-key");
    let mut server = server(&wrong).await;
    let told = reaches(&server, "apiban", SourceState::Disabled).await;
    assert_eq!(told.error, "status 403");
    assert_eq!(list.asked().len(), 1);
    list.answer(|_| Reply::json(429, r#"{"ipaddress":"rate limit exceeded"}"#));
    server.write_config(&apiban_config(&list));
    server.admin().reload(Default::default()).await.unwrap();
    reaches(&server, "apiban", SourceState::Paused).await;
    assert_eq!(list.asked().len(), 2);
    assert_eq!(server.code(from_ip(BANNED)).await, "A00");
    let said = server.said();
    assert!(!said.contains(KEY) && !said.contains("another-key"));
}

#[tokio::test]
async fn a_database_that_is_away_stops_no_look_up() {
    let abuseipdb = FakeAbuseIpdb::start(&[(BAD, 87)]).await;
    let mut server = server(&abuseipdb.config()).await;
    let mut database = database(&server).await;
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut database)
        .await
        .unwrap();
    let started = Instant::now();
    assert_eq!(server.code(from_ip(BAD)).await, "R02");
    assert_eq!(server.code(from_ip(GOOD)).await, "A00");
    assert!(started.elapsed() < Duration::from_secs(2));
    eventually("the answers wait", || async {
        server.said().contains("can't be kept").then_some(())
    })
    .await;
    sqlx::query("ROLLBACK")
        .execute(&mut database)
        .await
        .unwrap();
    eventually("they are kept", || async {
        let mut other = self::database(&server).await;
        let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM reputations")
            .fetch_one(&mut other)
            .await
            .unwrap();
        (kept == 2).then_some(())
    })
    .await;
    server.kill9();
    server.restart().await;
    assert_eq!(server.code(from_ip(BAD)).await, "R02");
    assert_eq!(abuseipdb.checks_of(BAD), 1);
}

#[tokio::test]
async fn a_wrong_configuration_says_what_would_be_right_and_shows_no_key() {
    for (config, named) in [
        ("[abuseipdb]\nkey = \"hunter 2\"", "abuseipdb.key"),
        ("[abuseipdb]\nkey = hunter2", "line 2: `key`"),
        ("[abuseipdb]\nkey = [\"hunter2\"]", "line 2: `key`"),
        (
            "[abuseipdb]\nkey = \"hunter2\"\nkey_file = \"/nowhere\"",
            "either abuseipdb.key or abuseipdb.key_file",
        ),
        ("[apiban]\nkey_file = \"/nowhere/key\"", "/nowhere/key"),
        ("[apiban]\npoll_seconds = 5", "12 to 86400"),
        ("[apiban]\nurl = \"http://apiban.org\"", "https://"),
        ("[abuseipdb]\nreport_codes = [\"A00\"]", "report_codes"),
        (
            "[abuseipdb]\nkey = \"hunter2\"\n[outbound]\nca_file = \"/nowhere/ca.pem\"",
            "outbound.ca_file",
        ),
    ] {
        let refused = Command::default().config(config).try_start().await;
        let said = refused.unwrap_err().said;
        assert!(said.contains(named), "{config}: {said}");
        assert!(!said.contains("hunter"), "{config}: {said}");
    }
}
