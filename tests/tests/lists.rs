//! The block and allow lists: entries put, found, imported, deleted, and gone by themselves.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::collections::BTreeSet;

use tfps_client::{
    Code, Error,
    v1::{self, CheckRequest, EntryAction, EntryKind},
};
use tfps_tests::{
    Server, clock, eventually,
    scene::{HOME_NUMBER, call},
};

fn entry(kind: EntryKind, value: &str) -> v1::Entry {
    v1::Entry {
        kind: kind.into(),
        value: value.to_owned(),
        action: EntryAction::Block.into(),
        ..v1::Entry::default()
    }
}

async fn entries(server: &Server, filter: v1::EntryFilter) -> Vec<v1::Entry> {
    let mut request = v1::ListEntriesRequest {
        page_size: 1_000,
        filter: Some(filter),
        ..v1::ListEntriesRequest::default()
    };
    let mut all = Vec::new();
    loop {
        let page = server.admin().list_entries(request.clone()).await.unwrap();
        all.extend(page.entries);
        if page.next_page_token.is_empty() {
            assert_eq!(page.total_size as usize, all.len());
            return all;
        }
        request.page_token = page.next_page_token;
    }
}

#[tokio::test]
async fn entries_are_put_found_and_deleted() {
    let server = Server::open().await;
    let put = async |entries| {
        let request = v1::PutEntriesRequest { entries };
        server.admin().put_entries(request).await
    };
    let written = put(vec![
        entry(EntryKind::Ip, "203.0.113.0/24"),
        entry(EntryKind::Ip, "203.0.113.7"),
        entry(EntryKind::Ip, "2001:db8::/32"),
        entry(EntryKind::Number, "+2526"),
        entry(EntryKind::Number, "25261"),
    ])
    .await
    .unwrap();
    assert_eq!((written.created, written.replaced), (5, 0));
    let again = put(vec![entry(EntryKind::Ip, "203.0.113.7/32")])
        .await
        .unwrap();
    assert_eq!((again.created, again.replaced), (0, 1));
    // One that is wrong keeps all out.
    let error = put(vec![
        entry(EntryKind::Ip, "192.0.2.1"),
        entry(EntryKind::Ip, "192.0.2.999"),
    ])
    .await
    .unwrap_err();
    assert_eq!(
        error.rejection().unwrap().violations[0].field,
        "entries[1].value"
    );
    let error = put(vec![entry(EntryKind::UserAgent, "(a")])
        .await
        .unwrap_err();
    assert_eq!(
        error.rejection().unwrap().violations[0].field,
        "entries[0].value"
    );
    let matching = async |kind: EntryKind, what: &str| {
        let filter = v1::EntryFilter {
            kind: kind.into(),
            matching: what.to_owned(),
            ..v1::EntryFilter::default()
        };
        let found = entries(&server, filter).await;
        found
            .into_iter()
            .map(|entry| entry.value)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        matching(EntryKind::Ip, "203.0.113.7").await.len(),
        2,
        "the address and its network"
    );
    assert_eq!(matching(EntryKind::Ip, "2001:db8:1::1").await.len(), 1);
    assert!(matching(EntryKind::Ip, "192.0.2.1").await.is_empty());
    assert_eq!(
        matching(EntryKind::Number, "252612345678").await,
        ["2526", "25261"]
    );
    let delete = async |filter| {
        let request = v1::DeleteEntriesRequest {
            filter: Some(filter),
        };
        server.admin().delete_entries(request).await
    };
    let error = delete(v1::EntryFilter::default()).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    let deleted = delete(v1::EntryFilter {
        kind: EntryKind::Ip.into(),
        matching: "203.0.113.7".to_owned(),
        ..v1::EntryFilter::default()
    });
    assert_eq!(deleted.await.unwrap().deleted, 2);
    let from = |ip: &str| CheckRequest {
        source_ip: ip.to_owned(),
        ..call("nobody", HOME_NUMBER)
    };
    assert_eq!(server.code(from("203.0.113.7")).await, "V01");
    assert_eq!(server.code(from("2001:db8::1")).await, "R14");
}

#[tokio::test]
async fn patterns_that_match_an_agent_are_found() {
    let server = Server::open().await;
    let filter = v1::EntryFilter {
        kind: EntryKind::UserAgent.into(),
        matching: "Friendly-scanner".to_owned(),
        ..v1::EntryFilter::default()
    };
    let found = entries(&server, filter).await;
    let values: Vec<_> = found.iter().map(|entry| entry.value.as_str()).collect();
    assert_eq!(values, ["^friendly"]);
}

