//! VerifyService.

use std::sync::Arc;

use tfps_proto::v1::{
    CompleteVerificationRequest, CompleteVerificationResponse, StartVerificationRequest,
    StartVerificationResponse,
    verify_service_server::VerifyService,
    {self},
};
use tonic::{Request, Response, Status};

use super::{caller, convert, status, uninterrupted};
use crate::{
    auth::Permission,
    check::purpose_number,
    state::About,
    verify::{Question, Verifier, Wanted},
};

/// The most digits that can be typed.
const MAX_DIGITS: usize = 16;

/// VerifyService.
#[derive(Clone)]
pub struct VerifyRpc(Arc<Verifier>);

impl VerifyRpc {
    /// Asks this verifier.
    pub fn new(verifier: Arc<Verifier>) -> Self {
        Self(verifier)
    }
}

#[tonic::async_trait]
impl VerifyService for VerifyRpc {
    async fn start_verification(
        &self,
        request: Request<StartVerificationRequest>,
    ) -> Result<Response<StartVerificationResponse>, Status> {
        let caller = caller(&request)?;
        caller.require(Permission::Decide)?;
        let wanted = wanted(request.into_inner())?;
        let verifier = Arc::clone(&self.0);
        let opened =
            uninterrupted(async move { Ok(verifier.start(&caller, wanted).await?) }).await?;
        let digit_count = opened.question.as_ref().map(Question::digit_count);
        let answer = opened.question.as_ref().map(Question::answer);
        let (mut captcha_digits, mut addends, mut spoken) = Default::default();
        let captcha = match opened.question {
            Some(Question::Digits(digits)) => {
                captcha_digits = digits;
                v1::CaptchaKind::Digits
            }
            Some(Question::Sum(first, second)) => {
                addends = vec![first, second];
                v1::CaptchaKind::Arithmetic
            }
            Some(Question::AmongWords(heard)) => {
                captcha_digits = answer.unwrap_or_default();
                let heard = heard.into_iter();
                spoken = heard
                    .map(|spoken| v1::SpokenDigit {
                        digit: spoken.digit.to_digit(10).unwrap_or_default(),
                        typed: spoken.typed,
                    })
                    .collect();
                v1::CaptchaKind::DigitsAmongWords
            }
            None => v1::CaptchaKind::Unspecified,
        };
        Ok(Response::new(StartVerificationResponse {
            verification_id: opened.id,
            method: convert::policy::method(opened.method).into(),
            captcha: captcha.into(),
            captcha_digits,
            addends,
            spoken,
            digit_count: digit_count.unwrap_or_default(),
            expires_at: Some(convert::timestamp(opened.expires_at)),
            attempts_left: opened.attempts_left,
            purpose: match opened.pending.about {
                About::Call(purpose) => purpose_number(purpose),
                About::Limits => v1::Purpose::Limits.into(),
            },
            country: opened
                .pending
                .about
                .country()
                .map(|country| country.code().to_owned())
                .unwrap_or_default(),
            dialed_number: opened.pending.dialed,
            account: Some(v1::AccountKey {
                username: opened.pending.account.username().to_owned(),
                domain: opened.pending.account.domain().to_owned(),
            }),
        }))
    }

    async fn complete_verification(
        &self,
        request: Request<CompleteVerificationRequest>,
    ) -> Result<Response<CompleteVerificationResponse>, Status> {
        let caller = caller(&request)?;
        caller.require(Permission::Decide)?;
        let CompleteVerificationRequest {
            verification_id,
            digits,
        } = request.into_inner();
        if verification_id.is_empty() {
            return Err(status::missing("verification_id"));
        }
        if verification_id.len() > 64 {
            return Err(status::invalid(
                "verification_id",
                "is over 64 characters long",
            ));
        }
        if digits.len() > MAX_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(status::invalid(
                "digits",
                format!("must be at most {MAX_DIGITS} digits"),
            ));
        }
        let verifier = Arc::clone(&self.0);
        let completed = uninterrupted(async move {
            Ok(verifier
                .complete(&caller, &verification_id, &digits)
                .await?)
        })
        .await?;
        Ok(Response::new(CompleteVerificationResponse {
            passed: completed.passed,
            change: completed.change,
            daily_quota: completed.daily_quota.unwrap_or_default(),
            attempts_left: completed.attempts_left,
            locked_until: completed.locked_until.map(convert::timestamp),
            account: completed.account.map(convert::account::record),
            limits_asked: completed.limits_asked.map(|most| v1::LimitsAsked {
                max_concurrent_calls: most.concurrent_calls,
                max_daily_quota: most.daily_quota,
            }),
        }))
    }
}

/// Which challenge is asked for: by its id, or by its account and purpose.
fn wanted(request: StartVerificationRequest) -> Result<Wanted, Status> {
    let StartVerificationRequest {
        challenge_id,
        account,
        purpose: number,
    } = request;
    let purpose = purpose(number)?;
    if challenge_id.is_empty() {
        let account = convert::account_id("account", account)?;
        let purpose =
            purpose.ok_or_else(|| status::invalid("challenge_id", "or purpose must be given"))?;
        return Ok(Wanted::Newest { account, purpose });
    }
    if challenge_id.len() > 64 {
        return Err(status::invalid(
            "challenge_id",
            "is over 64 characters long",
        ));
    }
    let account = account
        .map(|key| convert::account_id("account", Some(key)))
        .transpose()?;
    Ok(Wanted::Id {
        id: challenge_id,
        account,
        purpose,
    })
}

fn purpose(number: i32) -> Result<Option<&'static str>, Status> {
    match v1::Purpose::try_from(number) {
        Ok(v1::Purpose::Unspecified) => Ok(None),
        Ok(v1::Purpose::Onboarding) => Ok(Some("onboarding")),
        Ok(v1::Purpose::SourceCountry) => Ok(Some("source-country")),
        Ok(v1::Purpose::DestinationCountry) => Ok(Some("destination-country")),
        Ok(v1::Purpose::Quota) => Ok(Some("quota")),
        Ok(v1::Purpose::QuotaOffHours) => Ok(Some("quota-off-hours")),
        Ok(v1::Purpose::Risk) => Ok(Some("risk")),
        Ok(v1::Purpose::Limits) => Ok(Some(About::LIMITS)),
        Err(_) => Err(status::invalid("purpose", format!("{number} is none"))),
    }
}
