//! A host of lists on the web that says whatever a test wants, and remembers what it was asked.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Such a host.
#[derive(Debug)]
pub struct ListHost {
    address: SocketAddr,
    said: Arc<Mutex<Said>>,
}

#[derive(Debug, Default)]
struct Said {
    answer: Vec<u8>,
    heard: Vec<String>,
}

impl ListHost {
    /// Serves an answer, from the status line on; `{length}` in it is the length of its body.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn answering(answer: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let said = Arc::<Mutex<Said>>::default();
        let own = Self {
            address,
            said: Arc::clone(&said),
        };
        own.answers(answer);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&said)));
            }
        });
        own
    }

    /// From now on it answers so.
    pub fn answers(&self, answer: &str) {
        let length = answer
            .split_once("\r\n\r\n")
            .map_or(0, |(_, body)| body.len());
        let answer = answer.replace("{length}", &length.to_string());
        lock(&self.said).answer = answer.into_bytes();
    }

    /// From now on it has this list.
    pub fn lists(&self, etag: &str, body: &str) {
        self.answers(&format!(
            "HTTP/1.1 200 OK\r\netag: {etag}\r\ncontent-length: {{length}}\r\n\r\n{body}"
        ));
    }

    /// Where a list is.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// The heads of the requests that came.
    pub fn heard(&self) -> Vec<String> {
        lock(&self.said).heard.clone()
    }
}

async fn serve(mut stream: TcpStream, said: Arc<Mutex<Said>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let answer = {
        let mut said = lock(&said);
        let answer = String::from_utf8_lossy(&said.answer).into_owned();
        let etag = answer
            .lines()
            .find_map(|line| line.strip_prefix("etag: "))
            .unwrap_or("none")
            .to_ascii_lowercase();
        let same = head.contains(&format!("if-none-match: {etag}"));
        said.heard.push(head);
        if same {
            "HTTP/1.1 304 Not Modified\r\n\r\n".to_owned()
        } else {
            answer
        }
    };
    // One that has hung up does not hear it.
    let _ = stream.write_all(answer.as_bytes()).await;
}

fn lock(said: &Mutex<Said>) -> std::sync::MutexGuard<'_, Said> {
    said.lock().unwrap_or_else(PoisonError::into_inner)
}
