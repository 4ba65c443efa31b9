//! tfpsctl against a real server, as an operator types it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use tfps_client::v1;
use tfps_tests::{
    Server,
    scene::{CUBA, HOME_NUMBER, LONDON, call},
    shell::Shell,
};

// The commands are waited for by a thread: the server is another process and needs none of this one's.
#[tokio::test]
async fn the_originals_commands_work_as_they_were_typed() {
    let server = Server::open().await;
    server.account("alice").await;
    server.account("bob").await;
    assert_eq!(server.code(call("alice", HOME_NUMBER)).await, "A00");
    let shell = Shell::new(&server);
    let said = shell.run("list");
    assert_eq!(said.code, 0, "{said:?}");
    for word in ["alice", "bob"] {
        assert!(said.out.contains(word), "{}", said.out);
    }
    let said = shell.run("reset alice example.com");
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(server.usage("alice").await.calls_today, 0);
    // Nobody is there to be asked.
    let said = shell.run("remove alice example.com");
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("--yes"), "{said:?}");
    let said = shell.run("remove alice example.com --yes");
    assert_eq!(said.code, 0, "{said:?}");
    let said = shell.run("remove alice example.com --yes");
    assert_eq!(said.code, 5, "{said:?}");
    let accounts = shell.json("list");
    assert_eq!(accounts.as_array().unwrap().len(), 1);
    assert_eq!(accounts[0]["username"], "bob");
}

#[tokio::test]
async fn check_tells_scripts_by_its_exit_code() {
    let server = Server::open().await;
    server.account("alice").await;
    let shell = Shell::new(&server);
    for (number, code, exit) in [
        (HOME_NUMBER, "A00", 0),
        (CUBA, "R06", 3),
        (LONDON, "V03", 4),
    ] {
        let said = shell.run(&format!("check alice example.com {number}"));
        assert_eq!(said.code, exit, "{said:?}");
        assert!(said.out.contains(code), "{said:?}");
    }
    let said = shell.run(&format!(
        "check alice example.com {HOME_NUMBER} --source-ip 192.0.2.1 --user-agent sipcli/1 --caller 1 \
         --concurrent-calls 1 --call-id c1"
    ));
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.out.contains("R01"), "{said:?}");
    let said = shell.run(&format!(
        "check alice example.com {HOME_NUMBER} --dry-run --at 2026-06-08T23:30+02:00 --output json"
    ));
    let decision: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (&decision["code"], &decision["decision_id"]),
        (&"A00".into(), &"".into())
    );
    assert_eq!(server.usage("alice").await.calls_today, 1);
    let said = shell.run(&format!("explain alice example.com {CUBA}"));
    assert_eq!(said.code, 0, "{said:?}");
    for word in ["blocked-country", "R06", "quota-off-hours"] {
        assert!(said.out.contains(word), "{word}: {}", said.out);
    }
}

#[tokio::test]
async fn a_file_of_calls_is_checked() {
    let server = Server::open().await;
    server.account("alice").await;
    let shell = Shell::new(&server);
    let calls = format!(
        "dialed,username,domain,caller,duration\n{HOME_NUMBER},alice,example.com,1,60\n{CUBA},alice,example.com,1,0\n\
         {LONDON},alice,example.com,1,0\n{HOME_NUMBER},\"x' OR '1'='1\",example.com,1,0\n"
    );
    shell.file("calls.csv", &calls);
    for (line, input) in [
        ("check --file calls.csv", ""),
        ("check --file -", calls.as_str()),
    ] {
        let said = shell.run_with_input(line, input);
        assert_eq!(said.code, 0, "{said:?}");
        for code in ["A00", "R06", "V03", "R12"] {
            let summary = said
                .out
                .lines()
                .any(|line| line.starts_with(code) && line.contains("25.0 %"));
            assert!(summary, "{code}: {}", said.out);
        }
    }
    assert_eq!(server.decisions(Default::default()).await.len(), 8);
    let said = shell.run("check --file absent.csv");
    assert_eq!(said.code, 2);
    assert!(said.err.contains("absent.csv"), "{said:?}");
}

