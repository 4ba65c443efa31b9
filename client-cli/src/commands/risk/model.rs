//! Files of models.

use std::{fs, path::Path};

use tfps_engine::risk::RiskModel;

use crate::failure::Failure;

/// The model in a file; the one that comes with this version where none is named.
///
/// # Errors
///
/// When the file can't be read or has none.
pub(in crate::commands) fn read(path: Option<&Path>) -> Result<RiskModel, Failure> {
    let Some(path) = path else {
        return Ok(RiskModel::built_in());
    };
    let file = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read {file}: {error}")))?;
    RiskModel::read(&text).map_err(|error| Failure::usage(format!("{file} {error}")))
}