#[tokio::test]
async fn an_entry_goes_by_itself() {
    let server = Server::open().await;
    let soon = clock::now() + jiff::SignedDuration::from_secs(2);
    let fleeting = v1::Entry {
        expires_at: Some(clock::timestamp(soon)),
        ..entry(EntryKind::Number, HOME_NUMBER)
    };
    let request = v1::PutEntriesRequest {
        entries: vec![fleeting],
    };
    server.admin().put_entries(request).await.unwrap();
    let asked = || CheckRequest {
        dry_run: true,
        ..call("nobody", HOME_NUMBER)
    };
    assert_eq!(server.code(asked()).await, "R03");
    let server = &server;
    eventually("the entry expires", || async move {
        (server.code(asked()).await == "V01").then_some(())
    })
    .await;
}

async fn import(
    server: &Server,
    header: v1::ImportHeader,
    lines: impl Iterator<Item = String>,
) -> Result<v1::ImportEntriesResponse, Error> {
    let mut import = server.admin().import_entries(header);
    let lines: Vec<_> = lines.collect();
    let mut first_line = 1;
    for chunk in lines.chunks(999) {
        let part = v1::ImportLines {
            first_line,
            lines: chunk.to_vec(),
        };
        first_line += chunk.len() as u64;
        import.send(part).await;
    }
    import.finish().await
}

#[tokio::test]
async fn a_large_list_is_imported_and_replaced_whole() {
    let server = Server::open().await;
    let header = v1::ImportHeader {
        kind: EntryKind::Ip.into(),
        action: EntryAction::Block.into(),
        source: "feed".to_owned(),
        reason: "listed".to_owned(),
        replace: true,
        ..v1::ImportHeader::default()
    };
    let address = |number: usize| format!("198.18.{}.{}", number / 256, number % 256);
    server
        .list(EntryKind::Ip, "192.0.2.1", EntryAction::Block)
        .await;
    let lines = (0..10_000)
        .map(address)
        .chain(["# a comment".to_owned(), String::new()])
        .chain([format!("{},because # of this", address(10_000)), address(1)]);
    let imported = import(&server, header.clone(), lines).await.unwrap();
    assert_eq!(
        (
            imported.created,
            imported.duplicates,
            imported.rejected_count
        ),
        (10_001, 1, 0)
    );
    let of_feed = v1::EntryFilter {
        source: "feed".to_owned(),
        ..v1::EntryFilter::default()
    };
    let listed = entries(&server, of_feed.clone()).await;
    assert_eq!(listed.len(), 10_001);
    let reasons: BTreeSet<_> = listed.iter().map(|entry| entry.reason.as_str()).collect();
    assert_eq!(reasons, BTreeSet::from(["because", "listed"]));

    // A line that is wrong refuses the whole list, by its number.
    let wrong = || {
        (0..100)
            .map(address)
            .chain(["198.18.0.256".to_owned(), "x".to_owned()])
    };
    let error = import(&server, header.clone(), wrong()).await.unwrap_err();
    let rejection = error.rejection().expect("the server's own words");
    assert_eq!(rejection.code, Code::InvalidArgument);
    let named: Vec<_> = rejection
        .violations
        .iter()
        .map(|violation| violation.field.as_str())
        .collect();
    assert_eq!(named, ["lines[101]", "lines[102]"]);
    assert!(
        error.to_string().contains("2 of the lines are wrong"),
        "{error}"
    );
    assert_eq!(entries(&server, of_feed.clone()).await.len(), 10_001);
    let skipping = v1::ImportHeader {
        skip_invalid: true,
        ..header
    };
    let imported = import(&server, skipping, wrong()).await.unwrap();
    assert_eq!(
        (
            imported.created,
            imported.replaced,
            imported.deleted,
            imported.rejected_count
        ),
        (0, 100, 9_901, 2)
    );
    assert_eq!(
        (
            imported.rejected[0].line,
            imported.rejected[1].value.as_str()
        ),
        (101, "x")
    );
    assert_eq!(entries(&server, of_feed).await.len(), 100);
    let from = |ip: &str| CheckRequest {
        source_ip: ip.to_owned(),
        ..call("nobody", HOME_NUMBER)
    };
    assert_eq!(server.code(from("198.18.0.99")).await, "R14");
    assert_eq!(server.code(from("198.18.0.100")).await, "V01");
    assert_eq!(
        server.code(from("192.0.2.1")).await,
        "R14",
        "another source's stays"
    );
}

#[tokio::test]
async fn an_import_that_is_called_off_imports_nothing() {
    let server = Server::open().await;
    let header = v1::ImportHeader {
        kind: EntryKind::Ip.into(),
        action: EntryAction::Block.into(),
        ..v1::ImportHeader::default()
    };
    let mut import = server.admin().import_entries(header);
    let lines = v1::ImportLines {
        first_line: 1,
        lines: vec!["192.0.2.1".to_owned()],
    };
    assert!(import.send(lines).await);
    drop(import);
    for _ in 0..20 {
        let listed = entries(
            &server,
            v1::EntryFilter {
                kind: EntryKind::Ip.into(),
                ..v1::EntryFilter::default()
            },
        );
        assert!(listed.await.is_empty());
    }
}