#[tokio::test]
async fn accounts_and_policies_are_kept() {
    let server = Server::open().await;
    let shell = Shell::new(&server);
    let said = shell.run("create alice example.com --quota 20 --source-countries us,gb");
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(shell.run("create alice example.com").code, 8);
    let said = shell.run("set alice example.com --quota 50 --destination-countries +GB");
    assert_eq!(said.code, 0, "{said:?}");
    let account = shell.json("show alice example.com");
    assert_eq!(account["limits"]["daily_quota"], 50);
    assert_eq!(
        account["destination_countries"],
        serde_json::json!(["GB", "US"])
    );
    assert_eq!(shell.run("block alice example.com --reason stolen").code, 0);
    assert_eq!(server.code(call("alice", HOME_NUMBER)).await, "R16");
    assert_eq!(shell.run("unblock alice example.com").code, 0);
    let said = shell.run("policy list");
    assert!(said.code == 0 && said.out.contains("default"), "{said:?}");
    shell.file("pin", "284713\n");
    let account = shell.json("set alice example.com --pin-file pin");
    assert_eq!(account["has_pin"], true);
    assert!(server.get("alice").await.has_pin);
    let account = shell.json("set alice example.com --no-pin");
    assert_eq!(account["has_pin"], false);
    let limits = server.get("alice").await.limits.unwrap();
    assert_eq!(
        (limits.daily_quota, limits.daily_quota_off_hours),
        (Some(50), Some(2)),
        "the policy's, where none was given"
    );
    let said = shell.run("set alice example.com --policy absent");
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("policy"), "{said:?}");
}

#[tokio::test]
async fn lists_are_imported() {
    let server = Server::open().await;
    let shell = Shell::new(&server);
    let lines: String = (0..5_000)
        .map(|number| format!("198.18.{}.{}\n", number / 250, number % 250))
        .collect();
    shell.file("feed.txt", &lines);
    let said = shell.run("entries import --kind ip --action block feed.txt");
    assert_eq!(said.code, 0, "{said:?}");
    let asked = v1::CheckRequest {
        source_ip: "198.18.19.249".to_owned(),
        ..call("nobody", HOME_NUMBER)
    };
    assert_eq!(server.code(asked).await, "R14");
    let found = shell.json("entries list --kind ip --matching 198.18.19.249");
    assert_eq!(found.as_array().unwrap().len(), 1);
    shell.file("wrong.txt", "192.0.2.1\n192.0.2.256\n");
    let said = shell.run("entries import --kind ip --action block wrong.txt");
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("lines[2]"), "{said:?}");
    assert_eq!(shell.run("entries add number 2526 --action block").code, 0);
    assert_eq!(shell.run("entries remove number 2526 --yes").code, 0);
}

#[tokio::test]
async fn a_challenge_is_gone_through_by_hand() {
    let server = Server::open().await;
    server.account("alice").await;
    let shell = Shell::new(&server);
    let said = shell.run(&format!("check alice example.com {LONDON} --output json"));
    let decision: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let challenge = decision["challenge"]["id"].as_str().unwrap();
    let said = shell.run(&format!(
        "verify alice example.com --challenge {challenge} --digits 00000"
    ));
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("not passed"), "{said:?}");
    let said = shell.run("verify alice example.com --purpose quota --digits 0000");
    assert_eq!(said.code, 8, "{said:?}");
    let said = shell.run("verify alice example.com --challenge 4711 --digits 0000");
    assert_eq!(said.code, 5, "{said:?}");
    assert!(
        said.err.contains("there is no challenge 4711") && said.err.contains("--purpose"),
        "{said:?}"
    );
    assert_eq!(server.usage("alice").await.failed_verifications, 1);
    assert_eq!(server.code(call("alice", LONDON)).await, "V03");
}

