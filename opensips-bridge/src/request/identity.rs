//! Who pays for a call, of the ways in which a switch can tell.

use tfps_client::v1::AccountKey;

use super::{
    BadField, Field, Fields, bounded,
    bounds::{DOMAIN, USERNAME},
    headers::{PTfps, x_tfps},
};

/// The domain of accounts whose switch tells none.
pub const DEFAULT_DOMAIN: &str = "default";

/// The account, and what `P-tfps` says beside it.
pub(crate) struct Identity<'a> {
    pub(crate) account: AccountKey,
    pub(crate) p_tfps: PTfps<'a>,
}

/// Finds it as the original did: `P-tfps`, else `X-tfps`, else what the switch says in words (`username`), else From.
///
/// # Errors
/// When nobody is named, or `username` names another account than the header.
pub(crate) fn of<'a>(
    fields: &'a Fields<'_>,
    default_domain: &str,
) -> Result<Identity<'a>, BadField> {
    let p_tfps = fields.get(Field::PTfps).map(PTfps::read).transpose()?;
    let x_tfps = fields.get(Field::XTfps).map(x_tfps).transpose()?;
    let in_words = fields
        .get(Field::Username)
        .map(|username| (username, fields.get(Field::Domain).unwrap_or_default()));

    let (field, (username, domain)) = match (&p_tfps, x_tfps, in_words) {
        (Some(header), _, _) => (Field::PTfps, (header.username, header.domain)),
        (None, Some(header), _) => (Field::XTfps, header),
        (None, None, Some(in_words)) => (Field::Username, in_words),
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
    if let Some((other, other_domain)) = in_words
        && (other != username
            || !(domain.is_empty()
                || other_domain.is_empty()
                || domain.eq_ignore_ascii_case(other_domain)))
    {
        return Err(BadField::new(
            "username",
            format!(
                "names another account than {}: give one of them",
                field.name()
            ),
        ));
    }
    let told = [Field::Domain, Field::FromDomain]
        .into_iter()
        .find_map(|field| fields.get(field).map(|domain| (field, domain)));
    let (domain_field, domain) = match (domain, told) {
        ("", Some(told)) => told,
        ("", None) => (Field::Domain, default_domain),
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
        p_tfps: p_tfps.unwrap_or_default(),
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
        of(&fields, DEFAULT_DOMAIN)
            .map(|found| format!("{}@{}", found.account.username, found.account.domain))
    }

    #[test]
    fn p_tfps_comes_before_x_tfps_before_words_before_from() {
        let mut sent = vec![("from_user", "dave"), ("from_domain", "from.example.com")];
        assert_eq!(account(&sent).unwrap(), "dave@from.example.com");
        sent.push(("x_tfps", "bob@x.example.com"));
        assert_eq!(account(&sent).unwrap(), "bob@x.example.com");
        sent.push(("p_tfps", "alice;p.example.com;;;"));
        assert_eq!(account(&sent).unwrap(), "alice@p.example.com");
        let words = [
            ("username", "carol"),
            ("domain", "example.com"),
            ("from_user", "dave"),
        ];
        assert_eq!(account(&words).unwrap(), "carol@example.com");
    }

    #[test]
    fn a_domain_that_is_not_told_is_that_of_from_or_the_default() {
        assert_eq!(account(&[("from_user", "dave")]).unwrap(), "dave@default");
        assert_eq!(
            account(&[("from_user", "dave"), ("domain", "v1.example.com")]).unwrap(),
            "dave@v1.example.com"
        );
        assert_eq!(
            account(&[("p_tfps", "alice"), ("from_domain", "example.com")]).unwrap(),
            "alice@example.com"
        );
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
