//! The lists of others: from files and from the web, replaced whole, kept where their source fails.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::{fs, path::Path, time::Duration};

use tfps_client::v1::{self, CheckRequest, EntryAction, EntryKind};
use tfps_tests::{
    Command, Server,
    certificates::Certificates,
    eventually,
    fake_service::{FakeService, Reply},
    list_host::ListHost,
    scene::{HOME_NUMBER, call},
};

fn from(ip: &str) -> CheckRequest {
    CheckRequest {
        source_ip: ip.to_owned(),
        ..call("alice", HOME_NUMBER)
    }
}

async fn house(config: &str) -> Server {
    // Everybody's country is known, so that nothing but the lists stands in the way.
    let known = "[[geo.known]]\nnetwork = \"203.0.0.0/8\"\ncountry = \"US\"\n";
    let server = Server::open_with(&format!("{config}\n{known}")).await;
    server.account("alice").await;
    server
}

/// Waits until a call from an address gets a code.
async fn becomes(server: &Server, ip: &str, code: &str) {
    eventually(&format!("{ip} gets {code}"), async || {
        (server.code(from(ip)).await == code).then_some(())
    })
    .await;
}

async fn entries(server: &Server, filter: v1::EntryFilter) -> Vec<v1::Entry> {
    let request = v1::ListEntriesRequest {
        page_size: 100,
        filter: Some(filter),
        ..v1::ListEntriesRequest::default()
    };
    let page = server.admin().list_entries(request).await.unwrap();
    assert_eq!(page.total_size as usize, page.entries.len());
    page.entries
}

fn list(name: &str, place: &str, kind: &str) -> String {
    format!("[[list]]\nname = \"{name}\"\n{place}\nkind = \"{kind}\"\n")
}

fn file(path: &Path) -> String {
    format!("file = \"{}\"", path.display())
}

