//! What is measured, and what one measurement came to.

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::quantity::{show_bytes, show_count, show_nanos};

/// A measured quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Published messages a second, up to the server's PONG after the last one.
    PublishRate,
    /// Deliveries a second, all subscribers together.
    DeliverRate,
    /// Round trips a second.
    RequestRate,
    /// Connections (TCP, INFO, CONNECT, PONG) a second.
    ConnectRate,
    /// Server CPU, user and system, per million published messages (or round trips), seconds.
    CpuPerMillion,
    /// Server CPU per thousand connections, seconds.
    CpuPerThousandConnects,
    /// Latency percentiles, nanoseconds.
    P50,
    /// 90th percentile.
    P90,
    /// 99th percentile.
    P99,
    /// 99.9th percentile.
    P999,
    /// 99.99th percentile.
    P9999,
    /// 99.999th percentile.
    P99999,
    /// Largest value.
    Max,
    /// Time between the first and the last subscriber's copy, median, nanoseconds.
    SpreadP50,
    /// The same, 99th percentile.
    SpreadP99,
    /// How late the sender woke by itself, 99th percentile, nanoseconds.
    OversleepP99,
    /// How long a message lay at the reader's socket before it ran, 99th percentile, nanoseconds.
    UnreadP99,
    /// From the sender's write to the arrival at the reader's socket, 99th percentile, nanoseconds.
    BetweenP99,
    /// The same, 99.9th percentile.
    BetweenP999,
    /// Server's resident memory after the work, bytes.
    Resident,
    /// Server's resident memory before the connections of `connect`, bytes.
    ResidentBefore,
    /// Server's resident memory when the streams were full, before it was killed, bytes.
    ResidentFilled,
    /// Growth per idle connection, bytes.
    ResidentPerConnection,
    /// Process start to the first byte of INFO, nanoseconds.
    StartToInfo,
    /// Publisher's rate with stalled subscribers as a share of the rate without.
    StalledShare,
    /// Highest rate that held the latency asked for, messages a second.
    HeldRate,
    /// Payload bytes a second.
    ByteRate,
    /// From starting a killed server to the answer of a stream that holds everything, nanoseconds.
    RecoverTime,
    /// Server CPU from the start to that answer, nanoseconds.
    CpuToRecover,
    /// From SIGHUP until a user that the new file adds can log in, nanoseconds.
    ReloadTime,
    /// 99th percentile with a disturbance as a share of that without.
    P99Share,
    /// Rate with something in the way as a share of the rate without.
    RateShare,
    /// Server CPU per message with something in the way as a share of that without.
    CpuShare,
    /// Largest latency of the runs without a disturbance, nanoseconds.
    MaxWithout,
    /// Scrapes of monitoring endpoints a second.
    ScrapeRate,
    /// TLS handshakes with login a second.
    HandshakeRate,
    /// Messages replayed a second.
    ReplayRate,
}

/// Which way is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// A rate.
    Higher,
    /// A cost.
    Lower,
}

