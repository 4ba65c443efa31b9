//! An authority that nobody knows, and a certificate of it for a service on this machine.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

/// PEM files.
#[derive(Debug)]
pub struct Certificates(TempDir);

impl Certificates {
    /// Makes them, for `localhost`.
    ///
    /// # Panics
    /// When that fails.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: String| {
            fs::write(folder.path().join(name), text).expect("a file is written");
        };
        let authority = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let own = params.self_signed(&authority).expect("a certificate");
        write("ca.pem", own.pem());
        let issuer = Issuer::new(params, authority);
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &issuer).expect("a certificate");
        write("service.pem", certificate.pem());
        write("service.key", key.serialize_pem());
        Self(folder)
    }

    /// The folder that they are in.
    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    /// The authority's certificate.
    pub fn authority(&self) -> PathBuf {
        self.folder().join("ca.pem")
    }

    /// The service's certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder().join("service.pem")
    }

    /// The service's key.
    pub fn key(&self) -> PathBuf {
        self.folder().join("service.key")
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}
