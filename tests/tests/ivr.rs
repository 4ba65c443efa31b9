//! Callers of a real Asterisk that protects its own calls (deploy/asterisk-alone): what they hear, what they type, and what
//! becomes of their calls. A phone in the hand of a caller calls by SIP and types in RTP; the wire between Asterisk and the
//! bridge is listened to, which is how a caller knows the digits that he hears.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::time::Duration;

use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tfps_client::v1::{self, VerificationMethod};
use tfps_tests::{
    AsteriskBridge, Server,
    asterisk::{Asterisk, Setup},
    eventually,
    freepbx::Freepbx,
    handset::{AGENT, Handset, Written},
    scene::{CUBA, HOME_NUMBER, LONDON, key, limits},
    sipp::{Ends, FarEnd},
    tap::Tap,
};

/// Rejected, as Q.850 numbers it.
const REJECTED: Option<u8> = Some(21);
/// A PIN of six digits.
const PIN: &str = "284713";

/// All that a call passes.
struct House {
    server: Server,
    bridge: AsteriskBridge,
    tap: Tap,
    carrier: FarEnd,
    asterisk: Asterisk,
}

impl House {
    async fn open() -> Self {
        Self::open_with("", |_| {}).await
    }

    async fn open_with(config: &str, change: impl FnOnce(&mut v1::Policy)) -> Self {
        Self::open_in(config, change, |_| {}).await
    }

    async fn open_in(
        config: &str,
        change: impl FnOnce(&mut v1::Policy),
        dialplan: impl FnOnce(&mut Setup),
    ) -> Self {
        let server = Server::open().await;
        server.policy(change).await;
        let bridge = AsteriskBridge::start(&[&server], config).await;
        let tap = Tap::before(bridge.address()).await;
        let carrier = FarEnd::start(Ends::Caller);
        let mut setup = Setup::alone(tap.address(), carrier.address());
        dialplan(&mut setup);
        let asterisk = Asterisk::start(&setup).await;
        Self {
            server,
            bridge,
            tap,
            carrier,
            asterisk,
        }
    }

    async fn calls(&self, from: &str, dialed: &str) -> Result<Handset, u16> {
        Handset::call(self.asterisk.address(), from, dialed).await
    }

    /// A call that is answered: by the carrier, or by the IVR.
    async fn talks(&self, from: &str, dialed: &str) -> Handset {
        let call = self.calls(from, dialed).await;
        call.unwrap_or_else(|status| panic!("{status}\n{}", self.asterisk.log()))
    }

    /// The numbers that the carrier was called with.
    fn carried(&self) -> Vec<String> {
        let calls = self.carrier.calls();
        calls.into_iter().map(|(number, _)| number).collect()
    }

    /// What the server was asked, in order: account, number, code.
    async fn recorded(&self) -> Vec<(String, String, String)> {
        let mut recorded = self.server.decisions(v1::DecisionFilter::default()).await;
        recorded.reverse();
        recorded
            .into_iter()
            .map(|made| {
                let username = made.account.unwrap().username;
                (username, made.dialed_number, made.code)
            })
            .collect()
    }

    async fn codes(&self) -> Vec<String> {
        let recorded = self.recorded().await;
        recorded.into_iter().map(|(_, _, code)| code).collect()
    }

    async fn account(&self, username: &str) -> Option<v1::Account> {
        let request = v1::GetAccountRequest {
            account: Some(key(username)),
        };
        let answer = self.server.admin().get_account(request).await;
        answer.ok().and_then(|answer| answer.account)
    }

    /// How many of an account's verifications have failed.
    async fn failures(&self, username: &str) -> u32 {
        let account = self.account(username).await.unwrap();
        account.usage.unwrap().failed_verifications
    }
}

