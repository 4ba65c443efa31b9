//! A request as it came, bounded, and what is answered where it can't be taken.

use std::{error::Error, time::Duration};

use axum::{
    http::{HeaderValue, Method, Request, StatusCode, Uri, header, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Bytes};
use serde_json::json;
use tokio::time::timeout;

use super::answer::Answer;
use crate::{
    config::{Config, Limits},
    request::{BadField, Fields, form, help, json},
};

/// What was sent: fields in the query, and in a body.
pub(super) struct Asked {
    uri: Uri,
    body: Option<(Bytes, BodyForm)>,
}

#[derive(Clone, Copy)]
enum BodyForm {
    Form,
    Json,
}

/// The body of a request, whatever it came in.
pub(super) trait Sent:
    Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>
{
}

impl<B> Sent for B where B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> {}

/// Why a request is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error(transparent)]
    Bad(#[from] BadField),
    #[error(
        "content-type {0:?} is not taken: send application/x-www-form-urlencoded or application/json"
    )]
    ContentType(String),
    #[error("body is longer than the {0} bytes that are taken")]
    TooLong(usize),
    #[error("body did not come within {0} ms")]
    TooSlow(u64),
    #[error("body breaks off: {0}")]
    BrokeOff(String),
    #[error("the bridge's token is not for this: {0}")]
    Forbidden(String),
    #[error("source {0} is not in allow_from")]
    Source(std::net::IpAddr),
    #[error("x-tfps-key must be the shared key")]
    Key,
    #[error("path {0} is none: there are /v1/check, /v1/call, /, /livez, /readyz and /metrics")]
    NoSuchPath(String),
    #[error("method {method} is not for {path}")]
    WrongMethod { method: String, path: String },
    #[error("too many call events wait for a server")]
    BacklogFull,
}

impl Refusal {
    pub(super) fn wrong_method<B>(request: &Request<B>) -> Self {
        Self::WrongMethod {
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
        }
    }

    /// As metrics name it.
    pub(super) fn cause(&self) -> &'static str {
        match self {
            Self::Bad(_) => "field",
            Self::ContentType(_) => "content_type",
            Self::TooLong(_) => "too_long",
            Self::TooSlow(_) => "too_slow",
            Self::BrokeOff(_) => "broke_off",
            Self::Forbidden(_) => "forbidden",
            Self::Source(_) => "source",
            Self::Key => "key",
            Self::NoSuchPath(_) => "path",
            Self::WrongMethod { .. } => "method",
            Self::BacklogFull => "backlog",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Bad(_) | Self::BrokeOff(_) => StatusCode::BAD_REQUEST,
            Self::ContentType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Forbidden(_) | Self::Source(_) => StatusCode::FORBIDDEN,
            Self::Key => StatusCode::UNAUTHORIZED,
            Self::NoSuchPath(_) => StatusCode::NOT_FOUND,
            Self::WrongMethod { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::BacklogFull => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn field(&self) -> &str {
        match self {
            Self::Bad(bad) => &bad.field,
            Self::ContentType(_) => "content-type",
            Self::TooLong(_) | Self::TooSlow(_) | Self::BrokeOff(_) => "body",
            Self::Key => "x-tfps-key",
            Self::Source(_) => "source",
            Self::NoSuchPath(_) => "path",
            Self::WrongMethod { .. } => "method",
            Self::Forbidden(_) | Self::BacklogFull => super::no_field(),
        }
    }

    /// Whether what a caller wrote can be the reason, a User-Agent of two thousand letters say, or a domain that is not the
    /// token's. A switch that let such a call pass as one that could not be asked about would let everybody pass who writes so.
    pub(super) fn may_be_the_callers(&self) -> bool {
        matches!(self, Self::Bad(_) | Self::TooLong(_) | Self::Forbidden(_))
    }

    /// The JSON that says what is wrong, and with which field.
    pub(super) fn to_json(&self) -> String {
        json!({ "error": self.to_string(), "field": self.field() }).to_string()
    }

    /// The response to a check that is refused: where a caller can be the reason, it is a decision too.
    pub(super) fn to_check(&self, config: &Config) -> Response {
        if !self.may_be_the_callers() {
            return self.respond(self.to_json());
        }
        let error = self.to_string();
        let answer = Answer::malformed(config, error.clone());
        self.respond(answer.with_error(&error, self.field()))
    }

    fn respond(&self, json: String) -> Response {
        let mut response =
            (self.status(), [(CONTENT_TYPE, "application/json")], json).into_response();
        if matches!(
            self,
            Self::TooLong(_) | Self::TooSlow(_) | Self::BrokeOff(_)
        ) {
            // What is left of the body is not read.
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.respond(self.to_json())
    }
}

impl Asked {
    /// Takes the request, its body as far as it may go.
    ///
    /// # Errors
    /// A body of another type, too long, too slow, or one that breaks off.
    pub(super) async fn take(
        request: Request<impl Sent>,
        limits: &Limits,
    ) -> Result<Self, Refusal> {
        let (head, body) = request.into_parts();
        if head.method == Method::GET || head.method == Method::HEAD {
            return Ok(Self {
                uri: head.uri,
                body: None,
            });
        }
        let form = body_form(head.headers.get(CONTENT_TYPE))?;
        let collected = timeout(
            Duration::from_millis(limits.request_ms),
            Limited::new(body, limits.body_bytes).collect(),
        );
        let body = match collected.await {
            Err(_) => return Err(Refusal::TooSlow(limits.request_ms)),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                return Err(Refusal::TooLong(limits.body_bytes));
            }
            Ok(Err(error)) => {
                let cause = error
                    .source()
                    .map_or_else(|| error.to_string(), ToString::to_string);
                return Err(Refusal::BrokeOff(cause));
            }
            Ok(Ok(body)) => body.to_bytes(),
        };
        Ok(Self {
            uri: head.uri,
            body: Some((body, form)),
        })
    }
}

/// The fields, in query and body alike.
///
/// # Errors
/// The first that does not read, or is given twice.
pub(super) fn fields(asked: &Asked) -> Result<Fields<'_>, BadField> {
    let mut fields = Fields::default();
    if let Some(query) = asked.uri.query() {
        form::read(query.as_bytes(), &mut fields)?;
    }
    match &asked.body {
        Some((body, BodyForm::Form)) => form::read(body, &mut fields)?,
        Some((body, BodyForm::Json)) => json::read(body, &mut fields)?,
        None => {}
    }
    Ok(fields)
}

/// What reads of a request that does not.
pub(super) fn salvaged(asked: &Asked) -> Fields<'_> {
    let query = asked.uri.query().unwrap_or_default().as_bytes();
    match &asked.body {
        Some((body, BodyForm::Form)) => help::salvage(&[query, body], None),
        Some((body, BodyForm::Json)) => help::salvage(&[query], Some(body)),
        None => help::salvage(&[query], None),
    }
}

/// A body that does not say what it is, is a form: so do switches send it.
fn body_form(content_type: Option<&HeaderValue>) -> Result<BodyForm, Refusal> {
    let Some(value) = content_type else {
        return Ok(BodyForm::Form);
    };
    let text = value.to_str().unwrap_or_default();
    let media_type = text.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        Ok(BodyForm::Form)
    } else if media_type.eq_ignore_ascii_case("application/json") {
        Ok(BodyForm::Json)
    } else {
        Err(Refusal::ContentType(text.chars().take(100).collect()))
    }
}
