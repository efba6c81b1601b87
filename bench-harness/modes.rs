//! The modes as flags, and the plan that each set of flags stands for.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use crate::accounts::AccountsFlags;
use crate::connect::{ConnectPlan, StartPlan};
use crate::error::BenchError;
use crate::guarded::GuardedFlags;
use crate::handshakes::HandshakeFlags;
use crate::js_kv::JsKvFlags;
use crate::js_publish::JsPubFlags;
use crate::js_recover::JsRecoverFlags;
use crate::js_replay::JsReplayFlags;
use crate::js_sub::JsSubFlags;
use crate::latency::{LatencyPlan, Pace, Schedule, SweepPlan};
use crate::pairs::PairFlags;
use crate::payload::Verify;
use crate::plans::{
    positive, publishers, pubsub, queue, request, stalling, traffic, unbatched, wildcard,
};
use crate::publish::Amount;
use crate::quantity;
use crate::reload::ReloadFlags;
use crate::scrape::ScrapeFlags;
use crate::workload::{Work, Workload};

/// How much is sent, and how.
#[derive(Debug, Clone, Args)]
pub struct Load {
    /// Payload size, e.g. 16, 128B, 1KiB
    #[arg(long, default_value = "16", value_parser = quantity::bytes)]
    pub size: usize,
    /// Messages of all publishers together, e.g. 2M [default: as many as fit into --duration]
    #[arg(long, value_parser = quantity::count, conflicts_with = "duration")]
    pub msgs: Option<u64>,
    /// How long to send, e.g. 500ms, 10s
    #[arg(long, default_value = "2s", value_parser = quantity::duration)]
    pub duration: Duration,
    /// Sent before the measured window, e.g. 200ms
    #[arg(long, default_value = "300ms", value_parser = quantity::duration)]
    pub warmup: Duration,
    /// Messages per write [default: as many as fill 256 KiB]
    #[arg(long, value_parser = quantity::count)]
    pub batch: Option<u64>,
    /// Messages a second of all publishers together [default: as fast as the server takes them]
    #[arg(long, value_parser = quantity::count)]
    pub rate: Option<u64>,
    /// Stamp each message and check order and content (slows the generator)
    #[arg(long)]
    pub verify: bool,
    /// Threads that read [default: half the cores]
    #[arg(long)]
    pub readers: Option<usize>,
}

/// Whether publishers share a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Subjects {
    /// Everybody uses one: each subscriber receives everything.
    Shared,
    /// Publisher i uses subject i; subscriber j listens to that of publisher j modulo P.
    Own,
}

