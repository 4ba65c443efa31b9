//! Calls in progress.

use jiff::Timestamp;
use tfps_engine::call::AccountId;
use tfps_proto::v1;

use super::timestamp;
use crate::{calls::CallView, check::DecisionId, state::HangUp};

pub(crate) fn open(view: &CallView) -> v1::OpenCall {
    let call = &view.call;
    let second = |at: i64| Timestamp::from_second(at).ok().map(timestamp);
    v1::OpenCall {
        account: Some(key(&view.account)),
        call_id: call.call_id.to_string(),
        e164: call
            .number
            .map(|number| number.as_str().to_owned())
            .unwrap_or_default(),
        answered_at: call.answered_at.and_then(second),
        held_until: second(call.until),
        charged: call.tariff.is_some(),
        price: call
            .tariff
            .map(|tariff| tariff.price.to_string())
            .unwrap_or_default(),
        price_is_estimated: call.tariff.is_some_and(|tariff| tariff.estimated),
        cost_today: view.exposure.cost.to_string(),
        international_seconds_today: view.exposure.seconds_abroad,
        emergency: call.emergency,
        hang_up: view.hang_up.as_deref().map(hang_up),
        decision_id: told(DecisionId::of(call)),
    }
}

pub(crate) fn hang_up(order: &HangUp) -> v1::HangUp {
    v1::HangUp {
        account: Some(key(&order.account)),
        call_id: order.call_id.clone(),
        code: order.code.as_str().to_owned(),
        reason: order.reason.clone(),
        ordered_at: Some(timestamp(order.ordered_at)),
        decision_id: told(order.decision),
    }
}

fn told(decision: Option<DecisionId>) -> String {
    decision
        .map(|decision| decision.to_string())
        .unwrap_or_default()
}

fn key(account: &AccountId) -> v1::AccountKey {
    v1::AccountKey {
        username: account.username().to_owned(),
        domain: account.domain().to_owned(),
    }
}
