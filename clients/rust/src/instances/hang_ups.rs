//! The calls in progress that are to end, as every instance orders it.

use std::time::Duration;

use tfps_proto::v1::HangUp;
use tokio::{sync::mpsc, time::sleep};
use tracing::{info, warn};

use crate::{Client, Config, ConfigError, Error};

/// The pause before an instance that told nothing is listened to again.
const PAUSE: Duration = Duration::from_secs(1);
/// Orders that may wait for whoever ends calls; what does not fit is ordered again.
const AHEAD: usize = 1_024;

/// Listens to all instances, for ever.
#[derive(Debug)]
pub struct HangUps(mpsc::Receiver<HangUp>);

impl HangUps {
    /// Begins to listen; it ends when this is dropped. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// When a configuration can't work, such as one whose token can't be read.
    pub fn start(configs: Vec<Config>) -> Result<Self, ConfigError> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        for config in configs {
            Client::prepare(config.clone())?;
            tokio::spawn(listen(config, sender.clone()));
        }
        Ok(Self(receiver))
    }

    /// The next call that is to end. One that has not ended comes again every few seconds.
    pub async fn next(&mut self) -> Option<HangUp> {
        self.0.recv().await
    }
}

async fn listen(config: Config, orders: mpsc::Sender<HangUp>) {
    let address = config.servers.join(", ");
    let mut trouble = String::new();
    loop {
        let error = tokio::select! {
            error = hear(&config, &address, &orders, &mut trouble) => error.to_string(),
            () = orders.closed() => return,
        };
        if error != trouble {
            warn!(server = address, %error, "no calls that are to end are heard of");
            trouble = error;
        }
        sleep(PAUSE).await;
    }
}

/// Hears until it breaks, and why.
async fn hear(
    config: &Config,
    address: &str,
    orders: &mpsc::Sender<HangUp>,
    trouble: &mut String,
) -> Error {
    // The token is read anew, as with every connection.
    let client = match Client::connect_lazy(config.clone()) {
        Ok(client) => client,
        Err(error) => return error,
    };
    let mut stream = match client.watch_hang_ups().await {
        Ok(stream) => stream,
        Err(error) => return error,
    };
    info!(server = address, "listening for calls that are to end");
    trouble.clear();
    loop {
        match stream.next().await {
            Ok(order) => {
                let _ = orders.try_send(order);
            }
            Err(error) => return error,
        }
    }
}