/// What to do to the server.
#[derive(Debug, Clone, Subcommand)]
pub enum Mode {
    /// P publishers, nobody listens
    Pub {
        #[command(flatten)]
        load: Load,
        /// Publishers
        #[arg(long, default_value_t = 1)]
        pubs: usize,
    },
    /// One publisher feeds S subscribers; the subscribers' rate is the point
    Sub {
        #[command(flatten)]
        load: Load,
        /// Subscribers
        #[arg(long, default_value_t = 1)]
        subs: usize,
    },
    /// P publishers to S subscribers
    Pubsub {
        #[command(flatten)]
        load: Load,
        /// Publishers
        #[arg(long, default_value_t = 1)]
        pubs: usize,
        /// Subscribers
        #[arg(long, default_value_t = 1)]
        subs: usize,
        /// One subject for all, or one for each publisher
        #[arg(long, value_enum, default_value_t = Subjects::Shared)]
        subjects: Subjects,
    },
    /// One publisher, S subscribers of the same subject
    Fanout {
        #[command(flatten)]
        load: Load,
        /// Subscribers
        #[arg(long, default_value_t = 4)]
        subs: usize,
    },
    /// P publishers to S members of one queue group
    Queue {
        #[command(flatten)]
        load: Load,
        /// Publishers
        #[arg(long, default_value_t = 1)]
        pubs: usize,
        /// Members of the group
        #[arg(long, default_value_t = 4)]
        subs: usize,
    },
    /// N distinct wildcard subscriptions, publishes spread over all of them
    Wildcard {
        #[command(flatten)]
        load: Load,
        /// Subscriptions
        #[arg(long, default_value = "100k", value_parser = quantity::count)]
        subscriptions: u64,
        /// Connections that hold them
        #[arg(long, default_value_t = 1)]
        subs: usize,
    },
    /// C connections, one message per write, at a fixed total rate [default: 100k/s]
    Unbatched {
        #[command(flatten)]
        load: Load,
        /// Publishing connections
        #[arg(long, default_value_t = 64)]
        conns: usize,
        /// Subscribers of the one subject they publish to
        #[arg(long, default_value_t = 0)]
        subs: usize,
    },
    /// One publisher to S subscribers, without and with K of them not reading
    Stalled {
        #[command(flatten)]
        load: Load,
        /// Subscribers in all
        #[arg(long, default_value_t = 50)]
        subs: usize,
        /// Of these, how many stop reading
        #[arg(long, default_value_t = 1)]
        stalled: usize,
        #[command(flatten)]
        pairs: PairFlags,
    },
    /// Request and reply, one at a time or many in flight
    Request {
        #[command(flatten)]
        load: Load,
        /// Requesting connections
        #[arg(long, default_value_t = 1)]
        requesters: usize,
        /// Answering connections, in one queue group
        #[arg(long, default_value_t = 1)]
        responders: usize,
        /// Requests under way per requester
        #[arg(long, default_value_t = 1)]
        in_flight: usize,
    },
    /// Open loop at a fixed rate: time from the intended send to each delivery
    Latency(LatencyFlags),
    /// Connections a second, and the server's memory with all of them idle
    Connect {
        /// Connections
        #[arg(long, default_value = "1k", value_parser = quantity::count)]
        conns: u64,
        /// Threads that open them
        #[arg(long, default_value_t = 2)]
        threads: usize,
    },
    /// Process start to the first byte of INFO (with --spawn)
    Start {
        /// How many times
        #[arg(long, default_value_t = 10)]
        starts: usize,
    },
    /// Start and memory with many accounts (with --spawn)
    Accounts(AccountsFlags),
    /// Publishes into JetStream streams, each acknowledged
    JsPub(JsPubFlags),
    /// JetStream streams filled and read from the beginning
    JsSub(JsSubFlags),
    /// Puts, gets or a watch of a key-value bucket
    JsKv(JsKvFlags),
    /// Start after kill -9 with a full stream (with --spawn)
    JsRecover(JsRecoverFlags),
    /// Live traffic while a stream is replayed
    JsReplay(JsReplayFlags),
    /// Live traffic while the monitoring is scraped
    Scrape(ScrapeFlags),
    /// Live traffic while the configuration is reloaded (with --spawn)
    Reload(ReloadFlags),
    /// Live traffic while others shake hands over TLS (with --tls-ca)
    Handshakes(HandshakeFlags),
    /// Permissions or an import, over the plain path (with --spawn)
    Guarded(GuardedFlags),
}

