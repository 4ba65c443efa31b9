//! What people and fraudsters dial, and what is called.

use super::*;

fn plan(home: &str) -> DialPlan {
    DialPlan::for_country(home.parse().unwrap())
}

/// What is called, in a word: a number, or why there is none.
fn called(plan: &DialPlan, dialed: &str) -> String {
    match plan.read(dialed).called {
        Ok(Called::Number(number, _)) => number.to_string(),
        Ok(other) => format!("{other:?}"),
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn all(home: &str, cases: &[(&str, &str)]) {
    for (dialed, expected) in cases {
        assert_eq!(called(&plan(home), dialed), *expected, "{home} {dialed}");
    }
}

#[test]
fn the_country_s_own_international_prefixes_are_understood_and_no_others() {
    all(
        "IL",
        &[
            ("013 53 7832 1234", "+5378321234"),
            ("00 53 7832 1234", "+5378321234"),
        ],
    );
    all(
        "HK",
        &[
            ("001 53 7832 1234", "+5378321234"),
            ("0050 53 7832 1234", "+5378321234"),
        ],
    );
    all(
        "AU",
        &[
            ("0011 53 7832 1234", "+5378321234"),
            ("0014 53 7832 1234", "+5378321234"),
        ],
    );
    all(
        "BR",
        &[
            ("0014 53 7832 1234", "+5378321234"),
            ("00 55 53 7832 1234", "+5378321234"),
        ],
    );
    all(
        "GB",
        &[
            ("0113 496 0123", "+441134960123"),
            ("00 53 7832 1234", "+5378321234"),
        ],
    );
    // In the United States nothing else begins with 00.
    all(
        "US",
        &[
            ("00 53 7832 1234", "+5378321234"),
            ("011 53 7832 1234", "+5378321234"),
        ],
    );
}

#[test]
fn numbers_are_read_as_the_documentation_says() {
    let havana = "+5378321234";
    all(
        "US",
        &[
            ("011 53 7832 1234", havana),
            ("+53 7832 1234", havana),
            ("+1 011 53 7832 1234", havana),
            ("212 555 0123", "+12125550123"),
            ("1 212 555 0123", "+12125550123"),
            ("442079460123", "+442079460123"),
            (
                "118765550123",
                "no number that US has, and none of E.164 without its +",
            ),
        ],
    );
    all(
        "GB",
        &[
            ("0113 496 0123", "+441134960123"),
            ("020 7946 0123", "+442079460123"),
            ("+44 (0)20 7946 0123", "+442079460123"),
            ("+44 00 53 7832 1234", havana),
        ],
    );
    all("IL", &[("013 53 7832 1234", havana)]);
    all("KR", &[("001 53 7832 1234", havana)]);
    let e164 = plan("US").with_bare_numbers(BareNumbers::E164);
    assert_eq!(called(&e164, "2125550123"), "+12125550123");
    assert_eq!(called(&e164, "2207123456"), "+2207123456");
    all("US", &[("2207123456", "+12207123456")]);
}

#[test]
fn services_of_a_shared_calling_code_are_at_home_in_each_of_its_countries() {
    for (home, dialed) in [
        ("CA", "1 800 234 5678"),
        ("US", "800 234 5678"),
        ("GG", "0800 123 4567"),
        ("JM", "8002345678"),
    ] {
        match plan(home).read(dialed).called {
            Ok(Called::Number(number, facts)) => {
                assert!(facts.validity.is_valid(), "{home} {number}");
                assert_eq!(
                    facts.country,
                    Some(home.parse().unwrap()),
                    "{home} {number}"
                );
            }
            other => panic!("{home} {dialed}: {other:?}"),
        }
    }
    // What is one country's alone stays its own.
    let read = plan("US").read("1 876 555 0123").number();
    assert_eq!(read.unwrap().1.country, Some("JM".parse().unwrap()));
}

#[test]
fn what_an_exchange_connects_abroad_is_no_home_call() {
    for (home, dialed, country) in [
        // A digit too many, which carriers drop.
        ("DE", "371280541901", "LV"),
        ("DE", "53783212341", "CU"),
        // The prefix tells, whatever the national plan has.
        ("RU", "8 10 882 13123456", "882"),
        ("RU", "8 10 883 51001234", "883"),
        ("KZ", "81088213123456", "882"),
        // A prefix behind the home country's calling code.
        ("DE", "49 00 53 7832 1234", "CU"),
        ("DE", "+49 00 53 7832 1234 9", "CU"),
        ("FI", "358 00 53 783 2123", "CU"),
        ("RU", "+7 00 882342123456", "882"),
        ("US", "+1 011 290 1234", "SH"),
        // A switch may pass over the context.
        ("DE", "tel:005378321234;phone-context=+493", "CU"),
        ("AT", "tel:005378321234;phone-context=+431", "CU"),
        // Behind another country's code its own prefixes count.
        ("US", "+55 (0)11 95536 0901", "BR"),
        ("US", "+966 (0)11 352 7520", "SA"),
        ("AE", "+44 (0)114 405 8050", "GB"),
    ] {
        let read = plan(home).read(dialed);
        let read = read.number().map(|(_, facts)| facts.country);
        assert_eq!(read, Ok(Some(country.parse().unwrap())), "{home} {dialed}");
    }
    for (home, dialed, country) in [
        ("US", "2520123456", "SO"),
        ("US", "5311112222", "CU"),
        ("AT", "43 00 53 7832 1234", "CU"),
        ("ZA", "677412341", "SB"),
    ] {
        let plan = plan(home).with_bare_numbers(BareNumbers::E164);
        let read = plan.read(dialed).number().map(|(_, facts)| facts.country);
        assert_eq!(read, Ok(Some(country.parse().unwrap())), "{home} {dialed}");
    }
    for (home, dialed) in [
        ("GT", "1300 53 7832 1234"),
        ("CN", "193 00 53 7832 1234"),
        ("RU", "8 26 53 7832 1234"),
        ("RU", "8 56 53 7832 1234"),
        ("AU", "61 0011 53 7832 1234"),
    ] {
        assert!(plan(home).read(dialed).called.is_err(), "{home} {dialed}");
    }
}

#[test]
fn help_is_understood_however_it_is_framed_and_signs_are_no_digits() {
    for dialed in [
        "911\n",
        "tel:911; phone-context=+1",
        "911;ext=\"5\"",
        "sip:911;isub=a,b@pbx",
        "<tel:911>",
        "tel:911?x=1",
        "tel:911;phone-context=+1",
    ] {
        assert_eq!(
            plan("US").read(dialed).called,
            Ok(Called::Emergency),
            "{dialed:?}"
        );
    }
    assert_eq!(
        plan("KH").read("\u{17e1}\u{17e1}\u{17e7}").called,
        Ok(Called::Emergency)
    );
    for dialed in ["1#3", "1*3", "9#1", "*1#3", "-(*4.-*@+"] {
        for home in Country::all() {
            let called = DialPlan::for_country(home).read(dialed).called;
            assert_ne!(called, Ok(Called::Emergency), "{home} {dialed}");
        }
    }
    // A long text takes no longer than it has characters.
    for text in ["#", "# ", "%23", "*", "\u{ff03}", "1"] {
        assert!(plan("US").read(&text.repeat(20_000)).called.is_err());
    }
}
