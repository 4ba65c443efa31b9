//! Where callers are: the built-in database, an operator's own, and what happens when its file changes or breaks.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::{fs, path::Path};

use tfps_client::v1::{self, CheckRequest, Purpose, Rule, RuleMode};
use tfps_tests::{
    Server,
    claims::{challenged, denied},
    eventually,
    mmdb::{self, asn, iso_code},
    scene::{CUBA, HOME_NUMBER, LONDON, call, from, setting},
};

/// Addresses of the internet as it is.
const AMERICAN: &str = "8.8.8.8";
const GERMAN: &str = "5.9.0.1";
const GERMAN_V6: &str = "2a01:4f8::1";
const EGYPTIAN: &str = "41.33.0.1";
/// For documentation (RFC 5737): in no database.
const NOWHERE: &str = "203.0.113.9";

fn abroad(ip: &str) -> CheckRequest {
    from(ip, call("alice", LONDON))
}

/// Alice may call London, and from the United States.
async fn house(config: &str) -> Server {
    let server = Server::open_with(config).await;
    server
        .policy(|policy| {
            policy
                .rules
                .push(setting(Rule::RepeatedCall, RuleMode::Off));
        })
        .await;
    server
        .account_with("alice", |account| {
            account.source_countries = vec!["US".to_owned()];
            account.destination_countries = vec!["US".to_owned(), "GB".to_owned()];
        })
        .await;
    server
}

fn files(countries: &Path, asns: &str) -> String {
    format!(
        "[geo]\ncountry_file = \"{}\"\nasn_file = \"{asns}\"\n",
        countries.display()
    )
}

async fn source(server: &Server, name: &str) -> v1::SourceStatus {
    let status = server
        .admin()
        .get_status(v1::GetStatusRequest {})
        .await
        .unwrap();
    let source = status
        .sources
        .into_iter()
        .find(|source| source.name == name);
    source.unwrap_or_else(|| panic!("the status names {name}"))
}

/// Waits until a source is failing, and says why.
async fn failing(server: &Server, name: &str) -> String {
    eventually(&format!("{name} is failing"), async || {
        let source = source(server, name).await;
        (source.state() == v1::SourceState::Failing).then_some(source.error)
    })
    .await
}