impl Mode {
    /// The plan that the flags stand for.
    ///
    /// # Errors
    /// [`BenchError::Usage`] for numbers that make no sense.
    pub fn workload(&self) -> Result<Workload, BenchError> {
        let (what, work) = match self {
            Mode::Pub { load, pubs } => {
                let plan = traffic(load, publishers(*pubs, Subjects::Shared, 0)?, Vec::new())?;
                (format!("pub, {pubs} publisher(s), {}", load.describe()), Work::Traffic(plan))
            }
            Mode::Sub { load, subs } => {
                let plan = pubsub(load, 1, *subs, Subjects::Shared)?;
                (format!("sub, 1 → {subs}, {}", load.describe()), Work::Traffic(plan))
            }
            Mode::Pubsub { load, pubs, subs, subjects } => {
                let plan = pubsub(load, *pubs, *subs, *subjects)?;
                let whose = if *subjects == Subjects::Own { ", own subjects" } else { "" };
                let what = format!("pubsub, {pubs} → {subs}{whose}, {}", load.describe());
                (what, Work::Traffic(plan))
            }
            Mode::Fanout { load, subs } => {
                let plan = pubsub(load, 1, *subs, Subjects::Shared)?;
                (format!("fanout, 1 → {subs}, {}", load.describe()), Work::Traffic(plan))
            }
            Mode::Queue { load, pubs, subs } => {
                let what = format!("queue, {pubs} → group of {subs}, {}", load.describe());
                (what, Work::Traffic(queue(load, *pubs, *subs)?))
            }
            Mode::Wildcard { load, subscriptions, subs } => {
                let what = format!("wildcard, {subscriptions} subscriptions, {}", load.describe());
                (what, Work::Traffic(wildcard(load, *subscriptions, *subs)?))
            }
            Mode::Unbatched { load, conns, subs } => {
                let what = format!("unbatched, {conns} connections, {}", load.describe());
                (what, Work::Traffic(unbatched(load, *conns, *subs)?))
            }
            Mode::Stalled { load, subs, stalled, pairs } => {
                let what = format!("stalled, {stalled} of {subs}, {}", load.describe());
                (what, stalling(load, *subs, *stalled, pairs.pairs)?)
            }
            Mode::Request { load, requesters, responders, in_flight } => {
                let plan = request(load, *requesters, *responders, *in_flight)?;
                let what = format!(
                    "request, {requesters} → {responders}, {in_flight} in flight, {} B",
                    load.size
                );
                (what, Work::Request(plan))
            }
            Mode::Latency(flags) => flags.work()?,
            Mode::Connect { conns, threads } => {
                let connections = positive("--conns", *conns as usize)?;
                let threads = positive("--threads", *threads)?.min(connections);
                let plan = ConnectPlan { connections, threads };
                (format!("connect, {conns} connections"), Work::Connect(plan))
            }
            Mode::Start { starts } => {
                let plan = StartPlan { starts: positive("--starts", *starts)? };
                (format!("start, median of {starts}"), Work::Start(plan))
            }
            Mode::Accounts(flags) => flags.work()?,
            Mode::JsPub(flags) => flags.work()?,
            Mode::JsSub(flags) => flags.work()?,
            Mode::JsKv(flags) => flags.work()?,
            Mode::JsRecover(flags) => flags.work()?,
            Mode::JsReplay(flags) => flags.work()?,
            Mode::Scrape(flags) => flags.work()?,
            Mode::Reload(flags) => flags.work()?,
            Mode::Handshakes(flags) => flags.work()?,
            Mode::Guarded(flags) => flags.work()?,
        };
        Ok(Workload { title: what, work })
    }
}

/// Flags of the `latency` mode.
#[derive(Debug, Clone, Args)]
pub struct LatencyFlags {
    /// Messages a second
    #[arg(long, default_value = "50k", value_parser = quantity::count)]
    rate: u64,
    /// Instead: bursts of this many messages, every --every
    #[arg(long, value_parser = quantity::count, requires = "every", conflicts_with = "rate")]
    burst: Option<u64>,
    /// From burst to burst, e.g. 10ms
    #[arg(long, value_parser = quantity::duration, requires = "burst")]
    every: Option<Duration>,
    /// Instead: find the highest rate that holds --p99, beginning with --rate
    #[arg(long, conflicts_with = "burst")]
    sweep: bool,
    /// The 99th percentile that a sweep holds
    #[arg(long, default_value = "1ms", value_parser = quantity::duration)]
    p99: Duration,
    /// Highest rate that a sweep tries
    #[arg(long, default_value = "5M", value_parser = quantity::count)]
    rate_max: u64,
    /// Payload size, at least 16
    #[arg(long, default_value = "128", value_parser = quantity::bytes)]
    size: usize,
    /// Subscribers of the one subject
    #[arg(long, default_value_t = 1)]
    subs: usize,
    /// Measured time (of each step of a sweep)
    #[arg(long, default_value = "5s", value_parser = quantity::duration)]
    duration: Duration,
    /// Time before it, cut off
    #[arg(long, default_value = "1s", value_parser = quantity::duration)]
    warmup: Duration,
    /// How the sender waits [default: spin with four cores or more, else sleep]
    #[arg(long, value_enum)]
    pace: Option<Pace>,
}

