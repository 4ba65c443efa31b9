//! What a switch gets: flat, every field always there, strings and small integers only, since that is what the JSON
//! modules of switches read.

use axum::http::{HeaderMap, header::ACCEPT};
use serde::Serialize;
use tfps_client::v1::{CheckResponse, Verdict};
use tfps_engine::{decision::Verdict as Fallback, fallback::DestinationClass};

use crate::config::{Config, ResponseMode};

/// A decision as a switch gets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Answer {
    /// `allow`, `deny` or `challenge`.
    pub(super) verdict: &'static str,
    /// A00, R01 to R21, V01 to V06; A99, R99, V99 where no server decided.
    pub(super) code: String,
    reason: String,
    /// 503, 603 or 302; 0 with a challenge.
    sip_status: u32,
    contact_user: String,
    media_user: String,
    challenge_id: String,
    destination_country: String,
    source_country: String,
    /// 0 or 1.
    off_hours: u8,
    /// 0 to 100.
    risk: u32,
    decision_id: String,
}

/// How it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// All of it.
    Json,
    /// The bare code.
    Code,
    /// The bare code that v1 had for it.
    V1Code,
}

impl Form {
    /// What whoever asks accepts: `Accept: text/plain` gets the bare code.
    pub(super) fn wanted(headers: &HeaderMap) -> Self {
        let accepts_text = headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|range| range.split(';').next().unwrap_or_default().trim())
            .find_map(|range| match range {
                "text/plain" | "text/*" => Some(true),
                "application/json" | "application/*" => Some(false),
                _ => None,
            });
        match accepts_text {
            Some(true) => Self::Code,
            _ => Self::Json,
        }
    }
}

impl Answer {
    pub(super) fn to_json(&self) -> String {
        // Strings and numbers can always be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The answer, and what was wrong with the question.
    pub(super) fn with_error(&self, error: &str, field: &str) -> String {
        #[derive(Serialize)]
        struct Refused<'a> {
            error: &'a str,
            field: &'a str,
            #[serde(flatten)]
            answer: &'a Answer,
        }
        let refused = Refused {
            error,
            field,
            answer: self,
        };
        serde_json::to_string(&refused).unwrap_or_default()
    }

    /// What a question gets that can't be asked: R12, as from a server.
    pub(super) fn malformed(config: &Config, reason: String) -> Self {
        let code = "R12".to_owned();
        let (sip_status, contact_user) = match config.response_mode {
            ResponseMode::Redirect => (302, code.clone()),
            ResponseMode::Statuses => (603, String::new()),
        };
        Self {
            reason,
            sip_status,
            contact_user,
            ..Self::bare("deny", code)
        }
    }

    /// What is answered when no server decides: by where the call goes.
    pub(super) fn without_decision(
        config: &Config,
        cause: &dyn std::fmt::Display,
        dialed: &str,
    ) -> Self {
        let redirects = config.response_mode == ResponseMode::Redirect;
        let (verdict, class) = config.on_unavailable.verdict(dialed);
        let (code, does) = match verdict {
            Fallback::Allow => ("A99", "allowed"),
            Fallback::Deny => ("R99", "denied"),
            Fallback::Challenge => ("V99", "challenged"),
        };
        let (sip_status, contact_user, media_user) = match verdict {
            // Dialplans let pass what starts with A00.
            Fallback::Allow if redirects => (302, format!("A00{dialed}"), String::new()),
            Fallback::Allow => (503, String::new(), String::new()),
            Fallback::Deny if redirects => (302, code.to_owned(), String::new()),
            Fallback::Deny => (603, String::new(), String::new()),
            Fallback::Challenge => (0, String::new(), format!("s{dialed}")),
        };
        let reason = match class {
            DestinationClass::Emergency => "an emergency number always passes".to_owned(),
            class => format!("{does} by on_unavailable.{}", class.as_str()),
        };
        Self {
            reason: format!("not decided, {cause}: {reason}"),
            sip_status,
            contact_user,
            media_user,
            ..Self::bare(verdict.as_str(), code.to_owned())
        }
    }

    fn bare(verdict: &'static str, code: String) -> Self {
        Self {
            verdict,
            code,
            reason: String::new(),
            sip_status: 0,
            contact_user: String::new(),
            media_user: String::new(),
            challenge_id: String::new(),
            destination_country: String::new(),
            source_country: String::new(),
            off_hours: 0,
            risk: 0,
            decision_id: String::new(),
        }
    }
}

