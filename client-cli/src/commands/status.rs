//! `status`

use std::time::Duration;

use jiff::Timestamp;
use tfps_client::v1::{GetStatusRequest, GetStatusResponse, SourceState, SourceStatus};

use super::one;
use crate::{
    console::Format,
    failure::{Doing, Exit, Failure},
    output::{Cell, Facts, Tone, count},
    session::Session,
    time,
};

/// Shows how the server is.
///
/// # Errors
///
/// When it does not answer.
pub async fn run(session: &mut Session<'_>) -> Result<Exit, Failure> {
    let status = session
        .client
        .get_status(GetStatusRequest {})
        .await
        .doing("cannot ask for the status")?;
    if session.console.format() == Format::Table {
        for warning in &status.warnings {
            session.console.warn(warning);
        }
    }
    one(
        &status,
        &facts(&status, session.client.address(), session.now),
        session.console,
    )
}

fn facts(status: &GetStatusResponse, address: &str, now: Timestamp) -> Facts {
    let database = status.database.clone().unwrap_or_default();
    let journal = status.journal.clone().unwrap_or_default();
    let mut facts = Facts::default();
    facts.add(
        "server",
        format!("tfps-server {} at {address}", status.version),
    );
    facts.add(
        "serving",
        if status.serving {
            Cell::toned("yes", Tone::Good)
        } else {
            Cell::toned("no", Tone::Bad)
        },
    );
    if let Some(start) = &status.start_time {
        let up = u64::try_from(now.as_second().saturating_sub(start.seconds)).unwrap_or(0);
        facts.add(
            "up since",
            format!(
                "{}, for {}",
                time::show(Some(start)),
                time::show_span(Duration::from_secs(up))
            ),
        );
    }
    facts.add(
        "database",
        match (database.reachable, database.error.as_str()) {
            (true, _) => Cell::toned(format!("{}, reachable", database.kind), Tone::Good),
            (false, error) => Cell::toned(
                format!("{}, not reachable: {error}", database.kind),
                Tone::Bad,
            ),
        },
    );
    let lag = journal
        .lag
        .and_then(|lag| Duration::try_from(lag).ok())
        .unwrap_or_default();
    let waiting = match journal.not_yet_shipped {
        0 => "all in the database".to_owned(),
        waiting => format!(
            "{} not yet in the database, for {}",
            count(waiting),
            time::show_span(lag)
        ),
    };
    facts.add("journal", format!("{}, {waiting}", bytes(journal.bytes)));
    if journal.lost > 0 || !journal.error.is_empty() {
        let text = format!("{} decisions lost: {}", count(journal.lost), journal.error);
        facts.add(
            "journal fault",
            Cell::toned(text.trim_end_matches(": "), Tone::Bad),
        );
    }
    facts
        .add("accounts", count(status.accounts))
        .add("policies", count(status.policies))
        .add("entries", count(status.entries))
        .add("pending challenges", count(status.pending_challenges))
        .add("calls in progress", count(status.calls_in_progress))
        .add("requests in flight", count(status.requests_in_flight))
        .add(
            "decisions",
            format!("{} since the start", count(status.decisions)),
        );
    if status.memory_bytes > 0 {
        facts.add("memory", bytes(status.memory_bytes));
    }
    for source in &status.sources {
        facts.add(&format!("source {}", source.name), told(source));
    }
    facts
}

/// How a source is, in a line.
fn told(source: &SourceStatus) -> Cell {
    let entries = match source.entries {
        0 => String::new(),
        entries => format!(", {} known", count(entries)),
    };
    let refreshed = source.refresh_time.as_ref().map_or_else(String::new, |at| {
        format!(", as of {}", time::show(Some(at)))
    });
    let again = source.retry_time.as_ref().map_or_else(String::new, |at| {
        format!(", asked again {}", time::show(Some(at)))
    });
    let (state, tone) = match source.state() {
        SourceState::Off | SourceState::Unspecified => ("off", Tone::Plain),
        SourceState::Ok => ("ok", Tone::Good),
        SourceState::Paused => ("paused", Tone::Caution),
        SourceState::Disabled => ("disabled", Tone::Bad),
        SourceState::Failing => ("failing", Tone::Bad),
    };
    let error = if source.error.is_empty() {
        String::new()
    } else {
        format!(": {}", source.error)
    };
    Cell::toned(format!("{state}{entries}{refreshed}{again}{error}"), tone)
}

fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut value = number as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{number} bytes")
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}
