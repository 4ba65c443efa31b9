//! What AbuseIPDB's API answers, version 2 (<https://docs.abuseipdb.com>). What lacks something, or has it of another type,
//! is no answer: never "not abusive".

use std::{net::IpAddr, time::Duration};

use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, de::IgnoredAny};
use tfps_engine::facts::is_public;

use crate::{outbound::Answer, reputation::budget::Told, sources::Fault};

/// How much of what a service says of an error is told.
const TOLD: usize = 200;

#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Confidence {
    ip_address: IpAddr,
    abuse_confidence_score: u8,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Right(Confidence),
    Wrong(IgnoredAny),
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<OneError>,
}

#[derive(Deserialize)]
struct OneError {
    detail: String,
}

/// The confidence that an address is abusive, 0 to 100, of the body of `check`.
///
/// # Errors
/// When the body does not say it, or says it of another address.
pub fn read_check(body: &[u8], ip: IpAddr) -> Result<u8, Fault> {
    let Data { data } =
        serde_json::from_slice::<Data<Confidence>>(body).map_err(|error| unreadable(&error))?;
    if data.ip_address.to_canonical() != ip.to_canonical() {
        return Err(Fault::Failed("the answer is about another address".into()));
    }
    if data.abuse_confidence_score > 100 {
        return Err(Fault::Failed(format!(
            "the answer's abuseConfidenceScore is {}, and not 0 to 100",
            data.abuse_confidence_score
        )));
    }
    Ok(data.abuse_confidence_score)
}

/// The addresses of the body of `blacklist`, at most so many. Lines that do not read are passed over.
///
/// # Errors
/// When the body does not read, or no line does.
pub fn read_blacklist(body: &[u8], limit: usize) -> Result<Vec<(IpAddr, u8)>, Fault> {
    let Data { data } =
        serde_json::from_slice::<Data<Vec<Line>>>(body).map_err(|error| unreadable(&error))?;
    let list: Vec<(IpAddr, u8)> = data
        .into_iter()
        .filter_map(|line| match line {
            Line::Right(line) if line.abuse_confidence_score <= 100 => {
                Some((line.ip_address.to_canonical(), line.abuse_confidence_score))
            }
            Line::Right(_) | Line::Wrong(_) => None,
        })
        .filter(|(ip, _)| is_public(*ip))
        .take(limit)
        .collect();
    if list.is_empty() {
        return Err(Fault::Failed("the blacklist has no addresses".into()));
    }
    Ok(list)
}

/// The body, where the status says that all is well; else what is wrong.
///
/// # Errors
/// By the status.
pub(super) fn body(answer: &Answer, at: Timestamp) -> Result<&[u8], Fault> {
    let status = answer.status;
    if status == StatusCode::OK {
        return Ok(&answer.body);
    }
    let mut error = format!("status {}", status.as_u16());
    if let Ok(told) = serde_json::from_slice::<Errors>(&answer.body)
        && let Some(first) = told.errors.first()
    {
        error.push_str(": ");
        error.extend(first.detail.chars().filter(|c| !c.is_control()).take(TOLD));
    }
    Err(match status.as_u16() {
        401..=403 => Fault::Refused(error),
        422 => Fault::NoAnswer(error),
        429 => Fault::Limited {
            error,
            pause: pause(&answer.headers, at),
        },
        300..=399 => Fault::Failed(format!("{error}: redirects are not followed")),
        _ => Fault::Failed(error),
    })
}

/// How many look-ups the day has and how many are left, where the service says so (`X-RateLimit-Limit`, `X-RateLimit-Remaining`).
pub(super) fn look_ups_left(headers: &HeaderMap) -> Option<Told> {
    let number = |name| headers.get(name)?.to_str().ok()?.trim().parse().ok();
    let told = Told {
        limit: number("x-ratelimit-limit")?,
        remaining: number("x-ratelimit-remaining")?,
    };
    (told.limit > 0).then_some(told)
}

