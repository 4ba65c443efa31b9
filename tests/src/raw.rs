//! gRPC with bytes instead of messages: what no generated client would send.

use std::time::Duration;

use http::uri::PathAndQuery;
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tonic::{
    Request, Status,
    client::Grpc,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::Channel,
};

use crate::Server;

/// Messages as they are on the wire.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bytes;

/// A connection that sends bytes, with or without a token.
#[derive(Clone, Debug)]
pub struct Wire {
    channel: Channel,
    secret: Option<String>,
}

impl Wire {
    /// Connects to a server.
    ///
    /// # Panics
    /// When it is not reached.
    pub async fn to(server: &Server, secret: Option<&str>) -> Self {
        let channel = Channel::from_shared(server.url())
            .expect("an address")
            .connect()
            .await
            .expect("a server that is running");
        Self {
            channel,
            secret: secret.map(str::to_owned),
        }
    }

    /// Calls a method, whatever its kind, with these messages; its answers, or its status. A watch, which does not end by
    /// itself, is listened to for a moment.
    ///
    /// # Errors
    /// The server's status.
    ///
    /// # Panics
    /// When `path` is none.
    pub async fn call(&self, path: &str, messages: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Status> {
        let mut grpc = Grpc::new(self.channel.clone()).max_encoding_message_size(usize::MAX);
        grpc.ready()
            .await
            .map_err(|error| Status::unavailable(error.to_string()))?;
        let method = PathAndQuery::try_from(path).expect("a path");
        let mut request = Request::new(tokio_stream::iter(messages));
        if let Some(secret) = &self.secret {
            let header = format!("Bearer {secret}")
                .parse()
                .expect("a token is ASCII");
            request.metadata_mut().insert("authorization", header);
        }
        let mut answers = grpc.streaming(request, method, Bytes).await?.into_inner();
        let is_watch = path.ends_with("/WatchDecisions") || path.ends_with("/WatchHangUps");
        let patience = if is_watch {
            Duration::from_millis(50)
        } else {
            Duration::from_secs(60)
        };
        let mut all = Vec::new();
        while let Ok(Some(answer)) = timeout(patience, answers.next()).await {
            all.push(answer?);
        }
        Ok(all)
    }
}

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        use prost::bytes::BufMut;
        out.put_slice(&item);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        use prost::bytes::Buf;
        let mut bytes = vec![0; from.remaining()];
        from.copy_to_slice(&mut bytes);
        Ok(Some(bytes))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}
