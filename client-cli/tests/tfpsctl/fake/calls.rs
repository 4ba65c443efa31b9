//! Check, Learn and Verify.

use std::collections::HashMap;

use tfps_client::v1::*;
use tfps_proto::v1::{
    check_service_server::CheckService, learn_service_server::LearnService,
    verify_service_server::VerifyService,
};
use tokio_stream::StreamExt;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt};

use super::{Answer, Answers, Fake, data};

#[tonic::async_trait]
impl CheckService for Fake {
    async fn check(&self, request: Request<CheckRequest>) -> Answer<CheckResponse> {
        if request.metadata().get("authorization").is_none() {
            return Err(Status::unauthenticated("no token"));
        }
        let check = request.into_inner();
        self.state().checks.push(check.clone());
        Self::decide(&check).map(Response::new)
    }

    type StreamChecksStream = Answers<StreamChecksResponse>;

    async fn stream_checks(
        &self,
        request: Request<Streaming<StreamChecksRequest>>,
    ) -> Answer<Self::StreamChecksStream> {
        let this = self.clone();
        let answers = request.into_inner().map(move |request| {
            let StreamChecksRequest { id, check } = request?;
            let check = check.unwrap_or_default();
            this.state().checks.push(check.clone());
            if check.dialed_number == "666" {
                return Err(Status::unavailable("draining"));
            }
            let result = match Self::decide(&check) {
                Ok(decision) => stream_checks_response::Result::Decision(decision),
                Err(status) => stream_checks_response::Result::Error(
                    prost::Message::decode(status.details())
                        .expect("the details are a google.rpc.Status"),
                ),
            };
            Ok(StreamChecksResponse {
                id,
                result: Some(result),
            })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    type WatchHangUpsStream = Answers<WatchHangUpsResponse>;

    async fn watch_hang_ups(
        &self,
        _: Request<WatchHangUpsRequest>,
    ) -> Answer<Self::WatchHangUpsStream> {
        Err(Status::unimplemented("no command listens"))
    }
}

#[tonic::async_trait]
impl LearnService for Fake {
    async fn learn(&self, request: Request<LearnRequest>) -> Answer<LearnResponse> {
        let request = request.into_inner();
        self.state().lessons.push(request.clone());
        let changes = match request.lesson {
            Some(learn_request::Lesson::Outcome(Outcome {
                subject: Some(outcome::Subject::DecisionId(id)),
                ..
            })) => {
                if id == "none" {
                    return Err(Status::not_found("no such decision"));
                }
                vec!["+5352345678 is on the block list".to_owned()]
            }
            Some(learn_request::Lesson::Outcome(_)) => {
                vec!["+25261 is on the block list".to_owned()]
            }
            _ => Vec::new(),
        };
        Ok(Response::new(LearnResponse { changes }))
    }
}

#[tonic::async_trait]
impl VerifyService for Fake {
    async fn start_verification(
        &self,
        request: Request<StartVerificationRequest>,
    ) -> Answer<StartVerificationResponse> {
        let request = request.into_inner();
        let pin = request.purpose() == Purpose::Quota;
        match request.challenge_id.as_str() {
            "none" => return Err(Status::not_found("there is no challenge none")),
            "over" => {
                let details =
                    ErrorDetails::with_error_info("CHALLENGE_OVER", "tfps.v1", HashMap::new());
                return Err(Status::with_error_details(
                    Code::FailedPrecondition,
                    "the challenge over was passed or has expired",
                    details,
                ));
            }
            _ => {}
        }
        Ok(Response::new(StartVerificationResponse {
            captcha: tfps_proto::v1::CaptchaKind::Digits.into(),
            addends: Vec::new(),
            spoken: Vec::new(),
            verification_id: "v1".to_owned(),
            method: if pin {
                VerificationMethod::Pin
            } else {
                VerificationMethod::Captcha
            }
            .into(),
            captcha_digits: if pin { "" } else { "0417" }.to_owned(),
            digit_count: if pin { 0 } else { 4 },
            expires_at: data::time("2026-06-08T21:32:00Z"),
            attempts_left: 3,
            purpose: if pin {
                Purpose::Quota
            } else {
                Purpose::DestinationCountry
            }
            .into(),
            country: if pin { "" } else { "SO" }.to_owned(),
            dialed_number: "0025261234567".to_owned(),
            account: request.account.or_else(|| {
                Some(AccountKey {
                    username: "alice".to_owned(),
                    domain: "example.com".to_owned(),
                })
            }),
        }))
    }

    async fn complete_verification(
        &self,
        request: Request<CompleteVerificationRequest>,
    ) -> Answer<CompleteVerificationResponse> {
        Ok(Response::new(match request.into_inner().digits.as_str() {
            "0417" => CompleteVerificationResponse {
                passed: true,
                change: "destination country SO is open until 2026-06-09 21:30:00Z".to_owned(),
                attempts_left: 3,
                account: Some(self.state().accounts[0].clone()),
                ..Default::default()
            },
            "0418" => CompleteVerificationResponse {
                passed: true,
                change: "the account alice@example.com is known from now on".to_owned(),
                attempts_left: 4,
                limits_asked: Some(LimitsAsked {
                    max_concurrent_calls: 5,
                    max_daily_quota: 99,
                }),
                ..Default::default()
            },
            "" => CompleteVerificationResponse {
                locked_until: data::time("2026-06-08T22:30:00Z"),
                ..Default::default()
            },
            _ => CompleteVerificationResponse {
                attempts_left: 2,
                ..Default::default()
            },
        }))
    }
}
