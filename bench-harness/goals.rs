//! What is to be reached: the rows of the tables of goals, each a work and bounds on its figures.
//!
//! Goals are shares of the first server's figure (usually nats-server's) or absolute bounds; they
//! are those of the issues that built each part.

use crate::measure::Measure;

/// Which rows stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoalTable {
    /// The core broker; what is run when nothing is named.
    Core,
    /// JetStream.
    Js,
    /// Monitoring and reload.
    Operate,
    /// Permissions, imports, accounts.
    Secure,
    /// What needs `--tls-ca`.
    Tls,
}

impl GoalTable {
    /// Name for `--only`.
    pub fn key(self) -> &'static str {
        match self {
            GoalTable::Core => "core",
            GoalTable::Js => "js",
            GoalTable::Operate => "operate",
            GoalTable::Secure => "secure",
            GoalTable::Tls => "tls",
        }
    }
}

/// A bound on one quantity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// At most this share of the first server's.
    ShareAtMost(f64),
    /// At least this share of the first server's.
    ShareAtLeast(f64),
    /// At most this value.
    AtMost(f64),
    /// At least this value.
    AtLeast(f64),
    /// Shown without a verdict.
    Shown,
}

impl Goal {
    /// Whether it is reached by a value, or by its share of the first server's.
    pub fn holds(self, value: f64, share: f64) -> bool {
        match self {
            Goal::ShareAtMost(bound) => share <= bound,
            Goal::ShareAtLeast(bound) => share >= bound,
            Goal::AtMost(bound) => value <= bound,
            Goal::AtLeast(bound) => value >= bound,
            Goal::Shown => true,
        }
    }

    /// Whether it is about a share.
    pub fn compares(self) -> bool {
        matches!(self, Goal::ShareAtMost(_) | Goal::ShareAtLeast(_))
    }

    /// For tables.
    pub fn words(self, measure: Measure) -> String {
        match self {
            Goal::ShareAtMost(bound) => format!("≤ {bound:.2} of the first"),
            Goal::ShareAtLeast(bound) => format!("≥ {bound:.2} of the first"),
            Goal::AtMost(bound) => format!("≤ {}", measure.show(bound)),
            Goal::AtLeast(bound) => format!("≥ {}", measure.show(bound)),
            Goal::Shown => String::new(),
        }
    }
}

/// One row: its short name, its words, the flags of its mode, its goals.
#[derive(Debug)]
pub struct Row {
    /// Name for `--only`.
    pub key: &'static str,
    /// Which table it belongs to.
    pub table: GoalTable,
    /// The work, in words.
    pub title: &'static str,
    /// Mode and flags.
    pub flags: &'static str,
    /// What shall be reached, and what is only shown.
    pub goals: &'static [(Measure, Goal)],
}

