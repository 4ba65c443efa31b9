//! TLS with certificates that change while the server runs.

use std::{io, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::{task::spawn_blocking, time::sleep};
use tokio_rustls::rustls::{
    self, RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    server::{VerifierBuilderError, WebPkiClientVerifier},
};

use crate::{config::Tls, regular_file};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The largest file, in bytes.
const LARGEST: usize = 4 << 20;

/// Why certificates are not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// The system does not give a file.
    #[error("{key} = {path:?} can't be read: {error}")]
    Unreadable {
        /// The key of the configuration.
        key: &'static str,
        /// The file.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// A file is not what it should be.
    #[error("{key} = {path:?} is no PEM file with {wanted}: {error}")]
    Pem {
        /// The key of the configuration.
        key: &'static str,
        /// The file.
        path: String,
        /// What should be in it.
        wanted: &'static str,
        /// Why it is not.
        error: pem::Error,
    },
    /// A file has nothing in it that serves.
    #[error("{key} = {path:?} has no {wanted} in it")]
    Empty {
        /// The key of the configuration.
        key: &'static str,
        /// The file.
        path: String,
        /// What should be in it.
        wanted: &'static str,
    },
    /// The authorities of clients do not serve.
    #[error("tls.client_ca_file = {path:?}: {error}")]
    ClientCa {
        /// The file.
        path: String,
        /// Why.
        error: VerifierBuilderError,
    },
    /// The certificate and the key do not fit together, or are of a kind that is not known.
    #[error("tls.cert_file and tls.key_file do not fit together: {0}")]
    Pair(rustls::Error),
}

/// The certificates in force, and where they come from.
#[derive(Debug)]
pub(crate) struct LiveTls {
    current: ArcSwap<ServerConfig>,
    source: Mutex<Source>,
}

#[derive(Debug)]
struct Source {
    tls: Tls,
    in_force: Files,
    /// What was last tried in its place, and was wrong.
    tried: Option<Files>,
    /// What is wrong with what is in the files now.
    wrong: Option<String>,
}

/// Certificates that were read and serve.
pub(crate) struct Read {
    tls: Tls,
    files: Files,
    config: ServerConfig,
}

#[derive(Clone, PartialEq, Eq)]
struct Files {
    cert: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

/// Does not tell the key.
impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Files(..)")
    }
}

impl LiveTls {
    /// Reads the files that the configuration names; `None` where it names none.
    ///
    /// # Errors
    /// Says which file is wrong, and how.
    pub(crate) fn open(tls: &Tls) -> Result<Option<Arc<Self>>, TlsError> {
        if tls.cert_file.is_empty() {
            return Ok(None);
        }
        let Read { tls, files, config } = Self::read(tls)?;
        Ok(Some(Arc::new(Self {
            current: ArcSwap::from_pointee(config),
            source: Mutex::new(Source {
                tls,
                in_force: files,
                tried: None,
                wrong: None,
            }),
        })))
    }

    /// What new connections begin with.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    /// Reads the files that a configuration names, and changes nothing yet.
    ///
    /// # Errors
    /// Says which file is wrong, and how.
    pub(crate) fn read(tls: &Tls) -> Result<Read, TlsError> {
        let files = read(tls)?;
        Ok(Read {
            config: build(tls, &files)?,
            tls: tls.clone(),
            files,
        })
    }

    /// Takes what was read; connections that there are stay as they are.
    pub(crate) fn set(&self, read: Read) {
        let mut source = self.source.lock();
        source.tls = read.tls;
        source.in_force = read.files;
        source.wrong = None;
        self.current.store(Arc::new(read.config));
    }

    /// What is wrong with the files as they are now; what was in force before serves on.
    pub(crate) fn warning(&self) -> Option<String> {
        let source = self.source.lock();
        source.wrong.as_ref().map(|wrong| {
            format!("new TLS certificates are not taken, the old ones serve on: {wrong}")
        })
    }

