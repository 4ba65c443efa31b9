//! Reads an expression of time recurrences.

use std::str::FromStr;

use super::error::RecurrenceError;
use super::fields::recurrence;
use super::{Expression, MAX_NESTING, MAX_RECURRENCE_BYTES, MAX_RECURRENCES};

impl FromStr for Expression {
    type Err = RecurrenceError;

    fn from_str(source: &str) -> Result<Expression, RecurrenceError> {
        if source.len() > MAX_RECURRENCE_BYTES {
            return Err(RecurrenceError::TooLong {
                length: source.len(),
            });
        }
        let mut parser = Parser {
            source,
            at: 0,
            depth: 0,
            recurrences: 0,
        };
        let expression = parser.level()?;
        match parser.peek() {
            None => Ok(expression),
            Some(_) => Err(RecurrenceError::NeverOpened {
                column: parser.column(),
            }),
        }
    }
}

/// Where the reading is. Blanks separate, as in OpenSIPS: there are none inside a time recurrence.
struct Parser<'a> {
    source: &'a str,
    /// Byte offset, always at a character's start.
    at: usize,
    depth: usize,
    recurrences: usize,
}

impl Parser<'_> {
    /// Operands, joined by one kind of operator, up to a closing parenthesis or the end.
    fn level(&mut self) -> Result<Expression, RecurrenceError> {
        let mut operands = vec![self.operand()?];
        let mut operator = None;
        loop {
            self.skip_blanks();
            let found = match self.peek() {
                None | Some(')') => break,
                Some(found @ ('&' | '/')) => found,
                found => {
                    return Err(RecurrenceError::ExpectedOperator {
                        column: self.column(),
                        found,
                    });
                }
            };
            if operator.is_some_and(|operator| operator != found) {
                return Err(RecurrenceError::MixedOperators {
                    column: self.column(),
                });
            }
            operator = Some(found);
            self.at += 1;
            operands.push(self.operand()?);
        }
        Ok(match operator {
            None => operands.remove(0),
            Some('&') => Expression::All(operands),
            Some(_) => Expression::Any(operands),
        })
    }

    fn operand(&mut self) -> Result<Expression, RecurrenceError> {
        let mut negated = false;
        loop {
            self.skip_blanks();
            if self.peek() != Some('!') {
                break;
            }
            negated = !negated;
            self.at += 1;
        }
        let operand = match self.peek() {
            Some('(') => self.parenthesized()?,
            found @ (None | Some(')' | '&' | '/')) => {
                return Err(RecurrenceError::ExpectedRecurrence {
                    column: self.column(),
                    found,
                });
            }
            Some(_) => self.recurrence()?,
        };
        Ok(match (negated, operand) {
            (true, Expression::Not(inner)) => *inner,
            (true, operand) => Expression::Not(Box::new(operand)),
            (false, operand) => operand,
        })
    }

    fn parenthesized(&mut self) -> Result<Expression, RecurrenceError> {
        let opened = self.column();
        if self.depth == MAX_NESTING {
            return Err(RecurrenceError::TooDeep { column: opened });
        }
        self.depth += 1;
        self.at += 1;
        let inner = self.level()?;
        if self.peek() != Some(')') {
            return Err(RecurrenceError::NeverClosed { column: opened });
        }
        self.at += 1;
        self.depth -= 1;
        Ok(inner)
    }

    /// One time recurrence. A zone can hold a `/`, which is therefore an operator only behind it.
    fn recurrence(&mut self) -> Result<Expression, RecurrenceError> {
        let (start, column) = (self.at, self.column());
        let mut behind_zone = self.peek().is_some_and(|first| first.is_ascii_digit());
        while let Some(next) = self.peek() {
            match next {
                '&' | ')' => break,
                '/' if behind_zone => break,
                '!' | '(' => {
                    return Err(RecurrenceError::OperatorInside {
                        column: self.column(),
                        found: next,
                    });
                }
                blank if is_blank(blank) => break,
                '|' => behind_zone = true,
                _ => {}
            }
            self.at += next.len_utf8();
        }
        self.recurrences += 1;
        if self.recurrences > MAX_RECURRENCES {
            return Err(RecurrenceError::TooMany { column });
        }
        let recurrence = recurrence(&self.source[start..self.at], column)?;
        Ok(Expression::Recurrence(Box::new(recurrence)))
    }

    fn skip_blanks(&mut self) {
        let rest = &self.source[self.at..];
        self.at += rest.len() - rest.trim_start_matches(is_blank).len();
    }

    fn peek(&self) -> Option<char> {
        self.source[self.at..].chars().next()
    }

    fn column(&self) -> usize {
        self.source[..self.at].chars().count() + 1
    }
}

