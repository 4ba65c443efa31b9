//! The calls that were being set up or in progress before the start.

use jiff::Timestamp;
use tfps_engine::{
    call::AccountId,
    exposure::Tariff,
    number::{E164, plan},
    usage::{CallName, Day, Event, OpenCall},
};

use crate::{
    check::DecisionId,
    journal::{CallRecord, DecisionRecord, Progress},
    state::State,
    store::OpenCallRecord,
};

/// An allowed call that may not have started yet holds its slot, and is charged for when it does.
pub(super) fn reserve(state: &State, decision: &DecisionRecord, at: Timestamp) {
    if decision.slot_until == 0 {
        return;
    }
    let (Some(account), Ok(DecisionId(key))) = (decision.account(), decision.id.parse()) else {
        return;
    };
    let number = E164::from_digits(&decision.e164).ok();
    let tariff = number.and_then(|number| tariff(state, &account, &number));
    let snapshot = state.snapshot.load();
    let today = Day::of(state.policy(&snapshot, &account).local(at).date());
    let call = OpenCall {
        number,
        tariff,
        assumed_seconds: if decision.day() == today {
            decision.assumed_seconds
        } else {
            0
        },
        holds: decision.concurrent_calls.is_none(),
        decided: true,
        call_id: decision.call_id.as_str().into(),
        attempt_key: decision.attempt_key.as_str().into(),
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
    let plan = plan::look_up_from(number, policy.dial_plan.home_country());
    policy.tariff(number, &plan, &snapshot.rates)
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
    let decided: Option<DecisionId> = record.decision_id.parse().ok();
    let key = decided.map_or_else(|| state.undecided_call(), |DecisionId(key)| key);
    let call = OpenCall {
        number,
        tariff,
        answered_at,
        emergency: record.emergency,
        holds: !record.emergency,
        told: true,
        decided: decided.is_some(),
        call_id: record.call_id.as_str().into(),
        attempt_key: record.attempt_key.as_str().into(),
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
    let decided: Option<DecisionId> = call.decision_id.parse().ok();
    let name = CallName {
        key: decided.map(|DecisionId(key)| key),
        attempt_key: &call.attempt_key,
        call_id: &call.call_id,
    };
    let ended = call.progress == Progress::Ended as i32;
    let event = match call.progress {
        _ if ended => Event::Ended(u64::try_from(call.duration_ms / 1_000).ok()),
        progress if progress == Progress::Answered as i32 => Event::Answered,
        _ => Event::Started,
    };
    let mut ledger = ledger.lock();
    let known = ledger.calls.find(&name, event, call.at.div_euclid(1_000));
    let known = known.map(|call| call.key);
    if let Some(key) = known.filter(|_| call.settles) {
        if fresh {
            ledger.settle(key);
        } else if let Some(open) = ledger.calls.get_mut(key) {
            // The database has it.
            open.assumed_seconds = 0;
        }
    }
    if ended {
        state.recent.end(&account, call, at);
        if let Some(key) = known {
            ledger.calls.end(key);
        }
        if fresh {
            ledger.charge(Day::from_digits(call.day), call.exposure());
        }
        return;
    }
    if call.slot_until <= at.as_second() {
        return;
    }
    let key = known.or(name.key);
    let key = key.unwrap_or_else(|| state.undecided_call());
    let open = ledger.calls.start(key, &name, call.slot_until, at);
    if call.progress == Progress::Answered as i32 {
        open.answered_at.get_or_insert(call.at / 1_000);
        let snapshot = state.snapshot.load();
        let today = state.policy(&snapshot, &account).day_began(at);
        open.charged_from = open.charged_from.max(today.as_second());
    }
    state.in_progress.add(&account);
}
