//! A command, with arguments that can't be anything else than arguments.

use super::AgiError;

/// Asterisk reads a command into 2,048 bytes, the end of the string included.
const LONGEST: usize = 2_047;

/// A command as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    words: &'static str,
    line: String,
}

impl Command {
    /// A command by its first words, such as `SET VARIABLE`.
    pub fn new(words: &'static str) -> Self {
        Self {
            words,
            line: words.to_owned(),
        }
    }

    /// With one more argument, whatever is in it: quotes and backslashes are escaped, control characters left out.
    #[must_use]
    pub fn argument(mut self, value: impl AsRef<str>) -> Self {
        self.line.push_str(" \"");
        for letter in value.as_ref().chars().filter(|letter| !letter.is_control()) {
            if matches!(letter, '"' | '\\') {
                self.line.push('\\');
            }
            self.line.push(letter);
        }
        self.line.push('"');
        self
    }

    /// Its first words.
    pub fn words(&self) -> &'static str {
        self.words
    }

    /// The line that is sent, with its end.
    ///
    /// # Errors
    /// [`AgiError::LongCommand`]
    pub(super) fn line(self) -> Result<String, AgiError> {
        let bytes = self.line.len();
        if bytes >= LONGEST {
            return Err(AgiError::LongCommand {
                command: self.words,
                bytes,
            });
        }
        let mut line = self.line;
        line.push('\n');
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn arguments_are_quoted() {
        let command = Command::new("SET VARIABLE")
            .argument("TFPS_REASON")
            .argument("a \"b\" c:\\d\r\nHANGUP");
        assert_eq!(
            command.line().unwrap(),
            "SET VARIABLE \"TFPS_REASON\" \"a \\\"b\\\" c:\\\\dHANGUP\"\n"
        );
        let long = Command::new("VERBOSE").argument("x".repeat(LONGEST));
        assert!(matches!(
            long.line(),
            Err(AgiError::LongCommand {
                command: "VERBOSE",
                ..
            })
        ));
    }

    proptest! {
        /// As Asterisk's parse_args reads it: a quote begins and ends an argument, a backslash takes the next as it is.
        #[test]
        fn an_argument_is_read_back_as_it_was(value in "[^\\p{Cc}]{0,80}") {
            let line = Command::new("X").argument(&value).line().unwrap();
            let quoted = line.strip_prefix("X \"").and_then(|rest| rest.strip_suffix("\"\n")).unwrap();
            let mut read = String::new();
            let mut letters = quoted.chars();
            while let Some(letter) = letters.next() {
                prop_assert_ne!(letter, '"', "the argument would end here");
                read.push(if letter == '\\' { letters.next().unwrap() } else { letter });
            }
            prop_assert_eq!(read, value);
        }
    }
}