/// Waits until a call from an address comes from a country.
async fn comes_from(server: &Server, ip: &str, country: &str) {
    eventually(&format!("{ip} is in {country}"), async || {
        let decision = server.check(abroad(ip)).await;
        (decision.source_country == country).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_built_in_database_knows_where_a_caller_is() {
    let server = house("").await;
    for (ip, country) in [
        (AMERICAN, "US"),
        (GERMAN, "DE"),
        ("::ffff:5.9.0.1", "DE"),
        (GERMAN_V6, "DE"),
        (EGYPTIAN, "EG"),
        (NOWHERE, ""),
        ("10.1.2.3", ""),
        ("fe80::1", ""),
    ] {
        let decision = server.check(abroad(ip)).await;
        assert_eq!(decision.source_country, country, "{ip}");
        let code = if matches!(country, "US" | "") {
            "A00"
        } else {
            "V02"
        };
        assert_eq!(decision.code, code, "{ip}");
    }
    // What a call at home costs nobody earns.
    assert_eq!(
        server.code(from(GERMAN, call("alice", HOME_NUMBER))).await,
        "A00"
    );
    let database = source(&server, "country-database").await;
    assert_eq!(database.state(), v1::SourceState::Ok);
    assert!(database.entries > 400_000, "{database:?}");
}

#[tokio::test]
async fn a_call_is_judged_by_where_it_comes_from_and_goes_to() {
    let server = house("").await;
    let decision = server.check(abroad(GERMAN)).await;
    challenged(&decision, "V02", Purpose::SourceCountry);
    assert_eq!(decision.challenge.unwrap().country, "DE");
    let france = from(AMERICAN, call("alice", "33123456789"));
    challenged(
        &server.check(france).await,
        "V03",
        Purpose::DestinationCountry,
    );
    denied(
        &server.check(from(AMERICAN, call("alice", CUBA))).await,
        "R06",
    );

    server
        .policy(|policy| {
            policy
                .rules
                .push(setting(Rule::SourceCountry, RuleMode::Enforce));
            policy
                .rules
                .push(setting(Rule::UnknownSourceCountry, RuleMode::Enforce));
        })
        .await;
    let decision = server.check(abroad(EGYPTIAN)).await;
    denied(&decision, "R04");
    assert!(decision.reason.contains("Egypt"), "{}", decision.reason);
    denied(&server.check(abroad(NOWHERE)).await, "R05");
    // One of the house's own network has no country that could be unknown.
    assert_eq!(server.code(abroad("192.168.1.7")).await, "A00");
}

#[tokio::test]
async fn what_the_operator_knows_better_counts() {
    let known = format!("[[geo.known]]\nnetwork = \"{GERMAN}/32\"\ncountry = \"US\"\n");
    let mut server = house(&known).await;
    assert_eq!(server.code(abroad(GERMAN)).await, "A00");
    server.write_config("");
    server.admin().reload(v1::ReloadRequest {}).await.unwrap();
    comes_from(&server, GERMAN, "DE").await;
}

#[tokio::test]
async fn an_operators_file_is_put_in_place_as_soon_as_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("countries.mmdb");
    mmdb::write(&file, &[("203.0.113.0/24", iso_code("FR"))]);
    let server = house(&files(&file, "")).await;
    let decision = server.check(abroad(NOWHERE)).await;
    challenged(&decision, "V02", Purpose::SourceCountry);
    // It alone counts: what is not in it is nowhere.
    assert_eq!(server.check(abroad(GERMAN)).await.source_country, "");
    let database = source(&server, "country-database").await;
    assert_eq!((database.entries, &*database.error), (1, ""));
    assert_eq!(database.refresh_time.unwrap().seconds, 1_800_000_000);

    mmdb::write(
        &file,
        &[
            ("203.0.113.0/24", iso_code("US")),
            ("2001:db8::/32", iso_code("EG")),
        ],
    );
    comes_from(&server, NOWHERE, "US").await;
    assert_eq!(
        server.check(abroad("2001:db8::7")).await.source_country,
        "EG"
    );

    // A copy that broke off, a page that says that the licence has run out, a file that is gone: the old one stays, and it is said.
    let whole = fs::read(&file).unwrap();
    for (broken, told) in [
        (&whole[..whole.len() / 2], "it is no MMDB that can be read"),
        (b"<html>expired</html>", "it is no MMDB that can be read"),
    ] {
        fs::write(&file, broken).unwrap();
        let why = failing(&server, "country-database").await;
        assert!(why.contains(told), "{why}");
        assert_eq!(server.check(abroad(NOWHERE)).await.source_country, "US");
    }
    fs::remove_file(&file).unwrap();
    eventually("it is said that the file is gone", async || {
        let error = source(&server, "country-database").await.error;
        (error.contains("cannot read") && error.contains("countries.mmdb")).then_some(())
    })
    .await;
    assert_eq!(server.check(abroad(NOWHERE)).await.source_country, "US");
    mmdb::write(&file, &[("203.0.113.0/24", iso_code("FR"))]);
    comes_from(&server, NOWHERE, "FR").await;
    assert_eq!(source(&server, "country-database").await.error, "");
}

#[tokio::test]
async fn a_policy_names_countries_by_groups() {
    let server = house("").await;
    let policy = server
        .policy(|policy| {
            policy.blocked_countries = ["high-risk", "-LI", "SM"].map(str::to_owned).to_vec();
            policy.allowed_source_countries = ["europe", "-GB"].map(str::to_owned).to_vec();
        })
        .await;
    assert_eq!(policy.blocked_countries, ["high-risk", "-LI", "SM"]);
    let to = |number| from(GERMAN, call("alice", number));
    let estonia = server.check(to("37253123456")).await;
    denied(&estonia, "R06");
    assert!(estonia.reason.contains("high-risk"), "{}", estonia.reason);
    denied(&server.check(to("+378549123456")).await, "R06");
    // Liechtenstein is taken out, so it may be proved.
    challenged(
        &server.check(to("+4232371234")).await,
        "V03",
        Purpose::DestinationCountry,
    );
    // Germany is one of Europe's, London's own addresses are not.
    assert_eq!(server.code(to(LONDON)).await, "A00");
    challenged(
        &server.check(abroad("81.2.69.142")).await,
        "V02",
        Purpose::SourceCountry,
    );
    let unknown = v1::PutPolicyRequest {
        policy: Some(v1::Policy {
            blocked_countries: vec!["atlantis".to_owned()],
            ..policy
        }),
    };
    let error = server
        .admin()
        .put_policy(unknown)
        .await
        .unwrap_err()
        .to_string();
    for told in ["blocked_countries", "atlantis", "high-risk"] {
        assert!(error.contains(told), "{error}");
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_is_no_reason_to_let_calls_wait() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("countries.mmdb");
    let server = house(&files(&file, "")).await;
    assert!(
        server.said().contains("the built-in countries count"),
        "{}",
        server.said()
    );
    assert_eq!(server.check(abroad(GERMAN)).await.source_country, "DE");
    let status = server
        .admin()
        .get_status(v1::GetStatusRequest {})
        .await
        .unwrap();
    assert!(
        status
            .warnings
            .iter()
            .any(|warning| warning.contains("country-database is failing")),
        "{:?}",
        status.warnings
    );
    mmdb::write(&file, &[("203.0.113.0/24", iso_code("US"))]);
    comes_from(&server, NOWHERE, "US").await;
}

#[tokio::test]
async fn the_network_is_recorded_with_the_decision() {
    let folder = tempfile::tempdir().unwrap();
    let asns = folder.path().join("asns.mmdb");
    mmdb::write(
        &asns,
        &[
            ("8.8.8.0/24", asn(15_169)),
            ("2a01:4f8::/32", asn(4_200_000_000)),
        ],
    );
    let countries = folder.path().join("countries.mmdb");
    // An ASN's database is none of countries, which is said.
    fs::copy(&asns, &countries).unwrap();
    let server = house(&files(&countries, &asns.display().to_string())).await;
    let why = failing(&server, "country-database").await;
    assert!(why.contains("geo.asn_file"), "{why}");
    for ip in [AMERICAN, GERMAN_V6, GERMAN] {
        server.check(abroad(ip)).await;
    }
    // However early a call is denied.
    let early = from("8.8.8.9", call("alice", CUBA));
    assert_eq!(server.check(early).await.source_country, "US");
    let injected = from("8.8.8.10", call("alice'--", LONDON));
    denied(&server.check(injected).await, "R12");
    server.shipped().await;
    let recorded = server.decisions(v1::DecisionFilter::default()).await;
    let told: Vec<_> = recorded
        .iter()
        .map(|decision| {
            (
                &*decision.source_ip,
                &*decision.source_country,
                decision.source_asn,
            )
        })
        .collect();
    assert!(told.contains(&(AMERICAN, "US", 15_169)), "{told:?}");
    assert!(told.contains(&(GERMAN_V6, "DE", 4_200_000_000)), "{told:?}");
    assert!(told.contains(&(GERMAN, "DE", 0)), "{told:?}");
    for early in ["8.8.8.9", "8.8.8.10"] {
        assert!(told.contains(&(early, "US", 15_169)), "{told:?}");
    }
    assert_eq!(source(&server, "asn-database").await.entries, 2);
}
