//! A server's life: it starts or says why not, takes new configurations, drains and ends.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::future::join_all;
use prost::Message;
use tfps_client::{
    Client, Code,
    v1::{self, CheckRequest, CheckResponse},
};
use tfps_tests::{
    Command, Server, eventually,
    raw::Wire,
    scene::{DOMAIN, HOME_NUMBER, LONDON, call, key, limits},
};

/// Decisions that reached the switch, and why it got no more.
type Traffic = Arc<Mutex<Vec<CheckResponse>>>;

/// Asks one call after the other until there is no answer.
fn traffic(client: &Client, answered: &Traffic) -> tokio::task::JoinHandle<tfps_client::Error> {
    let (stream, answered) = (client.stream_checks(8), Arc::clone(answered));
    tokio::spawn(async move {
        for number in 0_u64.. {
            let asked = CheckRequest {
                caller_number: number.to_string(),
                concurrent_calls: Some(1),
                ..call("alice", HOME_NUMBER)
            };
            match stream.check(asked).await {
                Ok(decision) => answered.lock().unwrap().push(decision),
                Err(error) => return error,
            }
        }
        unreachable!("numbers do not end")
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_answers_what_is_in_flight_and_ends_well() {
    let mut server = Server::open().await;
    server
        .account_with("alice", |account| {
            account.limits = Some(limits(9, 1_000_000));
        })
        .await;
    let answered = Traffic::default();
    let callers = [
        traffic(server.admin(), &answered),
        traffic(&server.another_connection().await, &answered),
    ];
    let mut watch = server
        .admin()
        .watch_decisions(Default::default())
        .await
        .unwrap();
    let watching = tokio::spawn(async move {
        loop {
            if let Err(error) = watch.next().await {
                return error;
            }
        }
    });
    eventually("calls are decided", || async {
        (answered.lock().unwrap().len() > 100).then_some(())
    })
    .await;
    server.terminate();
    let status = server.ended().await;
    assert_eq!(status.code(), Some(0), "{}", server.said());
    for caller in callers {
        // The stream ends when all that the server took is answered.
        assert_eq!(caller.await.unwrap().code(), Code::Unavailable);
    }
    assert_eq!(watching.await.unwrap().code(), Code::Unavailable);
    assert!(server.said().contains("stopped"));
    server.restart().await;
    let recorded = server.decisions(Default::default()).await;
    let answered = std::mem::take(&mut *answered.lock().unwrap());
    assert!(answered.iter().all(|answer| {
        recorded
            .iter()
            .any(|decision| decision.id == answer.decision_id)
    }));
    assert_eq!(
        server.usage("alice").await.calls_today as usize,
        recorded.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_sent_before_sigterm_is_answered() {
    let mut server = Server::open().await;
    server
        .policy(|policy| {
            let verification = policy.verification.as_mut().unwrap();
            verification.method = v1::VerificationMethod::Pin.into();
            verification.pin = "284713".to_owned();
            verification.max_opens = 100;
            verification.max_failures = Some(100);
        })
        .await;
    server.account("alice").await;
    let challenge = server.check(call("alice", LONDON)).await.challenge.unwrap();
    let mut opened = Vec::new();
    for _ in 0..20 {
        opened.push(
            server
                .start_verification("alice", &challenge)
                .await
                .unwrap(),
        );
    }
    // A PIN's hash takes its time, and only a few are computed at once.
    let typed: Vec<_> = opened
        .iter()
        .map(|opened| {
            let (client, id) = (server.admin().clone(), opened.verification_id.clone());
            tokio::spawn(
                async move { tfps_tests::verification::complete(&client, &id, "0000").await },
            )
        })
        .collect();
    eventually("they are in flight", || async {
        let status = server.admin().get_status(Default::default()).await.unwrap();
        (status.requests_in_flight > 5).then_some(())
    })
    .await;
    server.terminate();
    for answer in join_all(typed).await {
        assert!(!answer.unwrap().unwrap().passed);
    }
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_is_dropped_while_configurations_come_and_go() {
    let configs = [
        "[log]\nlevel = \"debug\"\n",
        "[requests]\ndefault_deadline_ms = 777\n",
        "[requests]\ndefault_deadline_ms = \"soon\"\n",
    ];
    let mut server = Server::open().await;
    server
        .account_with("alice", |account| {
            account.limits = Some(limits(9, 1_000_000));
        })
        .await;
    let answered = Traffic::default();
    let caller = traffic(&server.another_connection().await, &answered);
    for round in 0..30 {
        server.write_config(configs[round % 3]);
        let reloaded = server.admin().reload(v1::ReloadRequest {}).await;
        match round % 3 {
            0 => assert!(reloaded.unwrap().applied.contains(&"log.level".to_owned())),
            1 => assert!(
                reloaded
                    .unwrap()
                    .applied
                    .contains(&"requests.default_deadline_ms".to_owned())
            ),
            _ => assert_eq!(reloaded.unwrap_err().code(), Code::FailedPrecondition),
        }
    }
    let before = answered.lock().unwrap().len();
    eventually("calls are decided still", || async {
        (answered.lock().unwrap().len() > before + 100).then_some(())
    })
    .await;
    assert!(!caller.is_finished());
    caller.abort();
}

#[tokio::test]
async fn sighup_takes_what_is_right_and_keeps_what_was() {
    let mut server = Server::with("[log]\nlevel = \"info\"\n").await;
    server.write_config("[log]\nlevel = \"debug\"\n[journal]\nsync_ms = 7\n");
    server.hang_up();
    said(
        &server,
        "applied=[\"log.level\"] needs_restart=[\"journal.sync_ms\"]",
    )
    .await;
    server.write_config("[requests]\ndefault_deadlin_ms = 5\n");
    server.hang_up();
    said(&server, "the old configuration stays in force").await;
    said(&server, "default_deadline_ms").await;
    // The debug level of the first change is in force: requests are logged.
    server.check(call("nobody", HOME_NUMBER)).await;
    said(&server, "/tfps.v1.CheckService/Check").await;
    let error = server
        .admin()
        .reload(v1::ReloadRequest {})
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("`default_deadlin_ms`"),
        "{error}"
    );
    assert!(server.is_running());
}

#[tokio::test]
async fn what_is_wrong_at_the_start_is_told() {
    let at_large = Command::default()
        .listen("0.0.0.0:0")
        .try_start()
        .await
        .unwrap_err();
    assert_eq!(at_large.code, Some(2), "{at_large:?}");
    for word in ["0.0.0.0:0", "tls", "allow_plaintext"] {
        assert!(at_large.said.contains(word), "{at_large:?}");
    }
    for (config, word) in [
        ("lisen = 1", "lisen"),
        ("[policy]\ntime_zone = \"Mars\"", "Mars"),
        ("[calls]\nreserved_seconds = -1", "reserved_seconds"),
        (
            "[[geo.known]]\nnetwork = \"1.2.3.4/99\"\ncountry = \"FR\"",
            "1.2.3.4/99",
        ),
        (
            "[tls]\ncert_file = \"/nowhere\"\nkey_file = \"/nowhere\"",
            "/nowhere",
        ),
        ("[", "tfps.toml"),
    ] {
        let refused = Command::default()
            .config(config)
            .try_start()
            .await
            .unwrap_err();
        assert_ne!(refused.code, Some(0));
        assert!(refused.said.contains(word), "{config}: {refused:?}");
        assert!(!refused.said.contains("panicked"));
    }
}

#[tokio::test]
async fn a_system_without_authorities_is_no_hindrance_where_nothing_is_fetched() {
    let without = |config: &str| {
        Command::default()
            .config(config)
            .variable("SSL_CERT_FILE", "/nowhere")
            .variable("SSL_CERT_DIR", "/nowhere")
    };
    let list = "[[list]]\nname = \"a\"\nkind = \"ip\"\n";
    without("").start().await;
    without(&format!("{list}file = \"/dev/null\""))
        .start()
        .await;
    let refused = without(&format!("{list}url = \"https://lists.example/a\""))
        .try_start()
        .await
        .unwrap_err();
    assert!(refused.said.contains("ca-certificates"), "{}", refused.said);
}

#[tokio::test]
async fn a_data_directory_is_one_servers() {
    let server = Server::start().await;
    let second = Command::default()
        .data_dir(server.data_dir())
        .try_start()
        .await
        .unwrap_err();
    assert_eq!(second.code, Some(1));
    assert!(
        second.said.contains("in use by another tfps-server"),
        "{second:?}"
    );
    assert_eq!(server.code(call("nobody", HOME_NUMBER)).await, "V01");
    let mode = |path: &Path| {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(mode(&server.admin_token_path()), 0o600);
    assert_eq!(mode(&server.data_dir()), 0o700);
}

#[tokio::test]
async fn a_stream_that_breaks_off_hurts_nobody() {
    let server = Server::open().await;
    server.account("alice").await;
    let secret = fs::read_to_string(server.admin_token_path()).unwrap();
    let wire = Wire::to(&server, Some(secret.trim())).await;
    let good = v1::StreamChecksRequest {
        id: 1,
        check: Some(call("alice", HOME_NUMBER)),
    }
    .encode_to_vec();
    let path = "/tfps.v1.CheckService/StreamChecks";
    assert_eq!(
        wire.call(path, vec![good.clone(); 3]).await.unwrap().len(),
        3
    );
    // Broken bytes end their stream, or are told inside it; the next stream and the other calls go on.
    let _ = wire
        .call(path, vec![good.clone(), vec![0xff; 9], good.clone()])
        .await;
    assert_eq!(wire.call(path, vec![good]).await.unwrap().len(), 1);
    for _ in 0..20 {
        let client = server.another_connection().await;
        let stream = client.stream_checks(8);
        let asked = stream.check(call("alice", LONDON));
        // Dropped before the answer.
        drop(tokio::time::timeout(Duration::from_micros(50), asked).await);
    }
    let account = v1::GetAccountRequest {
        account: Some(v1::AccountKey {
            domain: DOMAIN.to_owned(),
            ..key("alice")
        }),
    };
    assert!(server.admin().get_account(account).await.is_ok());
}

async fn said(server: &Server, words: &str) {
    eventually(words, || async {
        server.said().contains(words).then_some(())
    })
    .await;
}
