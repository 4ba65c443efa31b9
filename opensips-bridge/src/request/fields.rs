//! The fields of a request, wherever they came from: query, form or JSON.

use std::borrow::Cow;

use super::BadField;

macro_rules! fields {
    ($($field:ident $name:literal $(or $alias:literal)? $doc:literal,)*) => {
        /// A field that a switch can send.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Field {
            $(#[doc = $doc] $field,)*
        }

        impl Field {
            /// Every field.
            pub const ALL: &[Self] = &[$(Self::$field,)*];

            /// Its name on the wire.
            pub fn name(self) -> &'static str {
                match self { $(Self::$field => $name,)* }
            }

            /// The field of this name.
            pub fn named(name: &str) -> Option<Self> {
                match name { $($name $(| $alias)? => Some(Self::$field),)* _ => None }
            }
        }
    };
}

fields! {
    Username "username" "The user of the account that pays.",
    Domain "domain" "The domain of the account.",
    FromUser "from_user" "The user of the From URI; the account's where nothing else names it.",
    FromDomain "from_domain" "The host of the From URI.",
    DialedNumber "dialed_number" "The number as it was dialed.",
    CallerNumber "caller_number" "The calling number; that of From where it is not given.",
    SourceIp "source_ip" "Where the caller's signalling came from.",
    UserAgent "user_agent" "The User-Agent header.",
    ConcurrentCalls "concurrent_calls" or "sim_calls" "The account's calls in progress, this one included.",
    CallId "call_id" "The Call-ID.",
    Credentials "credentials" "How many Authorization and Proxy-Authorization headers the INVITE has.",
    AttemptKey "attempt_key" "The key of the attempt, one per INVITE transaction, made by the switch.",
    DecisionId "decision_id" "The decision that allowed a call.",
    ForwardedFrom "forwarded_from" "The forwarding party.",
    Trunk "trunk" "The trunk that the call came over.",
    DryRun "dry_run" "Decide without counting.",
    PTfps "p_tfps" "The header P-tfps as it came.",
    XTfps "x_tfps" "The header X-tfps as it came.",
    PReceived "p_received" "The header P-Received as it came.",
    PUa "p_ua" "The header P-UA as it came.",
    PCalls "p_calls" "The header P-Calls as it came.",
    PAssertedIdentity "p_asserted_identity" "The header P-Asserted-Identity as it came.",
    Diversion "diversion" "The header Diversion as it came.",
    From "from" "The header From as it came, for its tag.",
    CSeq "cseq" "The header CSeq as it came.",
    Via "via" "The topmost header Via as it came.",
    Event "event" "What happened to a call.",
    Duration "duration" "How long a call was answered, in seconds.",
    Cause "cause" "Why a call ended, by Q.850.",
}

/// What `OpenSIPS` and Kamailio write for a variable that has no value.
const NULL: &str = "<null>";

/// The fields that were sent. A field that is empty, or `<null>` as switches write it, counts as not sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields<'a>([Option<Cow<'a, str>>; Field::ALL.len()]);

impl<'a> Fields<'a> {
    /// What a field holds, without the blanks around it.
    pub fn get(&self, field: Field) -> Option<&str> {
        self.0[field as usize].as_deref()
    }

    /// Takes a field of a request that does not read, where it stands by itself.
    pub(super) fn salvage(&mut self, name: &str, value: Cow<'a, str>) {
        // What is given twice is what it was first.
        let _ = self.put(name, value);
    }

    /// Takes a field. Names that are none are passed over: a switch may send more than is asked for.
    ///
    /// # Errors
    /// When it was sent before with another value.
    pub fn put(&mut self, name: &str, value: Cow<'a, str>) -> Result<(), BadField> {
        let Some(field) = Field::named(name) else {
            return Ok(());
        };
        let value = match field {
            // An unescaped `+` of a query has become a blank.
            Field::DialedNumber | Field::CallerNumber if value.starts_with(' ') => {
                Cow::Owned(format!("+{}", value.trim()))
            }
            _ => trimmed(value),
        };
        if value.is_empty() || value == NULL {
            return Ok(());
        }
        match &self.0[field as usize] {
            Some(before) if *before != value => Err(BadField::new(
                name,
                "is given twice, and not the same: the caller may have written one of them. Give it once",
            )),
            _ => {
                self.0[field as usize] = Some(value);
                Ok(())
            }
        }
    }
}

fn trimmed(value: Cow<'_, str>) -> Cow<'_, str> {
    match value {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) if text.trim().len() == text.len() => Cow::Owned(text),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found_by_its_name() {
        for (index, field) in Field::ALL.iter().enumerate() {
            assert_eq!(Field::named(field.name()), Some(*field));
            assert_eq!(*field as usize, index);
        }
        assert_eq!(Field::named("sim_calls"), Some(Field::ConcurrentCalls));
    }

    #[test]
    fn the_shipped_files_send_fields_that_there_are_and_a_key_that_no_caller_writes() {
        for (file, id) in [
            ("opensips/client.cfg", "$T_id"),
            ("opensips/opensips.cfg", "$T_id"),
            ("kamailio/kamailio.cfg", "$T(id_index)"),
            ("freeswitch/tfps.xml", "${uuid}"),
        ] {
            let path = format!("{}/../deploy/{file}", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(&path).expect(&path);
            let text = text.replace("&amp;", "&");
            let sent: Vec<_> = text
                .split('&')
                .filter_map(|part| part.split_once('='))
                .filter(|(name, _)| {
                    !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
                })
                .collect();
            for (name, value) in &sent {
                assert!(Field::named(name).is_some(), "{file}: {name}");
                let value = value.trim_start_matches(['"', ' ', '+']);
                assert!(*name != "attempt_key" || value.starts_with(id), "{file}");
            }
            let sends = |field| sent.iter().any(|(name, _)| *name == field);
            assert!(sends("attempt_key"), "{file}");
            // Who pays is the digest's user there, and there may be two.
            assert_eq!(sends("credentials"), text.contains("$au;"), "{file}");
        }
    }

    #[test]
    fn what_a_switch_has_not_set_is_not_there() {
        let mut fields = Fields::default();
        for value in ["", "  ", "<null>"] {
            fields.put("p_tfps", value.into()).unwrap();
            assert_eq!(fields.get(Field::PTfps), None);
        }
        fields.put("p_tfps", " alice;example.com ".into()).unwrap();
        assert_eq!(fields.get(Field::PTfps), Some("alice;example.com"));
    }

    #[test]
    fn a_plus_that_became_a_blank_is_a_plus() {
        let mut fields = Fields::default();
        fields.put("dialed_number", " 4420".into()).unwrap();
        assert_eq!(fields.get(Field::DialedNumber), Some("+4420"));
    }

    #[test]
    fn a_field_is_given_once() {
        let mut fields = Fields::default();
        fields.put("username", "alice".into()).unwrap();
        fields.put("username", "alice".into()).unwrap();
        let error = fields.put("username", "bob".into()).unwrap_err();
        assert_eq!(error.field, "username");
        let mut fields = Fields::default();
        fields.put("sim_calls", "1".into()).unwrap();
        assert!(fields.put("concurrent_calls", "2".into()).is_err());
    }
}
