//! Deadlines and retries.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout_at};
use tonic::{Code, Request, Response, Status};

use crate::{
    config::Retry,
    connection::{Client, Transport},
    error::Error,
};

impl Client {
    /// Makes a unary call: with a deadline, with retries where it is `safe` to repeat, and once more where the server
    /// does not take the token and a new one lies in its file.
    pub(crate) async fn call<Req, Res, Send, Sent>(
        &self,
        safe: bool,
        message: Req,
        send: Send,
    ) -> Result<Res, Error>
    where
        Req: Clone,
        Send: Fn(Transport, Request<Req>) -> Sent,
        Sent: Future<Output = Result<Response<Res>, Status>>,
    {
        let ends = self.deadline.map(|limit| Instant::now() + limit);
        let mut attempt = 1;
        let mut token_reread = false;
        loop {
            let error = match self.attempt(ends, message.clone(), &send).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            if error.code() == Code::Unauthenticated && !token_reread && self.bearer.reread() {
                token_reread = true;
                continue;
            }
            if !safe || error.code() != Code::Unavailable || attempt >= self.retry.attempts {
                return Err(error);
            }
            let pause = pause(
                self.retry,
                attempt,
                &error,
                RandomState::new().build_hasher().finish(),
            );
            if ends.is_some_and(|ends| Instant::now() + pause >= ends) {
                return Err(error);
            }
            sleep(pause).await;
            attempt += 1;
        }
    }

    async fn attempt<Req, Res, Send, Sent>(
        &self,
        ends: Option<Instant>,
        message: Req,
        send: &Send,
    ) -> Result<Res, Error>
    where
        Send: Fn(Transport, Request<Req>) -> Sent,
        Sent: Future<Output = Result<Response<Res>, Status>>,
    {
        let mut request = Request::new(message);
        let answer = match ends {
            None => send(self.transport(), request).await,
            Some(ends) => {
                request.set_timeout(ends.saturating_duration_since(Instant::now()));
                timeout_at(ends, send(self.transport(), request))
                    .await
                    .map_err(|_| Error::Deadline {
                        limit: self.deadline.unwrap_or_default(),
                    })?
            }
        };
        answer
            .map(Response::into_inner)
            .map_err(|status| Error::from_status(status, &self.address, self.deadline))
    }
}

/// How long to wait before the retry that follows attempt number `attempt`: what the server asks for, else a pause that
/// doubles, half of it by `chance`, so that many clients don't come back at once.
fn pause(retry: Retry, attempt: u32, error: &Error, chance: u64) -> Duration {
    if let Some(asked) = error
        .rejection()
        .and_then(|rejection| rejection.retry_after)
    {
        return asked;
    }
    let doublings = (attempt - 1).min(16);
    let whole = retry
        .first_pause
        .saturating_mul(1 << doublings)
        .min(retry.longest_pause);
    let half = whole / 2;
    half + half.mul_f64(chance as f64 / u64::MAX as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let unavailable =
            Error::from_status(Status::unavailable("draining"), "http://127.0.0.1:1", None);
        let longest =
            |attempt| pause(Retry::default(), attempt, &unavailable, u64::MAX).as_millis();
        assert_eq!(
            [1, 2, 3, 4, 5, 6, 99].map(longest),
            [50, 100, 200, 400, 800, 1000, 1000]
        );
        let shortest = |attempt| pause(Retry::default(), attempt, &unavailable, 0).as_millis();
        assert_eq!([1, 2, 99].map(shortest), [25, 50, 500]);
    }
}
