//! What most stories begin with: accounts, policies, calls.

use tfps_client::v1::{self, CheckRequest, CheckResponse};

use crate::{Command, Server, clock, eventually};

/// The domain that the stories play in.
pub const DOMAIN: &str = "example.com";
/// A fixed line in the home country.
pub const HOME_NUMBER: &str = "12125552368";
/// A fixed line in London.
pub const LONDON: &str = "442079460123";
/// A mobile in Somalia.
pub const SOMALIA: &str = "252612345678";
/// A number of Cuba, which the default policy blocks.
pub const CUBA: &str = "5371234567";

/// Configuration: bad reputation at 203.0.113.7 and .8, France at 198.51.100.0/24, the United States at 192.0.2.0/24.
pub const KNOWN_NETWORKS: &str = r#"
[[reputation]]
network = "203.0.113.7/32"
abuse_confidence = 90

[[reputation]]
network = "203.0.113.8/32"
apiban = true

[[geo.known]]
network = "198.51.100.0/24"
country = "FR"

[[geo.known]]
network = "192.0.2.0/24"
country = "US"
"#;
/// The domain of the others.
pub const ELSEWHERE: &str = "other.example";

/// A call attempt of an account of [`DOMAIN`].
pub fn call(username: &str, dialed: &str) -> CheckRequest {
    CheckRequest {
        account: Some(key(username)),
        dialed_number: dialed.to_owned(),
        ..CheckRequest::default()
    }
}

/// A number with other last four digits.
pub fn neighbour(number: &str, last: u32) -> String {
    format!("{}{last:04}", &number[..number.len() - 4])
}

/// The same from an address.
pub fn from(ip: &str, call: CheckRequest) -> CheckRequest {
    CheckRequest {
        source_ip: ip.to_owned(),
        ..call
    }
}

/// The name of an account of [`DOMAIN`].
pub fn key(username: &str) -> v1::AccountKey {
    v1::AccountKey {
        username: username.to_owned(),
        domain: DOMAIN.to_owned(),
    }
}

/// Business hours that never end.
pub fn always_open() -> v1::BusinessHours {
    v1::BusinessHours::default()
}

/// Business hours of which today has none.
pub fn closed_today() -> v1::BusinessHours {
    let today = clock::local().date();
    let around = [today.yesterday(), Ok(today), today.tomorrow()];
    v1::BusinessHours {
        holidays: around
            .into_iter()
            .flatten()
            .map(|date| date.to_string())
            .collect(),
        ..v1::BusinessHours::default()
    }
}

/// Calls and calls a day.
pub fn limits(concurrent_calls: u32, daily_quota: u32) -> v1::Limits {
    v1::Limits {
        concurrent_calls: Some(concurrent_calls),
        concurrent_calls_off_hours: Some(concurrent_calls),
        daily_quota: Some(daily_quota),
        daily_quota_off_hours: Some(daily_quota),
    }
}

/// A rule in a mode.
pub fn setting(rule: v1::Rule, mode: v1::RuleMode) -> v1::RuleSetting {
    v1::RuleSetting {
        rule: rule.into(),
        mode: mode.into(),
    }
}

/// A policy of a domain in which all is as usual.
pub fn policy(name: &str, domain: &str) -> v1::Policy {
    v1::Policy {
        name: name.to_owned(),
        domain: domain.to_owned(),
        ..v1::Policy::default()
    }
}

/// An address that a domain blocks.
pub fn blocked(address: &str, domain: &str) -> v1::Entry {
    v1::Entry {
        kind: v1::EntryKind::Ip.into(),
        value: address.to_owned(),
        action: v1::EntryAction::Block.into(),
        domain: domain.to_owned(),
        ..v1::Entry::default()
    }
}

/// The decisions of a domain.
pub fn decisions_of(domain: &str) -> Option<v1::DecisionFilter> {
    Some(v1::DecisionFilter {
        domain: domain.to_owned(),
        ..v1::DecisionFilter::default()
    })
}

