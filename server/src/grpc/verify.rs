//! VerifyService.

use std::sync::Arc;

use tfps_engine::policy::VerificationMethod;
use tfps_proto::v1::{
    CompleteVerificationRequest, CompleteVerificationResponse, StartVerificationRequest,
    StartVerificationResponse,
    verify_service_server::VerifyService,
    {self},
};
use tonic::{Request, Response, Status};

use super::{caller, convert, status, uninterrupted};
use crate::{auth::Permission, check::purpose_number, verify::Verifier};

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
        let request = request.into_inner();
        let account = convert::account_id("account", request.account)?;
        let purpose = purpose(request.purpose)?;
        if request.challenge_id.is_empty() && purpose.is_none() {
            return Err(status::invalid("challenge_id", "or purpose must be given"));
        }
        if request.challenge_id.len() > 64 {
            return Err(status::invalid(
                "challenge_id",
                "is over 64 characters long",
            ));
        }
        let verifier = Arc::clone(&self.0);
        let opened = uninterrupted(async move {
            Ok(verifier
                .start(&caller, &account, &request.challenge_id, purpose)
                .await?)
        })
        .await?;
        let digit_count = match opened.method {
            VerificationMethod::Captcha => u32::try_from(opened.digits.len()).unwrap_or_default(),
            VerificationMethod::Pin | VerificationMethod::None => 0,
        };
        Ok(Response::new(StartVerificationResponse {
            verification_id: opened.id,
            method: convert::policy::method(opened.method).into(),
            captcha_digits: opened.digits,
            digit_count,
            expires_at: Some(convert::timestamp(opened.expires_at)),
            attempts_left: opened.attempts_left,
            purpose: purpose_number(opened.pending.purpose),
            country: opened
                .pending
                .purpose
                .country()
                .map(|country| country.code().to_owned())
                .unwrap_or_default(),
            dialed_number: opened.pending.dialed,
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
            attempts_left: completed.attempts_left,
            locked_until: completed.locked_until.map(convert::timestamp),
            account: completed.account.map(convert::account::record),
        }))
    }
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
        Err(_) => Err(status::invalid("purpose", format!("{number} is none"))),
    }
}