#[tokio::test]
async fn lists_in_files_are_read_as_soon_as_they_change() {
    let folder = tempfile::tempdir().unwrap();
    let [ips, numbers, agents] =
        ["ips.txt", "hot.csv", "agents.txt"].map(|name| folder.path().join(name));
    fs::write(&ips, "203.0.113.7 # seen\n203.0.113.0/28\n").unwrap();
    fs::write(
        &numbers,
        "prefix,kind,score\n121255523,Pumped,90\n1212,Ordinary,10\n",
    )
    .unwrap();
    fs::write(&agents, "^scan.*or\n").unwrap();
    let config = [
        list("neighbours", &file(&ips), "ip"),
        list("hot", &file(&numbers), "number") + "format = \"csv\"\nleast_score = 50\n",
        list("scanners", &file(&agents), "user-agent"),
    ];
    let server = house(&config.concat()).await;

    let denied = server.check(from("203.0.113.7")).await;
    assert_eq!(denied.code, "R14");
    assert!(denied.reason.contains("neighbours"), "{}", denied.reason);
    let denied = server.check(call("alice", HOME_NUMBER)).await;
    assert_eq!(denied.code, "R03");
    assert!(denied.reason.contains("hot: Pumped"), "{}", denied.reason);
    let scanner = CheckRequest {
        user_agent: "Scanner or so".to_owned(),
        ..call("alice", HOME_NUMBER)
    };
    assert_eq!(server.code(scanner).await, "R01");

    // Why is an address blocked?
    let filter = v1::EntryFilter {
        kind: EntryKind::Ip.into(),
        matching: "203.0.113.7".to_owned(),
        ..v1::EntryFilter::default()
    };
    let found = entries(&server, filter).await;
    let told: Vec<_> = found
        .iter()
        .map(|entry| (&*entry.value, &*entry.source, &*entry.reason))
        .collect();
    assert!(
        told.contains(&("203.0.113.7", "neighbours", "seen")),
        "{told:?}"
    );
    assert!(
        told.contains(&("203.0.113.0/28", "neighbours", "")),
        "{told:?}"
    );
    let filter = v1::EntryFilter {
        kind: EntryKind::UserAgent.into(),
        matching: "scanner or so".to_owned(),
        ..v1::EntryFilter::default()
    };
    let found = entries(&server, filter).await;
    assert!(
        found.iter().any(|entry| entry.source == "scanners"),
        "{found:?}"
    );

    // Replaced whole.
    fs::write(&numbers, "prefix,kind,score\n882130000,Emsat,90\n").unwrap();
    fs::write(&ips, "203.0.113.99\n").unwrap();
    becomes(&server, "203.0.113.99", "R14").await;
    becomes(&server, "203.0.113.7", "A00").await;
    let kept = entries(
        &server,
        v1::EntryFilter {
            source: "hot".to_owned(),
            ..v1::EntryFilter::default()
        },
    )
    .await;
    assert_eq!(
        kept.iter().map(|entry| &*entry.value).collect::<Vec<_>>(),
        ["882130000"]
    );

    // What is no list changes nothing, nor does a file that goes.
    fs::write(&ips, "<html><body>Not found</body></html>\n").unwrap();
    fs::remove_file(&agents).unwrap();
    eventually("it is told", async || {
        server
            .said()
            .contains("it is no list of this kind")
            .then_some(())
    })
    .await;
    eventually("it is told", async || {
        server.said().contains("cannot read").then_some(())
    })
    .await;
    assert_eq!(server.code(from("203.0.113.99")).await, "R14");
    // It stays told for as long as it is so: the files are looked at every other second.
    for _ in 0..5 {
        let status = v1::GetStatusRequest {};
        let status = server.admin().get_status(status).await.unwrap();
        for name in ["neighbours", "scanners"] {
            let source = status.sources.iter().find(|source| source.name == name);
            assert_eq!(source.unwrap().state(), v1::SourceState::Failing, "{name}");
        }
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    // The operator has the last word.
    server
        .list(EntryKind::Ip, "203.0.113.99", EntryAction::Allow)
        .await;
    assert_eq!(server.code(from("203.0.113.99")).await, "A00");
}

#[tokio::test]
async fn lists_of_the_web_are_fetched_kept_and_believed_only_where_they_are_lists() {
    let host = ListHost::answering("HTTP/1.1 503 Service Unavailable\r\n\r\n").await;
    host.lists("\"one\"", "203.0.113.7\n203.0.113.8\n");
    let place = format!("url = \"{}\"", host.url("voip.txt?key=secret"));
    let config = list("voip", &place, "ip");
    let mut server = house(&config).await;
    becomes(&server, "203.0.113.7", "R14").await;

    // Asked again it is told what is known; nothing that is not asked for is sent.
    let reload = async |server: &Server| {
        let before = host.heard().len();
        server.admin().reload(v1::ReloadRequest {}).await.unwrap();
        eventually("it asks", async || {
            (host.heard().len() > before).then_some(())
        })
        .await;
        host.heard().pop().unwrap()
    };
    assert!(reload(&server).await.contains("if-none-match: \"one\""));
    host.lists("\"two\"", "203.0.113.8\n");
    reload(&server).await;
    becomes(&server, "203.0.113.7", "A00").await;
    assert_eq!(server.code(from("203.0.113.8")).await, "R14");

    for (answer, told) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n<html>\nSorry\n</html>\n",
            "it is no list",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n# all gone\n",
            "there is nothing in it",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\n203.0.113.7\n",
            "it can't be fetched",
        ),
        (
            "HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n",
            "the source answers 500",
        ),
        (
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n",
            "the source answers 302",
        ),
        ("no HTTP at all\r\n\r\n", "it can't be fetched"),
        // Then it is left alone, whatever is wanted.
        (
            "HTTP/1.1 429 Slow Down\r\nretry-after: 7200\r\ncontent-length: 0\r\n\r\n",
            "come again in 7200 s",
        ),
    ] {
        host.answers(answer);
        reload(&server).await;
        eventually(told, async || server.said().contains(told).then_some(())).await;
        assert_eq!(server.code(from("203.0.113.8")).await, "R14", "{told}");
    }
    assert!(!server.said().contains("secret"));
    host.lists("\"three\"", "203.0.113.9\n");
    let before = host.heard().len();
    server.admin().reload(v1::ReloadRequest {}).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(host.heard().len(), before);

    // After a restart without the source, the copy holds.
    server.kill9();
    server.restart().await;
    assert_eq!(server.code(from("203.0.113.8")).await, "R14");
    assert_eq!(server.code(from("203.0.113.7")).await, "A00");

    // The source may not be deleted by entries, and goes whole with its configuration.
    let filter = v1::EntryFilter {
        source: "voip".to_owned(),
        ..v1::EntryFilter::default()
    };
    let request = v1::DeleteEntriesRequest {
        filter: Some(filter.clone()),
    };
    let error = server.admin().delete_entries(request).await.unwrap_err();
    assert!(error.to_string().contains("[[list]]"), "{error}");
    server.write_config("[[geo.known]]\nnetwork = \"203.0.0.0/8\"\ncountry = \"US\"\n");
    server.admin().reload(v1::ReloadRequest {}).await.unwrap();
    becomes(&server, "203.0.113.8", "A00").await;
    assert!(entries(&server, filter).await.is_empty());
    assert!(!server.data_dir().join("lists/voip.list").exists());
}

