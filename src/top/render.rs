//! Figures to text: two tables, one row a core and one for all. Plain characters only, so that
//! scripts can read what a person sees.

use base::{Counter, Distribution, Timing};

use crate::interval::{Figures, Interval};

/// A column: its heading, and what stands in it.
struct Column {
    heading: &'static str,
    cell: fn(&Figures) -> String,
}

const fn column(heading: &'static str, cell: fn(&Figures) -> String) -> Column {
    Column { heading, cell }
}

/// What goes through.
const TRAFFIC: [Column; 10] = [
    column("busy", |core| format!("{:.0}%", core.busy() * 100.0)),
    column("turns/s", |core| amount(core.rate(Counter::Turns))),
    column("parks/s", |core| amount(core.rate(Counter::Parks))),
    column("in msg/s", |core| amount(core.rate(Counter::InMsgs))),
    column("out msg/s", |core| amount(core.rate(Counter::OutMsgs))),
    column("in B/s", |core| amount(core.rate(Counter::InBytes))),
    column("out B/s", |core| amount(core.rate(Counter::OutBytes))),
    column("conns", |core| core.count(Counter::Connections).to_string()),
    column("subs", |core| amount(core.count(Counter::Subscriptions) as f64)),
    column("slow", |core| core.count(Counter::SlowConsumers).to_string()),
];

/// How long it takes, and what waits.
const LATENCY: [Column; 13] = [
    column("dwell p50", |core| quantile(core.timing(Timing::Dwell), 0.5)),
    column("p99", |core| quantile(core.timing(Timing::Dwell), 0.99)),
    column("p99.9", |core| quantile(core.timing(Timing::Dwell), 0.999)),
    column("max", |core| longest(core.timing(Timing::Dwell))),
    column("loop p99", |core| quantile(core.timing(Timing::Loop), 0.99)),
    column("ring p99", |core| quantile(core.timing(Timing::RingWait), 0.99)),
    column("ring/s", |core| amount(core.rate(Counter::RingFramesIn))),
    column("bells/s", |core| amount(core.rate(Counter::DoorbellsOut))),
    column("spill", |core| core.count(Counter::RingSpillDepth).to_string()),
    column("paused", |core| core.count(Counter::PausedConnections).to_string()),
    column("dirty/t", |core| format!("{:.1}", core.dirty_per_turn())),
    column("pending", |core| amount(core.count(Counter::PendingBytes) as f64)),
    column("lost", |core| core.count(Counter::RingDropped).to_string()),
];

/// The tables of an interval; each line ends in a line end.
pub fn table(interval: &Interval) -> String {
    let mut out = String::new();
    rows(interval, &TRAFFIC, &mut out);
    out.push('\n');
    rows(interval, &LATENCY, &mut out);
    out
}

fn rows(interval: &Interval, columns: &[Column], out: &mut String) {
    let names = (0..interval.cores.len()).map(|core| core.to_string());
    let figures = names.zip(&interval.cores).chain([(String::from("all"), &interval.total)]);
    let heading = || columns.iter().map(|column| column.heading.to_owned());
    let mut lines: Vec<Vec<String>> =
        vec![[String::from("core")].into_iter().chain(heading()).collect()];
    for (name, figures) in figures {
        let cells = columns.iter().map(|column| (column.cell)(figures));
        lines.push([name].into_iter().chain(cells).collect());
    }
    let width = |index: usize| lines.iter().map(|line| line[index].chars().count()).max();
    let widths: Vec<usize> = (0..=columns.len()).map(|index| width(index).unwrap_or(0)).collect();
    for line in &lines {
        let cells = line.iter().zip(&widths).map(|(cell, &width)| format!("{cell:>width$}"));
        out.push_str(&cells.collect::<Vec<_>>().join("  "));
        out.push('\n');
    }
}

/// Such as `1234`, `56.7k` or `2.31M`: three digits or more that count.
fn amount(value: f64) -> String {
    let scale = |unit: f64, suffix: char| {
        let scaled = value / unit;
        let decimals = if scaled < 10.0 { 2 } else { usize::from(scaled < 100.0) };
        format!("{scaled:.decimals$}{suffix}")
    };
    match value {
        ..9999.5 => format!("{value:.0}"),
        9999.5..999_500.0 => scale(1e3, 'k'),
        999_500.0..999_500_000.0 => scale(1e6, 'M'),
        _ => scale(1e9, 'G'),
    }
}

fn quantile(distribution: &Distribution, part: f64) -> String {
    match distribution.quantile(part) {
        None => String::from("-"),
        // Beyond the last bound only that is known, and `quantile` then gives that bound.
        Some(ns) => time(ns),
    }
}

/// The bound that nothing exceeded.
fn longest(distribution: &Distribution) -> String {
    match distribution.max_ns() {
        None => String::from("-"),
        Some(u64::MAX) => String::from(">17s"),
        Some(ns) => format!("<{}", time(ns)),
    }
}

/// Such as `850ns`, `12.3us`, `4.56ms` or `1.20s`.
fn time(ns: u64) -> String {
    let (scaled, unit) = match ns {
        ..1_000 => return format!("{ns}ns"),
        1_000..1_000_000 => (ns as f64 / 1e3, "us"),
        1_000_000..1_000_000_000 => (ns as f64 / 1e6, "ms"),
        _ => (ns as f64 / 1e9, "s"),
    };
    let decimals = if scaled < 10.0 { 2 } else { usize::from(scaled < 100.0) };
    format!("{scaled:.decimals$}{unit}")
}

#[cfg(test)]
mod tests;
