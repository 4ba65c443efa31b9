//! A carrier's rate sheet: a CSV file with a prefix and a price a minute a line.

use csv::{ErrorKind, ReaderBuilder, StringRecord, Trim};

use super::rates::Rates;

/// The columns that are read; a sheet may have others, such as the destination's name.
const COLUMNS: [&str; 2] = ["prefix", "price"];

/// What is wrong with a rate sheet: every line of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct RateSheetError(pub Vec<String>);

/// Reads a sheet: a header with the columns `prefix` (from the calling code on, with or without `+`) and `price` (of a minute, in any
/// one currency), and a line for each prefix.
///
/// # Errors
/// All lines that are wrong, each with its number and the reason.
pub fn read(sheet: &str) -> Result<Rates, RateSheetError> {
    let mut reader = ReaderBuilder::new()
        .trim(Trim::All)
        .from_reader(sheet.trim_start_matches('\u{feff}').as_bytes());
    let header = reader
        .headers()
        .map_err(|error| RateSheetError(vec![error.to_string()]))?
        .clone();
    let place = |name: &str| {
        let is = |column: &str| column.eq_ignore_ascii_case(name);
        header.iter().position(is).ok_or_else(|| {
            let there = header.iter().collect::<Vec<_>>().join(",");
            format!("line 1: there is no column {name} in the header `{there}`")
        })
    };
    let (prefix, price) = match COLUMNS.map(place) {
        [Ok(prefix), Ok(price)] => (prefix, price),
        missing => {
            let missing = missing.into_iter().filter_map(Result::err);
            return Err(RateSheetError(missing.collect()));
        }
    };
    let mut rates = Rates::default();
    let mut wrong = Vec::new();
    let mut record = StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {
                let cell = |place: usize| record.get(place).unwrap_or_default();
                let line = record.position().map_or(0, csv::Position::line);
                let put = cell(price)
                    .parse()
                    .map_err(|error: super::NotMoney| error.to_string())
                    .and_then(|price| {
                        rates
                            .put(cell(prefix), price)
                            .map_err(|error| error.to_string())
                    });
                if let Err(why) = put {
                    wrong.push(format!("line {line}: {why}"));
                }
            }
            Err(error) => {
                wrong.push(reason(&error));
                if matches!(error.kind(), ErrorKind::Io(_)) {
                    break;
                }
            }
        }
    }
    if !wrong.is_empty() {
        return Err(RateSheetError(wrong));
    }
    if rates.is_empty() {
        return Err(RateSheetError(vec!["it has no prefix".to_owned()]));
    }
    Ok(rates)
}

fn reason(error: &csv::Error) -> String {
    match error.kind() {
        ErrorKind::UnequalLengths {
            pos,
            expected_len,
            len,
        } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            format!("line {line}: it has {len} cells, the header {expected_len}")
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_carrier_s_sheet_is_read_by_its_header() {
        let sheet = "\u{feff}Destination,Prefix,Price,Increment\n\
             \"Latvia, mobile\",+37128,0.3,1\n\
             Latvia, 371 ,0.05,1\n";
        let rates = read(sheet).unwrap();
        let price = rates.of(&"37128054190".parse().unwrap()).unwrap();
        assert_eq!((rates.len(), price.to_string()), (2, "0.30".to_owned()));
    }

    #[test]
    fn every_wrong_line_is_told_with_its_reason() {
        let why = |sheet: &str| read(sheet).unwrap_err().0;
        assert_eq!(
            why("prefix,price\n371,0.05\n00371,0.05\n44,-1\n371,0.06\n1\n"),
            [
                "line 3: `00371` is no prefix: 1 to 15 digits from the calling code on, such as 37128",
                "line 4: `-1` is no amount of money: digits, and at most 6 behind a point, without a currency",
                "line 5: the prefix 371 stands there twice, with different prices",
                "line 6: it has 1 cells, the header 2",
            ]
        );
        assert_eq!(
            why("code,rate\n1,2\n"),
            [
                "line 1: there is no column prefix in the header `code,rate`",
                "line 1: there is no column price in the header `code,rate`",
            ]
        );
        assert_eq!(why("prefix,price\n"), ["it has no prefix"]);
    }
}
