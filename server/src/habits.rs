//! What accounts usually do is learned anew after a start, from the decisions that the database has.
//!
//! It is done while calls are decided already: until it is known, nothing counts as new.

use std::{sync::Arc, time::Instant};

use jiff::{SignedDuration, Timestamp};
use tfps_engine::{decision::Verdict, facts::traits_of, number::E164, usage::HabitDay};

use crate::{
    check::verdict_number,
    journal::DecisionRecord,
    state::State,
    store::{DecisionFilter, Store, StoreError},
};

/// How far back habits are learned from.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24 * 90);
/// From how many decisions at the most, the newest ones.
const MOST: usize = 2_000_000;
/// How many are read at once.
const PAGE: usize = 1_000;

/// Learns from the decisions of before what accounts usually do.
pub async fn learn(store: Arc<dyn Store>, state: Arc<State>, at: Timestamp) {
    let started = Instant::now();
    match recall(&*store, &state, at).await {
        Ok(calls) => {
            tracing::info!(
                calls,
                seconds = started.elapsed().as_secs(),
                "it is known what accounts usually do"
            );
        }
        Err(error) => {
            state.watch.watched_since(at);
            tracing::warn!(%error, "it can't be learned from the database what accounts usually do: for the prediction it starts anew");
        }
    }
}

async fn recall(store: &dyn Store, state: &State, at: Timestamp) -> Result<usize, StoreError> {
    let filter = DecisionFilter {
        verdict: Some(verdict_number(Verdict::Allow)),
        since: Some(at - REMEMBERED),
        until: Some(at),
        ..DecisionFilter::default()
    };
    let mut oldest = at;
    let mut before: Option<String> = None;
    let mut calls = 0;
    while calls < MOST {
        let page = store.decisions(&filter, before.as_deref(), PAGE).await?;
        let Some(last) = page.last() else { break };
        before = Some(last.id.clone());
        oldest = last.time();
        calls += page.len();
        for decision in &page {
            learn_one(state, decision);
        }
        // Whoever calls meanwhile does not wait for this.
        tokio::task::yield_now().await;
    }
    let today = HabitDay::of(at);
    state.accounts.for_each(|resident| {
        let ledger = resident.ledger.lock();
        let (habits, ranges) = (ledger.habits(), &state.watch.ranges);
        let id = &resident.account.id;
        for range in habits.usual_ranges(today) {
            let caller = ranges.caller(id, &habits.last_network(), Some(habits), today);
            ranges.restore(&caller, range, at);
        }
    });
    state.watch.watched_since(oldest);
    Ok(calls)
}

/// Learns from a decision, if it let the call pass without a reservation.
pub fn learn_one(state: &State, decision: &DecisionRecord) {
    let passed = decision.verdict == verdict_number(Verdict::Allow);
    if !passed || !decision.monitored_code.is_empty() {
        return;
    }
    let Some(account) = decision.account() else {
        return;
    };
    let Some(resident) = state.accounts.get(&account) else {
        return;
    };
    let snapshot = state.snapshot.load();
    let policy = state.policy(&snapshot, &account);
    let home = policy.dial_plan.home_country();
    let number = E164::from_digits(&decision.e164).ok();
    let source_ip = decision.source_ip.parse().ok();
    let traits = traits_of(number.as_ref(), home, source_ip, &decision.user_agent);
    let day = HabitDay::of(decision.time());
    resident.ledger.lock().learn_habits(&traits, day);
}
