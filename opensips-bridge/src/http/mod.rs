//! HTTP/1.1: who may ask, what is asked, what is answered.

mod answer;
mod asked;
mod connections;
mod gate;
mod patience;
mod serve;

use std::sync::Arc;

use axum::{
    Extension, Router,
    body::Body,
    extract::State,
    http::{
        HeaderValue, Method, Request, StatusCode,
        header::{ALLOW, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use hyper::body::Incoming;
use tfps_client::{
    instances::{Backlog, Cause, Instances, Kept, Unanswered},
    v1::Verdict,
};
use tfps_engine::fallback::DestinationClass;
use tokio::time::Instant;
use tracing::debug;

use self::{
    answer::{Answer, Form, v1_code},
    asked::{Refusal, Sent, fields, salvaged},
};
pub(crate) use self::{gate::Gate, serve::serve};
use crate::{
    config::Config,
    hang_up::Heard,
    request::{self, BadField, Field},
    telemetry::{CauseLabel, Metrics},
};

/// What the handlers need.
#[derive(Clone)]
pub(crate) struct Bridge {
    pub(crate) config: Arc<Config>,
    pub(crate) servers: Arc<Instances>,
    pub(crate) backlog: Backlog,
    /// Where this bridge ends calls.
    pub(crate) heard: Option<Arc<Heard>>,
    pub(crate) metrics: Metrics,
    pub(crate) stopping: tokio::sync::watch::Receiver<bool>,
}

/// Says in a header that no server decided, and why.
const UNAVAILABLE: &str = "x-tfps-unavailable";

/// Every path.
pub(crate) struct Routes {
    bridge: Arc<Bridge>,
    router: Router,
}

impl Routes {
    /// The paths of this bridge.
    pub(crate) fn new(bridge: Bridge) -> Self {
        let bridge = Arc::new(bridge);
        let router = Router::new()
            .route("/v1/call", post(call))
            .route("/", get(v1_web_service))
            .route("/livez", get(|| async { "ok\n" }))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .fallback(any(no_such_path))
            .method_not_allowed_fallback(wrong_method)
            .with_state(Arc::clone(&bridge));
        Self { bridge, router }
    }

    /// Answers a request. The way of a call goes past the router, which would cost it a tenth of its time here.
    pub(crate) async fn answer(&self, request: Request<Incoming>, asked: Instant) -> Response {
        if request.uri().path() == "/v1/check" {
            return check(&self.bridge, request, asked).await;
        }
        let mut router = self.router.clone();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(asked);
        match tower::Service::call(&mut router, request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// `/v1/check`: decides a call.
async fn check(bridge: &Bridge, request: Request<Incoming>, asked: Instant) -> Response {
    if !matches!(*request.method(), Method::GET | Method::POST) {
        let mut refusal = bridge.refuse(Refusal::wrong_method(&request));
        let allowed = HeaderValue::from_static("GET,POST");
        refusal.headers_mut().insert(ALLOW, allowed);
        return refusal;
    }
    let form = Form::wanted(request.headers());
    match decide(bridge, request, asked).await {
        Ok(decided) => decided.respond(form),
        Err(refusal) => bridge.turn_down(&refusal),
    }
}

/// `/`: decides a call as v1's web service did, whose users know A00 and R01 to R13 and no challenges.
async fn v1_web_service(
    State(bridge): State<Arc<Bridge>>,
    Extension(asked): Extension<Instant>,
    request: Request<Body>,
) -> Response {
    match decide(&bridge, request, asked).await {
        Ok(decided) => decided.respond(Form::V1Code),
        Err(refusal) => bridge.turn_down(&refusal),
    }
}

/// `/v1/call`: a call has started, was answered, has ended.
async fn call(State(bridge): State<Arc<Bridge>>, request: Request<Body>) -> Response {
    match learn(&bridge, request).await {
        Ok(response) => response,
        Err(refusal) => bridge.refuse(refusal),
    }
}

async fn ready(State(bridge): State<Arc<Bridge>>) -> Response {
    if *bridge.stopping.borrow() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    let status = if bridge.servers.answering() > 0 {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let mut text = String::new();
    for server in bridge.servers.health() {
        let trouble = server.trouble.as_deref().unwrap_or("ok");
        text.push_str(&format!("{}: {trouble}\n", server.address));
    }
    (status, text).into_response()
}

async fn metrics(State(bridge): State<Arc<Bridge>>) -> Response {
    let form = [(
        CONTENT_TYPE,
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
    )];
    (form, bridge.metrics.render()).into_response()
}

async fn no_such_path(State(bridge): State<Arc<Bridge>>, request: Request<Body>) -> Response {
    bridge.refuse(Refusal::NoSuchPath(request.uri().path().to_owned()))
}

async fn wrong_method(State(bridge): State<Arc<Bridge>>, request: Request<Body>) -> Response {
    bridge.refuse(Refusal::wrong_method(&request))
}

/// A decision, by a server or in its stead.
struct Decided {
    answer: Answer,
    unavailable: Option<Cause>,
}

impl Decided {
    fn respond(&self, form: Form) -> Response {
        let (media_type, text) = match form {
            Form::Json => ("application/json", self.answer.to_json()),
            Form::Code => ("text/plain; charset=utf-8", self.answer.code.clone()),
            Form::V1Code => (
                "text/plain; charset=utf-8",
                v1_code(&self.answer).to_owned(),
            ),
        };
        let mut response = Response::new(Body::from(text));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        if let Some(cause) = self.unavailable {
            headers.insert(UNAVAILABLE, HeaderValue::from_static(cause.as_str()));
        }
        response
    }
}

async fn decide<B: Sent>(
    bridge: &Bridge,
    request: Request<B>,
    since: Instant,
) -> Result<Decided, Refusal> {
    let asked = bridge.take(request).await?;
    let decided = match ask(bridge, &asked, since).await {
        Err(refusal) if refusal.may_be_the_callers() => {
            call_for_help(bridge, &asked).await.ok_or(refusal)?
        }
        answer => answer?,
    };
    let verdict = match decided.answer.verdict {
        "allow" => Verdict::Allow,
        "challenge" => Verdict::Challenge,
        _ => Verdict::Deny,
    };
    bridge.metrics.answered(verdict, since.elapsed());
    Ok(decided)
}

/// Has a server decide a call that can't be asked about, where somebody calls for help: no server lets pass any other. Where none
/// can be asked about that either, the bridge's own dial plan tells.
async fn call_for_help(bridge: &Bridge, asked: &asked::Asked) -> Option<Decided> {
    let config = &bridge.config;
    let question = request::help::question(&salvaged(asked), &config.default_domain)?;
    let would_be = match bridge.servers.check(question.clone()).await {
        Ok(would_be) => would_be,
        Err(unanswered) => {
            let dialed = &question.dialed_number;
            let (_, class) = config.on_unavailable.verdict(dialed);
            return (class == DestinationClass::Emergency).then(|| Decided {
                answer: Answer::without_decision(config, &unanswered, dialed),
                unavailable: None,
            });
        }
    };
    // A policy that only monitors would let pass anything.
    if would_be.verdict() != Verdict::Allow || would_be.monitored.is_some() {
        return None;
    }
    let real = tfps_client::v1::CheckRequest {
        dry_run: false,
        ..question
    };
    Some(Decided {
        answer: Answer::from(bridge.servers.check(real).await.unwrap_or(would_be)),
        unavailable: None,
    })
}

async fn ask(bridge: &Bridge, asked: &asked::Asked, since: Instant) -> Result<Decided, Refusal> {
    let check = request::check::read(&fields(asked)?, bridge.config.who_pays())?;
    let dialed = check.dialed_number.clone();
    Ok(match bridge.servers.check_since(check, since).await {
        Ok(decision) => Decided {
            answer: Answer::from(decision),
            unavailable: None,
        },
        Err(Unanswered::Refused { field, why }) => return Err(BadField::new(field, why).into()),
        Err(Unanswered::Forbidden(why)) => return Err(Refusal::Forbidden(why)),
        Err(Unanswered::Unavailable(cause)) => {
            let label = CauseLabel {
                cause: cause.as_str(),
            };
            bridge.metrics.unavailable.get_or_create(&label).inc();
            debug!(cause = cause.as_str(), "no decision");
            Decided {
                answer: Answer::without_decision(&bridge.config, &cause, &dialed),
                unavailable: Some(cause),
            }
        }
    })
}

async fn learn(bridge: &Bridge, request: Request<Body>) -> Result<Response, Refusal> {
    let asked = bridge.take(request).await?;
    let mut call = request::call::read(&fields(&asked)?, bridge.config.who_pays())?;
    call.at = Some(now());
    if let Some(heard) = &bridge.heard {
        heard.hear(&call);
    }
    let (status, result) = match bridge.backlog.report(&bridge.servers, call).await {
        Ok(Kept::Told) => (StatusCode::OK, "told"),
        Ok(Kept::Waits) => (StatusCode::ACCEPTED, "waits"),
        Ok(Kept::Full) => return Err(Refusal::BacklogFull),
        Err(Unanswered::Refused { field, why }) => return Err(BadField::new(field, why).into()),
        Err(Unanswered::Forbidden(why)) => return Err(Refusal::Forbidden(why)),
        Err(Unanswered::Unavailable(_)) => return Err(Refusal::BacklogFull),
    };
    let json = [(CONTENT_TYPE, "application/json")];
    Ok((status, json, format!("{{\"result\":\"{result}\"}}")).into_response())
}

/// When a call's progress came: an event that waits is told with the time at which it happened.
#[allow(
    clippy::disallowed_methods,
    reason = "the edge of the program: the time at which the switch reported"
)]
fn now() -> prost_types::Timestamp {
    prost_types::Timestamp::from(std::time::SystemTime::now())
}

impl Bridge {
    /// Refuses a check, and counts it.
    fn turn_down(&self, refusal: &Refusal) -> Response {
        self.count(refusal);
        refusal.to_check(&self.config)
    }

    /// Refuses a request, and counts it.
    fn refuse(&self, refusal: Refusal) -> Response {
        self.count(&refusal);
        refusal.into_response()
    }

    fn count(&self, refusal: &Refusal) {
        let label = CauseLabel {
            cause: refusal.cause(),
        };
        self.metrics.refused.get_or_create(&label).inc();
        debug!(%refusal, "refused");
    }

    async fn take<B: Sent>(&self, request: Request<B>) -> Result<asked::Asked, Refusal> {
        asked::Asked::take(request, &self.config.limits).await
    }
}

/// The field that a problem of the whole request is told under.
fn no_field() -> &'static str {
    debug_assert!(Field::named("request").is_none());
    "request"
}
