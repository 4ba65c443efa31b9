//! End to end: real processes, real databases.
