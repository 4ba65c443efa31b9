//! Requests to services over the network: HTTPS with time limits, bodies within bounds, no surprises.
//!
//! A key goes where it is sent and nowhere else: redirects are answers like others unless they are asked for, and then
//! only to https. No error tells an address, since a key may be part of it.

use std::{env, error::Error, fmt::Write, time::Duration};

use http::{HeaderMap, Method, StatusCode};
use reqwest::{Certificate, Client, NoProxy, Proxy, Url, redirect::Policy};

use crate::{
    config::{ConfigError, Outbound},
    regular_file,
};

/// The largest file of certificates that is read, in bytes.
const LARGEST_CA: usize = 16 << 20;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a connection that is not used stays open.
const IDLE: Duration = Duration::from_secs(60);
/// Redirects in a row that are followed, where any are.
const REDIRECTS: usize = 5;

/// What becomes of redirects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirects {
    /// They are answers. For whoever sends a key.
    NotFollowed,
    /// Those to https are followed. For downloads.
    ToHttps,
}

/// Sends requests.
#[derive(Clone, Debug)]
pub struct Sender(Client);

/// How much an answer may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Until its last byte.
    pub time: Duration,
    /// Of its body.
    pub bytes: usize,
}

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers: `ETag`, `Retry-After` …
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no answer. No address is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// It took too long.
    #[error("no answer within {0:?}")]
    Late(Duration),
    /// The body is larger than it may be.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The connection failed: refused, an unknown certificate, cut off …
    #[error("{0}")]
    Failed(String),
}

impl Sender {
    /// Made for a configuration.
    ///
    /// # Errors
    /// When the authorities do not read, or there are none.
    pub fn new(config: &Outbound, redirects: Redirects) -> Result<Self, ConfigError> {
        let mut builder = Client::builder()
            .user_agent(concat!("tfps/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .referer(false)
            .retry(reqwest::retry::never())
            // http is only for this machine, where no proxy is asked.
            .no_proxy()
            .redirect(match redirects {
                Redirects::NotFollowed => Policy::none(),
                Redirects::ToHttps => Policy::custom(|attempt| {
                    if attempt.url().scheme() == "https" && attempt.previous().len() <= REDIRECTS {
                        attempt.follow()
                    } else {
                        attempt.stop()
                    }
                }),
            });
        if let Some(proxy) = proxy()? {
            builder = builder.proxy(proxy);
        }
        let name = "outbound.ca_file";
        let path = &config.ca_file;
        if !path.is_empty() {
            let wrong = |why: String| {
                let right = format!("a file of certificates in PEM: {why}");
                ConfigError::value(name, &format!("{path:?}"), &right)
            };
            let pem = regular_file::read(path.as_ref(), LARGEST_CA)
                .map_err(|error| wrong(error.to_string()))?;
            let own = Certificate::from_pem_bundle(&pem).map_err(|error| wrong(told(error)))?;
            if own.is_empty() {
                return Err(wrong("there is none in it".to_owned()));
            }
            builder = builder.tls_certs_merge(own);
        }
        let client = builder.build().map_err(|error| {
            let right = format!(
                "the authorities of the services, where the system has none (Debian: ca-certificates): {}",
                told(error)
            );
            ConfigError::value(name, &format!("{path:?}"), &right)
        })?;
        Ok(Self(client))
    }

    /// Sends a request and reads the answer.
    ///
    /// # Errors
    /// When there is none, or it is out of bounds.
    pub async fn send(
        &self,
        (method, url): (Method, Url),
        headers: HeaderMap,
        body: Option<String>,
        bounds: Bounds,
    ) -> Result<Answer, OutboundError> {
        let mut request = self.0.request(method, url).headers(headers);
        if let Some(body) = body {
            request = request.body(body);
        }
        let reading = async {
            let mut response = request.send().await.map_err(failed)?;
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(failed)? {
                if body.len() + chunk.len() > bounds.bytes {
                    return Err(OutboundError::TooLarge(bounds.bytes));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Answer {
                status: response.status(),
                headers: std::mem::take(response.headers_mut()),
                body,
            })
        };
        tokio::time::timeout(bounds.time, reading)
            .await
            .unwrap_or(Err(OutboundError::Late(bounds.time)))
    }
}

/// The proxy that the environment names.
fn proxy() -> Result<Option<Proxy>, ConfigError> {
    let Some((name, address)) = ["HTTPS_PROXY", "https_proxy"].iter().find_map(|name| {
        let address = env::var(name).ok().filter(|address| !address.is_empty())?;
        Some((name, address))
    }) else {
        return Ok(None);
    };
    let proxy = Proxy::https(&address).map_err(|error| {
        // It may hold a password.
        let right = format!("the address of a proxy: {}", told(error));
        ConfigError::value(name, &"(not shown)", &right)
    })?;
    Ok(Some(proxy.no_proxy(NoProxy::from_env())))
}

fn failed(error: reqwest::Error) -> OutboundError {
    OutboundError::Failed(told(error))
}

/// An error with its causes, without the address.
fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
