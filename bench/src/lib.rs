//! The budgets, measured.
