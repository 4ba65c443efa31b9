//! Who pays for a call, of the ways in which a switch can tell.

use tfps_client::v1::AccountKey;

use super::{
    BadField, Field, Fields, bounded,
    bounds::{DOMAIN, USERNAME},
    headers::{PTfps, asserted_identity, x_tfps},
};

/// The domain of accounts whose switch tells none.
pub const DEFAULT_DOMAIN: &str = "default";

/// What the configuration says of who pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WhoPays<'a> {
    /// The domain of accounts whose switch tells none.
    pub default_domain: &'a str,
    /// Whether P-Asserted-Identity is the switch's word. From then is not, which callers write.
    pub trust_asserted_identity: bool,
}

impl Default for WhoPays<'_> {
    fn default() -> Self {
        Self {
            default_domain: DEFAULT_DOMAIN,
            trust_asserted_identity: false,
        }
    }
}

/// The account, and what `P-tfps` says beside it.
pub(crate) struct Identity<'a> {
    pub(crate) account: AccountKey,
    pub(crate) p_tfps: Option<PTfps<'a>>,
}

/// Finds it: `P-tfps` or `X-tfps`, else what the switch says in words (`username`), else `P-Asserted-Identity` where it is trusted, and
/// From where it is not. The domain of From, which callers write, is that of the user of From alone: with it anybody would have the bounds of as many
/// domains as they like.
///
/// # Errors
/// When nobody is named, or two are: both headers, `username` or a trusted `P-Asserted-Identity` that names another account than the
/// header, or two sets of credentials in the INVITE, of which a switch may have checked either.
pub(crate) fn of<'a>(
    fields: &'a Fields<'_>,
    who_pays: WhoPays<'_>,
) -> Result<Identity<'a>, BadField> {
    if let Some(number) = fields.get(Field::Credentials)
        && !matches!(number, "0" | "1")
    {
        return Err(BadField::new(
            Field::Credentials.name(),
            "must be 0 or 1: of two, the caller picks who pays",
        ));
    }
    let p_tfps = fields.get(Field::PTfps).map(PTfps::read).transpose()?;
    let x_tfps = fields.get(Field::XTfps).map(x_tfps).transpose()?;
    let in_words = fields
        .get(Field::Username)
        .map(|username| (username, fields.get(Field::Domain).unwrap_or_default()));

    let (field, (username, domain)) = match (&p_tfps, x_tfps, in_words) {
        (Some(_), Some(_), _) => {
            return Err(BadField::new(
                Field::XTfps.name(),
                "stands beside p_tfps: the caller may have written one of them. Send one, and remove what callers write",
            ));
        }
        (Some(header), None, _) => (Field::PTfps, (header.username, header.domain)),
        (None, Some(header), _) => (Field::XTfps, header),
        (None, None, Some(in_words)) => (Field::Username, in_words),
        (None, None, None) if who_pays.trust_asserted_identity => {
            let header = fields.get(Field::PAssertedIdentity).ok_or_else(|| {
                BadField::new(
                    Field::PAssertedIdentity.name(),
                    "must be given, or p_tfps, x_tfps or username in its place: with trust_asserted_identity, From names nobody",
                )
            })?;
            (Field::PAssertedIdentity, asserted_identity(header)?)
        }
        (None, None, None) => match fields.get(Field::FromUser) {
            Some(user) => (Field::FromUser, (user, "")),
            None => {
                return Err(BadField::new(
                    "username",
                    "must be given, or p_tfps, x_tfps or from_user in its place",
                ));
            }
        },
    };
    let agrees = |(other, other_domain): (&str, &str)| {
        other == username
            && (domain.is_empty()
                || other_domain.is_empty()
                || domain.eq_ignore_ascii_case(other_domain))
    };
    if in_words.is_some_and(|in_words| !agrees(in_words)) {
        return Err(BadField::new(
            "username",
            format!(
                "names another account than {}: give one of them",
                field.name()
            ),
        ));
    }
    // The switch has removed no P-tfps where it asserts an identity: the header is a caller's until the two agree.
    if who_pays.trust_asserted_identity && matches!(field, Field::PTfps | Field::XTfps) {
        let asserted = fields.get(Field::PAssertedIdentity);
        let asserted = asserted.map(asserted_identity).transpose()?;
        if !asserted.or(in_words).is_some_and(agrees) {
            return Err(BadField::new(
                field.name(),
                "names somebody whom p_asserted_identity does not: with trust_asserted_identity, remove what callers write",
            ));
        }
    }
    let of_from = (field == Field::FromUser).then_some(Field::FromDomain);
    let told = [Some(Field::Domain), of_from]
        .into_iter()
        .flatten()
        .find_map(|field| fields.get(field).map(|domain| (field, domain)));
    let (domain_field, domain) = match (domain, told) {
        ("", Some(told)) => told,
        ("", None) => (Field::Domain, who_pays.default_domain),
        (domain, _) => (field, domain),
    };
    let domain_field = match domain_field {
        Field::Username => Field::Domain,
        field => field,
    };
    Ok(Identity {
        account: AccountKey {
            username: bounded(field.name(), username, USERNAME)?,
            domain: bounded(domain_field.name(), domain, DOMAIN)?,
        },
        p_tfps,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(sent: &[(&str, &str)]) -> Result<String, BadField> {
        let mut fields = Fields::default();
        for (name, value) in sent {
            fields.put(name, (*value).into())?;
        }
        identified(&fields, WhoPays::default())
    }

    fn identified(fields: &Fields<'_>, who_pays: WhoPays<'_>) -> Result<String, BadField> {
        of(fields, who_pays)
            .map(|found| format!("{}@{}", found.account.username, found.account.domain))
    }

    #[test]
    fn headers_come_before_words_before_from() {
        let mut sent = vec![("from_user", "dave"), ("from_domain", "from.example.com")];
        assert_eq!(account(&sent).unwrap(), "dave@from.example.com");
        for header in [
            ("x_tfps", "bob@x.example.com"),
            ("p_tfps", "bob;x.example.com;;;"),
        ] {
            sent.push(header);
            assert_eq!(account(&sent).unwrap(), "bob@x.example.com");
            sent.pop();
        }
        let words = [
            ("username", "carol"),
            ("domain", "example.com"),
            ("from_user", "dave"),
        ];
        assert_eq!(account(&words).unwrap(), "carol@example.com");
    }

    #[test]
    fn a_domain_that_is_not_told_is_the_default_and_that_of_from_goes_with_its_user_alone() {
        assert_eq!(account(&[("from_user", "dave")]).unwrap(), "dave@default");
        assert_eq!(
            account(&[("from_user", "dave"), ("domain", "v1.example.com")]).unwrap(),
            "dave@v1.example.com"
        );
        assert_eq!(
            account(&[("from_user", "dave"), ("from_domain", "example.com")]).unwrap(),
            "dave@example.com"
        );
        let from = ("from_domain", "invented.example");
        for named in [
            ("p_tfps", "alice"),
            ("x_tfps", "alice"),
            ("username", "alice"),
        ] {
            assert_eq!(account(&[named, from]).unwrap(), "alice@default");
            let switch = ("domain", "example.com");
            assert_eq!(
                account(&[named, from, switch]).unwrap(),
                "alice@example.com"
            );
        }
    }

    #[test]
    fn two_identities_that_disagree_are_refused() {
        let header = ("p_tfps", "alice;example.com");
        let error = account(&[header, ("username", "mallory")]).unwrap_err();
        assert_eq!(error.field, "username");
        assert!(error.problem.contains("p_tfps"));
        let other_domain = [
            ("x_tfps", "alice@example.com"),
            ("username", "alice"),
            ("domain", "example.org"),
        ];
        assert!(account(&other_domain).is_err());
        let same = [header, ("username", "alice"), ("domain", "EXAMPLE.com")];
        assert_eq!(account(&same).unwrap(), "alice@example.com");
    }

    #[test]
    fn two_identity_headers_are_refused_even_where_they_agree() {
        for sent in [
            [
                ("p_tfps", "alice;example.com"),
                ("x_tfps", "bob@example.com"),
            ],
            [
                ("p_tfps", "alice;example.com"),
                ("x_tfps", "alice@example.com"),
            ],
            [
                ("p_tfps", "alice;example.com"),
                ("p_tfps", "bob;example.com"),
            ],
            [("x_tfps", "alice@a.example"), ("x_tfps", "alice@b.example")],
            [
                ("p_tfps", "alice;example.com;;;1, bob;example.com;;;1"),
                ("from_user", "alice"),
            ],
            [
                ("x_tfps", "alice@example.com, bob@example.com"),
                ("from_user", "alice"),
            ],
        ] {
            let error = account(&sent).unwrap_err();
            assert!(
                matches!(error.field.as_str(), "p_tfps" | "x_tfps"),
                "{error}"
            );
        }
    }

    #[test]
    fn an_asserted_identity_pays_only_where_it_is_trusted() {
        let asserted = ("p_asserted_identity", "\"Alice\" <sip:alice@example.com>");
        let sent = |sent: &[(&str, &'static str)], trust_asserted_identity| {
            let mut fields = Fields::default();
            for (name, value) in sent {
                fields.put(name, (*value).into())?;
            }
            let who_pays = WhoPays {
                trust_asserted_identity,
                ..WhoPays::default()
            };
            identified(&fields, who_pays)
        };
        let from = ("from_user", "mallory");
        assert_eq!(sent(&[asserted, from], false).unwrap(), "mallory@default");
        assert_eq!(sent(&[asserted, from], true).unwrap(), "alice@example.com");
        for (header, same) in [
            (
                ("p_tfps", "bob;example.com;;;1"),
                ("p_tfps", "alice;Example.com"),
            ),
            (
                ("x_tfps", "bob@example.com"),
                ("x_tfps", "alice@example.com"),
            ),
        ] {
            assert!(sent(&[asserted, header], false).is_ok());
            // A caller's, who pays by a name of their own choice.
            for forged in [&[asserted, header][..], &[header], &[header, from]] {
                assert_eq!(sent(forged, true).unwrap_err().field, header.0);
            }
            let agreed = sent(&[asserted, same], true).unwrap();
            assert_eq!(agreed.to_ascii_lowercase(), "alice@example.com");
        }
        let words = [("username", "bob"), ("domain", "example.com")];
        assert_eq!(sent(&words, true).unwrap(), "bob@example.com");
        // Who trusts the assertion does not take the caller's word in its place.
        let error = sent(&[from], true).unwrap_err();
        assert_eq!(error.field, "p_asserted_identity");
        let preferred = ("p_preferred_identity", "<sip:mallory@example.com>");
        assert!(sent(&[preferred], true).is_err());
    }

    #[test]
    fn who_sends_two_credentials_picks_nobody_s_account() {
        let sent = |number| account(&[("username", "victim"), ("credentials", number)]);
        for number in ["", "0", "1"] {
            assert_eq!(sent(number).unwrap(), "victim@default");
        }
        for number in ["2", "17", "-1", "many"] {
            assert_eq!(sent(number).unwrap_err().field, "credentials");
        }
    }

    #[test]
    fn nobody_and_absurd_names_are_refused() {
        assert_eq!(account(&[]).unwrap_err().field, "username");
        let long = "a".repeat(65);
        assert_eq!(
            account(&[("username", &long)]).unwrap_err().field,
            "username"
        );
        let long = "a".repeat(254);
        let sent = [("username", "alice"), ("domain", long.as_str())];
        assert_eq!(account(&sent).unwrap_err().field, "domain");
        let header = format!("{};example.com", "a".repeat(65));
        assert_eq!(account(&[("p_tfps", &header)]).unwrap_err().field, "p_tfps");
    }
}