#[tokio::test]
async fn a_list_that_has_moved_is_fetched_where_it_is_unless_a_secret_is_sent() {
    let files = Certificates::new();
    let host = FakeService::start_tls(&files.certificate(), &files.key(), |asked| {
        match asked.path.as_str() {
            "/moved.txt" => Reply::json(302, "").with("Location", "/here.txt"),
            "/down.txt" => Reply::json(302, "").with("Location", "http://127.0.0.1:9/"),
            _ => Reply::json(200, "203.0.113.7\n"),
        }
    })
    .await;
    let header = files.folder().join("header");
    fs::write(&header, "Authorization: Bearer hunter2").unwrap();
    let with_header = format!("\nheader_file = {header:?}");
    let place = |path: &str, more: &str| format!("url = \"{}/{path}\"{more}", host.url());
    let config = [
        format!("[outbound]\nca_file = {:?}\n", files.authority()),
        list("moved", &place("moved.txt", ""), "ip"),
        list("down", &place("down.txt", ""), "ip"),
        list("secret", &place("moved.txt?secret", &with_header), "ip"),
    ];
    let server = house(&config.concat()).await;
    becomes(&server, "203.0.113.7", "R14").await;
    let failing = eventually("the others are failing", async || {
        let status = v1::GetStatusRequest {};
        let sources = server.admin().get_status(status).await.unwrap().sources;
        let failing: Vec<_> = sources
            .into_iter()
            .filter(|source| source.state() == v1::SourceState::Failing)
            .map(|source| (source.name, source.error))
            .collect();
        (failing.len() == 2).then_some(failing)
    })
    .await;
    for ((name, error), expected) in failing.iter().zip(["down", "secret"]) {
        assert_eq!(name, expected);
        assert!(error.contains("the source answers 302"), "{error}");
    }
    let asked = host.asked();
    let told: Vec<_> = asked
        .iter()
        .filter(|asked| asked.headers.contains_key("authorization"))
        .map(|asked| asked.path.as_str())
        .collect();
    assert_eq!(told, ["/moved.txt"]);
}

#[tokio::test]
async fn the_web_is_reached_by_a_proxy_where_there_is_one() {
    let proxy = ListHost::answering("HTTP/1.1 502 Bad Gateway\r\n\r\n").await;
    let address = proxy.url("").leak();
    let place = "url = \"https://lists.example/voip.txt\"";
    let server = Command::default()
        .config(list("voip", place, "ip"))
        .variable("HTTPS_PROXY", address)
        .start()
        .await;
    eventually("the proxy is asked for a tunnel", async || {
        let heard = proxy.heard();
        let tunnel = |head: &String| head.starts_with("connect lists.example:443 ");
        heard.iter().any(tunnel).then_some(())
    })
    .await;
    eventually("it is told that there is none", async || {
        server.said().contains("there is no list yet").then_some(())
    })
    .await;
}
