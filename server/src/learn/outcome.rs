//! What a decision or a number turned out to be.

use std::time::Duration;

use jiff::Timestamp;
use tfps_engine::{
    call::{FieldError, Problem},
    lists::{Action, Change, EntryKey, EntryValue, ListEntry},
    number::E164,
};

use super::{LearnError, Learner};
use crate::{
    auth::{Permission, Principal},
    store::{DecisionFilter, OutcomeRecord},
};

/// The source of entries that outcomes make.
pub const LEARNED: &str = "learned";
/// How long an outcome waits for the decision to reach the database.
const CATCH_UP: Duration = Duration::from_secs(2);
/// The longest note, in bytes.
pub const MAX_NOTE: usize = 256;

/// What an outcome is about.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A decision.
    Decision(String),
    /// A number.
    Number(E164),
}

impl Learner {
    /// Learns an outcome: a number that was confirmed as fraud is listed; a false positive takes it off the list
    /// again.
    ///
    /// # Errors
    /// When the role or the domain does not allow it, or there is no such decision.
    pub async fn outcome(
        &self,
        caller: &Principal,
        subject: Subject,
        fraud: bool,
        note: &str,
    ) -> Result<Vec<String>, LearnError> {
        caller.require(Permission::Change)?;
        if note.len() > MAX_NOTE {
            let problem = Problem::TooLong {
                length: note.len(),
                limit: MAX_NOTE,
            };
            return Err(FieldError::new("outcome.note", problem).into());
        }
        let at = self.clock.now();
        let (decision_id, number) = match subject {
            Subject::Number(number) => (None, number),
            Subject::Decision(id) => {
                self.shipper.catch_up(CATCH_UP).await;
                let filter = DecisionFilter {
                    id: Some(id.clone()),
                    domain: caller.domain.as_deref().map(str::to_owned),
                    ..DecisionFilter::default()
                };
                let decision = self.store.decisions(&filter, None, 1).await?.pop();
                let decision =
                    decision.ok_or_else(|| LearnError::NotFound(format!("decision {id}")))?;
                let number = E164::from_digits(&decision.e164).map_err(|_| {
                    LearnError::Precondition(format!(
                        "the decision {id} is about no number that could be listed"
                    ))
                })?;
                (Some(id), number)
            }
        };
        let domain = caller.domain.as_deref().unwrap_or_default();
        let key = EntryKey {
            domain: domain.into(),
            value: EntryValue::Number(number),
            source: LEARNED.into(),
        };
        let note = tfps_engine::call::printable(note).into_owned();
        let change = if fraud {
            let reason = if note.is_empty() {
                "confirmed fraud".to_owned()
            } else {
                format!("confirmed fraud: {note}")
            };
            Change::Put(ListEntry {
                key,
                action: Action::Block,
                reason: reason.into(),
                listed_at: at.as_second(),
                expires_at: None,
            })
        } else {
            Change::Remove(key)
        };
        let record = OutcomeRecord {
            learned_at: at,
            decision_id,
            number: number.as_str().to_owned(),
            domain: domain.to_owned(),
            kind: if fraud {
                "confirmed-fraud"
            } else {
                "false-positive"
            },
            note,
            taught_by: caller.name.clone(),
        };
        let bounds = caller.domain.as_ref().map(|_| &self.domains);
        let listed_before = self.listed(domain, &number, at);
        self.lists
            .change_with(vec![change], bounds, |changes| async move {
                self.store
                    .learn_outcome(&record, &changes)
                    .await
                    .map(|()| changes)
            })
            .await?;
        // What a domain says of its own calls teaches nobody else.
        if domain.is_empty() {
            self.lists.clear(number, !fraud).await;
        }
        let listed = self.listed(domain, &number, at);
        let ending = if fraud {
            self.calls.end_fraud(number, caller.domain.as_deref())
        } else {
            0
        };
        let mut changes = match (fraud, listed_before, listed) {
            (true, _, _) => vec![format!("{number} is on the block list from now on (R03)")],
            (false, true, false) => vec![format!("{number} is off the block list from now on")],
            (false, true, true) => vec![format!(
                "{number} stays on the block list by another entry: `tfpsctl entries list --kind number --matching {}`",
                number.as_str()
            )],
            (false, false, _) if domain.is_empty() => vec![format!(
                "{number} and its range are taken for less likely fraud from now on"
            )],
            (false, false, _) => Vec::new(),
        };
        if ending > 0 {
            changes.push(format!("calls in progress to it that are to end: {ending}"));
        }
        Ok(changes)
    }

    fn listed(&self, domain: &str, number: &E164, at: Timestamp) -> bool {
        let snapshot = self.state.snapshot.load();
        snapshot
            .lists
            .number(domain, number, at.as_second())
            .is_some_and(|hit| !hit.allows())
    }
}
