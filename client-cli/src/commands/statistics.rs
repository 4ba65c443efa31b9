//! `stats`

use clap::Args;
use tfps_client::v1::{GetStatisticsRequest, GetStatisticsResponse, StatisticsCount};

use super::one;
use crate::{
    codes,
    console::{Console, Format},
    failure::{Doing, Exit, Failure},
    output::{Facts, count, csv},
    session::Session,
    time::{self, Moment},
};

/// `stats`
#[derive(Debug, Args)]
pub struct StatsArgs {
    /// From then on: a span back as in 7d, or a time [default: 24h]
    #[arg(long, value_name = "WHEN")]
    since: Option<Moment>,
    /// Before then [default: now]
    #[arg(long, value_name = "WHEN")]
    until: Option<Moment>,
    /// Only this domain
    #[arg(long, default_value = "", hide_default_value = true)]
    domain: String,
}

/// Shows what was decided.
///
/// # Errors
///
/// When the server does not answer.
pub async fn run(args: StatsArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let moment = |name: &str, moment: Option<Moment>| {
        moment
            .map(|moment| moment.ago(session.now).map(time::message))
            .transpose()
            .map_err(|error| Failure::usage(format!("{name}: {error}")))
    };
    let request = GetStatisticsRequest {
        since: moment("--since", args.since)?,
        until: moment("--until", args.until)?,
        domain: args.domain,
    };
    let answer = session
        .client
        .get_statistics(request)
        .await
        .doing("cannot ask for the statistics")?;
    match session.console.format() {
        Format::Table => table(&answer, session.console)?,
        Format::Json => {
            one(&answer, &Facts::default(), session.console)?;
        }
        Format::Csv => session.console.write(&rows(&answer))?,
    }
    Ok(Exit::Done)
}

/// A title, what was counted, and what a key of it means.
type Section<'a> = (&'a str, &'a [StatisticsCount], fn(&str) -> &str);

fn table(answer: &GetStatisticsResponse, console: &mut Console) -> Result<(), Failure> {
    let share = |number: u64| {
        format!(
            "{:>9}  {:5.1} %",
            count(number),
            percent(number, answer.total)
        )
    };
    let mut totals = Facts::default();
    totals
        .add("from", time::show(answer.since.as_ref()))
        .add("to", time::show(answer.until.as_ref()))
        .add("allowed", share(answer.allowed))
        .add("denied", share(answer.denied))
        .add("challenged", share(answer.challenged))
        .add("total", format!("{:>9}", count(answer.total)));
    totals.write(console)?;
    let sections: [Section<'_>; 3] = [
        ("by code", &answer.by_code, codes::meaning),
        (
            "most dialed countries",
            &answer.top_destination_countries,
            |_| "",
        ),
        (
            "accounts most often stopped",
            &answer.top_stopped_accounts,
            |_| "",
        ),
    ];
    for (title, counts, meaning) in sections {
        if counts.is_empty() {
            continue;
        }
        let mut facts = Facts::default();
        for one in counts {
            facts.add(
                &one.key,
                format!("{}  {}", share(one.count), meaning(&one.key)).trim_end(),
            );
        }
        console.write(&format!("\n{title}\n"))?;
        facts.write(console)?;
    }
    Ok(())
}

/// What is counted, which, how often: a spreadsheet has no use for a header of nested lists.
fn rows(answer: &GetStatisticsResponse) -> String {
    let mut text = csv::record(&["statistic", "key", "count"]);
    let totals = [
        ("total", answer.total),
        ("allowed", answer.allowed),
        ("denied", answer.denied),
        ("challenged", answer.challenged),
    ];
    for (name, number) in totals {
        text.push_str(&csv::record(&[name, "", &number.to_string()]));
    }
    let lists = [
        ("by_code", &answer.by_code),
        (
            "top_destination_countries",
            &answer.top_destination_countries,
        ),
        ("top_stopped_accounts", &answer.top_stopped_accounts),
    ];
    for (name, counts) in lists {
        for one in counts {
            text.push_str(&csv::record(&[name, &one.key, &one.count.to_string()]));
        }
    }
    text
}

fn percent(number: u64, total: u64) -> f64 {
    if total == 0 {
        0.0
    } else {
        number as f64 * 100.0 / total as f64
    }
}
