//! `/metrics`: every counter and every duration of every core, and the process, for Prometheus.
//! Corewire's own. `corewire top` reads it too.

use std::fmt;
use std::sync::Arc;

use base::{Counter, Counters, Timing};
use hyper::StatusCode;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::answer::Scene;
use crate::reply::{Content, Reply};
use crate::source::Source;

/// The shortest bound of a histogram, nanoseconds, as a power of two: 0.5 µs.
const FINE_LOG2: u32 = 9;
/// From here on, 17 ms, bounds are an octave apart; below there are four an octave.
const COARSE_LOG2: u32 = 24;
/// The longest bound: 17 s.
const LONGEST_LOG2: u32 = 34;

pub(crate) async fn answer<S: Source>(scene: &Scene<'_, S>) -> Reply {
    scene.source.refresh().await;
    let facts = scene.source.facts();
    let mut own = Registry::with_prefix("corewire");
    own.register_collector(Box::new(Cores { shards: scene.source.shards().to_vec() }));
    own.register_collector(Box::new(Server {
        log_lines_dropped: scene.source.log_lines_dropped(),
        requests: scene.requests.all().collect(),
        labels: [
            ("server_id", facts.server_id.clone()),
            ("server_name", facts.server_name.clone()),
            ("version", facts.version.clone()),
        ],
    }));
    let mut process = Registry::default();
    process.register_collector(Box::new(ProcessFigures {
        resident_bytes: scene.process.resident_bytes(),
        cpu_seconds: scene.process.cpu_seconds(),
        start_seconds: facts.start_ns as f64 / 1e9,
    }));
    let mut body = String::new();
    text::encode_registry(&mut body, &own)
        .and_then(|()| text::encode_registry(&mut body, &process))
        .and_then(|()| text::encode_eof(&mut body))
        .expect("a String takes everything");
    Reply { status: StatusCode::OK, content: Content::Metrics, body: body.into_bytes() }
}

/// The bounds of all histograms, nanoseconds, ascending: few of those that `base` counts by.
fn bounds_ns() -> impl Iterator<Item = u64> {
    let fine = (FINE_LOG2..COARSE_LOG2)
        .flat_map(|log2| (0..4).map(move |quarter| (1 << log2) + (quarter << (log2 - 2))));
    fine.chain((COARSE_LOG2..=LONGEST_LOG2).map(|log2| 1 << log2))
}

/// What `base::Counter` and `base::Timing` list, with the label `core`.
#[derive(Debug)]
struct Cores {
    shards: Vec<Arc<Counters>>,
}

impl Collector for Cores {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for &timing in Timing::ALL {
            self.encode_timing(timing, &mut encoder)?;
        }
        for &counter in Counter::ALL {
            // OpenMetrics names a counter without `_total` and its value with it.
            let (name, kind) = match counter.name().strip_suffix("_total") {
                Some(name) => (name, MetricType::Counter),
                None => (counter.name(), MetricType::Gauge),
            };
            let mut family = encoder.encode_descriptor(name, counter.help(), None, kind)?;
            for (core, shard) in self.shards.iter().enumerate() {
                let labels = [("core", core)];
                let metric = family.encode_family(&labels)?;
                let value = shard.get(counter);
                match kind {
                    MetricType::Counter => ConstCounter::new(value).encode(metric)?,
                    _ => ConstGauge::new(value).encode(metric)?,
                }
            }
        }
        Ok(())
    }
}

impl Cores {
    fn encode_timing(&self, timing: Timing, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let (name, help) = (timing.name(), timing.help());
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (core, shard) in self.shards.iter().enumerate() {
            let read = shard.timing(timing).read().coarser(bounds_ns());
            let seconds = |ns| if ns == u64::MAX { f64::INFINITY } else { ns as f64 / 1e9 };
            let buckets: Vec<(f64, u64)> =
                read.buckets.iter().map(|&(bound, count)| (seconds(bound), count)).collect();
            let labels = [("core", core)];
            family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
                seconds(read.sum_ns),
                read.count(),
                &buckets,
                None,
            )?;
        }
        Ok(())
    }
}

/// What belongs to no core.
#[derive(Debug)]
struct Server {
    log_lines_dropped: u64,
    requests: Vec<(&'static str, u64)>,
    labels: [(&'static str, String); 3],
}

impl Collector for Server {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Log lines dropped because the queue was full";
        let dropped = ConstCounter::new(self.log_lines_dropped);
        let kind = MetricType::Counter;
        dropped.encode(encoder.encode_descriptor("log_lines_dropped", help, None, kind)?)?;

        let help = "Monitoring requests by path";
        let mut family = encoder.encode_descriptor("http_requests", help, None, kind)?;
        for &(path, count) in &self.requests {
            let labels = [("path", path)];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }

        let help = "The server's identity; the value is always 1";
        let mut family = encoder.encode_descriptor("server", help, None, MetricType::Gauge)?;
        ConstGauge::new(1_u64).encode(family.encode_family(&self.labels)?)
    }
}

/// The figures that Prometheus expects of every process.
#[derive(Debug)]
struct ProcessFigures {
    resident_bytes: u64,
    cpu_seconds: f64,
    start_seconds: f64,
}

impl Collector for ProcessFigures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let gauge = MetricType::Gauge;
        let help = "Resident memory";
        let resident = ConstGauge::new(self.resident_bytes);
        resident.encode(encoder.encode_descriptor(
            "process_resident_memory_bytes",
            help,
            None,
            gauge,
        )?)?;

        let help = "Processor time of all threads";
        let cpu = ConstCounter::new(self.cpu_seconds);
        let kind = MetricType::Counter;
        cpu.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, kind)?)?;

        let help = "Start time since the Unix epoch";
        let start = ConstGauge::new(self.start_seconds);
        start.encode(encoder.encode_descriptor("process_start_time_seconds", help, None, gauge)?)
    }
}