impl Server {
    /// A server on which it is always business hours, at noon, any number of verifications is offered at once, what they open stays
    /// open, and nothing is capped. It tells metrics over HTTP.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn open() -> Self {
        Self::open_with("").await
    }

    /// The same with a configuration file.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn open_with(config: &str) -> Self {
        let server = Command::default().config(config).http().start().await;
        server
            .policy(|policy| {
                policy.time_zone = clock::zone_at_noon();
                policy.business_hours = Some(always_open());
                // Stories tell calls to one number apart by their callers (R13).
                policy.repeats.get_or_insert_default().by_caller = true;
                // No test waits for a minute between two captchas, or for the end of a day; what bounds them has tests of its own.
                let verification = policy.verification.as_mut().expect("how it verifies");
                verification.raise = v1::Raise::ForGood.into();
                verification.grace_minutes = Some(0);
                verification.max_passed_per_day = Some(0);
                verification.pause_seconds = Some(0);
                // Nor does a cap of the day stop what it is not about.
                policy.exposure = Some(v1::Caps {
                    daily_cost: Some(String::new()),
                    daily_international_minutes: Some(0),
                    ..v1::Caps::default()
                });
            })
            .await;
        server
    }

    /// Changes the general default policy.
    ///
    /// # Panics
    /// When the server refuses it.
    pub async fn policy(&self, change: impl FnOnce(&mut v1::Policy)) -> v1::Policy {
        let request = v1::GetPolicyRequest {
            name: "default".to_owned(),
            domain: String::new(),
        };
        let answer = self.admin().get_policy(request).await;
        let mut policy = answer
            .expect("the default policy is there")
            .policy
            .expect("a policy");
        change(&mut policy);
        self.put_policy(policy).await
    }

    /// Puts a policy.
    ///
    /// # Panics
    /// When the server refuses it.
    pub async fn put_policy(&self, policy: v1::Policy) -> v1::Policy {
        let request = v1::PutPolicyRequest {
            policy: Some(policy),
        };
        let answer = self.admin().put_policy(request).await;
        answer
            .expect("the policy is right")
            .policy
            .expect("a policy")
    }

    /// Creates an account of [`DOMAIN`] with room for a hundred calls at once and a thousand a day.
    ///
    /// # Panics
    /// When the server refuses it.
    pub async fn account(&self, username: &str) -> v1::Account {
        self.account_with(username, |_| {}).await
    }

    /// The same, changed.
    ///
    /// # Panics
    /// When the server refuses it.
    pub async fn account_with(
        &self,
        username: &str,
        change: impl FnOnce(&mut v1::Account),
    ) -> v1::Account {
        let mut account = v1::Account {
            username: username.to_owned(),
            domain: DOMAIN.to_owned(),
            limits: Some(limits(100, 1_000)),
            ..v1::Account::default()
        };
        change(&mut account);
        let request = v1::CreateAccountRequest {
            account: Some(account),
        };
        let answer = self.admin().create_account(request).await;
        answer
            .expect("the account is right")
            .account
            .expect("an account")
    }

    /// An account of [`DOMAIN`] as it is now.
    ///
    /// # Panics
    /// When there is none.
    pub async fn get(&self, username: &str) -> v1::Account {
        let request = v1::GetAccountRequest {
            account: Some(key(username)),
        };
        let answer = self.admin().get_account(request).await;
        answer
            .expect("the account is there")
            .account
            .expect("an account")
    }

    /// What an account of [`DOMAIN`] has used.
    ///
    /// # Panics
    /// When there is no such account.
    pub async fn usage(&self, username: &str) -> v1::AccountUsage {
        self.get(username).await.usage.expect("what it has used")
    }

    /// Decides a call.
    ///
    /// # Panics
    /// When the server has no decision.
    pub async fn check(&self, call: CheckRequest) -> CheckResponse {
        self.admin().check(call).await.expect("a decision")
    }

    /// The code that a call gets.
    ///
    /// # Panics
    /// When the server has no decision.
    pub async fn code(&self, call: CheckRequest) -> String {
        self.check(call).await.code
    }

    /// Puts an entry on a list.
    ///
    /// # Panics
    /// When the server refuses it.
    pub async fn list(&self, kind: v1::EntryKind, value: &str, action: v1::EntryAction) {
        let entry = v1::Entry {
            kind: kind.into(),
            value: value.to_owned(),
            action: action.into(),
            ..v1::Entry::default()
        };
        let request = v1::PutEntriesRequest {
            entries: vec![entry],
        };
        self.admin()
            .put_entries(request)
            .await
            .expect("the entry is right");
    }

    /// Tells how far a call has got.
    ///
    /// # Panics
    /// When the server refuses it.
    pub async fn progress(&self, username: &str, call_id: &str, event: v1::CallEvent) {
        let call = v1::CallProgress {
            account: Some(key(username)),
            call_id: call_id.to_owned(),
            event: event.into(),
            ..v1::CallProgress::default()
        };
        let request = v1::LearnRequest {
            lesson: Some(v1::learn_request::Lesson::Call(call)),
        };
        self.admin().learn(request).await.expect("it is learned");
    }

    /// Every recorded decision, newest first, through all pages.
    ///
    /// # Panics
    /// When the server fails.
    pub async fn decisions(&self, filter: v1::DecisionFilter) -> Vec<v1::Decision> {
        let mut request = v1::ListDecisionsRequest {
            page_size: 500,
            filter: Some(filter),
            ..v1::ListDecisionsRequest::default()
        };
        let mut all = Vec::new();
        loop {
            let answer = self.admin().list_decisions(request.clone()).await;
            let page = answer.expect("a page of decisions");
            if request.page_token.is_empty() && page.not_yet_listed > 0 {
                continue;
            }
            all.extend(page.decisions);
            if page.next_page_token.is_empty() {
                return all;
            }
            request.page_token = page.next_page_token;
        }
    }

    /// Waits until every decision is in the database.
    ///
    /// # Panics
    /// When it is not in half a minute.
    pub async fn shipped(&self) {
        eventually("the journal is shipped", || async {
            let answer = self.admin().get_status(Default::default()).await;
            let journal = answer.expect("the status").journal.expect("the journal's");
            (journal.not_yet_shipped == 0).then_some(())
        })
        .await;
    }

    /// Makes a token; its secret.
    ///
    /// # Panics
    /// When the server refuses it.
    pub async fn token(&self, role: v1::Role, domain: &str) -> String {
        let token = v1::Token {
            name: format!("a test's {}", role.as_str_name()),
            role: role.into(),
            domain: domain.to_owned(),
            ..v1::Token::default()
        };
        let request = v1::CreateTokenRequest { token: Some(token) };
        let answer = self.admin().create_token(request).await;
        answer.expect("the token is right").secret
    }
}
