//! What only an attack sends.

/// Text that is in none of its fields' languages.
pub const GARBAGE: [&str; 9] = [
    "x' OR '1'='1",
    "\"; DROP TABLE accounts; --",
    "\0",
    "a\0b",
    "a\r\nb: c",
    "\u{1b}[2J",
    "%s%n%x",
    "\u{202e}\u{feff}",
    "\u{10ffff}",
];
