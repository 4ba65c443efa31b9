//! The prediction is trained and judged, without a server.

use std::{collections::BTreeSet, fs};

use super::World;

/// Rented ranges of Latvia's with 240 numbers, of which every fourth is kept back; and London offices, in two halves.
struct Numbers {
    known: String,
    later: String,
    offices: String,
    others: String,
}

fn numbers() -> Numbers {
    let lines = |numbers: BTreeSet<u64>| {
        let lines: Vec<String> = numbers.iter().map(u64::to_string).collect();
        lines.join("\n") + "\n"
    };
    // Spread without chance: a multiple that shares no factor with the range.
    let of = |first: u64, room: u64, count: u64| {
        move |place: u64| first + (place * 7_919 + place / count) % room
    };
    let fraud = |keep: &dyn Fn(u64) -> bool| -> String {
        let numbers = (0..12).flat_map(|range| {
            let number = of(37_120_000_000 + range * 613_000, 1_000, 20);
            (0..20).map(number)
        });
        let kept = numbers.zip(0..).filter(|(_, place)| keep(*place));
        lines(kept.map(|(number, _)| number).collect())
    };
    let office = of(442_070_000_000, 9_999_991, 240);
    Numbers {
        known: fraud(&|place| place % 4 != 0),
        later: fraud(&|place| place % 4 == 0),
        offices: lines((0..160).map(office).collect()),
        others: lines((160..240).map(office).collect()),
    }
}

async fn world() -> World {
    let world = World::new().await;
    let numbers = numbers();
    world.file("known.txt", &numbers.known);
    world.file("later.txt", &numbers.later);
    world.file("offices.txt", &numbers.offices);
    let calls = numbers
        .others
        .lines()
        .map(|number| format!("2026-06-08T12:00:00Z,+{number},60\n"));
    world.file(
        "others.csv",
        &format!("time,dialed,duration\n{}", calls.collect::<String>()),
    );
    world
}

#[tokio::test]
async fn a_model_is_trained_and_judged() {
    let mut world = world().await;
    world
        .run("risk train --fraud known.txt --ordinary offices.txt --model model.json")
        .await
        .run("risk evaluate --known known.txt --fraud later.txt --ordinary others.csv --model model.json --roc roc.svg --output json")
        .await;
    let said = world.transcript.clone();
    assert!(said.contains("the model is in model.json"), "{said}");
    let json = &said[said.rfind("\n{").expect("an object")..];
    let json = &json[..=json.rfind('}').expect("its end")];
    let json: serde_json::Value = serde_json::from_str(json).expect("JSON");
    assert_eq!(
        (json["known"].as_u64(), json["fraud"].as_u64()),
        (Some(180), Some(60)),
        "{json}"
    );
    assert_eq!(json["ordinary"], 80);
    for rate in ["0.001", "0.003", "0.01"] {
        assert!(
            json["recall_at_fpr"][rate].as_f64().expect("a number") > 0.9,
            "{json}"
        );
    }
    let svg = fs::read_to_string(world.folder.path().join("roc.svg")).expect("the curve");
    assert!(
        svg.contains("<path d=\"M") && svg.contains(">others</text>"),
        "{svg}"
    );
    assert!(svg.ends_with("</svg>\n"));
}

/// Fifteen telephones that call one Latvian each on twenty days; then twelve of their accounts are taken over, by somebody with a
/// telephone of his own, who calls such numbers too: by the numbers alone nobody tells them apart.
fn calls() -> String {
    let mut lines = "time,username,domain,dialed,source_ip,user_agent,duration,fraud\n".to_owned();
    for day in 1..=20 {
        for account in 10..25 {
            lines += &format!(
                "2026-06-{day:02}T15:{account}:00Z,10{account},demo.example,0037126{account}5501,198.51.100.{account},\
                 Yealink SIP-T46S 66.85.0.5,180,\n"
            );
        }
    }
    for account in 10..22 {
        for second in 10..40 {
            lines += &format!(
                "2026-06-{account}T03:00:{second}Z,10{account},demo.example,0037126{account}77{second},198.51.100.{account},\
                 MicroSIP/3.21.3,600,yes\n"
            );
        }
    }
    lines
}

#[tokio::test]
async fn calls_teach_what_their_circumstances_are_worth() {
    let mut world = world().await;
    world.file("calls.csv", &calls());
    world
        .run("risk train --calls calls.csv --model model.json")
        .await
        .run("risk evaluate --known known.txt --fraud later.txt --ordinary others.csv --model model.json")
        .await;
    let said = &world.transcript;
    for told in [
        " 360 calls abroad, on 12 days of accounts",
        " 300 calls abroad, on 300 days of accounts",
        "100.0 % of the days with fraud are told by their first call",
        "new-agent",
        "90 to 100",
    ] {
        assert!(said.contains(told), "{told:?} is not in {said}");
    }
    let model = fs::read_to_string(world.folder.path().join("model.json")).expect("the model");
    let model: serde_json::Value = serde_json::from_str(&model).expect("JSON");
    let worth = |indicator: &str| {
        model["circumstances"][indicator]
            .as_f64()
            .expect("a number")
    };
    // Judged to be 0.75 and -1.5; nobody was tested, and so nothing is learned of that.
    assert!(worth("new-agent") > 0.75, "{model}");
    assert!(worth("usual-range") < -1.5, "{model}");
    assert_eq!(worth("forwarded"), 1.0);
}

#[tokio::test]
async fn the_built_in_model_is_judged_for_people() {
    let mut world = world().await;
    world
        .run("risk evaluate --known known.txt --fraud later.txt --ordinary others.csv")
        .await;
    let said = &world.transcript;
    assert!(said.contains("others            100.0 %"), "{said}");
    assert!(said.contains("90 to 100"), "{said}");
}

#[tokio::test]
async fn what_is_wrong_is_named_and_nothing_is_written() {
    let mut world = world().await;
    world.file(
        "wrong.txt",
        "37128054100\nunknown\n+37128054101\n0037128054102\n",
    );
    world.file("columns.csv", "name,phone\nAlice,37128054100\n");
    world.file("few.txt", "37128054100\n37128054101\n");
    world.file("long.txt", "37128054100\n49251236096108551\n");
    let calls = calls();
    world.file("unmarked.csv", &calls.replace(",yes\n", ",\n"));
    world.file("wrong.csv", &calls.replace("2026-06-11T03:00:10Z", "noon"));
    let untaught: String = calls
        .lines()
        .take(250)
        .map(|line| format!("{line}\n"))
        .collect();
    world.file(
        "few.csv",
        &(untaught + "2026-06-20T03:00:00Z,1010,demo.example,0037128054100,,,60,yes\n"),
    );
    for line in [
        "risk train --calls unmarked.csv --model model.json",
        "risk train --calls few.csv --model model.json",
        "risk train --calls wrong.csv --model model.json",
        "risk train --fraud known.txt --model model.json",
        "risk train --model model.json",
        "risk train --fraud wrong.txt --ordinary offices.txt --model model.json",
        "risk train --fraud known.txt --ordinary columns.csv --model model.json",
        "risk train --fraud few.txt --ordinary offices.txt --model model.json",
        "risk train --fraud nowhere.txt --ordinary offices.txt --model model.json",
        "risk evaluate --known long.txt --fraud few.txt --ordinary offices.txt --model known.txt",
        "risk evaluate --known long.txt --fraud few.txt --ordinary offices.txt --model offices.txt",
    ] {
        world.run(line).await;
    }
    insta::assert_snapshot!(world.transcript);
    assert!(!world.folder.path().join("model.json").exists());
}
