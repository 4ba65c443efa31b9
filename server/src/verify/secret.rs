//! What a caller knows, or was just told: a PIN, a captcha.

use argon2::{Argon2, PasswordHasher, PasswordVerifier, password_hash::phc::PasswordHash};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

/// Hashes of PINs that are computed at once: each takes 19 MiB and some 20 ms.
const HASHES_AT_ONCE: usize = 2;
/// The longest PIN.
const LONGEST_PIN: usize = 16;

/// The hash of the PIN that a caller is asked for, in PHC form.
#[derive(Debug)]
pub(super) enum Pin {
    /// The account's own.
    Own(String),
    /// The policy's, which others are asked for as well.
    Policy(String),
}

impl Pin {
    /// The hash.
    pub(super) fn hash(&self) -> &str {
        let (Self::Own(hash) | Self::Policy(hash)) = self;
        hash
    }
}

/// Compares PINs with their hashes, some at once.
#[derive(Debug)]
pub(super) struct Pins {
    turns: Semaphore,
}

impl Default for Pins {
    fn default() -> Self {
        Self {
            turns: Semaphore::new(HASHES_AT_ONCE),
        }
    }
}

impl Pins {
    /// Whether the digits are the PIN that the hash, in PHC form, is of.
    ///
    /// # Errors
    /// When the hash is none, or the machine fails.
    pub(super) async fn fits(&self, hash: String, digits: &str) -> Result<bool, String> {
        let _turn = self
            .turns
            .acquire()
            .await
            .map_err(|error| error.to_string())?;
        let digits = digits.to_owned();
        tokio::task::spawn_blocking(move || {
            let hash = PasswordHash::new(&hash).map_err(|error| error.to_string())?;
            Ok(Argon2::default()
                .verify_password(digits.as_bytes(), &hash)
                .is_ok())
        })
        .await
        .map_err(|error| error.to_string())?
    }
}

/// Whether a new PIN is long enough and not among the first that anybody tries. `username` is the account's, or empty.
///
/// # Errors
/// Says what is wrong with it, and what would be right.
pub fn check_pin(pin: &str, least: usize, username: &str) -> Result<(), String> {
    if !(least..=LONGEST_PIN).contains(&pin.len()) || !pin.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Err(format!(
            "must be {least} to {LONGEST_PIN} digits (the policy's verification.min_pin_digits)"
        ));
    }
    let easy = |why| Err(format!("is easily guessed: {why}; choose digits at random"));
    let digits = pin.as_bytes();
    let steps = |by: u8| {
        digits
            .windows(2)
            .all(|pair| (pair[0] - b'0' + by) % 10 == pair[1] - b'0')
    };
    if steps(1) || steps(9) {
        return easy("it counts up or down");
    }
    // 111111, 121212, 123123.
    let repeats =
        |length| (length..digits.len()).all(|place| digits[place] == digits[place - length]);
    if (1..=digits.len() / 2).any(repeats) {
        return easy("it repeats itself");
    }
    let number: String = username.chars().filter(char::is_ascii_digit).collect();
    let backwards: String = pin.chars().rev().collect();
    let short = number.len() >= 3 && pin.trim_matches('0') == number.trim_matches('0');
    if number.contains(pin)
        || number.contains(&backwards)
        || short
        || (number.len() >= 4 && pin.contains(&number))
    {
        return easy("it is the account's own number");
    }
    Ok(())
}

/// Hashes a PIN, off the threads that answer calls.
///
/// # Errors
/// When the machine fails.
pub async fn hash_pin(pin: String) -> Result<String, String> {
    tokio::task::spawn_blocking(move || {
        Argon2::default()
            .hash_password(pin.as_bytes())
            .map(|hash| hash.to_string())
            .map_err(|error| error.to_string())
    })
    .await
    .map_err(|error| error.to_string())?
}

/// Zero-padded random digits, each as likely as the others.
pub(super) fn captcha(digits: u32) -> String {
    let mut text = String::with_capacity(digits as usize);
    while text.len() < digits as usize {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)
            .expect("the machine has randomness, or the server would not have started");
        // 250 is the largest multiple of ten in a byte: above, the low digits would be likelier.
        text.extend(
            bytes
                .iter()
                .filter(|byte| **byte < 250)
                .map(|byte| char::from(b'0' + byte % 10)),
        );
        text.truncate(digits as usize);
    }
    text
}

/// The digits are few, so the hash keeps them from a glance at the database, not from whoever has it.
pub(super) fn digits_hash(verification_id: &str, digits: &str) -> Vec<u8> {
    let mut hasher = Sha256::new();
    hasher.update(verification_id.as_bytes());
    hasher.update(b":");
    hasher.update(digits.as_bytes());
    hasher.finalize().to_vec()
}

/// Whether the digits are those of a verification's captcha; how long it takes tells nothing about them.
pub(super) fn captcha_fits(verification_id: &str, digits: &str, hash: &[u8]) -> bool {
    digits_hash(verification_id, digits).ct_eq(hash).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_captcha_is_zero_padded_and_every_digit_as_likely_as_the_others() {
        let mut counts = [0_u32; 10];
        for _ in 0..5_000 {
            let digits = captcha(4);
            assert_eq!(digits.len(), 4);
            for digit in digits.bytes() {
                counts[usize::from(digit - b'0')] += 1;
            }
        }
        assert!(
            counts.iter().all(|count| (1_700..2_300).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn a_pin_that_anybody_tries_first_is_refused() {
        for (pin, username) in [
            ("111111", ""),
            ("000000", ""),
            ("123456", ""),
            ("654321", ""),
            ("890123", ""),
            ("210987", ""),
            ("121212", ""),
            ("123123", ""),
            ("47114711", ""),
            ("460123", "+442079460123"),
            ("321064", "+442079460123"),
            ("471100", "4711"),
            ("004711", "4711"),
            ("947110", "4711"),
            ("000101", "101"),
        ] {
            let refused = check_pin(pin, 6, username).unwrap_err();
            assert!(refused.contains("easily guessed"), "{pin}: {refused}");
        }
        for (pin, username) in [
            ("284713", ""),
            ("284713", "1001"),
            ("100284", "alice1"),
            ("112358", ""),
        ] {
            assert_eq!(check_pin(pin, 6, username), Ok(()), "{pin}");
        }
        for pin in ["28471", "", "28471a", "28471328471328471", "２８４７１３"] {
            assert!(
                check_pin(pin, 6, "")
                    .unwrap_err()
                    .contains("6 to 16 digits"),
                "{pin}"
            );
        }
        assert_eq!(check_pin("2847", 4, ""), Ok(()));
    }

    #[tokio::test]
    async fn a_pin_is_kept_as_a_hash() {
        let hash = hash_pin("4711".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$") && !hash.contains("4711"));
        let parsed = PasswordHash::new(&hash).unwrap();
        assert!(Argon2::default().verify_password(b"4711", &parsed).is_ok());
        assert!(Argon2::default().verify_password(b"4712", &parsed).is_err());
    }
}
