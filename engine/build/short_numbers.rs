//! The short numbers of each region, as `data/short-numbers.tsv` has them.

use std::collections::HashMap;
use std::error::Error;

use crate::sequences::{self, Sequence};

/// By region, each form with what it is for: the name of a variant of `ShortUse`.
pub(crate) struct ShortNumbers(HashMap<String, Vec<(&'static str, Sequence)>>);

impl ShortNumbers {
    /// Reads lines of region, use and regular expression.
    pub(crate) fn read(text: &str) -> Result<Self, Box<dyn Error>> {
        let mut regions: HashMap<String, Vec<(&'static str, Sequence)>> = HashMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let mut columns = line.split('\t');
            let (Some(region), Some(usage), Some(pattern)) =
                (columns.next(), columns.next(), columns.next())
            else {
                return Err(format!("short-numbers.tsv: `{line}` has not three columns").into());
            };
            let usage = match usage {
                "emergency" => "Emergency",
                "premium" => "Premium",
                "code" => "Code",
                other => return Err(format!("short-numbers.tsv: no such use: {other}").into()),
            };
            let forms = sequences::of(pattern)?;
            let known = regions.entry(region.to_owned()).or_default();
            known.extend(forms.into_iter().map(|form| (usage, form)));
        }
        Ok(Self(regions))
    }

    /// Those of a region.
    pub(crate) fn of(&self, region: &str) -> impl Iterator<Item = (&'static str, &Sequence)> {
        let forms = self.0.get(region).map_or(&[][..], Vec::as_slice);
        forms.iter().map(|(usage, form)| (*usage, form))
    }
}
