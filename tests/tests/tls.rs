//! TLS and mTLS, with certificates of the tests' own authority.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::{fs, net::TcpStream};

use tfps_client::{Client, Config, Retry, Tls, Token};
use tfps_tests::{
    Command, Server, eventually,
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

    /// A client's certificate that stays when the folder's files change.
    fn kept_client(&self, name: &str) -> Tls {
        for end in ["pem", "key"] {
            let (from, to) = (format!("{name}.{end}"), format!("kept.{end}"));
            fs::copy(self.path(&from), self.path(&to)).unwrap();
        }
        self.client("kept")
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

#[tokio::test]
async fn new_certificates_are_in_force_without_a_restart() {
    let old = Authority::new();
    old.issue("server");
    old.issue("switch");
    let server = Command::default()
        .config(old.config(true))
        .tls(old.client("switch"))
        .start()
        .await;
    let watching = server.admin().watch_hang_ups().await.unwrap();
    let new = Authority::new();
    new.issue("server");
    new.issue("switch");
    // One file after the other: half a pair changes nothing, and is told.
    fs::copy(new.path("server.pem"), old.path("server.pem")).unwrap();
    server.hang_up();
    let said = &server;
    eventually("half a pair is told", || async move {
        said.said().contains("do not fit together").then_some(())
    })
    .await;
    assert!(
        reach(&server.url(), old.client("switch"), &server)
            .await
            .is_ok()
    );
    eventually("the status tells of it", || async {
        let status = server.admin().get_status(Default::default()).await.unwrap();
        status
            .warnings
            .iter()
            .any(|warning| warning.contains("TLS"))
            .then_some(())
    })
    .await;
    // The whole is found without being told of it, the authority of the clients too.
    fs::copy(new.path("server.key"), old.path("server.key")).unwrap();
    let old_client = old.kept_client("switch");
    fs::copy(new.path("ca.pem"), old.path("ca.pem")).unwrap();
    eventually("the new certificate is in force", || async {
        reach(&server.url(), new.client("switch"), &server)
            .await
            .ok()
    })
    .await;
    let forged = Tls {
        ca_file: new.anonymous().ca_file,
        ..old_client
    };
    eventually("the old authority is not", || {
        let forged = forged.clone();
        async { reach(&server.url(), forged, &server).await.err() }
    })
    .await;
    // A connection that there is goes on.
    assert!(server.admin().get_status(Default::default()).await.is_ok());
    drop(watching);
}

#[tokio::test]
async fn a_reload_that_is_refused_takes_no_certificate() {
    let (old, new) = (Authority::new(), Authority::new());
    for authority in [&old, &new] {
        authority.issue("server");
    }
    let mut server = Command::default()
        .config(old.config(false))
        .tls(old.anonymous())
        .start()
        .await;
    let wrong = "[log]\nlevel = \"info,=,\"\n";
    server.write_config(&format!("{}{wrong}", new.config(false)));
    let refused = server.admin().reload(Default::default()).await;
    assert!(refused.is_err(), "{refused:?}");
    assert!(reach(&server.url(), old.anonymous(), &server).await.is_ok());
    assert!(
        reach(&server.url(), new.anonymous(), &server)
            .await
            .is_err()
    );
    server.write_config(&new.config(false));
    server.admin().reload(Default::default()).await.unwrap();
    assert!(reach(&server.url(), new.anonymous(), &server).await.is_ok());
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
