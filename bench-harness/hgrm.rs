//! `--hgrm`: percentile tables as HdrHistogram's tools read and plot them.

use std::fmt::Write;

use hdrhistogram::Histogram;

/// Steps per halving of the distance to 100 %, the customary resolution.
const TICKS_PER_HALF: u32 = 5;

/// The text of a `.hgrm` file; values in microseconds.
pub fn text(latencies: &Histogram<u64>) -> String {
    let mut out = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    let micros = |nanos: f64| nanos / 1000.0;
    for step in latencies.iter_quantiles(TICKS_PER_HALF) {
        let value = micros(step.value_iterated_to() as f64);
        let share = step.quantile_iterated_to();
        let inverse = match 1.0 / (1.0 - share) {
            inverse if inverse.is_finite() => format!("{inverse:>14.2}"),
            _ => format!("{:>14}", "inf"),
        };
        let count = latencies.count_between(0, step.value_iterated_to());
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{value:>12.3} {share:>2.12} {count:>10} {inverse}");
    }
    let _ = writeln!(
        out,
        "#[Mean    = {:>12.3}, StdDeviation   = {:>12.3}]",
        micros(latencies.mean()),
        micros(latencies.stdev())
    );
    let _ = writeln!(
        out,
        "#[Max     = {:>12.3}, Total count    = {:>12}]",
        micros(latencies.max() as f64),
        latencies.len()
    );
    let _ =
        writeln!(out, "#[Buckets = {:>12}, SubBuckets     = {:>12}]", latencies.buckets(), 2048);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::latency_histogram;

    #[test]
    fn the_file_ends_at_the_last_value_with_all_counted() {
        let mut latencies = latency_histogram();
        for value in 1..=1000 {
            latencies.record(value * 1000).expect("within bounds");
        }
        let text = text(&latencies);
        let rows: Vec<&str> =
            text.lines().filter(|l| l.starts_with(' ') && l.contains('.')).collect();
        let last = rows.last().expect("rows");
        let words: Vec<&str> = last.split_whitespace().collect();
        assert_eq!((words[1], words[2], words[3]), ("1.000000000000", "1000", "inf"));
        assert!(text.contains("Total count    =         1000"), "{text}");
    }
}
