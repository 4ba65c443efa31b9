//! What stands between the values that Asterisk tells.

/// Text that no caller knows, so that none can write it: nothing that he wrote can pass for another value or for a whole answer.
#[derive(Clone, Debug)]
pub struct Boundary(String);

impl Boundary {
    /// 64 random bits: a caller has one guess a call, and is not told whether it was right.
    ///
    /// # Errors
    /// When the machine has no randomness.
    pub fn random() -> std::io::Result<Self> {
        let bits = getrandom::u64().map_err(std::io::Error::other)?;
        Ok(Self::of(&format!("{bits:016x}")))
    }

    /// One that is known, for tests.
    pub fn of(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Expressions with it before, between and behind them.
    pub(super) fn around(&self, expressions: &[&str]) -> String {
        let mut together = self.0.clone();
        for expression in expressions {
            together.extend([*expression, &*self.0]);
        }
        together
    }

    /// How the first line of the answer begins, up to the first value.
    pub(super) fn begins(&self) -> String {
        format!("200 result=1 ({}", self.0)
    }

    /// How the last line of the answer ends, from the last value on.
    pub(super) fn ends(&self) -> String {
        format!("{})", self.0)
    }

    /// What is told between the first boundary and the end; none where that is something else.
    pub(super) fn values<const N: usize>(&self, told: &[u8]) -> Option<[String; N]> {
        let mut rest = told;
        let mut values = [const { String::new() }; N];
        for value in &mut values {
            let at = rest
                .windows(self.0.len())
                .position(|part| part == self.0.as_bytes())?;
            *value = String::from_utf8_lossy(&rest[..at]).into_owned();
            rest = &rest[at + self.0.len()..];
        }
        Some(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_stands_between() {
        let boundary = Boundary::of("#b#");
        assert_eq!(boundary.around(&["${A}", "${B}"]), "#b#${A}#b#${B}#b#");
        assert_eq!(
            boundary.values(b"a):0:1 #x#\nb) (#b##b#"),
            Some(["a):0:1 #x#\nb) (".to_owned(), String::new()])
        );
        assert_eq!(boundary.values::<2>(b"a#b#b"), None);
    }

    #[test]
    fn nobody_can_write_what_he_cannot_know() {
        let [one, other] = [(); 2].map(|()| Boundary::random().unwrap().0);
        assert_eq!(one.len(), 16);
        assert_ne!(one, other);
    }
}