/// Digits that are not those.
fn others(digits: &str) -> String {
    let turned = digits.bytes().map(|digit| (digit - b'0' + 5) % 10 + b'0');
    turned.map(char::from).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_allowed_call_is_connected_and_its_end_is_told() {
    let house = House::open().await;
    house.server.account("alice").await;
    let call = house.talks("alice", HOME_NUMBER).await;
    let call_id = call.call_id().to_owned();
    house.carrier.called(1).await;
    assert_eq!(house.carried(), [HOME_NUMBER]);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    call.hang_up().await;
    let made = &house.server.decisions(v1::DecisionFilter::default()).await[0];
    assert_eq!(made.call_id, call_id);
    assert_eq!(made.concurrent_calls, Some(1));
    assert_eq!(made.source_ip, tfps_tests::sipp::PHONE);
    assert_eq!(made.user_agent, AGENT);
    let database = house.server.data_dir().join("tfps.db");
    let (duration_ms, cause) = eventually("the call's end is stored", || async {
        let options = SqliteConnectOptions::new()
            .filename(&database)
            .read_only(true);
        let mut database = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::query_as::<_, (i64, i64)>(
            "SELECT duration_ms, cause FROM calls WHERE call_id = ? AND ended_at IS NOT NULL",
        )
        .bind(&call_id)
        .fetch_optional(&mut database)
        .await
        .unwrap()
    })
    .await;
    assert!((1_000..=3_000).contains(&duration_ms), "{duration_ms}");
    assert_eq!(cause, 16);
    assert_eq!(
        house
            .bridge
            .metric("tfps_asterisk_answers_total{verdict=\"allow\"}")
            .await,
        1.0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_denied_call_is_refused_and_calls_at_once_are_counted() {
    let house = House::open().await;
    house
        .server
        .account_with("alice", |account| account.limits = Some(limits(1, 100)))
        .await;
    assert_eq!(house.calls("alice", CUBA).await.unwrap_err(), 403);
    let first = house.talks("alice", HOME_NUMBER).await;
    assert_eq!(house.calls("alice", HOME_NUMBER).await.unwrap_err(), 403);
    first.hang_up().await;
    house.asterisk.idle().await;
    let second = house.talks("alice", HOME_NUMBER).await;
    second.hang_up().await;
    assert_eq!(house.codes().await, ["R06", "A00", "R10", "A00"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_challenged_caller_types_what_he_hears_and_is_connected_in_the_same_call() {
    let house = House::open().await;
    house.server.account("alice").await;
    let call = house.talks("alice", LONDON).await;
    let digits = house.tap.captcha(1).await;
    // He hears the whole of it, and is asked to type.
    house.tap.commanded("captcha-type", 1).await;
    call.types(&digits).await;
    house.carrier.called(1).await;
    assert_eq!(house.carried(), [LONDON]);
    assert!(call.is_up());
    assert!(
        call.heard() > Duration::from_secs(5),
        "sentences and digits are heard, not silence: {:?}",
        call.heard()
    );
    call.hang_up().await;
    assert_eq!(
        house.tap.played(),
        [
            "why-destination-country",
            "captcha-listen",
            &digits,
            "captcha-type",
            "right",
            "done-destination-country",
            "connecting"
        ]
    );
    let alice = house.account("alice").await.unwrap();
    assert!(alice.destination_countries.contains(&"GB".to_owned()));
    assert_eq!(house.codes().await, ["V03", "A00"]);
    // The next one needs no proof.
    let call = house.talks("alice", LONDON).await;
    house.carrier.called(2).await;
    call.hang_up().await;
    let said = house.bridge.said();
    assert!(!names(&said, &digits), "no digits in the log: {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn digits_may_interrupt_whatever_is_said() {
    let house = House::open().await;
    house.server.account("alice").await;
    let call = house.talks("alice", LONDON).await;
    house.tap.commanded("why-", 1).await;
    // He knows what comes.
    call.types("#").await;
    let digits = house.tap.captcha(1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    call.types(&digits).await;
    house.carrier.called(1).await;
    call.hang_up().await;
    // Neither the sentence before the digits nor the one behind them was said.
    assert_eq!(
        house.tap.played(),
        [
            "why-destination-country",
            &digits,
            "right",
            "done-destination-country",
            "connecting"
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_digits_are_told_with_what_is_left_until_the_account_is_locked() {
    let house = House::open_with("", |policy| {
        policy.verification.get_or_insert_default().max_failures = Some(2);
    })
    .await;
    house.server.account("alice").await;
    let call = house.talks("alice", LONDON).await;
    for attempt in 1..=3 {
        let digits = house.tap.captcha(attempt).await;
        house.tap.commanded("captcha-type", attempt).await;
        call.types(&others(&digits)).await;
    }
    assert_eq!(call.hung_up_on().await, REJECTED);
    let played = house.tap.played();
    let wrong = played.iter().filter(|sound| *sound == "wrong").count();
    assert_eq!(
        (wrong, played.last().unwrap().as_str()),
        (2, "locked"),
        "{played:?}"
    );
    let left: Vec<_> = played
        .windows(2)
        .filter(|pair| pair[0] == "attempts-left")
        .map(|pair| pair[1].as_str())
        .collect();
    assert_eq!(left, ["2", "1"]);
    assert_eq!(house.calls("alice", LONDON).await.unwrap_err(), 403);
    assert_eq!(house.codes().await, ["V03", "R17"]);
    assert_eq!(house.carried(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_types_nothing_is_asked_again_and_the_second_silence_is_a_failure() {
    let house = House::open_with("[ivr]\ndigit_seconds = 1\nattempts = 1", |_| {}).await;
    house.server.account("alice").await;
    let call = house.talks("alice", LONDON).await;
    assert_eq!(call.hung_up_on().await, REJECTED);
    let played = house.tap.played();
    let digits = house.tap.captcha(1).await;
    assert_eq!(
        played,
        [
            "why-destination-country",
            "captcha-listen",
            &digits,
            "captcha-type",
            "nothing-typed",
            "captcha-listen",
            &digits,
            "captcha-type",
            "wrong",
            "goodbye"
        ]
    );
    assert_eq!(house.failures("alice").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pin_is_taken_right_and_wrong() {
    let house = House::open_with("", |policy| {
        policy.verification.get_or_insert_default().method = VerificationMethod::Pin.into();
    })
    .await;
    house
        .server
        .account_with("alice", |account| account.pin = PIN.to_owned())
        .await;
    let call = house.talks("alice", LONDON).await;
    house.tap.commanded("pin-type", 1).await;
    call.types("284714#").await;
    house.tap.commanded("pin-type", 2).await;
    // Typed while the sentence is said.
    call.types(&format!("{PIN}#")).await;
    house.carrier.called(1).await;
    call.hang_up().await;
    assert_eq!(house.failures("alice").await, 1);
    assert_eq!(house.codes().await, ["V03", "A00"]);
    let said = house.bridge.said();
    assert!(!names(&said, PIN), "no PIN in the log: {said}");
}

/// Whether a log has these digits by themselves: within longer ones they are a port's or a fraction of a second's.
fn names(log: &str, digits: &str) -> bool {
    log.split(|c: char| !c.is_ascii_digit())
        .any(|run| run == digits)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_introduces_himself_says_what_he_needs_and_comes_back_to_change_it() {
    let house = House::open_with("", |policy| {
        let verification = policy.verification.get_or_insert_default();
        (verification.ask_limits, verification.raise) =
            (true, tfps_client::v1::Raise::ForGood.into());
        policy.new_accounts.get_or_insert_default().maximum = Some(limits(5, 60));
    })
    .await;
    let call = house.talks("bob", HOME_NUMBER).await;
    let digits = house.tap.captcha(1).await;
    house.tap.commanded("captcha-type", 1).await;
    call.types(&digits).await;
    house.tap.commanded("limits-concurrent", 1).await;
    call.types("3").await;
    house.tap.commanded("limits-daily", 1).await;
    // More than the policy gives.
    call.types("99").await;
    house.carrier.called(1).await;
    call.hang_up().await;
    let played = house.tap.played();
    let behind = played
        .iter()
        .position(|sound| sound == "limits-daily")
        .unwrap();
    assert_eq!(
        played[behind + 1..],
        [
            "limits-most",
            "limits-are-concurrent",
            "3",
            "limits-are-daily",
            "60",
            "limits-learned",
            "connecting"
        ]
    );
    let bob = house.account("bob").await.unwrap().limits.unwrap();
    assert_eq!((bob.concurrent_calls, bob.daily_quota), (Some(3), Some(60)));
    assert_eq!(house.codes().await, ["V01", "A00"]);

    let call = house.talks("bob", "*73").await;
    let digits = house.tap.captcha(2).await;
    house.tap.commanded("captcha-type", 2).await;
    call.types(&digits).await;
    house.tap.commanded("limits-concurrent", 2).await;
    call.types("2").await;
    house.tap.commanded("limits-daily", 2).await;
    call.types("7#").await;
    assert_eq!(call.hung_up_on().await, Some(16));
    let bob = house.account("bob").await.unwrap().limits.unwrap();
    assert_eq!((bob.concurrent_calls, bob.daily_quota), (Some(2), Some(7)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hang_up_in_the_middle_of_any_sentence_leaves_nothing_behind() {
    let sentences = [
        "why-destination-country",
        "captcha-listen",
        "SAY DIGITS",
        "captcha-type",
        "nothing-typed",
    ];
    let house = House::open_with("[ivr]\ndigit_seconds = 2", |policy| {
        policy.repeats.get_or_insert_default().max_repeats = 100;
        policy.verification.get_or_insert_default().max_opens = 5;
    })
    .await;
    house.server.account("alice").await;
    for sentence in sentences {
        let heard = house.tap.commands(sentence);
        let call = house.talks("alice", LONDON).await;
        house.tap.commanded(sentence, heard + 1).await;
        call.hang_up().await;
        eventually("the bridge notices", || async {
            let calls = house.bridge.metric("tfps_asterisk_calls_in_progress").await;
            (calls == 0.0).then_some(())
        })
        .await;
        assert_eq!(house.failures("alice").await, 0, "{sentence}");
    }
    let alice = house.account("alice").await.unwrap();
    assert!(!alice.destination_countries.contains(&"GB".to_owned()));
    let hung_up = "tfps_asterisk_verifications_total{purpose=\"unknown\",result=\"HANGUP\"}";
    assert_eq!(house.bridge.metric(hung_up).await, 5.0);
    assert!(house.carried().is_empty());

    // A challenge can be opened only so often; that is no failure either.
    let call = house.talks("alice", LONDON).await;
    assert_eq!(call.hung_up_on().await, REJECTED);
    assert_eq!(house.tap.played().last().unwrap(), "not-possible");
    assert_eq!(house.failures("alice").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_away_in_the_middle_approves_nobody() {
    let mut house = House::open().await;
    house.server.account("alice").await;
    let call = house.talks("alice", LONDON).await;
    let digits = house.tap.captcha(1).await;
    house.tap.commanded("captcha-type", 1).await;
    house.server.kill9();
    call.types(&digits).await;
    assert_eq!(call.hung_up_on().await, REJECTED);
    assert_eq!(house.tap.played().last().unwrap(), "unavailable");
    assert!(house.carried().is_empty(), "{}", house.asterisk.log());
    // A call that is not challenged is not asked about, and goes on, as the dialplan says.
    let call = house.talks("alice", HOME_NUMBER).await;
    house.carrier.called(1).await;
    call.hang_up().await;
    assert!(house.asterisk.log().contains("TFPS does not answer"));

    let address = house.server.address();
    house.server.restart_at(address).await;
    eventually("the bridge is connected", || async {
        let ready = house.bridge.get("/readyz").await;
        ready.starts_with("HTTP/1.1 200").then_some(())
    })
    .await;
    assert_eq!(house.calls("alice", CUBA).await.unwrap_err(), 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_hears_his_language_and_english_where_a_prompt_is_missing() {
    let house = House::open_with("[ivr]\nlanguages = [\"en\", \"de\", \"xx\"]", |_| {}).await;
    house.server.account("alice").await;
    let mut played = Vec::new();
    for (channel, sound) in [
        ("de_CH", "de/tfps/"),
        ("fr", "en/tfps/"),
        ("xx", "en/tfps/"),
    ] {
        house.asterisk.speak(channel);
        let call = house.talks("alice", LONDON).await;
        house
            .tap
            .commanded(&format!("{sound}why-"), 1 + played.len() / 2)
            .await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(
            call.heard() > Duration::from_millis(100),
            "{channel}: silence"
        );
        call.hang_up().await;
        played.push(sound);
    }
    let missing =
        "tfps_asterisk_prompts_missing_total{language=\"xx\",prompt=\"why-destination-country\"}";
    assert_eq!(house.bridge.metric(missing).await, 1.0);
    let said = house.bridge.said();
    assert!(said.contains("xx/tfps/why-destination-country"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_a_caller_writes_is_a_way_round_the_question() {
    let house = House::open().await;
    house.server.account("alice").await;
    // What Asterisk's functions take for the end of their argument and an offset; in front of the first value that is his,
    // what would be a private address and an agent.
    let ends = "):0:1";
    let forged = "a0:9:10.0.0.107:Yealink):0:1";
    let before = house.recorded().await.len();
    for (call_id, agent) in [
        (ends, ""),
        ("", ends),
        (forged, ends),
        ("", " (belle-sip) (("),
    ] {
        let written = Written {
            call_id,
            agent,
            headers: "",
        };
        let refused = Handset::call_writing(house.asterisk.address(), "alice", CUBA, written).await;
        assert_eq!(refused.unwrap_err(), 403, "{written:?}");
    }
    let asked = house.server.decisions(v1::DecisionFilter::default()).await;
    assert_eq!(asked.len(), before + 4);
    for made in &asked {
        assert_eq!(made.code, "R06");
        assert_eq!(made.source_ip, tfps_tests::sipp::PHONE);
        assert!(made.user_agent.starts_with(AGENT), "{made:?}");
    }
    // Lines of AGI's own, in the number and in what a phone that forwards tells.
    let said = "x%0a%0a200%20result=1%20(5:alice)%0a200%20result=1%0a510%20x";
    let long = "x%0a".repeat(2_000);
    for (dialed, diversion) in [
        (format!("{CUBA}%0a"), ""),
        (format!("{CUBA}%0a1"), ""),
        (format!("{CUBA}%0aagi_dnid:%20{HOME_NUMBER}"), ""),
        (CUBA.to_owned(), said),
        (CUBA.to_owned(), &long),
    ] {
        let headers = format!("Diversion: <sip:{diversion}@example.com>;reason=unconditional\r\n");
        let written = Written {
            headers: if diversion.is_empty() { "" } else { &headers },
            ..Written::default()
        };
        let called =
            Handset::call_writing(house.asterisk.address(), "alice", &dialed, written).await;
        assert_eq!(called.unwrap_err(), 403, "{dialed} {diversion:.40}");
    }
    assert_eq!(house.carried(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn freepbx_asks_the_bridge_in_its_hook_and_goes_on_behind_a_proof() {
    for freepbx in [Freepbx::ByMacro, Freepbx::ByGosub] {
        let dialplan = |setup: &mut Setup| setup.dialplan = freepbx.dialplan();
        let house = House::open_in("", |_| {}, dialplan).await;
        if freepbx == Freepbx::ByMacro && !house.asterisk.log().contains("application 'Macro'") {
            continue;
        }
        house.server.account("alice").await;
        assert_eq!(house.calls("alice", CUBA).await.unwrap_err(), 403);
        // Two channels in one, whose digits together are a number at home: that is what is dialed.
        let joined = house.talks("alice", "1212%40carrier&PJSIP/5552368").await;
        house.carrier.called(1).await;
        assert_eq!(house.carried(), [format!("9{HOME_NUMBER}")]);
        joined.hang_up().await;
        let call = house.talks("alice", LONDON).await;
        let digits = house.tap.captcha(1).await;
        house.tap.commanded("captcha-type", 1).await;
        call.types(&digits).await;
        house.carrier.called(2).await;
        assert_eq!(house.carried()[1], format!("9{LONDON}"));
        call.hang_up().await;
        // It has two trunks, and is asked about once.
        let (alice, codes): (Vec<_>, Vec<_>) = house
            .recorded()
            .await
            .into_iter()
            .map(|(account, _, code)| (account, code))
            .unzip();
        assert_eq!(alice, ["alice"; 4]);
        assert_eq!(
            codes,
            ["R06", "A00", "V03", "A00"],
            "{}",
            house.asterisk.log()
        );
    }
}