impl From<CheckResponse> for Answer {
    fn from(decision: CheckResponse) -> Self {
        let verdict = match decision.verdict() {
            Verdict::Allow => "allow",
            Verdict::Challenge => "challenge",
            Verdict::Deny | Verdict::Unspecified => "deny",
        };
        let sip = decision.sip.unwrap_or_default();
        Self {
            verdict,
            code: decision.code,
            reason: decision.reason,
            sip_status: sip.status,
            contact_user: sip.contact_user,
            media_user: sip.media_user,
            challenge_id: decision
                .challenge
                .map(|challenge| challenge.id)
                .unwrap_or_default(),
            destination_country: decision.destination_country,
            source_country: decision.source_country,
            off_hours: decision.off_hours.into(),
            risk: decision.risk.map(|risk| risk.score).unwrap_or_default(),
            decision_id: decision.decision_id,
        }
    }
}

/// The code for a user of v1's web service, who knows no challenges: each is the denial that it is without an IVR.
pub(super) fn v1_code(answer: &Answer) -> &str {
    match answer.code.as_str() {
        "A99" => "A00",
        "V01" => "R20",
        "V02" => "R04",
        "V03" => "R06",
        "V04" => "R11",
        "V05" => "R09",
        "V06" => "R18",
        "V99" => "R99",
        code => code,
    }
}

#[cfg(test)]
mod tests {
    use tfps_client::instances::Cause;

    use super::*;

    #[test]
    fn every_field_is_there_as_a_string_or_an_integer() {
        let answer = Answer::from(CheckResponse {
            verdict: Verdict::Deny.into(),
            code: "R06".to_owned(),
            reason: "a \"quoted\" reason".to_owned(),
            off_hours: true,
            ..CheckResponse::default()
        });
        assert_eq!(
            answer.to_json(),
            r#"{"verdict":"deny","code":"R06","reason":"a \"quoted\" reason","sip_status":0,"contact_user":"","media_user":"","challenge_id":"","destination_country":"","source_country":"","off_hours":1,"risk":0,"decision_id":""}"#
        );
    }

    #[test]
    fn without_a_decision_the_destination_says_what_is_answered() {
        let config = |text: &str| toml::from_str::<Config>(text).unwrap();
        let redirecting = "response_mode = \"302\"\n";
        let challenging = "[on_unavailable]\nhigh_risk = \"challenge\"";
        for (text, dialed, code, status, contact, media, why) in [
            ("", "911", "A99", 503, "", "", "an emergency number"),
            (
                "",
                "+12125550123",
                "A99",
                503,
                "",
                "",
                "allowed by on_unavailable.home",
            ),
            (
                "",
                "+442079460123",
                "A99",
                503,
                "",
                "",
                "allowed by on_unavailable.ordinary",
            ),
            (
                "",
                "+25261512345",
                "R99",
                603,
                "",
                "",
                "denied by on_unavailable.high_risk",
            ),
            (
                redirecting,
                "+12125550123",
                "A99",
                302,
                "A00+12125550123",
                "",
                "allowed",
            ),
            (redirecting, "+25261512345", "R99", 302, "R99", "", "denied"),
            (
                challenging,
                "+25261512345",
                "V99",
                0,
                "",
                "s+25261512345",
                "challenged",
            ),
        ] {
            let answer = Answer::without_decision(&config(text), &Cause::Deadline, dialed);
            assert_eq!((answer.code.as_str(), answer.sip_status), (code, status));
            assert_eq!(
                (answer.contact_user.as_str(), answer.media_user.as_str()),
                (contact, media)
            );
            assert!(
                answer.reason.contains("no answer in time"),
                "{}",
                answer.reason
            );
            assert!(answer.reason.contains(why), "{}", answer.reason);
            assert_eq!(v1_code(&answer), if code == "A99" { "A00" } else { "R99" });
        }
    }

    #[test]
    fn a_question_that_cannot_be_asked_is_denied() {
        let mut config = Config::default();
        let answer = Answer::malformed(&config, "user_agent is long".to_owned());
        assert_eq!(
            answer.with_error("user_agent is long", "user_agent"),
            r#"{"error":"user_agent is long","field":"user_agent","verdict":"deny","code":"R12","reason":"user_agent is long","sip_status":603,"contact_user":"","media_user":"","challenge_id":"","destination_country":"","source_country":"","off_hours":0,"risk":0,"decision_id":""}"#
        );
        config.response_mode = ResponseMode::Redirect;
        let answer = Answer::malformed(&config, String::new());
        assert_eq!(
            (answer.sip_status, answer.contact_user.as_str()),
            (302, "R12")
        );
    }

    #[test]
    fn text_is_for_who_asks_for_it() {
        for (accept, form) in [
            ("text/plain", Form::Code),
            ("text/plain;q=0.9, application/json", Form::Code),
            ("application/json, text/plain", Form::Json),
            ("*/*", Form::Json),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]);
            assert_eq!(Form::wanted(&headers), form, "{accept}");
        }
        assert_eq!(Form::wanted(&HeaderMap::new()), Form::Json);
    }
}
