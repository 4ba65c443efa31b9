//! What a channel's variables tell of a call, and what they are told.

mod attempt;
mod verdict;

pub(crate) use self::{
    attempt::{Origin, account, read as attempt},
    verdict::{Decision, Verified, refused, tell, unavailable},
};

/// The name of the group of an account's calls, whatever letters the account's name has.
fn group_name(username: &str, domain: &str) -> String {
    let plain = |letter| if is_plain_letter(letter) { letter } else { '_' };
    let name = username.chars().chain(['.']).chain(domain.chars());
    // Asterisk keeps 79.
    name.map(plain).take(79).collect()
}

/// Whether the name of a group can have it as it is.
fn is_plain(name: &str) -> bool {
    name.chars().all(is_plain_letter)
}

fn is_plain_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | '+')
}
