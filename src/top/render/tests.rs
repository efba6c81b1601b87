//! The tables of a canned `/metrics`.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::*;
use crate::sample::{Sample, SampleError};

/// What a core's `/metrics` shows, as far as it is not zero.
struct Canned {
    counters: &'static [(&'static str, u64)],
    /// Of each kind of duration: bounds in seconds and how many there are up to them.
    buckets: &'static [(&'static str, u64)],
}

fn metrics(cores: &[Canned]) -> String {
    let mut text = String::from("# HELP corewire_turns Turns\n# TYPE corewire_turns counter\n");
    text.push_str("process_resident_memory_bytes 1234\ncorewire_log_lines_dropped_total 0\n");
    for (core, canned) in cores.iter().enumerate() {
        for (name, value) in canned.counters {
            let _ = writeln!(text, "corewire_{name}{{core=\"{core}\"}} {value}");
        }
        for timing in Timing::ALL {
            let name = timing.name();
            let _ = writeln!(text, "corewire_{name}_sum{{core=\"{core}\"}} 0.001");
            for (le, count) in canned.buckets {
                let labels = format!("le=\"{le}\",core=\"{core}\"");
                let _ = writeln!(text, "corewire_{name}_bucket{{{labels}}} {count}");
            }
        }
    }
    text + "# EOF\n"
}

fn sample(cores: &[Canned], at: Instant) -> Sample {
    Sample::read(&metrics(cores), at).expect("a sample")
}

/// Two cores over two seconds, of which the second had nothing to do.
fn canned() -> Interval {
    let start = Instant::now();
    let idle = || Canned {
        counters: &[("turns_total", 7), ("connections", 1)],
        buckets: &[("0.000001", 0), ("0.000002", 0), ("+Inf", 0)],
    };
    let before = Canned {
        counters: &[("turns_total", 1000), ("out_msgs_total", 500), ("connections", 3)],
        buckets: &[("0.000001", 100), ("0.000002", 100), ("+Inf", 100)],
    };
    let after = Canned {
        counters: &[
            ("turns_total", 21_000),
            ("in_msgs_total", 2_468_000),
            ("out_msgs_total", 4_936_500),
            ("out_bytes_total", 5_000_000_000),
            ("busy_nanoseconds_total", 1_500_000_000),
            ("connections", 2),
            ("slow_consumers_total", 1),
            ("ring_spill_depth", 9),
            ("dirty_connections_total", 30_000),
            ("ring_frames_in_total", 90_000),
        ],
        buckets: &[("0.000001", 1100), ("0.000002", 2100), ("+Inf", 2100)],
    };
    let earlier = sample(&[before, idle()], start);
    let later = sample(&[after, idle()], start + Duration::from_secs(2));
    Interval::between(&earlier, &later)
}

#[test]
fn the_tables_show_what_happened_between_the_samples() {
    let table = table(&canned());
    let rows: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_ascii_whitespace().collect()).collect();
    assert_eq!(rows.len(), 9, "{table}");
    let traffic = ["75%", "10.0k", "0", "1.23M", "2.47M", "0", "2.50G", "2", "0", "1"];
    assert_eq!(rows[1][1..], traffic, "{table}");
    assert_eq!(rows[2][1..3], ["0%", "0"], "{table}");
    let all = ["all", "38%", "10.0k", "0", "1.23M", "2.47M", "0", "2.50G", "3"];
    assert_eq!(rows[3][..9], all, "{table}");
    let latency = [
        "1.00us", "1.98us", "2.00us", "<2.00us", "1.98us", "1.98us", "45.0k", "0", "9", "0", "1.5",
    ];
    assert_eq!(rows[6][1..12], latency, "{table}");
    assert_eq!(rows[7][1..5], ["-", "-", "-", "-"], "{table}");
    assert_eq!(rows[8][0..5], ["all", "1.00us", "1.98us", "2.00us", "<2.00us"], "{table}");
}

#[test]
fn columns_stand_below_each_other() {
    let table = table(&canned());
    for half in table.split("\n\n") {
        let mut lengths: Vec<usize> = half.lines().map(str::len).collect();
        lengths.dedup();
        assert_eq!(lengths.len(), 1, "{table}");
        assert!(lengths[0] <= 120, "{} columns:\n{table}", lengths[0]);
    }
}

#[test]
fn a_server_started_anew_shows_no_nonsense() {
    let start = Instant::now();
    let core = |counters, buckets| [Canned { counters, buckets }];
    let earlier = core(&[("turns_total", 1000)], &[("0.000001", 50), ("+Inf", 50)]);
    let later = core(&[("turns_total", 10)], &[("0.000001", 5), ("+Inf", 5)]);
    let interval = Interval::between(&sample(&earlier, start), &sample(&later, start));
    assert_eq!(interval.total.count(Counter::Turns), 0);
    assert_eq!(interval.total.timing(Timing::Loop).count(), 0);
}

#[test]
fn other_metrics_are_named() {
    let read = |text: &str| Sample::read(text, Instant::now()).map(|sample| sample.cores.len());
    assert_eq!(read("up 1\n"), Err(SampleError::NoCores));
    let old = "corewire_turns_total{core=\"0\"} 1\n";
    assert_eq!(read(old), Err(SampleError::Missing(Timing::Dwell)));
    assert_eq!(read("corewire_turns_total{core=\"99999999999\"} 1\n"), Err(SampleError::NoCores));
}

#[test]
fn amounts_and_times_are_short() {
    let amounts = [0.0, 9999.0, 10_000.0, 999_499.0, 1_000_000.0, 123_456_789.0, 2e12].map(amount);
    assert_eq!(amounts, ["0", "9999", "10.0k", "999k", "1.00M", "123M", "2000G"]);
    let times = [0, 999, 1000, 12_345, 4_560_000, 1_200_000_000].map(time);
    assert_eq!(times, ["0ns", "999ns", "1.00us", "12.3us", "4.56ms", "1.20s"]);
}
