//! Trainings.

use tfps_engine::{call::AccountId, number::CountrySet};
use tfps_proto::v1;
use tonic::Status;

use super::{account::limits, timestamp};
use crate::{
    grpc::status,
    store::{TrainingRecord, TrainingState},
    train::Course,
};

/// A training as it is answered; one that is not kept has no id.
pub(crate) fn training(record: TrainingRecord, is_kept: bool) -> v1::Training {
    let codes = |countries: CountrySet| {
        let codes = countries.iter().map(|country| country.code().to_owned());
        codes.collect::<Vec<_>>()
    };
    v1::Training {
        id: if is_kept { record.id } else { String::new() },
        account: Some(v1::AccountKey {
            username: record.account.username().to_owned(),
            domain: record.account.domain().to_owned(),
        }),
        state: match record.state {
            TrainingState::Suggested => v1::TrainingState::Suggested,
            TrainingState::Applied => v1::TrainingState::Applied,
            TrainingState::Reverted => v1::TrainingState::Reverted,
        }
        .into(),
        reasons: record.reasons,
        limits_before: Some(limits(&record.before.limits)),
        limits_after: Some(limits(&record.after.limits)),
        source_countries_before: codes(record.before.source_countries),
        source_countries_after: codes(record.after.source_countries),
        destination_countries_before: codes(record.before.destination_countries),
        destination_countries_after: codes(record.after.destination_countries),
        create_time: Some(timestamp(record.trained_at)),
        update_time: record.changed_at.map(timestamp),
        changed_by: record.changed_by,
        left_out: record.left_out,
    }
}

/// The countries that are not opened to an account for which there is nothing to change.
pub(crate) fn left_out(account: &AccountId, reasons: Vec<String>) -> v1::LeftOut {
    v1::LeftOut {
        account: Some(v1::AccountKey {
            username: account.username().to_owned(),
            domain: account.domain().to_owned(),
        }),
        reasons,
    }
}

/// The state that is asked for; none: any.
pub(crate) fn state(number: i32) -> Result<Option<TrainingState>, Status> {
    match v1::TrainingState::try_from(number) {
        Ok(v1::TrainingState::Unspecified) => Ok(None),
        Ok(v1::TrainingState::Suggested) => Ok(Some(TrainingState::Suggested)),
        Ok(v1::TrainingState::Applied) => Ok(Some(TrainingState::Applied)),
        Ok(v1::TrainingState::Reverted) => Ok(Some(TrainingState::Reverted)),
        Err(_) => Err(status::invalid("state", format!("{number} is no state"))),
    }
}

/// What is to become of what comes out.
pub(crate) fn course(request: &v1::TrainAccountsRequest) -> Result<Course, Status> {
    if request.dry_run {
        return Ok(Course::DryRun);
    }
    match v1::TrainingMode::try_from(request.mode) {
        Ok(v1::TrainingMode::Unspecified | v1::TrainingMode::Suggest) => Ok(Course::Suggest),
        Ok(v1::TrainingMode::Apply) => Ok(Course::Apply),
        Ok(v1::TrainingMode::Off) | Err(_) => Err(status::invalid(
            "mode",
            "must be TRAINING_MODE_SUGGEST or TRAINING_MODE_APPLY",
        )),
    }
}