impl LatencyFlags {
    fn work(&self) -> Result<(String, Work), BenchError> {
        let (rate, steady) = (self.rate, LatencyPlan::steady(self.rate, self.size, self.subs)?);
        let (schedule, when) = match (self.burst, self.every) {
            (Some(messages), Some(every)) if !every.is_zero() => {
                let messages = positive("--burst", messages as usize)? as u64;
                (Schedule::Bursts { messages, every }, format!("{messages} every {every:?}"))
            }
            (Some(_), _) => {
                return Err(BenchError::Usage("--every must be longer than nothing".to_string()));
            }
            (None, _) => (steady.schedule, format!("{rate}/s")),
        };
        let latency = LatencyPlan {
            schedule,
            pace: self.pace.unwrap_or(steady.pace),
            duration: self.duration,
            warmup: self.warmup,
            ..steady
        };
        let whom = format!("1 → {}, {} B", self.subs, self.size);
        if self.sweep {
            let p99_max = self.p99;
            let what = format!("highest rate with p99 ≤ {p99_max:?}, {whom}");
            let rates = (rate as f64, positive("--rate-max", self.rate_max as usize)? as f64);
            return Ok((what, Work::Sweep(SweepPlan { latency, rates, p99_max })));
        }
        Ok((format!("latency at {when}, {whom}"), Work::Latency(latency)))
    }
}

impl Load {
    pub fn amount(&self) -> Amount {
        self.msgs.map_or(Amount::Time(self.duration), Amount::Messages)
    }

    pub fn verify(&self) -> Verify {
        if self.verify { Verify::Content } else { Verify::Count }
    }

    fn describe(&self) -> String {
        let pace = self.rate.map_or(String::new(), |rate| format!(", {rate}/s"));
        format!("{} B{pace}", self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::TrafficPlan;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        mode: Mode,
    }

    fn work(line: &str) -> Result<Work, BenchError> {
        let words = std::iter::once("x").chain(line.split(' '));
        let line =
            Line::try_parse_from(words).map_err(|error| BenchError::Usage(error.to_string()));
        Ok(line?.mode.workload()?.work)
    }

    fn traffic_of(line: &str) -> TrafficPlan {
        match work(line) {
            Ok(Work::Traffic(plan)) => plan,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn own_subjects_count_the_copies_of_each_publisher() {
        let plan = traffic_of("pubsub --pubs 3 --subs 4 --subjects own");
        let copies: Vec<u64> = plan.publishers.iter().map(|publisher| publisher.copies).collect();
        assert_eq!(copies, [2, 1, 1]);
        assert_eq!(plan.subscribers[3].interests[0].subject, plan.publishers[0].subjects[0]);
        let shared = traffic_of("pubsub --pubs 3 --subs 4");
        assert!(shared.publishers.iter().all(|publisher| publisher.copies == 4));
    }

    #[test]
    fn wildcard_subscriptions_are_distinct_and_each_subject_matches_one() {
        let plan = traffic_of("wildcard --subscriptions 1k --subs 3");
        let subscribed: std::collections::HashSet<String> = plan
            .subscribers
            .iter()
            .flat_map(|subscriber| &subscriber.interests)
            .map(|interest| interest.subject.trim_end_matches('*').to_string())
            .collect();
        assert_eq!(subscribed.len(), 1000);
        let published = &plan.publishers[0].subjects;
        assert_eq!(published.len(), 1000);
        assert!(published.iter().all(|s| subscribed.contains(s.trim_end_matches('x'))));
        assert_ne!(published[..2], ["bench.0.x".to_string(), "bench.1.x".to_string()]);
    }

    #[test]
    fn flags_without_sense_are_refused() {
        for line in [
            "pub --pubs 0",
            "pub --verify --size 8",
            "stalled --subs 2 --stalled 2",
            "request --rate 5",
            "pub --size lots",
            "pub --msgs 1 --duration 1s",
            "latency --size 8",
            "latency --burst 5",
            "latency --burst 5 --every 0ms",
            "latency --sweep --burst 5 --every 1ms",
            "js-pub --window 0",
            "js-sub --cold --storage memory",
            "js-recover --msgs 10 --subjects 11",
            "js-kv put --keys 0",
            "scrape --conns 0",
            "handshakes --handshakes 0",
        ] {
            assert!(matches!(work(line), Err(BenchError::Usage(_))), "{line}");
        }
    }

    #[test]
    fn an_unbatched_feed_writes_one_message_at_a_time() {
        let plan = traffic_of("unbatched --conns 8");
        assert_eq!((plan.batch, plan.rate), (Some(1), Some(100_000.0)));
        assert_eq!(plan.publishers[0].connections, 8);
    }
}
