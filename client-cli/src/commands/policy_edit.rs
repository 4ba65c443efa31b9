//! `policy edit`

use std::{env, fs, io::Write, path::Path};

use tfps_client::v1::Policy;
use tokio::process::Command;

use super::policy::{Which, get, send, told};
use crate::{
    document,
    failure::{Doing, Exit, Failure},
    session::Session,
};

/// Opens a policy in an editor and puts back what was made of it. What can't be put back is not lost.
///
/// # Errors
///
/// When the editor fails, the document is wrong, or the policy changed meanwhile.
pub async fn run(which: &Which, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let policy = get(which, session).await?;
    let before = document::to_toml(&policy);
    let file = tempfile::Builder::new()
        .prefix(&format!("tfps-policy-{}-", which.name.replace('/', "-")))
        .suffix(".toml")
        .tempfile()
        .and_then(|mut file| file.write_all(before.as_bytes()).map(|()| file))
        .map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("cannot write a file to edit: {error}"),
            )
        })?;

    open_editor(file.path()).await?;
    // Editors replace files: it is read by its name.
    let after = fs::read_to_string(file.path()).map_err(|error| {
        Failure::new(
            Exit::Failed,
            format!("cannot read what was edited: {error}"),
        )
    })?;
    if after == before {
        session
            .console
            .say(&format!("nothing changed about {which}"));
        return Ok(Exit::Done);
    }
    let stored = match put_back(&after, policy, which, session).await {
        Ok(stored) => stored,
        Err(failure) => {
            let kept = file.into_temp_path().keep().map_err(|error| {
                Failure::new(
                    Exit::Failed,
                    format!(
                        "{}; and what was edited cannot be kept: {error}",
                        failure.what
                    ),
                )
            })?;
            let kept = kept.display();
            return Err(failure.hint(format!(
                "what was edited is in {kept}; once it is right: tfpsctl policy put {kept}"
            )));
        }
    };
    session.console.say(&format!("changed {which}"));
    told(&stored, session)
}

async fn put_back(
    text: &str,
    before: Policy,
    which: &Which,
    session: &Session<'_>,
) -> Result<Policy, Failure> {
    let mut policy = document::parse(text)
        .map_err(|error| Failure::usage(format!("cannot take the document: {error}")))?;
    if (&policy.name, &policy.domain) != (&before.name, &before.domain) {
        return Err(Failure::usage(format!(
            "the document is now that of another policy, `{}`; a policy's name and domain stay",
            policy.name
        )));
    }
    policy.etag = before.etag;
    send(policy, session)
        .await
        .doing(format!("cannot change {which}"))
}

/// As a shell would start it, so that `EDITOR="code --wait"` works.
async fn open_editor(path: &Path) -> Result<(), Failure> {
    let editor = ["VISUAL", "EDITOR"]
        .into_iter()
        .filter_map(|name| env::var(name).ok())
        .find(|editor| !editor.trim().is_empty())
        .unwrap_or_else(|| "vi".to_owned());
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!("{editor} \"$1\""))
        .arg(&editor)
        .arg(path)
        .status()
        .await;
    let why = match status {
        Ok(status) if status.success() => return Ok(()),
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    };
    Err(Failure::new(
        Exit::Failed,
        format!("the editor `{editor}` failed: {why}; nothing was changed"),
    )
    .hint("VISUAL or EDITOR name the editor to use"))
}