impl Measure {
    /// Name in JSON, with the unit last.
    pub fn key(self) -> &'static str {
        match self {
            Measure::PublishRate => "publish_per_s",
            Measure::DeliverRate => "deliver_per_s",
            Measure::RequestRate => "round_trips_per_s",
            Measure::ConnectRate => "connects_per_s",
            Measure::CpuPerMillion => "server_cpu_s_per_million",
            Measure::CpuPerThousandConnects => "server_cpu_s_per_thousand_connects",
            Measure::P50 => "p50_ns",
            Measure::P90 => "p90_ns",
            Measure::P99 => "p99_ns",
            Measure::P999 => "p99_9_ns",
            Measure::P9999 => "p99_99_ns",
            Measure::P99999 => "p99_999_ns",
            Measure::Max => "max_ns",
            Measure::SpreadP50 => "spread_p50_ns",
            Measure::SpreadP99 => "spread_p99_ns",
            Measure::OversleepP99 => "sender_oversleep_p99_ns",
            Measure::UnreadP99 => "unread_p99_ns",
            Measure::BetweenP99 => "between_sockets_p99_ns",
            Measure::BetweenP999 => "between_sockets_p99_9_ns",
            Measure::Resident => "resident_bytes",
            Measure::ResidentBefore => "resident_before_bytes",
            Measure::ResidentFilled => "resident_filled_bytes",
            Measure::ResidentPerConnection => "resident_per_connection_bytes",
            Measure::StartToInfo => "start_to_info_ns",
            Measure::StalledShare => "stalled_share",
            Measure::HeldRate => "held_rate_per_s",
            Measure::ByteRate => "payload_bytes_per_s",
            Measure::RecoverTime => "start_to_all_messages_ns",
            Measure::CpuToRecover => "server_cpu_to_all_messages_ns",
            Measure::ReloadTime => "reload_to_in_force_ns",
            Measure::P99Share => "p99_with_over_without",
            Measure::RateShare => "rate_with_over_without",
            Measure::CpuShare => "cpu_with_over_without",
            Measure::MaxWithout => "max_without_ns",
            Measure::ScrapeRate => "scrapes_per_s",
            Measure::HandshakeRate => "handshakes_per_s",
            Measure::ReplayRate => "replayed_per_s",
        }
    }

    /// Name in tables.
    pub fn title(self) -> &'static str {
        match self {
            Measure::PublishRate => "published",
            Measure::DeliverRate => "delivered",
            Measure::RequestRate => "round trips",
            Measure::ConnectRate => "connects",
            Measure::CpuPerMillion => "server CPU / 1M",
            Measure::CpuPerThousandConnects => "server CPU / 1k connects",
            Measure::P50 => "p50",
            Measure::P90 => "p90",
            Measure::P99 => "p99",
            Measure::P999 => "p99.9",
            Measure::P9999 => "p99.99",
            Measure::P99999 => "p99.999",
            Measure::Max => "max",
            Measure::SpreadP50 => "first to last copy p50",
            Measure::SpreadP99 => "first to last copy p99",
            Measure::OversleepP99 => "sender woke late p99",
            Measure::UnreadP99 => "reader woke late p99",
            Measure::BetweenP99 => "between the sockets p99",
            Measure::BetweenP999 => "between the sockets p99.9",
            Measure::Resident => "server memory",
            Measure::ResidentBefore => "server memory, no client",
            Measure::ResidentFilled => "server memory, filled",
            Measure::ResidentPerConnection => "memory / connection",
            Measure::StartToInfo => "start to INFO",
            Measure::StalledShare => "rate with stalled / without",
            Measure::HeldRate => "highest rate held",
            Measure::ByteRate => "payload",
            Measure::RecoverTime => "start to all messages",
            Measure::CpuToRecover => "server CPU until then",
            Measure::ReloadTime => "reload to in force",
            Measure::P99Share => "p99 with / without",
            Measure::RateShare => "rate with / without",
            Measure::CpuShare => "server CPU with / without",
            Measure::MaxWithout => "max without",
            Measure::ScrapeRate => "scrapes",
            Measure::HandshakeRate => "handshakes",
            Measure::ReplayRate => "replayed",
        }
    }

    /// Whether the report draws bars for it.
    pub fn is_headline(self) -> bool {
        matches!(
            self,
            Measure::PublishRate
                | Measure::DeliverRate
                | Measure::RequestRate
                | Measure::ConnectRate
                | Measure::CpuPerMillion
                | Measure::P99
                | Measure::Resident
                | Measure::StartToInfo
                | Measure::StalledShare
                | Measure::HeldRate
                | Measure::ByteRate
                | Measure::RecoverTime
                | Measure::ReloadTime
                | Measure::P99Share
                | Measure::RateShare
                | Measure::CpuShare
        )
    }

    /// Which way is good.
    pub fn better(self) -> Better {
        match self {
            Measure::PublishRate
            | Measure::DeliverRate
            | Measure::RequestRate
            | Measure::ConnectRate
            | Measure::StalledShare
            | Measure::HeldRate
            | Measure::ByteRate
            | Measure::RateShare
            | Measure::ScrapeRate
            | Measure::HandshakeRate
            | Measure::ReplayRate => Better::Higher,
            _ => Better::Lower,
        }
    }

    /// The value with its unit.
    pub fn show(self, value: f64) -> String {
        match self {
            Measure::CpuPerMillion | Measure::CpuPerThousandConnects => format!("{value:.3} s"),
            Measure::StalledShare | Measure::P99Share | Measure::RateShare | Measure::CpuShare => {
                format!("{value:.3}")
            }
            Measure::ByteRate => format!("{}/s", show_bytes(value)),
            Measure::Resident
            | Measure::ResidentBefore
            | Measure::ResidentFilled
            | Measure::ResidentPerConnection => show_bytes(value),
            _ if self.better() == Better::Higher => format!("{}/s", show_count(value)),
            _ => show_nanos(value),
        }
    }
}

/// Percentiles reported of every latency, with the share of values at or below each.
pub const PERCENTILES: [(Measure, f64); 6] = [
    (Measure::P50, 0.5),
    (Measure::P90, 0.9),
    (Measure::P99, 0.99),
    (Measure::P999, 0.999),
    (Measure::P9999, 0.9999),
    (Measure::P99999, 0.99999),
];

/// Messages of one measured window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Published.
    pub sent: u64,
    /// Deliveries counted by all subscribers.
    pub received: u64,
    /// Deliveries due.
    pub expected: u64,
}

impl Tally {
    /// What has been added since `earlier`.
    pub fn since(self, earlier: Tally) -> Tally {
        Tally {
            sent: self.sent - earlier.sent,
            received: self.received - earlier.received,
            expected: self.expected - earlier.expected,
        }
    }
}

/// Share of the measured window in which a generator thread was working or ready to work. Near 1
/// means that the thread never waited for the server: the generator was the limit.
pub const SATURATED: f64 = 0.97;

