//! TLS and mTLS, with certificates of the tests' own authority.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::{fs, net::TcpStream};

use tfps_client::{Client, Config, Retry, Tls, Token};
use tfps_tests::{
    Command, Server,
    scene::{HOME_NUMBER, call},
};

/// Certificates of an authority of the test's own.
struct Authority {
    folder: tempfile::TempDir,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Self {
            issuer: rcgen::Issuer::new(params, key),
            folder,
        }
    }

    fn issue(&self, name: &str) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(self.path(&format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self, client_ca: bool) -> String {
        let mut toml = format!(
            "[tls]\ncert_file = {:?}\nkey_file = {:?}\n",
            self.path("server.pem"),
            self.path("server.key")
        );
        if client_ca {
            toml.push_str(&format!("client_ca_file = {:?}\n", self.path("ca.pem")));
        }
        toml
    }

    fn anonymous(&self) -> Tls {
        Tls {
            ca_file: Some(self.path("ca.pem")),
            ..Tls::default()
        }
    }

    fn client(&self, name: &str) -> Tls {
        Tls {
            client_cert_file: Some(self.path(&format!("{name}.pem"))),
            client_key_file: Some(self.path(&format!("{name}.key"))),
            ..self.anonymous()
        }
    }
}

#[tokio::test]
async fn with_tls_only_who_speaks_it_is_heard() {
    let authority = Authority::new();
    authority.issue("server");
    let server = Command::default()
        .config(authority.config(false))
        .tls(authority.anonymous())
        .start()
        .await;
    assert_eq!(server.code(call("nobody", HOME_NUMBER)).await, "V01");
    assert!(
        reach(
            &format!("http://{}", server.address()),
            Tls::default(),
            &server
        )
        .await
        .is_err()
    );
    // Another authority's word for the server's name is none.
    let stranger = Authority::new();
    assert!(
        reach(&server.url(), stranger.anonymous(), &server)
            .await
            .is_err()
    );
    assert!(TcpStream::connect(server.address()).is_ok());
}

#[tokio::test]
async fn with_mtls_only_who_is_certified_is_heard() {
    let authority = Authority::new();
    authority.issue("server");
    authority.issue("switch");
    let server = Command::default()
        .config(authority.config(true))
        .tls(authority.client("switch"))
        .start()
        .await;
    assert_eq!(server.code(call("nobody", HOME_NUMBER)).await, "V01");
    assert!(
        reach(&server.url(), authority.anonymous(), &server)
            .await
            .is_err()
    );
    let forger = Authority::new();
    forger.issue("switch");
    let forged = Tls {
        ca_file: authority.anonymous().ca_file,
        ..forger.client("switch")
    };
    assert!(reach(&server.url(), forged, &server).await.is_err());
}

/// Whether a call with the right token gets through.
async fn reach(url: &str, tls: Tls, server: &Server) -> Result<(), tfps_client::Error> {
    let config = Config::new(url)
        .tls(tls)
        .token(Token::file(server.admin_token_path()))
        .retry(Retry::NEVER);
    let client = Client::connect(config).await?;
    client.get_status(Default::default()).await.map(drop)
}
