//! A list is fetched over HTTP, if it has changed.

use std::time::Duration;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, RETRY_AFTER},
};

use super::copy::Provenance;
use crate::{
    config::{Config, ConfigError, ListSource},
    outbound::{Bounds, OutboundError, Redirects, Sender},
    regular_file,
};

/// How long the whole may take.
const WHOLE: Duration = Duration::from_secs(120);
/// The longest that a source may ask to be left alone.
const LONGEST_REST: Duration = Duration::from_secs(7 * 86_400);

/// Who fetches.
#[derive(Clone, Debug)]
pub struct Fetcher {
    /// A header that lets us in goes nowhere else.
    keyed: Sender,
    open: Sender,
}

/// What was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fetched {
    /// It is as it was.
    Unchanged,
    /// It is another.
    New {
        body: Vec<u8>,
        etag: String,
        last_modified: String,
    },
}

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
pub(super) enum DownloadError {
    /// The connection, TLS or the transfer failed, or it is too large.
    #[error("it can't be fetched: {0}")]
    Failed(#[from] OutboundError),
    /// The source says no.
    #[error("the source answers {status}{}", .retry_after.map(|after| format!(", and asks to come again in {} s", after.as_secs())).unwrap_or_default())]
    Refused {
        status: StatusCode,
        retry_after: Option<Duration>,
    },
    /// The file with the header is wrong.
    #[error("header_file {file}: {why}")]
    Header { file: String, why: String },
    /// The address is none.
    #[error("the address is none")]
    Address,
}

impl DownloadError {
    /// How long the source wants to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl Fetcher {
    /// Made for a configuration; none where no list is fetched: then it does not matter whether the system has any
    /// authorities.
    ///
    /// # Errors
    /// When the authorities do not read, or there are none.
    pub fn of(config: &Config) -> Result<Option<Self>, ConfigError> {
        if config.list.iter().all(|list| list.url.is_empty()) {
            return Ok(None);
        }
        Ok(Some(Self {
            keyed: Sender::new(&config.outbound, Redirects::NotFollowed)?,
            open: Sender::new(&config.outbound, Redirects::ToHttps)?,
        }))
    }

    /// Fetches a list, unless it is as it was.
    ///
    /// # Errors
    /// When it can't be had whole.
    pub(super) async fn fetch(
        &self,
        list: &ListSource,
        known: &Provenance,
    ) -> Result<Fetched, DownloadError> {
        let url = list.url.parse().map_err(|_| DownloadError::Address)?;
        let mut headers = HeaderMap::new();
        let mut ask = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        if known.place == list.place() {
            match (&*known.etag, &*known.last_modified) {
                ("", "") => {}
                ("", last_modified) => ask(IF_MODIFIED_SINCE, last_modified),
                (etag, _) => ask(IF_NONE_MATCH, etag),
            }
        }
        let mut sender = &self.open;
        if !list.header_file.is_empty() {
            let (name, value) = header(&list.header_file)?;
            headers.insert(name, value);
            sender = &self.keyed;
        }
        let bounds = Bounds {
            time: WHOLE,
            bytes: list.max_bytes,
        };
        let answer = sender
            .send((Method::GET, url), headers, None, bounds)
            .await?;
        let text = |name: HeaderName| {
            let value = answer.headers.get(name);
            let value = value.and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        match answer.status {
            StatusCode::NOT_MODIFIED => Ok(Fetched::Unchanged),
            StatusCode::OK => Ok(Fetched::New {
                etag: text(ETAG),
                last_modified: text(LAST_MODIFIED),
                body: answer.body,
            }),
            status => {
                let seconds = text(RETRY_AFTER).parse().ok().map(Duration::from_secs);
                Err(DownloadError::Refused {
                    status,
                    retry_after: seconds.map(|rest| rest.min(LONGEST_REST)),
                })
            }
        }
    }
}

/// The largest file with a header that is read, in bytes.
const LARGEST_HEADER: usize = 64 << 10;

/// The one line `Name: value` of a file.
fn header(file: &str) -> Result<(HeaderName, HeaderValue), DownloadError> {
    let wrong = |why: &str| DownloadError::Header {
        file: file.to_owned(),
        why: why.to_owned(),
    };
    let text = regular_file::read_to_string(file.as_ref(), LARGEST_HEADER)
        .map_err(|error| wrong(&error.to_string()))?;
    let shape = "it is to be one line such as `Authorization: Bearer 0123`";
    let (name, value) = text.trim().split_once(':').ok_or_else(|| wrong(shape))?;
    let name = name.trim().parse().map_err(|_| wrong(shape))?;
    let mut value: HeaderValue = value.trim().parse().map_err(|_| wrong(shape))?;
    value.set_sensitive(true);
    Ok((name, value))
}