fn is_blank(found: char) -> bool {
    matches!(found, ' ' | '\t' | '\r' | '\n')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::string::string_regex;

    use super::*;

    const A: &str = "|20210101T000000";
    const B: &str = "Etc/GMT+5|20220101T000000|20230101T000000";

    fn shown(source: &str) -> String {
        source
            .parse::<Expression>()
            .unwrap_or_else(|error| panic!("{source}: {error}"))
            .to_string()
    }

    fn message(source: &str) -> String {
        source.parse::<Expression>().unwrap_err().to_string()
    }

    #[test]
    fn operators_are_read_with_and_without_blanks() {
        assert_eq!(shown(&format!("{A}&{B}")), format!("{A} & {B}"));
        assert_eq!(
            shown(&format!(" {A}/{B}\t/\n{A} ")),
            format!("{A} / {B} / {A}")
        );
        assert_eq!(
            shown(&format!("!{A}&! ({B}/{A})")),
            format!("!{A} & !({B} / {A})")
        );
        assert_eq!(
            shown(&format!("({A} / {B}) & {A}")),
            format!("({A} / {B}) & {A}")
        );
    }

    #[test]
    fn what_says_nothing_is_dropped() {
        assert_eq!(shown(&format!("!!{A}")), A);
        assert_eq!(shown(&format!("!(!({A}))")), A);
        assert_eq!(shown(&format!("(({A} & {B}))")), format!("{A} & {B}"));
        assert_eq!(shown("20210101T000000||||"), A);
    }

    #[test]
    fn a_misplaced_operator_is_named_with_its_column() {
        let wanted = "expected a time recurrence, '!' or '(', found";
        assert_eq!(
            message(""),
            format!("recurrence, column 1: {wanted} the end")
        );
        assert_eq!(
            message("!"),
            format!("recurrence, column 2: {wanted} the end")
        );
        assert_eq!(
            message("( )"),
            format!("recurrence, column 3: {wanted} ')'")
        );
        assert_eq!(
            message(&format!("{A} &")),
            format!("recurrence, column 19: {wanted} the end")
        );
        assert_eq!(
            message(&format!("{A} & / {A}")),
            format!("recurrence, column 20: {wanted} '/'")
        );
        assert_eq!(
            message(&format!("{A} {A}")),
            "recurrence, column 18: expected '&' or '/', found '|'; a time recurrence has no blanks inside",
        );
        assert_eq!(
            message(&format!("{A}!{A}")),
            "recurrence, column 17: '!' inside a time recurrence; write '&' or '/' before it",
        );
        assert_eq!(
            message(&format!("{A} & {A} / {A}")),
            "recurrence, column 37: '&' and '/' on one level; say by parentheses which comes first",
        );
        assert_eq!(
            message(&format!("{A} & ({A}")),
            "recurrence, column 20: this '(' is never closed"
        );
        assert_eq!(
            message(&format!("{A})")),
            "recurrence, column 17: this ')' closes nothing"
        );
    }

    #[test]
    fn length_depth_and_number_are_bounded() {
        assert_eq!(
            message(&"(".repeat(4097)),
            "recurrence is 4097 bytes long: it can have 4096"
        );
        let nested = |depth: usize| format!("{}{A}{}", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(shown(&nested(16)), A);
        assert_eq!(
            message(&nested(17)),
            "recurrence, column 17: parentheses nest deeper than 16"
        );
        let many = |count: usize| vec![A; count].join("&");
        assert_eq!(shown(&many(64)).matches('&').count(), 63);
        assert_eq!(
            message(&many(65)),
            "recurrence, column 1089: more than 64 time recurrences in one expression",
        );
    }

    fn recurrence_string() -> impl Strategy<Value = String> {
        let stamp = "(20[0-9]{2}|9999)(0[1-9]|1[0-2])(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]";
        let days = "[+-]?[1-5](MO|su)(,(tu|-1FR)){0,3}";
        let numbers = "[+-]?[1-9](,-?1[0-2]){0,2}";
        let kinds = [
            format!("((UTC|Europe/Paris)?\\|)?{stamp}(\\|\\|[pP]?[tT]?[1-9]?[0-9][hHmMsSdDwW])?"),
            format!(
                "\\|{stamp}\\|\\|(PT[1-9]H|P[1-9]W|8H30M)\\|(daily|WEEKLY)\\|\\|[1-9]?[1-9]?\\|(MO|tu)(,WE|,sa){{0,2}}"
            ),
            format!(
                "UTC\\|\\|{stamp}\\|\\|(MONTHLY|yearly)\\|{stamp}\\|\\|({days})?\\|({numbers})?\\|({numbers})?"
            ),
            format!("\\|\\|\\|\\|YEARLY\\|\\|\\|\\|\\|\\|({numbers})?\\|[1-9](,1[0-2])?"),
        ];
        string_regex(&format!("({})", kinds.join(")|(")))
            .expect("a regular expression")
            .prop_filter("must parse alone", |source| {
                source.parse::<Expression>().is_ok()
            })
    }

    fn expression_string() -> impl Strategy<Value = String> {
        recurrence_string().prop_recursive(3, 24, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 1..4)
                    .prop_map(|operands| format!("({})", operands.join(" & "))),
                prop::collection::vec(inner.clone(), 1..4)
                    .prop_map(|operands| format!("({})", operands.join("/"))),
                inner.prop_map(|operand| format!("!{operand}")),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_shown_parses_to_the_same(source in expression_string()) {
            let expression = source.parse::<Expression>().unwrap();
            let shown = expression.to_string();
            prop_assert_eq!(shown.parse::<Expression>().unwrap(), expression, "{}", shown);
        }

        #[test]
        fn no_string_makes_it_panic(source in any::<String>()) {
            let _ = source.parse::<Expression>();
        }

        #[test]
        fn no_likely_string_makes_it_panic(source in "[|&/!() ,0-9TZPDHMOSUWEKLYé+-]{0,80}") {
            if let Ok(expression) = source.parse::<Expression>() {
                prop_assert_eq!(expression.to_string().parse::<Expression>(), Ok(expression));
            }
        }
    }
}
