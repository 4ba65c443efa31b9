//! The curve of recall and false alarms, drawn.

use std::fmt::Write;

use tfps_engine::risk::evaluation::Curve;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 40.0;
/// Colours that the colour-blind tell apart (Okabe, Ito, 2008).
const COLOURS: [&str; 6] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
];
/// The lowest rate of false alarms that is drawn: the axis is logarithmic.
const LOWEST: f64 = 0.0001;

/// An SVG of curves, each with its name.
pub(super) fn curve_plot(curves: &[(&str, &Curve)]) -> String {
    let (right, bottom) = (WIDTH - 20.0, HEIGHT - 60.0);
    let x = |rate: f64| {
        let part = (rate.max(LOWEST) / LOWEST).log10() / (1.0 / LOWEST).log10();
        LEFT + part * (right - LEFT)
    };
    let y = |recall: f64| bottom - recall * (bottom - TOP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"15\">Fraud that is told, by false alarms</text>\n"
    );
    let mut add = |line: String| {
        svg.push_str(&line);
        svg.push('\n');
    };
    for (rate, label) in [
        (0.0001, "0.01 %"),
        (0.001, "0.1 %"),
        (0.003, "0.3 %"),
        (0.01, "1 %"),
        (0.1, "10 %"),
        (1.0, "100 %"),
    ] {
        let at = x(rate);
        add(format!(
            "<line x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{bottom}\" stroke=\"#ddd\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
            bottom + 18.0
        ));
    }
    for tenth in (0..=10).step_by(2) {
        let at = y(f64::from(tenth) / 10.0);
        add(format!(
            "<line x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{} %</text>",
            LEFT - 6.0,
            at + 4.0,
            tenth * 10
        ));
    }
    add(format!(
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">ordinary numbers that alarm</text>",
        (LEFT + right) / 2.0,
        HEIGHT - 14.0
    ));
    for (place, (name, curve)) in curves.iter().enumerate() {
        let colour = COLOURS[place % COLOURS.len()];
        let mut path = format!("M{:.1},{:.1}", x(0.0), y(curve.recall(0.0)));
        let mut drawn = (0.0, 0.0);
        for point in curve.points() {
            let (at, height) = (x(point.false_alarms), y(point.recall));
            // A point for each half pixel is enough.
            if (at - drawn.0).abs() + (height - drawn.1).abs() >= 0.5 {
                drawn = (at, height);
                // Writing to a String does not fail.
                let _ = write!(path, "L{at:.1},{height:.1}");
            }
        }
        add(format!(
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
        ));
        let line = bottom - 12.0 - 18.0 * (curves.len() - 1 - place) as f64;
        add(format!(
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\" stroke-width=\"2\"/>\
             <text x=\"{:.1}\" y=\"{line:.1}\" text-anchor=\"end\">{}</text>",
            right - 34.0,
            line - 4.0,
            right - 10.0,
            line - 4.0,
            right - 40.0,
            escaped(name)
        ));
    }
    svg.push_str("</svg>\n");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
