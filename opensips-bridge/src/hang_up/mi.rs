//! OpenSIPS' management interface over HTTP (`mi_http`): JSON-RPC 2.0.

use std::time::Duration;

use reqwest::{Client, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};

/// How long a switch may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// The error of `dlg_end_dlg` and `dlg_list` where there is no such dialog.
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
    /// The switch shows no such call, but it may have one: of several dialogs with one Call-ID `dlg_list` shows the first, and none
    /// while that one is being deleted.
    Unseen,
    /// Neither: why.
    Failed(String),
}

impl Answer {
    /// In a word, as metrics name it.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Unknown | Self::Unseen => "unknown",
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

    /// Ends a call: BYE in both directions, or CANCEL where it was not answered. `dlg_end_dlg` takes what it is given for a dialog's
    /// id first: a Call-ID that reads as one is looked up.
    pub(crate) async fn end(&self, call_id: &str) -> Answer {
        if !may_be_an_id(call_id) {
            return self
                .call("dlg_end_dlg", &json!({ "dialog_id": call_id }))
                .await
                .map_or_else(|answer| answer, |_| Answer::Ended);
        }
        let dialog = match self.call("dlg_list", &json!({ "callid": call_id })).await {
            Ok(mut result) => result["Dialog"].take(),
            Err(Answer::Unknown) => return Answer::Unseen,
            Err(answer) => return answer,
        };
        match dialog["ID"].as_str() {
            Some(id) if dialog["callid"] == call_id => self
                .call("dlg_end_dlg", &json!({ "dialog_id": id }))
                .await
                .map_or_else(|answer| answer, |_| Answer::Ended),
            _ => Answer::Failed("dlg_list shows another call than it was asked for".to_owned()),
        }
    }

    /// The result of a command.
    async fn call(&self, method: &str, params: &Value) -> Result<Value, Answer> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
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
            Err(error) if error.is_timeout() => Err(Answer::Failed(format!(
                "no answer within {} s",
                PATIENCE.as_secs()
            ))),
            Err(error) => Err(Answer::Failed(root_of(&error))),
        }
    }
}

/// Whether a Call-ID may be taken for a dialog's id, as OpenSIPS has read one: digits, or two hexadecimal numbers and a point between.
fn may_be_an_id(call_id: &str) -> bool {
    call_id
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit() || byte == b'.')
        && (call_id.contains('.') || call_id.bytes().all(|byte| byte.is_ascii_digit()))
}

fn read(status: StatusCode, text: &str) -> Result<Value, Answer> {
    let Ok(mut answer) = serde_json::from_str::<Value>(text) else {
        return Err(Answer::Failed(format!(
            "what answers is no mi_http: {status}, and no JSON; is the path right, such as /mi?"
        )));
    };
    if let Some(result) = answer.get_mut("result") {
        return Ok(result.take());
    }
    let error = &answer["error"];
    Err(match error["code"].as_i64() {
        Some(NOT_FOUND) => Answer::Unknown,
        Some(code) => Answer::Failed(format!(
            "{code} {}",
            error["message"].as_str().unwrap_or_default()
        )),
        None => Answer::Failed(format!("{status}, neither a result nor an error")),
    })
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

    #[test]
    fn a_call_id_that_reads_as_the_id_of_a_dialog_is_told_from_others() {
        for id in ["94489280513", "a3f.1b", "A3F.1B", "1700000000.1", ".", "a."] {
            assert!(may_be_an_id(id), "{id}");
        }
        for id in ["a84b4c76e66710", "a3f.1b@pbx", "a3f-1b", "g.1"] {
            assert!(!may_be_an_id(id), "{id}");
        }
    }

    #[test]
    fn the_switch_s_answer_is_told_from_a_stranger_s() {
        let ok = |text| read(StatusCode::OK, text);
        assert_eq!(
            ok(r#"{"jsonrpc":"2.0","result":"OK","id":1}"#),
            Ok(Value::from("OK"))
        );
        assert_eq!(
            ok(r#"{"jsonrpc":"2.0","error":{"code":404,"message":"Dialog not found"},"id":1}"#),
            Err(Answer::Unknown)
        );
        for (text, why) in [
            (
                r#"{"error":{"code":-32601,"message":"Method not found"},"id":1}"#,
                "-32601 Method not found",
            ),
            ("{}", "neither a result nor an error"),
            ("<html>", "is no mi_http"),
        ] {
            let Err(Answer::Failed(told)) = ok(text) else {
                panic!("{text}");
            };
            assert!(told.contains(why), "{told}");
        }
    }
}
