//! OpenSIPS' management interface over HTTP (`mi_http`): JSON-RPC 2.0.

use std::time::Duration;

use reqwest::{Client, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};

/// How long a switch may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// The error of `dlg_end_dlg` where there is no such dialog.
const NOT_FOUND: i64 = 404;

/// A switch's management interface.
#[derive(Debug)]
pub(crate) struct Mi {
    client: Client,
    url: String,
}

/// What came of ending a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The switch ends it.
    Ended,
    /// The switch has no such call.
    Unknown,
    /// Neither: why.
    Failed(String),
}

impl Answer {
    /// In a word, as metrics name it.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Unknown => "unknown",
            Self::Failed(_) => "failed",
        }
    }
}

impl Mi {
    /// The interface at a URL.
    ///
    /// # Errors
    /// When the system gives no client.
    pub(crate) fn new(url: &str) -> Result<Self, reqwest::Error> {
        let client = Client::builder().timeout(PATIENCE).no_proxy().build()?;
        Ok(Self {
            client,
            url: url.to_owned(),
        })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Ends a call: BYE in both directions, or CANCEL where it was not answered.
    pub(crate) async fn end(&self, call_id: &str) -> Answer {
        if call_id.bytes().all(|byte| byte.is_ascii_digit()) {
            return Answer::Failed(
                "a Call-ID of digits alone could be taken for the id of somebody else's dialog"
                    .to_owned(),
            );
        }
        let request = json!({
            "jsonrpc": "2.0",
            "id": 1,
            "method": "dlg_end_dlg",
            "params": { "dialog_id": call_id },
        });
        // With any other type of content mi_http never answers.
        let answer = self
            .client
            .post(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .body(request.to_string())
            .send()
            .await;
        let told = match answer {
            Err(error) => Err(error),
            Ok(answer) => {
                let status = answer.status();
                answer.text().await.map(|text| (status, text))
            }
        };
        match told {
            Ok((status, text)) => read(status, &text),
            Err(error) if error.is_timeout() => {
                Answer::Failed(format!("no answer within {} s", PATIENCE.as_secs()))
            }
            Err(error) => Answer::Failed(root_of(&error)),
        }
    }
}

fn read(status: StatusCode, text: &str) -> Answer {
    let Ok(answer) = serde_json::from_str::<Value>(text) else {
        return Answer::Failed(format!(
            "what answers is no mi_http: {status}, and no JSON; is the path right, such as /mi?"
        ));
    };
    if answer.get("result").is_some() {
        return Answer::Ended;
    }
    let error = &answer["error"];
    match error["code"].as_i64() {
        Some(NOT_FOUND) => Answer::Unknown,
        Some(code) => Answer::Failed(format!(
            "{code} {}",
            error["message"].as_str().unwrap_or_default()
        )),
        None => Answer::Failed(format!("{status}, neither a result nor an error")),
    }
}

/// The root of an error: the rest of it repeats the URL.
fn root_of(error: &reqwest::Error) -> String {
    let mut root: &dyn std::error::Error = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_id_that_may_be_another_dialog_s_id_is_never_sent() {
        let mi = Mi::new("http://127.0.0.1:9/mi").unwrap();
        let Answer::Failed(why) = mi.end("94489280513").await else {
            panic!()
        };
        assert!(why.contains("digits alone"), "{why}");
    }

    #[test]
    fn the_switch_s_answer_is_told_from_a_stranger_s() {
        let ok = |text| read(StatusCode::OK, text);
        assert_eq!(
            ok(r#"{"jsonrpc":"2.0","result":"OK","id":1}"#),
            Answer::Ended
        );
        assert_eq!(
            ok(r#"{"jsonrpc":"2.0","error":{"code":404,"message":"Dialog not found"},"id":1}"#),
            Answer::Unknown
        );
        for (text, why) in [
            (
                r#"{"error":{"code":-32601,"message":"Method not found"},"id":1}"#,
                "-32601 Method not found",
            ),
            ("{}", "neither a result nor an error"),
            ("<html>", "is no mi_http"),
        ] {
            let Answer::Failed(told) = ok(text) else {
                panic!("{text}");
            };
            assert!(told.contains(why), "{told}");
        }
    }
}