/// All rows.
pub const ROWS: [Row; 31] = [
    Row {
        key: "publish",
        table: GoalTable::Core,
        title: "publish 16 B, no subscriber",
        flags: "pub",
        goals: &[
            (Measure::CpuPerMillion, Goal::ShareAtMost(0.35)),
            (Measure::PublishRate, Goal::Shown),
        ],
    },
    Row {
        key: "one-one",
        table: GoalTable::Core,
        title: "16 B, 1 → 1",
        flags: "pubsub",
        goals: &[
            (Measure::CpuPerMillion, Goal::ShareAtMost(0.30)),
            (Measure::DeliverRate, Goal::Shown),
        ],
    },
    Row {
        key: "one-four",
        table: GoalTable::Core,
        title: "16 B, 1 → 4",
        flags: "fanout --subs 4",
        goals: &[
            (Measure::CpuPerMillion, Goal::ShareAtMost(0.35)),
            (Measure::DeliverRate, Goal::Shown),
        ],
    },
    Row {
        key: "one-four-128",
        table: GoalTable::Core,
        title: "128 B, 1 → 4",
        flags: "fanout --subs 4 --size 128",
        goals: &[
            (Measure::CpuPerMillion, Goal::ShareAtMost(0.35)),
            (Measure::DeliverRate, Goal::Shown),
        ],
    },
    Row {
        key: "unbatched",
        table: GoalTable::Core,
        title: "unbatched, 64 connections, 100k/s",
        flags: "unbatched --conns 64 --rate 100k",
        goals: &[
            (Measure::CpuPerMillion, Goal::ShareAtMost(0.55)),
            (Measure::PublishRate, Goal::Shown),
        ],
    },
    Row {
        key: "wildcard",
        table: GoalTable::Core,
        title: "100k wildcard subscriptions",
        flags: "wildcard --subscriptions 100k",
        goals: &[
            (Measure::CpuPerMillion, Goal::ShareAtMost(0.15)),
            (Measure::DeliverRate, Goal::Shown),
        ],
    },
    Row {
        key: "request",
        table: GoalTable::Core,
        title: "request/reply, one at a time",
        flags: "request",
        goals: &[
            (Measure::RequestRate, Goal::ShareAtLeast(1.25)),
            (Measure::P50, Goal::Shown),
            (Measure::P99, Goal::Shown),
            (Measure::P999, Goal::ShareAtMost(0.6)),
        ],
    },
    Row {
        key: "idle",
        table: GoalTable::Core,
        title: "10,000 idle connections",
        flags: "connect --conns 10k",
        goals: &[(Measure::Resident, Goal::ShareAtMost(0.25)), (Measure::ConnectRate, Goal::Shown)],
    },
    Row {
        key: "stalled",
        table: GoalTable::Core,
        title: "1 of 50 subscribers stops reading",
        flags: "stalled --subs 50 --stalled 1",
        goals: &[(Measure::StalledShare, Goal::AtLeast(0.97))],
    },
    Row {
        key: "start",
        table: GoalTable::Core,
        title: "start to first INFO",
        flags: "start --starts 10",
        goals: &[(Measure::StartToInfo, Goal::AtMost(10e6))],
    },
    Row {
        key: "js-async",
        table: GoalTable::Js,
        title: "asynchronous publish, 128 B, file, window 1000",
        flags: "js-pub",
        goals: &[
            (Measure::PublishRate, Goal::ShareAtLeast(2.5)),
            (Measure::CpuPerMillion, Goal::ShareAtMost(0.35)),
            (Measure::P99, Goal::Shown),
        ],
    },
    Row {
        key: "js-one",
        table: GoalTable::Js,
        title: "one publish at a time, 128 B, file",
        flags: "js-pub --window 1",
        goals: &[
            (Measure::P50, Goal::Shown),
            (Measure::P99, Goal::Shown),
            (Measure::PublishRate, Goal::Shown),
        ],
    },
    Row {
        key: "js-memory",
        table: GoalTable::Js,
        title: "asynchronous publish, 128 B, memory, window 1000",
        flags: "js-pub --storage memory",
        goals: &[
            (Measure::PublishRate, Goal::ShareAtLeast(3.0)),
            (Measure::CpuPerMillion, Goal::ShareAtMost(0.35)),
        ],
    },
    Row {
        key: "js-pull",
        table: GoalTable::Js,
        title: "pull consumer, explicit ack, batches of 500",
        flags: "js-sub",
        goals: &[
            (Measure::DeliverRate, Goal::ShareAtLeast(3.0)),
            (Measure::CpuPerMillion, Goal::ShareAtMost(0.35)),
        ],
    },
    Row {
        key: "js-cold",
        table: GoalTable::Js,
        title: "consume without ack, 1 KiB, cold cache",
        flags: "js-sub --size 1KiB --ack none --cold",
        goals: &[
            (Measure::DeliverRate, Goal::ShareAtLeast(3.0)),
            (Measure::ByteRate, Goal::Shown),
            (Measure::CpuPerMillion, Goal::ShareAtMost(0.35)),
        ],
    },
    Row {
        key: "js-ordered",
        table: GoalTable::Js,
        title: "ordered push consumer, 128 B",
        flags: "js-sub --feed ordered",
        goals: &[
            (Measure::DeliverRate, Goal::Shown),
            (Measure::CpuPerMillion, Goal::ShareAtMost(0.35)),
        ],
    },
    Row {
        key: "js-put",
        table: GoalTable::Js,
        title: "KV put, 10,000 keys, window 1000",
        flags: "js-kv put",
        goals: &[
            (Measure::PublishRate, Goal::ShareAtLeast(1.5)),
            (Measure::CpuPerMillion, Goal::ShareAtMost(0.35)),
        ],
    },
    Row {
        key: "js-get",
        table: GoalTable::Js,
        title: "KV get, 10,000 keys, window 1000",
        flags: "js-kv get",
        goals: &[
            (Measure::RequestRate, Goal::ShareAtLeast(2.0)),
            (Measure::CpuPerMillion, Goal::ShareAtMost(0.35)),
        ],
    },
    Row {
        key: "js-watch",
        table: GoalTable::Js,
        title: "KV watch of 200,000 keys",
        flags: "js-kv watch --keys 200k",
        goals: &[(Measure::DeliverRate, Goal::Shown)],
    },
    Row {
        key: "js-recover",
        table: GoalTable::Js,
        title: "start after kill -9, 10 million messages of 128 B",
        flags: "js-recover --msgs 10M",
        goals: &[
            (Measure::RecoverTime, Goal::AtMost(2e9)),
            (Measure::Resident, Goal::ShareAtMost(0.3)),
        ],
    },
    Row {
        key: "js-subjects",
        table: GoalTable::Js,
        title: "one million subjects in one stream",
        flags: "js-recover --msgs 1M --subjects 1M",
        goals: &[
            (Measure::Resident, Goal::ShareAtMost(0.5)),
            (Measure::ResidentFilled, Goal::Shown),
            (Measure::P50, Goal::Shown),
            (Measure::P99, Goal::Shown),
        ],
    },
    Row {
        key: "js-few-subjects",
        table: GoalTable::Js,
        title: "the same messages on 1,000 subjects",
        flags: "js-recover --msgs 1M --subjects 1k",
        goals: &[(Measure::P50, Goal::Shown), (Measure::P99, Goal::Shown)],
    },
    Row {
        key: "js-replay",
        table: GoalTable::Js,
        title: "live traffic while a stream replays",
        flags: "js-replay",
        goals: &[(Measure::P99Share, Goal::AtMost(1.2)), (Measure::ReplayRate, Goal::Shown)],
    },
    Row {
        key: "scrape",
        table: GoalTable::Operate,
        title: "scrapes in a tight loop, 10,000 idle connections",
        flags: "scrape",
        goals: &[
            (Measure::RateShare, Goal::AtLeast(0.98)),
            (Measure::P99Share, Goal::AtMost(1.1)),
            (Measure::ScrapeRate, Goal::Shown),
        ],
    },
    Row {
        key: "reload",
        table: GoalTable::Operate,
        title: "reload of 10,000 users",
        flags: "reload",
        goals: &[
            (Measure::ReloadTime, Goal::AtMost(100e6)),
            (Measure::Max, Goal::Shown),
            (Measure::MaxWithout, Goal::Shown),
        ],
    },
    Row {
        key: "permissions",
        table: GoalTable::Secure,
        title: "20 allowed and 20 denied subjects",
        flags: "guarded permissions",
        goals: &[(Measure::CpuShare, Goal::AtMost(1.10)), (Measure::RateShare, Goal::Shown)],
    },
    Row {
        key: "import",
        table: GoalTable::Secure,
        title: "one service import",
        flags: "guarded import",
        goals: &[(Measure::CpuShare, Goal::AtMost(1.15)), (Measure::RateShare, Goal::Shown)],
    },
    Row {
        key: "accounts",
        table: GoalTable::Secure,
        title: "10,000 accounts of 10 users",
        flags: "accounts",
        goals: &[
            (Measure::StartToInfo, Goal::AtMost(2e9)),
            (Measure::Resident, Goal::ShareAtMost(0.3)),
        ],
    },
    Row {
        key: "tls-traffic",
        table: GoalTable::Tls,
        title: "128 B, 1 → 1, over TLS",
        flags: "pubsub --size 128",
        goals: &[
            (Measure::CpuPerMillion, Goal::ShareAtMost(0.7)),
            (Measure::DeliverRate, Goal::Shown),
        ],
    },
    Row {
        key: "tls-request",
        table: GoalTable::Tls,
        title: "request/reply, one at a time, over TLS",
        flags: "request --size 128",
        goals: &[
            (Measure::RequestRate, Goal::Shown),
            (Measure::P50, Goal::Shown),
            (Measure::P99, Goal::Shown),
        ],
    },
    Row {
        key: "handshakes",
        table: GoalTable::Tls,
        title: "2,000 TLS handshakes a second beside live traffic",
        flags: "handshakes",
        goals: &[(Measure::P99Share, Goal::AtMost(1.2)), (Measure::HandshakeRate, Goal::Shown)],
    },
];

