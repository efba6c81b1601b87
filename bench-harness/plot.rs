//! Inline SVG: latency by percentile, and bars.

use hdrhistogram::Histogram;

use crate::quantity::show_nanos;
use crate::report::{COLOURS, escaped};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 34.0;

/// One server's line.
#[derive(Debug)]
pub struct Curve<'a> {
    /// Server.
    pub label: &'a str,
    /// Its latencies, nanoseconds.
    pub latencies: Histogram<u64>,
}

/// Latency over percentile, both logarithmic: x is `log10(1 / (1 - p))`.
pub fn percentile_plot(curves: &[Curve<'_>]) -> String {
    let largest = curves.iter().map(|curve| curve.latencies.len()).max().unwrap_or(1);
    // As many nines as the number of values supports.
    let nines = (largest as f64).log10().clamp(1.0, 5.0);
    let low = curves.iter().map(|curve| curve.latencies.min().max(1)).min().unwrap_or(1);
    let high = curves.iter().map(|curve| curve.latencies.max().max(10)).max().unwrap_or(10);
    let (low, high) = ((low as f64).log10().floor(), (high as f64).log10().ceil());
    let x = |nine: f64| LEFT + nine / nines * (WIDTH - LEFT - RIGHT);
    let y = |nanos: f64| {
        let share = (nanos.max(1.0).log10() - low) / (high - low).max(1.0);
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    };
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"latency by percentile\">"
    );
    for (nine, label) in [
        (0.0, "0 %"),
        (0.301, "50 %"),
        (1.0, "90 %"),
        (2.0, "99 %"),
        (3.0, "99.9 %"),
        (4.0, "99.99 %"),
        (5.0, "99.999 %"),
    ] {
        if nine <= nines {
            svg.push_str(&line(x(nine), TOP, x(nine), HEIGHT - BOTTOM));
            svg.push_str(&text(x(nine), HEIGHT - 12.0, "middle", label));
        }
    }
    for decade in low as i32..=high as i32 {
        let nanos = 10f64.powi(decade);
        svg.push_str(&line(LEFT, y(nanos), WIDTH - RIGHT, y(nanos)));
        svg.push_str(&text(LEFT - 8.0, y(nanos) + 4.0, "end", &show_nanos(nanos)));
    }
    for (index, curve) in curves.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let points: Vec<String> = (0..=200)
            .map(|step| {
                let nine = nines * f64::from(step) / 200.0;
                let value = curve.latencies.value_at_quantile(1.0 - 10f64.powf(-nine));
                format!("{:.1},{:.1}", x(nine), y(value as f64))
            })
            .collect();
        svg.push_str(&format!(
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>",
            points.join(" ")
        ));
        let at = TOP + 16.0 + 20.0 * index as f64;
        svg.push_str(&swatch(WIDTH - RIGHT + 12.0, at - 9.0, 12.0, 10.0, colour));
        svg.push_str(&text(WIDTH - RIGHT + 30.0, at, "start", curve.label));
    }
    svg + "</svg>"
}

/// One bar for each server: label, length, words.
pub fn bars(title: &str, values: &[(&str, f64, String)]) -> String {
    let height = 26.0 + 26.0 * values.len() as f64;
    let longest = values.iter().map(|(_, value, _)| *value).fold(f64::MIN_POSITIVE, f64::max);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">",
        escaped(title)
    );
    svg.push_str(&text(0.0, 14.0, "start", title));
    for (index, (label, value, words)) in values.iter().enumerate() {
        let top = 24.0 + 26.0 * index as f64;
        let length = (value / longest * 400.0).max(1.0);
        svg.push_str(&text(140.0, top + 15.0, "end", label));
        svg.push_str(&swatch(150.0, top, length, 20.0, COLOURS[index % COLOURS.len()]));
        svg.push_str(&text(158.0 + length, top + 15.0, "start", words));
    }
    svg + "</svg>"
}

fn line(x1: f64, y1: f64, x2: f64, y2: f64) -> String {
    format!("<line class=\"grid\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>")
}

fn text(x: f64, y: f64, anchor: &str, words: &str) -> String {
    let words = escaped(words);
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>")
}

fn swatch(x: f64, y: f64, width: f64, height: f64, colour: &str) -> String {
    format!(
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
         fill=\"{colour}\"/>"
    )
}
