//! AbuseIPDB and APIBAN as they are documented, on this machine.

use std::{
    collections::HashMap,
    net::IpAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::json;

use crate::fake_service::{Asked, FakeService, Reply};

/// The key that the services take.
pub const KEY: &str = "0123456789abcdef-the-key-of-the-test";

/// What AbuseIPDB knows.
#[derive(Debug, Default)]
struct Knows {
    scores: HashMap<String, u8>,
    blacklist: Vec<(String, u8)>,
}

/// AbuseIPDB.
#[derive(Clone, Debug)]
pub struct FakeAbuseIpdb {
    /// The service behind it.
    pub service: FakeService,
    knows: Arc<Mutex<Knows>>,
}

impl FakeAbuseIpdb {
    /// One that knows these addresses; all others are not abusive.
    pub async fn start(scores: &[(&str, u8)]) -> Self {
        let knows = known(scores);
        let answering = Arc::clone(&knows);
        let service = FakeService::start(move |asked| answer(&answering, asked)).await;
        Self { service, knows }
    }

    /// The same over HTTPS.
    pub async fn start_tls(scores: &[(&str, u8)], certificate: &Path, key: &Path) -> Self {
        let knows = known(scores);
        let answering = Arc::clone(&knows);
        let answer = move |asked: &Asked| answer(&answering, asked);
        let service = FakeService::start_tls(certificate, key, answer).await;
        Self { service, knows }
    }

    /// Puts addresses on the blacklist.
    pub fn blacklist(&self, list: &[(&str, u8)]) {
        let mut knows = self.knows.lock().unwrap_or_else(PoisonError::into_inner);
        knows.blacklist = list
            .iter()
            .map(|(ip, score)| ((*ip).to_owned(), *score))
            .collect();
    }

    /// Answers everything so, until it is mended.
    pub fn fail_with(&self, reply: Reply) {
        self.service.answer(move |_| reply.clone());
    }

    /// Answers as documented, changed so.
    pub fn mended_with(&self, change: impl Fn(Reply) -> Reply + Send + Sync + 'static) {
        let knows = Arc::clone(&self.knows);
        self.service
            .answer(move |asked| change(answer(&knows, asked)));
    }

    /// Answers as documented.
    pub fn mended(&self) {
        self.mended_with(|reply| reply);
    }

    /// The configuration that has the server ask it; its blacklist is not fetched.
    pub fn config(&self) -> String {
        format!(
            "[abuseipdb]\nurl = {:?}\nkey = {KEY:?}\nblacklist_limit = 0\n",
            self.service.url()
        )
    }

    /// How often it was asked about an address.
    pub fn checks_of(&self, ip: &str) -> usize {
        let asked = self.service.asked();
        let about = asked.iter().filter(|asked| {
            asked
                .fields
                .get("ipAddress")
                .is_some_and(|about| about == ip)
        });
        about.count()
    }
}

fn known(scores: &[(&str, u8)]) -> Arc<Mutex<Knows>> {
    let scores = scores
        .iter()
        .map(|(ip, score)| ((*ip).to_owned(), *score))
        .collect();
    Arc::new(Mutex::new(Knows {
        scores,
        ..Knows::default()
    }))
}

/// As <https://docs.abuseipdb.com> has it.
fn answer(knows: &Mutex<Knows>, asked: &Asked) -> Reply {
    let knows = knows.lock().unwrap_or_else(PoisonError::into_inner);
    if asked.headers.get("key").map(String::as_str) != Some(KEY) {
        return error(
            401,
            "Authentication failed. Your API key is either missing, incorrect, or revoked.",
        );
    }
    match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", "/api/v2/check") => {
            let text = asked.fields.get("ipAddress").cloned().unwrap_or_default();
            let Ok(ip) = text.parse::<IpAddr>() else {
                return error(422, "The ip address must be a valid IPv4 or IPv6 address.");
            };
            Reply::json(
                200,
                check_body(&text, knows.scores.get(&text).copied().unwrap_or(0), ip),
            )
        }
        ("GET", "/api/v2/blacklist") => {
            let limit = asked.fields.get("limit").and_then(|text| text.parse().ok());
            let data: Vec<_> = knows
                .blacklist
                .iter()
                .take(limit.unwrap_or(10_000))
                .map(|(ip, score)| {
                    json!({"ipAddress": ip, "abuseConfidenceScore": score, "lastReportedAt": "2026-06-08T12:00:00+00:00"})
                })
                .collect();
            let body = json!({"meta": {"generatedAt": "2026-06-08T12:00:00+00:00"}, "data": data});
            Reply::json(200, body.to_string())
        }
        ("POST", "/api/v2/report") => {
            let ip = asked.fields.get("ip").cloned().unwrap_or_default();
            let body = json!({"data": {"ipAddress": ip, "abuseConfidenceScore": 52}});
            Reply::json(200, body.to_string())
        }
        _ => error(404, "not found"),
    }
}

/// The answer about an address.
pub fn check_body(text: &str, score: u8, ip: IpAddr) -> String {
    json!({"data": {
        "ipAddress": text, "isPublic": true, "ipVersion": if ip.is_ipv4() { 4 } else { 6 },
        "isWhitelisted": null, "abuseConfidenceScore": score, "countryCode": null, "usageType": null,
        "isp": "An ISP", "domain": null, "hostnames": [], "isTor": false, "totalReports": 1,
        "numDistinctUsers": 1, "lastReportedAt": null,
    }})
    .to_string()
}

/// An error as AbuseIPDB tells it.
pub fn error(status: u16, detail: &str) -> Reply {
    let body = json!({"errors": [{"detail": detail, "status": status}]});
    Reply::json(status, body.to_string())
}

/// Too many requests.
pub fn limited(retry_after: u64) -> Reply {
    error(429, "Daily rate limit of 1000 requests exceeded for this endpoint. See headers for additional details.")
        .with("Retry-After", retry_after.to_string())
        .with("X-RateLimit-Limit", "1000")
        .with("X-RateLimit-Remaining", "0")
}

/// APIBAN, whose list comes in these pieces.
pub async fn apiban(pieces: &[&[&str]]) -> FakeService {
    let pieces: Vec<Vec<String>> = pieces
        .iter()
        .map(|piece| piece.iter().map(|ip| (*ip).to_owned()).collect())
        .collect();
    FakeService::start(move |asked| {
        let Some(rest) = asked.path.strip_prefix(&format!("/api/{KEY}/banned")) else {
            return Reply::json(403, r#"{"ipaddress":"invalid key"}"#);
        };
        // The IDs of the pieces are 1001, 1002 …: where each ends.
        let next: usize = match rest.trim_start_matches('/') {
            "" => 0,
            id => id.parse::<usize>().map_or(0, |id| id - 1_000),
        };
        match pieces.get(next) {
            Some(piece) => {
                let id = (next + 1_001).to_string();
                Reply::json(200, json!({"ipaddress": piece, "ID": id}).to_string())
            }
            None => Reply::json(400, r#"{"ipaddress":["no new bans"],"ID":"none"}"#),
        }
    })
    .await
}

/// The configuration that has the server fetch APIBAN's list.
pub fn apiban_config(service: &FakeService) -> String {
    format!("[apiban]\nurl = {:?}\nkey = {KEY:?}\n", service.url())
}