#[tokio::test]
async fn a_challenge_is_passed_by_hand() {
    let server = Server::with_verification(|verification| {
        verification.method = v1::VerificationMethod::Pin.into();
        verification.pin = "284713".to_owned();
    })
    .await;
    server.account("alice").await;
    let shell = Shell::new(&server);
    let said = shell.run(&format!("check alice example.com {LONDON}"));
    assert_eq!(said.code, 4, "{said:?}");
    let passed =
        shell.json("verify alice example.com --purpose destination-country --digits 284713");
    assert_eq!(passed["passed"], true);
    assert!(
        passed["change"]
            .as_str()
            .unwrap()
            .contains("United Kingdom"),
        "{passed}"
    );
    let said = shell.run(&format!("check alice example.com {LONDON}"));
    assert_eq!(said.code, 0, "{said:?}");
    let said = shell.run("verify alice example.com --purpose destination-country --digits 284713");
    assert_eq!(said.code, 8, "{said:?}");
    assert!(
        said.err.contains("hint") && said.err.contains("tfpsctl check"),
        "{said:?}"
    );
}

#[tokio::test]
async fn calls_are_made_again_under_the_servers_policy_and_accounts() {
    let server = Server::open().await;
    server.account("alice").await;
    let shell = Shell::new(&server);
    let said = shell.run("set alice example.com --destination-countries +GB");
    assert_eq!(said.code, 0, "{said:?}");
    let [policy, accounts] = [
        ("now.toml", "policy show default"),
        ("accounts.json", "list --output json"),
    ]
    .map(|(file, line)| {
        let said = shell.run(line);
        assert_eq!(said.code, 0, "{said:?}");
        shell.file(file, &said.out).display().to_string()
    });
    let calls: String = [("alice", LONDON), ("bob", LONDON), ("alice", CUBA)]
        .map(|(who, number)| {
            format!("2026-06-08T12:00:00-04:00,{who},example.com,{number},US,60\n")
        })
        .concat();
    let header = "time,username,domain,dialed,source_country,duration";
    let calls = shell.file("calls.csv", &format!("{header}\n{calls}"));
    let report = shell.json(&format!(
        "simulate {} --policy {policy} --accounts {accounts}",
        calls.display()
    ));
    let by_code = report["policies"][0]["by_code"].as_array().unwrap();
    let codes: Vec<_> = by_code
        .iter()
        .map(|of| of["of"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["A00", "R06", "V03"], "{report}");
}

#[tokio::test]
async fn a_policy_is_edited() {
    let server = Server::open().await;
    let mut shell = Shell::new(&server);
    let policy = || server.policy(|_| {});
    let before = policy().await;
    shell.set("EDITOR", "sed -i s/^max_failures[^_].*/max_failures=7/");
    let said = shell.run("policy edit default");
    assert_eq!(said.code, 0, "{said:?}");
    let mut after = policy().await;
    let verification = after.verification.as_mut().unwrap();
    assert_eq!(verification.max_failures, Some(7));
    // Nothing else is another.
    verification.max_failures = before.verification.as_ref().unwrap().max_failures;
    (after.etag, after.update_time) = (before.etag.clone(), before.update_time);
    assert_eq!(after, before);
    // What the server refuses changes nothing, and is kept to be mended.
    shell.set("EDITOR", "sed -i s/^time_zone.*/time_zone='Mars'/");
    let said = shell.run("policy edit default");
    assert_eq!(said.code, 2, "{said:?}");
    assert!(
        said.err.contains("time_zone") && said.err.contains("policy put"),
        "{said:?}"
    );
    assert_eq!(policy().await.time_zone, before.time_zone);
    shell.set("EDITOR", "false");
    assert_ne!(shell.run("policy edit default").code, 0);
}

#[tokio::test]
async fn decisions_are_followed() {
    let server = Server::open().await;
    server.account("alice").await;
    let shell = Shell::new(&server);
    let mut following = shell.start("decisions --follow --code R07 --output json");
    let mut next = tokio::task::spawn_blocking(move || {
        let line = following.line();
        (following, line)
    });
    // It is followed from some moment on: calls are made until one is shown.
    let mut made = Vec::new();
    while !next.is_finished() {
        assert!(made.len() < 1_000, "none is shown");
        server.check(call("alice", HOME_NUMBER)).await;
        made.push(server.check(call("alice", "21012345678")).await.decision_id);
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    }
    let (mut following, line) = (&mut next).await.unwrap();
    let shown: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(shown["code"], "R07");
    let first = made
        .iter()
        .position(|id| shown["id"] == **id)
        .expect("one of those that were made");
    // From then on every one is shown, in its order.
    for id in &made[first + 1..] {
        let shown: serde_json::Value = serde_json::from_str(&following.line()).unwrap();
        assert_eq!(shown["id"], **id);
    }
}

#[tokio::test]
async fn a_shell_completes_what_is_typed() {
    let server = Server::open().await;
    let shell = Shell::new(&server);
    for name in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let said = shell.run(&format!("completions {name}"));
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{name}");
        assert!(said.out.contains("tfpsctl"), "{name}");
    }
    let script = shell.file("tfpsctl.bash", &shell.run("completions bash").out);
    let completed = |typed: &str| {
        let words = format!("tfpsctl {typed}");
        let last = typed.split(' ').next_back().unwrap();
        let before = words.split(' ').rev().nth(1).unwrap();
        let count = words.split(' ').count() - 1;
        let line = format!(
            "source {}; COMP_WORDS=({words}); COMP_CWORD={count}; _tfpsctl tfpsctl '{last}' '{before}'; \
             echo \"${{COMPREPLY[*]}}\"",
            script.display()
        );
        let output = std::process::Command::new("bash")
            .args(["-c", &line])
            .output()
            .expect("bash runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(completed("pol"), "policy");
    assert_eq!(completed("policy ed"), "edit");
    assert_eq!(completed("set --no-p"), "--no-pin");
}

#[tokio::test]
async fn decisions_and_statistics_are_shown() {
    let server = Server::open().await;
    server.account("alice").await;
    let shell = Shell::new(&server);
    for number in [HOME_NUMBER, CUBA, LONDON] {
        server.check(call("alice", number)).await;
    }
    let said = shell.run("decisions --output csv");
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(said.out.lines().count(), 4, "{}", said.out);
    let denied = shell.json("decisions --code R06");
    assert_eq!(denied.as_array().unwrap().len(), 1);
    assert_eq!(denied[0]["dialed_number"], CUBA);
    let stats = shell.json("stats");
    assert_eq!(stats["total"].to_string().trim_matches('"'), "3");
    let status = shell.run("status");
    assert_eq!(status.code, 0, "{status:?}");
    assert!(status.out.contains("sqlite"), "{}", status.out);
}

#[tokio::test]
async fn a_token_is_made_used_and_revoked() {
    let server = Server::open().await;
    server.account("alice").await;
    let mut shell = Shell::new(&server);
    let made = shell.json("token create --name pbx --role switch");
    let secret = made["secret"].as_str().unwrap().to_owned();
    let id = made["token"]["id"].as_str().unwrap().to_owned();
    shell.token = Some(secret);
    assert_eq!(
        shell
            .run(&format!("check alice example.com {HOME_NUMBER}"))
            .code,
        0
    );
    let said = shell.run("list");
    assert_eq!(said.code, 6, "{said:?}");
    assert!(said.err.contains("switch"), "{said:?}");
    let secret = shell.token.take();
    assert_eq!(shell.run(&format!("token revoke {id} --yes")).code, 0);
    shell.token = secret;
    let said = shell.run(&format!("check alice example.com {HOME_NUMBER}"));
    assert_eq!(said.code, 6, "{said:?}");
    assert_eq!(said.out, "");
}

#[tokio::test]
async fn errors_say_what_to_do_next() {
    let mut server = Server::open().await;
    {
        let shell = Shell::new(&server);
        let said = shell.run("show nobody example.com");
        assert_eq!(said.code, 5);
        assert!(
            said.err.contains("nobody@example.com") && said.err.contains("hint"),
            "{said:?}"
        );
        let said = shell.run("create alice example.com --quota 4294967295");
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.err.contains("daily_quota"), "{said:?}");
        let said = shell.run("reload");
        assert_eq!(said.code, 0, "{said:?}");
    }
    server.terminate();
    assert_eq!(server.ended().await.code(), Some(0));
    let shell = Shell::new(&server);
    let said = shell.run("list");
    assert_eq!(said.code, 7, "{said:?}");
    assert!(said.err.contains("cannot reach"), "{said:?}");
}