/// One measured window.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// Quantities in the order in which they are shown.
    pub values: Vec<(Measure, f64)>,
    /// Of some of them, the interval that holds the true value in 95 of 100 cases.
    pub intervals: Vec<(Measure, [f64; 2])>,
    /// Messages.
    pub tally: Tally,
    /// Length of the window.
    pub seconds: f64,
    /// Busiest generator thread, see [`SATURATED`].
    pub load_busy: f64,
    /// What the generator itself waited is not far below the latencies: they are its own.
    pub late_load: bool,
    /// All latencies of the window, nanoseconds.
    pub latencies: Option<Histogram<u64>>,
    /// What the server said of itself.
    pub server_version: Option<String>,
    /// Why the window ended early, if it did.
    pub partial: Option<String>,
}

impl Sample {
    /// The value of one quantity.
    pub fn get(&self, measure: Measure) -> Option<f64> {
        self.values.iter().find(|(found, _)| *found == measure).map(|(_, value)| *value)
    }

    /// Adds a quantity. A value without meaning (nothing happened) is left out.
    pub fn put(&mut self, measure: Measure, value: f64) {
        if value.is_finite() {
            self.values.push((measure, value));
        }
    }

    /// The interval of a quantity, in words for behind its value; empty if there is none.
    pub fn show_interval(&self, measure: Measure) -> String {
        let found = self.intervals.iter().find(|(found, _)| *found == measure);
        found.map_or(String::new(), |(_, [low, high])| {
            format!(" (95 %: {} to {})", measure.show(*low), measure.show(*high))
        })
    }

    /// This window, its figures behind those of `first`.
    pub fn behind(mut self, mut first: Sample) -> Sample {
        first.values.append(&mut self.values);
        first.intervals.append(&mut self.intervals);
        let partial = first.partial.or(self.partial);
        Sample { values: first.values, intervals: first.intervals, partial, ..self }
    }

    /// Puts one percentile, where there is at least one value beyond it.
    pub fn put_percentile(&mut self, measure: Measure, values: &Histogram<u64>, share: f64) {
        if values.len() as f64 * (1.0 - share) >= 1.0 {
            self.put(measure, values.value_at_quantile(share) as f64);
        }
    }

    /// Adds the percentiles of `latencies` that its number of values supports, and keeps it.
    pub fn put_latencies(&mut self, latencies: Histogram<u64>) {
        for (measure, share) in PERCENTILES {
            self.put_percentile(measure, &latencies, share);
        }
        if !latencies.is_empty() {
            self.put(Measure::Max, latencies.max() as f64);
        }
        self.latencies = Some(latencies);
    }

    /// Whether the generator was the limit of this quantity. CPU per message and memory stay true
    /// whatever the generator does.
    pub fn load_bound(&self, measure: Measure) -> bool {
        match measure {
            Measure::PublishRate
            | Measure::DeliverRate
            | Measure::RequestRate
            | Measure::ConnectRate
            | Measure::ByteRate
            | Measure::HeldRate => self.load_busy >= SATURATED,
            Measure::P50
            | Measure::P90
            | Measure::P99
            | Measure::P999
            | Measure::P9999
            | Measure::P99999
            | Measure::Max => self.late_load,
            _ => false,
        }
    }

    /// Quantities of which the generator was the limit.
    pub fn load_bound_any(&self) -> bool {
        self.values.iter().any(|(measure, _)| self.load_bound(*measure))
    }

    /// For `--json`.
    pub fn to_json(&self) -> Value {
        let values: serde_json::Map<String, Value> = self
            .values
            .iter()
            .map(|(measure, value)| (measure.key().to_string(), json!(value)))
            .collect();
        let intervals: serde_json::Map<String, Value> = self
            .intervals
            .iter()
            .map(|(measure, interval)| (measure.key().to_string(), json!(interval)))
            .collect();
        json!({
            "values": values,
            "intervals_95": intervals,
            "server_version": self.server_version,
            "sent": self.tally.sent,
            "received": self.tally.received,
            "expected": self.tally.expected,
            "seconds": self.seconds,
            "load_busy": self.load_busy,
            "load_was_the_limit": self.load_bound_any(),
            "partial": self.partial,
        })
    }
}

/// A histogram from 1 ns to 100 s with three digits, as all latencies here are kept.
pub fn latency_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 100_000_000_000, 3).expect("constant bounds are valid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_without_a_value_beyond_it_is_not_claimed() {
        let mut latencies = latency_histogram();
        for value in 1..=500 {
            latencies.record(value * 1000).expect("within bounds");
        }
        let mut sample = Sample::default();
        sample.put_latencies(latencies);
        assert!(sample.get(Measure::P99).is_some());
        assert_eq!(sample.get(Measure::P999), None, "500 values say nothing about 1 in 1000");
        assert!(sample.get(Measure::Max).is_some_and(|max| max >= 500_000.0));
    }

    #[test]
    fn meaningless_values_are_left_out() {
        let mut sample = Sample::default();
        sample.put(Measure::PublishRate, 1.0 / 0.0);
        sample.put(Measure::CpuPerMillion, f64::NAN);
        assert!(sample.values.is_empty());
        assert_eq!(sample.to_json()["sent"], 0);
    }
}
