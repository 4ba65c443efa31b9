//! AbuseIPDB: look-ups of addresses, its blacklist, and reports back.

mod answers;
mod blacklist;
mod report;

pub(in crate::reputation) use answers::pause;
pub use answers::{read_blacklist, read_check};
pub(super) use blacklist::Blacklist;
pub(super) use report::Reporter;

use std::{net::IpAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use http::{HeaderMap, HeaderValue, Method, header};
use reqwest::Url;
use tfps_engine::decision::Code;

use super::{
    budget::{Budget, Plan},
    settings::{address, key_mark},
};
use crate::{
    clock::Clock,
    config::{self, ConfigError, Secret},
    outbound::{Bounds, Sender},
    sources::{Fault, Source},
};

/// The longest answer about one address, in bytes.
const CHECK_BYTES: usize = 64 << 10;
/// The longest blacklist, in bytes, for each of its addresses: some 100 are usual.
const LINE_BYTES: usize = 256;
/// How long a blacklist may take.
const BLACKLIST_TIME: Duration = Duration::from_secs(120);
/// Fraud VoIP.
const CATEGORY: &str = "8";

/// The service, and where each of its operations stands: every one has a daily quota of its own.
#[derive(Debug)]
pub(super) struct AbuseIpdb {
    settings: ArcSwapOption<Settings>,
    pub(super) checks: Source,
    pub(super) blacklist: Source,
    pub(super) reports: Source,
    /// The day's look-ups.
    pub(super) budget: Budget,
    clock: Clock,
}

/// How the service is asked.
#[derive(Debug)]
pub(super) struct Settings {
    sender: Sender,
    key: HeaderValue,
    pub(super) key_mark: String,
    url: Url,
    max_age_days: u32,
    time: Duration,
    plan: Plan,
    pub(super) blacklist_limit: u32,
    blacklist_minimum: u32,
    report_codes: Vec<Code>,
}

impl Settings {
    /// Of a configuration; `None` where there is no key.
    ///
    /// # Errors
    /// When something in it is wrong.
    pub(super) fn of(
        config: &config::AbuseIpdb,
        sender: &Sender,
    ) -> Result<Option<Self>, ConfigError> {
        let Some(key) = config.key()? else {
            return Ok(None);
        };
        Ok(Some(Self {
            sender: sender.clone(),
            key: header_of(&key)?,
            key_mark: key_mark(&key),
            url: address("abuseipdb.url", &config.url)?,
            max_age_days: config.max_age_days,
            time: Duration::from_millis(config.timeout_ms),
            plan: Plan::of(config),
            blacklist_limit: config.blacklist_limit,
            blacklist_minimum: config.blacklist_confidence_minimum,
            report_codes: if config.report {
                config.report_codes()?
            } else {
                Vec::new()
            },
        }))
    }
}

impl AbuseIpdb {
    pub(super) fn new(clock: Clock, budget: Budget) -> Self {
        Self {
            budget,
            settings: ArcSwapOption::empty(),
            checks: Source::new("abuseipdb"),
            blacklist: Source::new("abuseipdb-blacklist"),
            reports: Source::new("abuseipdb-reports"),
            clock,
        }
    }

    /// The settings in force; `None`: it is off.
    pub(super) fn settings(&self) -> Option<Arc<Settings>> {
        self.settings.load_full()
    }

    /// Whether a code is reported.
    pub(super) fn reports(&self, code: Code) -> bool {
        self.settings
            .load()
            .as_ref()
            .is_some_and(|settings| settings.report_codes.contains(&code))
    }

    /// Takes settings, and turns on or off what they say. Another key has a quota of its own.
    pub(super) fn set(&self, settings: Option<Settings>) {
        let key_mark = settings.as_ref().map(|settings| settings.key_mark.clone());
        let before = self.settings.swap(settings.map(Arc::new));
        let now = self.settings();
        let another = before.is_some_and(|before| Some(&before.key_mark) != key_mark.as_ref());
        if let Some(now) = &now {
            self.budget.set(now.plan, another, self.clock.now());
        }
        for source in [&self.checks, &self.blacklist, &self.reports] {
            if another {
                source.forget_pause();
            }
            let on = now.as_ref().is_some_and(|now| match source.name() {
                "abuseipdb-blacklist" => now.blacklist_limit > 0,
                "abuseipdb-reports" => !now.report_codes.is_empty(),
                _ => true,
            });
            if on {
                source.turn_on();
            } else {
                source.turn_off();
            }
        }
    }

    /// Asks how likely an address is abusive, 0 to 100.
    ///
    /// # Errors
    /// When there is no answer.
    pub(super) async fn check(&self, ip: IpAddr) -> Result<u8, Fault> {
        let settings = self.settings().ok_or_else(off)?;
        let mut url = settings.operation("check")?;
        url.query_pairs_mut()
            .append_pair("ipAddress", &ip.to_string())
            .append_pair("maxAgeInDays", &settings.max_age_days.to_string());
        let bounds = Bounds {
            time: settings.time,
            bytes: CHECK_BYTES,
        };
        let answer = settings.send(Method::GET, url, None, bounds).await?;
        let now = self.clock.now();
        if let Some(told) = answers::look_ups_left(&answer.headers) {
            self.budget.told(told, now);
        }
        let told = answers::body(&answer, now).and_then(|body| read_check(body, ip));
        self.refused_everywhere(&settings, told)
    }

    /// Fetches the blacklist.
    ///
    /// # Errors
    /// When there is none.
    async fn fetch_blacklist(&self) -> Result<Vec<(IpAddr, u8)>, Fault> {
        let settings = self.settings().ok_or_else(off)?;
        let mut url = settings.operation("blacklist")?;
        let limit = settings.blacklist_limit;
        url.query_pairs_mut()
            .append_pair("limit", &limit.to_string());
        // The free plan refuses the parameter.
        if settings.blacklist_minimum != 100 {
            url.query_pairs_mut()
                .append_pair("confidenceMinimum", &settings.blacklist_minimum.to_string());
        }
        let limit = limit as usize;
        let bounds = Bounds {
            time: BLACKLIST_TIME,
            bytes: CHECK_BYTES + limit * LINE_BYTES,
        };
        let answer = settings.send(Method::GET, url, None, bounds).await?;
        let told =
            answers::body(&answer, self.clock.now()).and_then(|body| read_blacklist(body, limit));
        self.refused_everywhere(&settings, told)
    }

    /// Reports an address.
    ///
    /// # Errors
    /// When the report is not taken.
    async fn report(&self, ip: IpAddr, comment: &str) -> Result<(), Fault> {
        let settings = self.settings().ok_or_else(off)?;
        let mut url = settings.operation("report")?;
        // The form's encoding is that of a query.
        url.query_pairs_mut()
            .append_pair("ip", &ip.to_string())
            .append_pair("categories", CATEGORY)
            .append_pair("comment", comment);
        let body = url.query().map(str::to_owned);
        url.set_query(None);
        let bounds = Bounds {
            time: settings.time,
            bytes: CHECK_BYTES,
        };
        let answer = settings.send(Method::POST, url, body, bounds).await?;
        let told = answers::body(&answer, self.clock.now()).map(|_| ());
        self.refused_everywhere(&settings, told)
    }

    /// A key that is refused once is refused for all that the service does. What a plan does not hold (402) says nothing
    /// of the rest, nor does what was said of a key that has been replaced since.
    fn refused_everywhere<T>(&self, asked: &Settings, told: Result<T, Fault>) -> Result<T, Fault> {
        let Err(Fault::Refused(error)) = &told else {
            return told;
        };
        let current = self.settings();
        if current.is_none_or(|current| current.key_mark != asked.key_mark) {
            return Err(Fault::Failed(error.clone()));
        }
        if !error.starts_with("status 402") {
            for source in [&self.checks, &self.blacklist, &self.reports] {
                source.failed(self.clock.now(), &Fault::Refused(error.clone()), false);
            }
        }
        told
    }
}

impl Settings {
    fn operation(&self, name: &str) -> Result<Url, Fault> {
        let mut url = self.url.clone();
        url.path_segments_mut()
            .map_err(|()| Fault::Failed("abuseipdb.url can't have a path".to_owned()))?
            .pop_if_empty()
            .extend(["api", "v2", name]);
        Ok(url)
    }

    async fn send(
        &self,
        method: Method,
        url: Url,
        body: Option<String>,
        bounds: Bounds,
    ) -> Result<crate::outbound::Answer, Fault> {
        let mut headers = HeaderMap::new();
        headers.insert("key", self.key.clone());
        // Without it, errors come as something else than JSON.
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if body.is_some() {
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/x-www-form-urlencoded"),
            );
        }
        self.sender
            .send((method, url), headers, body, bounds)
            .await
            .map_err(|error| Fault::Failed(error.to_string()))
    }
}

fn off() -> Fault {
    Fault::Failed("it is off".to_owned())
}

fn header_of(key: &Secret) -> Result<HeaderValue, ConfigError> {
    let mut value = HeaderValue::from_str(key.reveal()).map_err(|_| {
        ConfigError::value(
            "abuseipdb.key",
            &"(not shown)",
            "what fits into an HTTP header",
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}
