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
    let duration = understood(fields, Field::Duration, seconds);
    let cause = understood(fields, Field::Cause, |text| {
        whole_number("cause", text, HIGHEST_CAUSE).ok()
    })
    .unwrap_or_default();
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

/// A field that only tells more of the call: one that can't be read is left out, so that the call ends all the same.
fn understood(fields: &Fields<'_>, field: Field, read: fn(&str) -> Option<u32>) -> Option<u32> {
    let text = fields.get(field).filter(|text| !text.is_empty())?;
    let value = read(text.trim());
    if value.is_none() {
        let shown: String = text.chars().take(40).collect();
        tracing::info!(
            field = field.name(),
            value = ?shown,
            "what a switch tells of a call can't be read: it is left out"
        );
    }
    value
}

/// `61`, `61.4`, `1:01` or `00:01:01`: seconds, rounded up.
fn seconds(text: &str) -> Option<u32> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let parts = whole.split(':');
    if parts.clone().count() > 3 {
        return None;
    }
    let mut all = 0_u32;
    for (place, part) in parts.enumerate() {
        let part =
            whole_number("duration", part, if place == 0 { LONGEST_CALL } else { 59 }).ok()?;
        all = all.checked_mul(60)?.checked_add(part)?;
    }
    let rounded = all.checked_add(u32::from(fraction.bytes().any(|byte| byte != b'0')))?;
    (rounded <= LONGEST_CALL).then_some(rounded)
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
        ] {
            assert_eq!(call(form).unwrap_err().field, field, "{form}");
        }
    }

    #[test]
    fn a_call_ends_whatever_is_told_of_it() {
        let ended = |form: &str| {
            let ended = call(&format!("username=a&call_id=a&event=ended&{form}")).unwrap();
            (ended.duration.map(|duration| duration.seconds), ended.cause)
        };
        for (form, expected) in [
            ("duration=12.7", (Some(13), 0)),
            ("duration=12.000", (Some(12), 0)),
            ("duration=00:00:12&cause=16", (Some(12), 16)),
            ("duration=1:02:03", (Some(3_723), 0)),
            ("duration=", (None, 0)),
            ("duration=-1", (None, 0)),
            ("duration=9999999999", (None, 0)),
            ("duration=1:60", (None, 0)),
            ("duration=1:2:3:4", (None, 0)),
            ("duration=a+while&cause=NORMAL_CLEARING", (None, 0)),
            ("cause=487", (None, 0)),
        ] {
            assert_eq!(ended(form), expected, "{form}");
        }
    }
}
