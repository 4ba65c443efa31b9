//! Bars over time, as SVG.

use maud::{Markup, html};

/// A bar's place: what a reader sees who points at it, and what stands under the axis.
pub(super) struct Place {
    pub(super) name: String,
    pub(super) tick: String,
}

/// What one colour of a bar is.
pub(super) struct Series {
    pub(super) name: &'static str,
    /// A colour that the colour-blind tell from the others (Okabe, Ito, 2008).
    pub(super) colour: &'static str,
    /// How much, a bar each.
    pub(super) values: Vec<u64>,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 56.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 176.0;
/// How many ticks the axis has at the most.
const TICKS: usize = 12;

/// Stacked bars, each with its name; the axis reaches to the first round number from `most` on.
pub(super) fn bars(title: &str, places: &[Place], series: &[Series], most: u64) -> Markup {
    let top = round_up(most);
    let step = (WIDTH - LEFT - 10.0) / places.len().max(1) as f64;
    let width = (step * 0.8).max(0.5);
    let height = |value: u64| (BOTTOM - TOP) * value as f64 / top as f64;
    let every = places.len().div_ceil(TICKS).max(1);
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(title) {
            @for part in 0..=4_u64 {
                @let y = BOTTOM - (BOTTOM - TOP) * part as f64 / 4.0;
                line x1=(LEFT) y1=(place(y)) x2=(WIDTH - 10.0) y2=(place(y)) class="grid" {}
                @if (top * part).is_multiple_of(4) {
                    text x=(LEFT - 6.0) y=(place(y + 4.0)) text-anchor="end" { (crate::output::count(top * part / 4)) }
                }
            }
            @for (at, of_bar) in places.iter().enumerate() {
                @let x = LEFT + step * at as f64;
                g {
                    title { (of_bar.name) @for of in series { "\n" (of.name) ": " (of.values.get(at).copied().unwrap_or(0)) } }
                    rect x=(place(x)) y=(TOP) width=(place(step)) height=(BOTTOM - TOP) fill="transparent" {}
                    @for (below, of) in series.iter().enumerate() {
                        @let value = of.values.get(at).copied().unwrap_or(0);
                        @let under: u64 = series[..below].iter().filter_map(|of| of.values.get(at)).sum();
                        @if value > 0 {
                            rect x=(place(x + (step - width) / 2.0)) y=(place(BOTTOM - height(under + value)))
                                width=(place(width)) height=(place(height(value))) fill=(of.colour) {}
                        }
                    }
                }
                @if at % every == 0 {
                    text x=(place(x + step / 2.0)) y=(BOTTOM + 16.0) text-anchor="middle" { (of_bar.tick) }
                }
            }
            @for (at, of) in series.iter().enumerate() {
                @let x = LEFT + 170.0 * at as f64;
                rect x=(x) y=(HEIGHT - 18.0) width="12" height="12" fill=(of.colour) {}
                text x=(x + 17.0) y=(HEIGHT - 8.0) { (of.name) }
            }
        }
    }
}

/// A tenth of a pixel is enough.
fn place(at: f64) -> String {
    format!("{at:.1}")
}

/// The first of 4, 8, 12, 20, 40, 80, 120, 200… that is not below: a quarter of each is whole.
fn round_up(most: u64) -> u64 {
    let mut unit = 4_u64;
    loop {
        for steps in [1, 2, 3, 5] {
            if unit.saturating_mul(steps) >= most {
                return unit.saturating_mul(steps);
            }
        }
        unit = unit.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_at_a_round_number() {
        let ends = [0, 4, 5, 13, 21, 999, 1_300, u64::MAX].map(round_up);
        assert_eq!(ends, [4, 4, 8, 20, 40, 1_200, 2_000, u64::MAX]);
    }

    #[test]
    fn bars_are_as_high_as_what_they_stand_for_and_names_are_escaped() {
        let series = Series {
            name: "denied",
            colour: "#d55e00",
            values: vec![4, 2],
        };
        let of = |name: &str| Place {
            name: name.to_owned(),
            tick: name.to_owned(),
        };
        let svg = bars("Calls", &["<09>", "10"].map(of), &[series], 4);
        let svg = svg.into_string();
        assert!(svg.contains("height=\"162.0\" fill=\"#d55e00\""), "{svg}");
        assert!(svg.contains("height=\"81.0\" fill=\"#d55e00\""), "{svg}");
        assert!(svg.contains("&lt;09&gt;") && !svg.contains("<09>"), "{svg}");
    }
}