/// For how long a service wants to be left alone: `Retry-After` in seconds or as a date, or else when
/// `X-RateLimit-Reset` says that it counts anew.
pub(in crate::reputation) fn pause(headers: &HeaderMap, at: Timestamp) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let until = |moment: Timestamp| Duration::try_from(moment.duration_since(at)).ok();
    if let Some(after) = text("retry-after") {
        if let Ok(seconds) = after.parse() {
            return Some(Duration::from_secs(seconds));
        }
        if let Ok(date) = jiff::fmt::rfc2822::parse(after) {
            return until(date.timestamp());
        }
    }
    let reset = text("x-ratelimit-reset")?.parse().ok()?;
    until(Timestamp::from_second(reset).ok()?)
}

fn unreadable(error: &serde_json::Error) -> Fault {
    // What it was is not told: it may be anything.
    Fault::Failed(format!(
        "the answer does not read as JSON of the API ({:?}, line {}, column {})",
        error.classify(),
        error.line(),
        error.column()
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn noon() -> Timestamp {
        "2026-06-08T12:00:00Z".parse().unwrap()
    }

    fn ip() -> IpAddr {
        "118.25.6.39".parse().unwrap()
    }

    fn check(body: &str) -> Result<u8, Fault> {
        read_check(body.as_bytes(), ip())
    }

    fn of_status(status: u16, headers: &[(&'static str, &str)], body: &str) -> Fault {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: map,
            body: body.as_bytes().to_vec(),
        };
        super::body(&answer, noon()).unwrap_err()
    }

    #[test]
    fn the_documented_answer_reads() {
        let body = r#"{"data":{"ipAddress":"118.25.6.39","isPublic":true,"ipVersion":4,"isWhitelisted":null,
            "abuseConfidenceScore":87,"countryCode":"CN","usageType":null,"isp":"Tencent","domain":null,
            "hostnames":[],"isTor":false,"totalReports":1,"numDistinctUsers":1,"lastReportedAt":null}}"#;
        assert_eq!(check(body), Ok(87));
        let mapped = body.replace("118.25.6.39", "::ffff:118.25.6.39");
        assert_eq!(check(&mapped), Ok(87));
    }

    #[test]
    fn what_lacks_something_is_no_answer() {
        for body in [
            "",
            "{}",
            "null",
            "[]",
            "<html><body>502 Bad Gateway</body></html>",
            r#"{"data":null}"#,
            r#"{"data":{}}"#,
            r#"{"data":[]}"#,
            r#"{"data":{"abuseConfidenceScore":0}}"#,
            r#"{"data":{"ipAddress":"118.25.6.39"}}"#,
            r#"{"data":{"ipAddress":"118.25.6.39","abuseConfidenceScore":null}}"#,
            r#"{"data":{"ipAddress":"118.25.6.39","abuseConfidenceScore":"0"}}"#,
            r#"{"data":{"ipAddress":"118.25.6.39","abuseConfidenceScore":0.5}}"#,
            r#"{"data":{"ipAddress":"118.25.6.39","abuseConfidenceScore":-1}}"#,
            r#"{"data":{"ipAddress":"118.25.6.39","abuseConfidenceScore":101}}"#,
            r#"{"data":{"ipAddress":"118.25.6.39","abuseConfidenceScore":1000}}"#,
            r#"{"data":{"ipAddress":"118.25.6.39","abuseConfidenceScore":true}}"#,
            r#"{"data":{"ipAddress":"118.25.6.40","abuseConfidenceScore":0}}"#,
            r#"{"data":{"ipAddress":null,"abuseConfidenceScore":0}}"#,
            r#"{"data":{"ipAddress":"118.25.6.39","abuseConfidenceScore":0}"#,
            r#"{"errors":[{"detail":"no","status":422}]}"#,
        ] {
            assert!(matches!(check(body), Err(Fault::Failed(_))), "{body}");
        }
    }

    #[test]
    fn a_blacklist_is_read_line_by_line() {
        let body = r#"{"meta":{"generatedAt":"2026-06-08T12:00:00+00:00"},"data":[
            {"ipAddress":"5.188.10.179","abuseConfidenceScore":100,"lastReportedAt":"2026-06-08T12:00:00+00:00"},
            {"ipAddress":"2a00:1450::7","abuseConfidenceScore":99},
            {"ipAddress":"10.0.0.1","abuseConfidenceScore":100},
            {"ipAddress":"::ffff:185.222.209.14","abuseConfidenceScore":100},
            {"ipAddress":"5.188.10.180"}, {"ipAddress":7,"abuseConfidenceScore":100}, null, 3, "x",
            {"ipAddress":"5.188.10.181","abuseConfidenceScore":101}]}"#;
        let list = read_blacklist(body.as_bytes(), 10).unwrap();
        let told: Vec<String> = list
            .iter()
            .map(|(ip, score)| format!("{ip} {score}"))
            .collect();
        assert_eq!(
            told,
            ["5.188.10.179 100", "2a00:1450::7 99", "185.222.209.14 100"]
        );
        assert_eq!(read_blacklist(body.as_bytes(), 2).unwrap().len(), 2);
        for body in [
            "",
            r#"{"data":null}"#,
            r#"{"data":[]}"#,
            r#"{"data":[null]}"#,
            r#"{"data":[{"ipAddress":"5.188.10.179","abuseConfidenceScore":100}"#,
        ] {
            assert!(read_blacklist(body.as_bytes(), 10).is_err(), "{body}");
        }
    }

    #[test]
    fn an_answer_says_how_many_look_ups_are_left() {
        let left = |headers: &[(&'static str, &str)]| {
            let headers = headers.iter().map(|(name, value)| {
                let name = http::HeaderName::from_static(name);
                (name, value.parse().unwrap())
            });
            look_ups_left(&headers.collect()).map(|told| (told.limit, told.remaining))
        };
        let (limit, remaining) = ("x-ratelimit-limit", "x-ratelimit-remaining");
        assert_eq!(
            left(&[(limit, "1000"), (remaining, "987")]),
            Some((1_000, 987))
        );
        assert_eq!(left(&[(remaining, "987")]), None);
        assert_eq!(left(&[(limit, "0"), (remaining, "0")]), None);
        assert_eq!(left(&[(limit, "-1"), (remaining, "many")]), None);
    }

    #[test]
    fn every_status_says_what_to_do() {
        let told = r#"{"errors":[{"detail":"Authentication failed.\u0007","status":401}]}"#;
        let refused = Fault::Refused("status 401: Authentication failed.".to_owned());
        assert_eq!(of_status(401, &[], told), refused);
        assert!(matches!(of_status(402, &[], ""), Fault::Refused(_)));
        assert!(matches!(of_status(403, &[], "<html>"), Fault::Refused(_)));
        assert!(matches!(of_status(422, &[], told), Fault::NoAnswer(_)));
        assert!(matches!(of_status(302, &[], ""), Fault::Failed(_)));
        assert!(matches!(of_status(404, &[], ""), Fault::Failed(_)));
        assert!(matches!(of_status(503, &[], ""), Fault::Failed(_)));
        assert!(matches!(of_status(204, &[], ""), Fault::Failed(_)));
    }

    #[test]
    fn too_many_says_until_when() {
        let pause = |headers: &[(&'static str, &str)]| match of_status(429, headers, "") {
            Fault::Limited { pause, .. } => pause.map(|pause| pause.as_secs()),
            other => panic!("{other:?}"),
        };
        assert_eq!(pause(&[("retry-after", "29000")]), Some(29_000));
        let date = "Mon, 08 Jun 2026 12:00:30 GMT";
        assert_eq!(pause(&[("retry-after", date)]), Some(30));
        let reset = noon().as_second() + 77;
        assert_eq!(
            pause(&[("x-ratelimit-reset", &reset.to_string())]),
            Some(77)
        );
        assert_eq!(pause(&[("retry-after", "soon")]), None);
        assert_eq!(pause(&[("retry-after", "-1")]), None);
        assert_eq!(pause(&[("x-ratelimit-reset", "1")]), None);
        assert_eq!(pause(&[]), None);
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_check(&body, ip());
            let _ = read_blacklist(&body, 10);
        }

        #[test]
        fn half_a_body_is_no_answer(score in 0u8..=100, cut in 1usize..40) {
            let body = format!(r#"{{"data":{{"abuseConfidenceScore":{score},"ipAddress":"118.25.6.39","isp":"x"}}}}"#);
            prop_assert_eq!(check(&body), Ok(score));
            prop_assert!(check(&body[..body.len() - cut.min(body.len())]).is_err());
        }
    }
}
