//! Connecting.

use std::{fs, path::Path, sync::Arc, time::Duration};

use http::Uri;
use tfps_proto::v1::{
    admin_service_client::AdminServiceClient, check_service_client::CheckServiceClient,
    learn_service_client::LearnServiceClient, verify_service_client::VerifyServiceClient,
};
use tonic::{
    service::interceptor::InterceptedService,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use crate::{
    config::{Config, Retry, Tls},
    error::{ConfigError, Error},
    token::Bearer,
};

/// What the generated clients speak over: a channel that sends the token along.
pub type Transport = InterceptedService<Channel, Bearer>;

/// A connection to TFPS. Clones share it, and are cheap.
#[derive(Debug, Clone)]
pub struct Client {
    channel: Channel,
    pub(crate) bearer: Bearer,
    pub(crate) address: Arc<str>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) retry: Retry,
}

impl Client {
    /// Connects. With several servers it does not wait for one to be there: calls find out.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when the configuration can't work, [`Error::Connection`] when the server is not reached.
    pub async fn connect(config: Config) -> Result<Self, Error> {
        let (endpoints, client) = Self::prepare(config)?;
        match &endpoints[..] {
            [endpoint] => {
                let channel = endpoint
                    .connect()
                    .await
                    .map_err(|error| Error::connection(&client.address, Arc::new(error)))?;
                Ok(Self { channel, ..client })
            }
            _ => Ok(client),
        }
    }

    /// Connects with the first call; must be called within a Tokio runtime.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when the configuration can't work.
    pub fn connect_lazy(config: Config) -> Result<Self, Error> {
        Ok(Self::prepare(config)?.1)
    }

    /// The same connection with another deadline a call. `None`: for ever.
    #[must_use]
    pub fn with_deadline(&self, deadline: Option<Duration>) -> Self {
        Self {
            deadline,
            ..self.clone()
        }
    }

    /// How long a call may take.
    pub fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// Where TFPS is, as it was configured.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The generated client of CheckService: token, but no deadlines and no retries.
    pub fn check_service(&self) -> CheckServiceClient<Transport> {
        CheckServiceClient::new(self.transport())
    }

    /// The generated client of LearnService: token, but no deadlines and no retries.
    pub fn learn_service(&self) -> LearnServiceClient<Transport> {
        LearnServiceClient::new(self.transport())
    }

    /// The generated client of VerifyService: token, but no deadlines and no retries.
    pub fn verify_service(&self) -> VerifyServiceClient<Transport> {
        VerifyServiceClient::new(self.transport())
    }

    /// The generated client of AdminService: token, but no deadlines and no retries.
    pub fn admin_service(&self) -> AdminServiceClient<Transport> {
        AdminServiceClient::new(self.transport())
    }

    pub(crate) fn transport(&self) -> Transport {
        InterceptedService::new(self.channel.clone(), self.bearer.clone())
    }

    /// Its endpoints, and a client that connects to them with the first call.
    pub(crate) fn prepare(config: Config) -> Result<(Vec<Endpoint>, Self), ConfigError> {
        let endpoints = config
            .servers
            .iter()
            .map(|server| endpoint(server, &config))
            .collect::<Result<Vec<_>, _>>()?;
        let channel = match &endpoints[..] {
            [endpoint] => endpoint.connect_lazy(),
            _ => Channel::balance_list(endpoints.iter().cloned()),
        };
        let client = Self {
            channel,
            bearer: Bearer::new(config.token)?,
            address: config.servers.join(", ").into(),
            deadline: config.deadline,
            retry: config.retry,
        };
        Ok((endpoints, client))
    }
}

fn endpoint(server: &str, config: &Config) -> Result<Endpoint, ConfigError> {
    let bad = |why: String| ConfigError::Address {
        url: server.to_owned(),
        why,
    };
    let uri: Uri = server
        .parse()
        .map_err(|error: http::uri::InvalidUri| bad(error.to_string()))?;
    let secure = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        Some(other) => return Err(bad(format!("`{other}` is not http or https"))),
        None => return Err(bad("http:// or https:// is missing".to_owned())),
    };
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(bad("it has a path".to_owned()));
    }
    if !secure && config.tls.is_set() {
        return Err(ConfigError::TlsWithoutHttps {
            url: server.to_owned(),
        });
    }

    let mut endpoint = Endpoint::from(uri)
        .user_agent(&config.user_agent)
        .map_err(|_| bad("the user agent is not a header's value".to_owned()))?
        .connect_timeout(config.connect_timeout)
        .tcp_nodelay(true);
    if let Some(interval) = config.keep_alive {
        endpoint = endpoint
            .http2_keep_alive_interval(interval)
            .keep_alive_timeout(interval)
            .keep_alive_while_idle(true);
    }
    if secure {
        endpoint =
            endpoint
                .tls_config(tls(&config.tls)?)
                .map_err(|error| ConfigError::Certificates {
                    why: crate::error::describe(&error),
                })?;
    }
    Ok(endpoint)
}

fn tls(files: &Tls) -> Result<ClientTlsConfig, ConfigError> {
    let mut tls = ClientTlsConfig::new();
    tls = match &files.ca_file {
        Some(path) => tls.ca_certificate(Certificate::from_pem(read("CA", path)?)),
        None => tls.with_native_roots(),
    };
    if let Some(domain) = &files.domain {
        tls = tls.domain_name(domain);
    }
    match (&files.client_cert_file, &files.client_key_file) {
        (Some(cert), Some(key)) => {
            let identity =
                Identity::from_pem(read("client certificate", cert)?, read("client key", key)?);
            Ok(tls.identity(identity))
        }
        (None, None) => Ok(tls),
        (Some(_), None) => Err(ConfigError::HalfIdentity { missing: "the key" }),
        (None, Some(_)) => Err(ConfigError::HalfIdentity {
            missing: "the certificate",
        }),
    }
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, ConfigError> {
    fs::read(path).map_err(|source| ConfigError::File {
        what,
        path: path.to_owned(),
        source: Arc::new(source),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(config: Config) -> String {
        match Client::prepare(config) {
            Ok(_) => "taken".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn an_address_that_is_none_is_named() {
        for (url, why) in [
            (
                "127.0.0.1:50051",
                "`127.0.0.1:50051` is not a server address: http:// or https:// is missing",
            ),
            ("ftp://host", "`ftp` is not http or https"),
            ("http://host/path", "it has a path"),
            ("http://a b", "invalid uri character"),
            ("", "empty string"),
        ] {
            let said = refusal(Config::new(url));
            assert!(said.contains(why), "{url}: {said}");
        }
    }

    #[test]
    fn certificates_need_https_and_come_in_pairs() {
        let cert = Tls {
            client_cert_file: Some("/dev/null".into()),
            ..Tls::default()
        };
        assert!(refusal(Config::new("http://host:1").tls(cert.clone())).contains("write https://"));
        assert!(refusal(Config::new("https://host:1").tls(cert)).contains("the key is missing"));
        let absent = Tls {
            ca_file: Some("/nowhere/ca.pem".into()),
            ..Tls::default()
        };
        assert!(
            refusal(Config::new("https://host:1").tls(absent))
                .starts_with("cannot read the CA file /nowhere")
        );
    }
}
