//! A service over HTTP that answers as a test wants it to, or fails as services do.

use std::{
    collections::HashMap,
    fmt,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpListener,
    time::sleep,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `GET`, `POST`.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The query, or the form of the body.
    pub fields: HashMap<String, String>,
    /// The headers, their names in lower case.
    pub headers: HashMap<String, String>,
    /// The whole request, as text.
    pub text: String,
    /// When it came.
    pub at: Instant,
}

/// What is answered.
#[derive(Clone, Debug)]
pub enum Reply {
    /// As it should be.
    Whole {
        /// The status.
        status: u16,
        /// Headers beside the usual.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: String,
    },
    /// The same after a while.
    Late(Duration, Box<Reply>),
    /// Half of the body, then the connection is closed.
    Half(String),
    /// Half of the body, then nothing.
    Stuck(String),
    /// A body of so many bytes, without a length.
    Endless(usize),
    /// The connection is closed.
    Closed,
}

impl Reply {
    /// JSON.
    pub fn json(status: u16, body: impl Into<String>) -> Self {
        Self::Whole {
            status,
            headers: vec![("Content-Type", "application/json".to_owned())],
            body: body.into(),
        }
    }

    /// With another header.
    #[must_use]
    pub fn with(self, name: &'static str, value: impl Into<String>) -> Self {
        match self {
            Self::Whole {
                status,
                mut headers,
                body,
            } => {
                headers.push((name, value.into()));
                Self::Whole {
                    status,
                    headers,
                    body,
                }
            }
            other => other,
        }
    }

    /// After a while.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self::Late(time, Box::new(self))
    }
}

type Answering = Arc<dyn Fn(&Asked) -> Reply + Send + Sync>;

/// A service.
#[derive(Clone)]
pub struct FakeService {
    address: SocketAddr,
    scheme: &'static str,
    told: Arc<Mutex<Told>>,
}

struct Told {
    asked: Vec<Asked>,
    answering: Answering,
}

impl fmt::Debug for FakeService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeService")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl FakeService {
    /// Serves HTTP on a port of its own.
    ///
    /// # Panics
    /// When there is none.
    pub async fn start(answering: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::serve(None, Arc::new(answering)).await
    }

    /// Serves HTTPS with a certificate and its key, PEM.
    ///
    /// # Panics
    /// When there is no port, or the files do not read.
    pub async fn start_tls(
        certificate: &Path,
        key: &Path,
        answering: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let certificate = CertificateDer::from_pem_file(certificate).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(key).expect("a key");
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a certificate and its key");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::serve(Some(acceptor), Arc::new(answering)).await
    }

    /// Where it is.
    pub fn url(&self) -> String {
        match self.scheme {
            "https" => format!("https://localhost:{}", self.address.port()),
            scheme => format!("{scheme}://{}", self.address),
        }
    }

    /// Answers otherwise from now on.
    pub fn answer(&self, answering: impl Fn(&Asked) -> Reply + Send + Sync + 'static) {
        self.told().answering = Arc::new(answering);
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.told().asked.clone()
    }

    /// How often it was asked for a path that ends so.
    pub fn count(&self, path: &str) -> usize {
        let told = self.told();
        let matching = told.asked.iter().filter(|asked| asked.path.ends_with(path));
        matching.count()
    }

    async fn serve(tls: Option<TlsAcceptor>, answering: Answering) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let service = Self {
            address: listener.local_addr().expect("an address"),
            scheme: if tls.is_some() { "https" } else { "http" },
            told: Arc::new(Mutex::new(Told {
                asked: Vec::new(),
                answering,
            })),
        };
        let own = service.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (service, tls) = (own.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => service.converse(stream).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                service.converse(stream).await;
                            }
                        }
                    }
                });
            }
        });
        service
    }

    async fn converse(&self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut stream = BufReader::new(stream);
        while let Some(asked) = read(&mut stream).await {
            let answering = {
                let mut told = self.told();
                told.asked.push(asked.clone());
                Arc::clone(&told.answering)
            };
            let mut reply = answering(&asked);
            while let Reply::Late(time, later) = reply {
                sleep(time).await;
                reply = *later;
            }
            if !write(&mut stream, reply).await {
                return;
            }
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read(stream: &mut (impl AsyncBufReadExt + Unpin)) -> Option<Asked> {
    let mut text = String::new();
    let mut headers = HashMap::new();
    stream.read_line(&mut text).await.ok().filter(|n| *n > 0)?;
    let first = text.clone();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok().filter(|n| *n > 0)?;
        text.push_str(&line);
        match line.trim_end().split_once(": ") {
            Some((name, value)) => {
                headers.insert(name.to_lowercase(), value.to_owned());
            }
            None => break,
        }
    }
    let length = headers.get("content-length");
    let mut body = vec![0; length.map_or(0, |text| text.parse().unwrap_or(0))];
    stream.read_exact(&mut body).await.ok()?;
    let body = String::from_utf8_lossy(&body).into_owned();
    text.push_str(&body);
    let mut words = first.split_whitespace();
    let method = words.next()?.to_owned();
    let target = words.next()?;
    let (path, query) = target.split_once('?').unwrap_or((target, &body));
    Some(Asked {
        method,
        path: path.to_owned(),
        fields: fields(query),
        headers,
        text,
        at: Instant::now(),
    })
}

fn fields(form: &str) -> HashMap<String, String> {
    let pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at(2);
        bytes.push(u8::from_str_radix(digits, 16).expect("two digits after a %"));
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether the conversation goes on.
async fn write(stream: &mut (impl AsyncWrite + Unpin), reply: Reply) -> bool {
    let sent = match reply {
        Reply::Whole {
            status,
            headers,
            body,
        } => {
            let mut text = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
            for (name, value) in headers {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
            text.push_str(&format!("\r\n{body}"));
            let sent = stream.write_all(text.as_bytes()).await;
            return sent.is_ok() && stream.flush().await.is_ok();
        }
        Reply::Half(body) | Reply::Stuck(body) if body.is_empty() => Ok(()),
        Reply::Half(ref body) | Reply::Stuck(ref body) => {
            let half = &body[..body.len() / 2];
            let text = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{half}",
                body.len()
            );
            let sent = stream.write_all(text.as_bytes()).await;
            let _ = stream.flush().await;
            if matches!(reply, Reply::Stuck(_)) {
                sleep(Duration::from_secs(600)).await;
            }
            sent
        }
        Reply::Endless(bytes) => {
            let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
            let mut sent = stream.write_all(head.as_bytes()).await;
            for _ in 0..bytes / 1_000 {
                if sent.is_err() {
                    break;
                }
                sent = stream.write_all(&[b' '; 1_000]).await;
            }
            sent
        }
        Reply::Closed | Reply::Late(..) => Ok(()),
    };
    let _ = sent;
    let _ = stream.shutdown().await;
    false
}
