//! Challenges and how callers meet them.

use tfps_client::{
    Client, Error,
    v1::{self, CheckResponse, Verification},
};

use crate::{
    Server,
    scene::{HOME_NUMBER, call, key},
};

impl Server {
    /// A server whose policy verifies in another way.
    ///
    /// # Panics
    /// When it does not start, or does not want it.
    pub async fn with_verification(change: impl FnOnce(&mut Verification)) -> Self {
        let server = Self::open().await;
        server
            .policy(|policy| change(policy.verification.as_mut().expect("how it verifies")))
            .await;
        server
    }

    /// A call that is challenged.
    ///
    /// # Panics
    /// When it is not.
    pub async fn challenged(&self, username: &str, dialed: &str) -> (CheckResponse, v1::Challenge) {
        let decision = self.check(call(username, dialed)).await;
        let challenge = decision.challenge.clone().expect("a challenge");
        (decision, challenge)
    }

    /// Opens the verification of a challenge.
    ///
    /// # Errors
    /// The server's refusal.
    pub async fn start_verification(
        &self,
        username: &str,
        challenge: &v1::Challenge,
    ) -> Result<v1::StartVerificationResponse, Error> {
        let request = v1::StartVerificationRequest {
            challenge_id: challenge.id.clone(),
            account: Some(key(username)),
            purpose: challenge.purpose,
        };
        self.admin().start_verification(request).await
    }

    /// Types the digits of a verification.
    ///
    /// # Errors
    /// The server's refusal.
    pub async fn complete(
        &self,
        verification_id: &str,
        digits: &str,
    ) -> Result<v1::CompleteVerificationResponse, Error> {
        complete(self.admin(), verification_id, digits).await
    }

    /// Passes the challenge that a call got; what it changed.
    ///
    /// # Panics
    /// When the call got none, or the right digits do not pass.
    pub async fn verify(
        &self,
        username: &str,
        decision: &CheckResponse,
    ) -> v1::CompleteVerificationResponse {
        let challenge = decision.challenge.as_ref().expect("a challenge");
        let opened = self
            .start_verification(username, challenge)
            .await
            .expect("a verification opens");
        let completed = self
            .complete(&opened.verification_id, &opened.captcha_digits)
            .await
            .expect("the digits are taken");
        assert!(completed.passed, "{completed:?}");
        completed
    }

    /// Passes the onboarding of an account of [`crate::scene::DOMAIN`]; the verification's id, and what it changed.
    ///
    /// # Panics
    /// When it is not onboarded.
    pub async fn onboard(&self, username: &str) -> (String, v1::CompleteVerificationResponse) {
        let (_, challenge) = self.challenged(username, HOME_NUMBER).await;
        assert_eq!(challenge.purpose(), v1::Purpose::Onboarding);
        let opened = self
            .start_verification(username, &challenge)
            .await
            .expect("a verification opens");
        let completed = self
            .complete(&opened.verification_id, &opened.captcha_digits)
            .await
            .expect("the digits are taken");
        assert!(completed.passed, "{completed:?}");
        (opened.verification_id, completed)
    }

    /// Opens a verification by which a caller of [`crate::scene::DOMAIN`] can change his limits.
    ///
    /// # Errors
    /// The server's refusal.
    pub async fn start_changing_limits(
        &self,
        username: &str,
    ) -> Result<v1::StartVerificationResponse, Error> {
        let no_challenge = v1::Challenge {
            purpose: v1::Purpose::Limits.into(),
            ..v1::Challenge::default()
        };
        self.start_verification(username, &no_challenge).await
    }

    /// Learns the limits that a caller gave; what changed.
    ///
    /// # Errors
    /// The server's refusal.
    pub async fn learn_limits(
        &self,
        username: &str,
        verification_id: &str,
        concurrent_calls: u32,
        daily_quota: u32,
    ) -> Result<Vec<String>, Error> {
        let limits = v1::CallerLimits {
            account: Some(key(username)),
            verification_id: verification_id.to_owned(),
            concurrent_calls,
            daily_quota,
        };
        let request = v1::LearnRequest {
            lesson: Some(v1::learn_request::Lesson::Limits(limits)),
        };
        Ok(self.admin().learn(request).await?.changes)
    }

    /// Types wrong digits for the challenge that a call got.
    ///
    /// # Panics
    /// When it has none, or they pass.
    pub async fn fail(
        &self,
        username: &str,
        decision: &CheckResponse,
    ) -> v1::CompleteVerificationResponse {
        let challenge = decision.challenge.as_ref().expect("a challenge");
        let opened = self
            .start_verification(username, challenge)
            .await
            .expect("a verification opens");
        let completed = self
            .complete(&opened.verification_id, &wrong(&opened.captcha_digits))
            .await
            .expect("the digits are taken");
        assert!(!completed.passed, "{completed:?}");
        completed
    }
}

/// Types the digits of a verification.
///
/// # Errors
/// The server's refusal.
pub async fn complete(
    client: &Client,
    verification_id: &str,
    digits: &str,
) -> Result<v1::CompleteVerificationResponse, Error> {
    let request = v1::CompleteVerificationRequest {
        verification_id: verification_id.to_owned(),
        digits: digits.to_owned(),
    };
    client.complete_verification(request).await
}

/// Digits of the same length that are not these.
pub fn wrong(digits: &str) -> String {
    digits
        .bytes()
        .map(|digit| char::from(if digit == b'9' { b'0' } else { digit + 1 }))
        .collect()
}