    /// Takes what is in the files whenever it has changed.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            sleep(LOOK_EVERY).await;
            let own = Arc::clone(&self);
            if spawn_blocking(move || own.look()).await.is_err() {
                return;
            }
        }
    }

    fn look(&self) {
        let mut source = self.source.lock();
        let taken = read(&source.tls).and_then(|files| {
            if files == source.in_force {
                source.wrong = None;
                return Ok(false);
            }
            // A pair is written one file after the other: what does not fit yet is tried again when it has changed.
            if source.tried.as_ref() == Some(&files) {
                return Ok(false);
            }
            source.tried = Some(files.clone());
            self.current.store(Arc::new(build(&source.tls, &files)?));
            source.in_force = files;
            source.wrong = None;
            Ok(true)
        });
        match taken {
            Ok(false) => {}
            Ok(true) => tracing::info!(
                cert_file = source.tls.cert_file,
                "new TLS certificates are in force"
            ),
            Err(error) => {
                let error = error.to_string();
                if source.wrong.as_ref() != Some(&error) {
                    tracing::error!(%error, "new TLS certificates are not taken; the old ones serve on");
                }
                source.wrong = Some(error);
            }
        }
    }
}

fn read(tls: &Tls) -> Result<Files, TlsError> {
    let read = |key, path: &str| {
        regular_file::read(path.as_ref(), LARGEST).map_err(|error| TlsError::Unreadable {
            key,
            path: path.to_owned(),
            error,
        })
    };
    Ok(Files {
        cert: read("tls.cert_file", &tls.cert_file)?,
        key: read("tls.key_file", &tls.key_file)?,
        client_ca: (!tls.client_ca_file.is_empty())
            .then(|| read("tls.client_ca_file", &tls.client_ca_file))
            .transpose()?,
    })
}

fn build(tls: &Tls, files: &Files) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Pair)?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(authorities) => {
            let path = &tls.client_ca_file;
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(certificates("tls.client_ca_file", path, authorities)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
                .build()
                .map_err(|error| TlsError::ClientCa {
                    path: path.clone(),
                    error,
                })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let chain = certificates("tls.cert_file", &tls.cert_file, &files.cert)?;
    let key = PrivateKeyDer::from_pem_slice(&files.key).map_err(|error| TlsError::Pem {
        key: "tls.key_file",
        path: tls.key_file.clone(),
        wanted: "a private key",
        error,
    })?;
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(TlsError::Pair)?;
    config.alpn_protocols.push(b"h2".to_vec());
    Ok(config)
}

fn certificates(
    key: &'static str,
    path: &str,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wanted = "certificates";
    let certificates = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::Pem {
            key,
            path: path.to_owned(),
            wanted,
            error,
        })?;
    if certificates.is_empty() {
        return Err(TlsError::Empty {
            key,
            path: path.to_owned(),
            wanted,
        });
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    const CERT: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

    fn tls(folder: &Path) -> Tls {
        let path = |name: &str| folder.join(name).display().to_string();
        Tls {
            cert_file: path("cert.pem"),
            key_file: path("key.pem"),
            client_ca_file: String::new(),
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let tls = tls(folder.path());
        let error = || LiveTls::open(&tls).unwrap_err().to_string();
        assert!(error().contains("tls.cert_file") && error().contains("cert.pem"));
        fs::write(&tls.cert_file, "").unwrap();
        fs::write(&tls.key_file, "").unwrap();
        assert!(error().contains("tls.cert_file") && error().contains("no certificates"));
        fs::write(&tls.cert_file, CERT).unwrap();
        assert!(error().contains("tls.key_file") && error().contains("a private key"));
        fs::remove_file(&tls.key_file).unwrap();
        fs::create_dir(&tls.key_file).unwrap();
        assert!(error().contains("no regular file"));
        fs::write(&tls.cert_file, vec![b'\n'; LARGEST + 1]).unwrap();
        assert!(error().contains("tls.cert_file") && error().contains("over"));
    }

    #[test]
    fn no_certificate_is_no_tls() {
        assert!(LiveTls::open(&Tls::default()).unwrap().is_none());
    }
}
