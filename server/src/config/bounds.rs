//! What every value must keep to, beyond its type.

use tfps_engine::{
    number::Country,
    policy::{DEFAULT, Policy},
};

use super::{Config, ConfigError};

impl Config {
    /// Checks the whole.
    ///
    /// # Errors
    /// Names the key, the value and what would be right.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.check_addresses()?;
        self.check_numbers()?;
        self.check_known_sources()?;
        self.abuseipdb.check()?;
        self.apiban.check()?;
        super::lists::check(&self.list)?;
        self.check_policy()
    }

    fn check_addresses(&self) -> Result<(), ConfigError> {
        let tls = &self.tls;
        if tls.cert_file.is_empty() != tls.key_file.is_empty() {
            return Err(ConfigError::value(
                "tls",
                &format!(
                    "cert_file = {:?}, key_file = {:?}",
                    tls.cert_file, tls.key_file
                ),
                "both or neither",
            ));
        }
        if !tls.client_ca_file.is_empty() && tls.cert_file.is_empty() {
            return Err(ConfigError::value(
                "tls.client_ca_file",
                &tls.client_ca_file,
                "set only with tls.cert_file",
            ));
        }
        if !self.listen.ip().is_loopback() && tls.cert_file.is_empty() && !self.allow_plaintext {
            return Err(ConfigError::BarePlaintext(self.listen));
        }
        match self.http_address()? {
            Some(http) if !http.ip().is_loopback() && !self.allow_plaintext => {
                Err(ConfigError::BareHttp(http))
            }
            _ => Ok(()),
        }
    }

    fn check_numbers(&self) -> Result<(), ConfigError> {
        for (key, value, low, high) in [
            (
                "requests.max_in_flight",
                self.requests.max_in_flight as u64,
                1,
                1_000_000,
            ),
            (
                "requests.max_in_flight_per_token",
                self.requests.max_in_flight_per_token as u64,
                1,
                1_000_000,
            ),
            (
                "requests.max_in_flight_per_switch",
                self.requests.max_in_flight_per_switch as u64,
                1,
                1_000_000,
            ),
            (
                "requests.max_streams_per_token",
                self.requests.max_streams_per_token as u64,
                1,
                1_000_000,
            ),
            (
                "requests.max_streams_per_switch",
                self.requests.max_streams_per_switch as u64,
                1,
                1_000_000,
            ),
            ("requests.query_ms", self.requests.query_ms, 100, 600_000),
            (
                "domains.max_accounts",
                self.domains.max_accounts as u64,
                0,
                100_000_000,
            ),
            (
                "domains.max_entries",
                self.domains.max_entries as u64,
                0,
                5_000_000,
            ),
            (
                "domains.max_patterns",
                self.domains.max_patterns as u64,
                0,
                10_000,
            ),
            (
                "domains.max_policies",
                self.domains.max_policies as u64,
                0,
                10_000,
            ),
            (
                "requests.default_deadline_ms",
                self.requests.default_deadline_ms,
                1,
                600_000,
            ),
            (
                "requests.max_deadline_ms",
                self.requests.max_deadline_ms,
                1,
                3_600_000,
            ),
            ("connections.max", self.connections.max as u64, 1, 1_000_000),
            (
                "connections.max_per_peer",
                self.connections.max_per_peer as u64,
                1,
                1_000_000,
            ),
            (
                "connections.max_unauthenticated",
                self.connections.max_unauthenticated as u64,
                1,
                1_000_000,
            ),
            (
                "connections.max_unauthenticated_per_peer",
                self.connections.max_unauthenticated_per_peer as u64,
                1,
                1_000_000,
            ),
            (
                "connections.max_per_token",
                self.connections.max_per_token as u64,
                1,
                1_000_000,
            ),
            (
                "connections.max_per_switch",
                self.connections.max_per_switch as u64,
                1,
                1_000_000,
            ),
            (
                "requests.max_in_flight_per_bound_switch",
                self.requests.max_in_flight_per_bound_switch as u64,
                1,
                1_000_000,
            ),
            (
                "connections.handshake_ms",
                self.connections.handshake_ms,
                100,
                60_000,
            ),
            (
                "requests.drain_seconds",
                self.requests.drain_seconds,
                0,
                3_600,
            ),
            ("requests.look_up_ms", self.requests.look_up_ms, 0, 10_000),
            (
                "calls.repeat_seconds",
                self.calls.repeat_seconds.into(),
                0,
                32,
            ),
            (
                "calls.call_ids",
                self.calls.call_ids as u64,
                64,
                100_000_000,
            ),
            (
                "calls.reserved_seconds",
                self.calls.reserved_seconds.into(),
                1,
                3_600,
            ),
            (
                "calls.started_seconds",
                self.calls.started_seconds.into(),
                60,
                7 * 86_400,
            ),
            ("journal.sync_ms", self.journal.sync_ms, 1, 60_000),
            (
                "journal.segment_bytes",
                self.journal.segment_bytes,
                1 << 16,
                1 << 30,
            ),
            (
                "journal.max_bytes",
                self.journal.max_bytes,
                1 << 20,
                1 << 44,
            ),
            (
                "journal.ship_per_second",
                self.journal.ship_per_second.into(),
                1,
                1_000_000,
            ),
            (
                "decisions.keep_days",
                self.decisions.keep_days.into(),
                1,
                3_660,
            ),
            (
                "emergency.alarm_calls",
                self.emergency.alarm_calls.into(),
                0,
                1_000_000,
            ),
            (
                "emergency.alarm_seconds",
                self.emergency.alarm_seconds.into(),
                1,
                86_400,
            ),
            (
                "watch.capacity",
                self.watch.capacity as u64,
                64,
                100_000_000,
            ),
        ]
        .into_iter()
        .chain(self.abuseipdb.numbers())
        .chain(self.apiban.numbers())
        {
            if !(low..=high).contains(&value) {
                return Err(ConfigError::value(
                    key,
                    &value.to_string(),
                    &format!("{low} to {high}"),
                ));
            }
        }
        Ok(())
    }

    fn check_known_sources(&self) -> Result<(), ConfigError> {
        for known in &self.geo.known {
            Country::from_code(&known.country).map_err(|error| {
                ConfigError::value("geo.known.country", &known.country, &error.to_string())
            })?;
        }
        for known in &self.reputation {
            if known
                .abuse_confidence
                .is_some_and(|confidence| confidence > 100)
            {
                return Err(ConfigError::value(
                    "reputation.abuse_confidence",
                    &known.abuse_confidence.unwrap_or_default().to_string(),
                    "0 to 100",
                ));
            }
        }
        Ok(())
    }

    fn check_policy(&self) -> Result<(), ConfigError> {
        if self.policy.name != DEFAULT || !self.policy.domain.is_empty() {
            return Err(ConfigError::value(
                "policy.name",
                &self.policy.name,
                "`default` and no domain: other policies are made with `tfpsctl policy put`",
            ));
        }
        Policy::compile(self.policy.clone()).map_err(|error| ConfigError::Policy {
            key: format!("policy.{}", error.field),
            problem: error.problem,
        })?;
        Ok(())
    }
}