impl Row {
    /// Whether `--only` names it, by itself or with its table.
    pub fn is_among(&self, only: &[String]) -> bool {
        match only {
            [] => self.table == GoalTable::Core,
            only => only.iter().any(|name| name == self.key || name == self.table.key()),
        }
    }

    /// Whether its mode takes `--duration`.
    pub fn has_duration(&self) -> bool {
        !matches!(self.flags.split(' ').next(), Some("connect" | "start" | "accounts"))
            && !matches!(self.flags.split(' ').next(), Some("js-sub" | "js-recover"))
    }
}

/// Names that `--only` takes.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<&'static str> = ROWS.iter().map(|row| row.table.key()).collect();
    names.dedup();
    names.extend(ROWS.iter().map(|row| row.key));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_hold_on_their_side_of_the_bound() {
        assert!(Goal::ShareAtMost(0.35).holds(9.0, 0.35));
        assert!(!Goal::ShareAtMost(0.35).holds(0.1, 0.36));
        assert!(Goal::ShareAtLeast(1.25).holds(0.0, 1.3));
        assert!(!Goal::AtLeast(0.97).holds(0.96, 9.0));
        assert!(Goal::AtMost(10e6).holds(7e6, 9.0));
        assert!(!Goal::AtMost(10e6).holds(f64::NAN, 0.0), "no figure meets no goal");
    }

    #[test]
    fn only_the_core_rows_run_unless_others_are_named() {
        let named = |only: &[&str]| {
            let only: Vec<String> = only.iter().map(|name| name.to_string()).collect();
            ROWS.iter().filter(|row| row.is_among(&only)).count()
        };
        assert_eq!(named(&[]), 10);
        assert_eq!(named(&["js"]), 13);
        assert_eq!(named(&["js-async", "publish"]), 2);
        assert!(names().contains(&"secure") && names().contains(&"reload"));
    }
}
