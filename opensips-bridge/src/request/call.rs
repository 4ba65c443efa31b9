//! A call's progress as a switch tells it.

use tfps_client::v1::{CallEvent, CallProgress};

use super::{BadField, Field, Fields, WhoPays, bounded, bounds::HEADER, identity, whole_number};

/// No call lasts longer: 30 days, in seconds.
const LONGEST_CALL: u32 = 30 * 86_400;
/// The highest Q.850 cause.
const HIGHEST_CAUSE: u32 = 127;

/// Reads the fields into the lesson that the server gets; when it happened is not in them.
///
/// # Errors
/// The field that is missing, too long or wrong.
pub fn read(fields: &Fields<'_>, who_pays: WhoPays<'_>) -> Result<CallProgress, BadField> {
    let identity = identity::of(fields, who_pays)?;
    let name = |field: Field| bounded(field.name(), fields.get(field).unwrap_or_default(), HEADER);
    let (call_id, attempt_key) = (name(Field::CallId)?, name(Field::AttemptKey)?);
    let decision_id = name(Field::DecisionId)?;
    if call_id.is_empty() && attempt_key.is_empty() && decision_id.is_empty() {
        return Err(BadField::new(
            "call_id",
            "must be given, or attempt_key or decision_id in its place",
        ));
    }
    let event = match fields.get(Field::Event) {
        Some("started") => CallEvent::Started,
        Some("answered") => CallEvent::Answered,
        Some("ended") => CallEvent::Ended,
        _ => {
            return Err(BadField::new("event", "must be started, answered or ended"));
        }
    };
    let number = |field: Field, highest| {
        let text = fields.get(field);
        text.map(|text| whole_number(field.name(), text, highest))
            .transpose()
    };
    let duration = number(Field::Duration, LONGEST_CALL)?;
    let cause = number(Field::Cause, HIGHEST_CAUSE)?.unwrap_or_default();
    let ended = event == CallEvent::Ended;
    Ok(CallProgress {
        account: Some(identity.account),
        call_id,
        event: event.into(),
        at: None,
        // Not 0 where it is not told: a call that was answered has lasted since then.
        duration: duration
            .filter(|_| ended)
            .map(|seconds| prost_types::Duration {
                seconds: seconds.into(),
                nanos: 0,
            }),
        cause: if ended { cause } else { 0 },
        decision_id,
        attempt_key,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::form;

    fn call(form: &str) -> Result<CallProgress, BadField> {
        let mut fields = Fields::default();
        form::read(form.as_bytes(), &mut fields)?;
        read(&fields, WhoPays::default())
    }

    #[test]
    fn a_call_starts_and_ends() {
        let started = call("p_tfps=alice;example.com&call_id=a&event=started").unwrap();
        assert_eq!(
            (started.event(), started.duration),
            (CallEvent::Started, None)
        );
        let ended =
            call("username=alice&domain=example.com&call_id=a&event=ended&duration=61&cause=16")
                .unwrap();
        assert_eq!(ended.event(), CallEvent::Ended);
        assert_eq!((ended.duration.unwrap().seconds, ended.cause), (61, 16));
        let untold = call("username=alice&call_id=a&event=ended").unwrap();
        assert_eq!((untold.duration, untold.cause), (None, 0));
    }

    #[test]
    fn the_wrong_field_is_named() {
        for (form, field) in [
            ("username=a&event=started", "call_id"),
            ("call_id=a&event=started", "username"),
            ("username=a&call_id=a", "event"),
            ("username=a&call_id=a&event=ringing", "event"),
            ("username=a&call_id=a&event=ended&duration=-1", "duration"),
            (
                "username=a&call_id=a&event=ended&duration=9999999999",
                "duration",
            ),
            ("username=a&call_id=a&event=ended&cause=200", "cause"),
        ] {
            assert_eq!(call(form).unwrap_err().field, field, "{form}");
        }
    }
}
