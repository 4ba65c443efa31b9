//! The calls that were being set up or in progress before the start.

use jiff::Timestamp;
use tfps_engine::{
    call::AccountId,
    exposure::Tariff,
    number::{E164, plan},
    usage::{Day, OpenCall},
};

use crate::{
    journal::{CallRecord, DecisionRecord, Progress},
    state::State,
    store::OpenCallRecord,
};

/// An allowed call that may not have started yet holds its slot, and is charged for when it does.
pub(super) fn reserve(state: &State, decision: &DecisionRecord, at: Timestamp) {
    if decision.slot_until == 0 || decision.call_id.is_empty() {
        return;
    }
    let Some(account) = decision.account() else {
        return;
    };
    let number = E164::from_digits(&decision.e164).ok();
    let key = state.recent.key((&account, decision.call_id.as_str()));
    let tariff = number.and_then(|number| tariff(state, &account, &number));
    let call = OpenCall {
        number,
        tariff,
        holds: decision.concurrent_calls.is_none(),
        ..OpenCall::new(key, decision.slot_until)
    };
    if call.lasts(at.as_second()) {
        let ledger = state.ledger_or_stranger(&account);
        ledger.lock().calls.allow(call, at);
    }
}

/// What a call of before the start costs: by the rates and the policy of now.
fn tariff(state: &State, account: &AccountId, number: &E164) -> Option<Tariff> {
    let snapshot = state.snapshot.load();
    let policy = state.policy(&snapshot, account);
    let country = plan::look_up(number).country;
    policy.tariff(number, country, &snapshot.rates)
}

/// A call that had started before the start, and had not ended.
pub(super) fn open_call(state: &State, record: &OpenCallRecord, at: Timestamp) {
    let Some(ledger) = state.ledger(&record.account) else {
        return;
    };
    let number = E164::from_digits(&record.e164).ok();
    let tariff = number.and_then(|number| tariff(state, &record.account, &number));
    let snapshot = state.snapshot.load();
    let today = state.policy(&snapshot, &record.account).day_began(at);
    let answered_at = record.answered_at.map(Timestamp::as_second);
    let is_charged = tariff.is_some() && answered_at.is_some();
    let is_there = record.slot_until > at.as_second();
    // One whose end was lost counts for as long as its day lasts.
    if !is_there && (!is_charged || record.slot_until < today.as_second()) {
        return;
    }
    let key = state.recent.key((&record.account, record.call_id.as_str()));
    let call = OpenCall {
        number,
        tariff,
        answered_at,
        emergency: record.emergency,
        holds: !record.emergency,
        call_id: Some(record.call_id.as_str().into()),
        charged_from: record.charged_from.max(today.as_second()),
        ..OpenCall::new(key, record.slot_until)
    };
    ledger.lock().calls.allow(call, at);
    state.in_progress.add(&record.account);
}

/// What a switch told of a call; what is fresh is not in the database yet.
pub(super) fn progress(state: &State, call: &CallRecord, fresh: bool, at: Timestamp) {
    let Some((account, ledger)) = call
        .account()
        .and_then(|account| state.ledger(&account).map(|ledger| (account, ledger)))
    else {
        return;
    };
    let key = state.recent.key((&account, call.call_id.as_str()));
    let mut ledger = ledger.lock();
    if call.progress == Progress::Ended as i32 {
        ledger.calls.end(key);
        if fresh {
            ledger.charge(Day::from_digits(call.day), call.exposure());
        }
        return;
    }
    if call.slot_until <= at.as_second() {
        return;
    }
    let open = ledger.calls.start(key, &call.call_id, call.slot_until, at);
    if call.progress == Progress::Answered as i32 {
        open.answered_at.get_or_insert(call.at / 1_000);
        let snapshot = state.snapshot.load();
        let today = state.policy(&snapshot, &account).day_began(at);
        open.charged_from = open.charged_from.max(today.as_second());
    }
    state.in_progress.add(&account);
}
