//! A consumer against a naive one, over random publishes, answers and pauses.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::*;

const ACK_WAIT_NS: u64 = 30 * SECOND;

#[derive(Clone, Debug)]
enum Step {
    Publish { wanted: bool },
    Pull(u8),
    Answer(prop::sample::Index, Answer),
    Wait(u64),
    Remove(prop::sample::Index),
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    Ack,
    Nak,
    NakLater(u64),
    Progress,
    Term,
}

fn step() -> impl Strategy<Value = Step> {
    let answer = prop_oneof![
        5 => Just(Answer::Ack),
        2 => Just(Answer::Nak),
        1 => (1..40u64).prop_map(|seconds| Answer::NakLater(seconds * SECOND)),
        1 => Just(Answer::Progress),
        1 => Just(Answer::Term),
    ];
    prop_oneof![
        6 => any::<bool>().prop_map(|wanted| Step::Publish { wanted }),
        4 => (1..8u8).prop_map(Step::Pull),
        8 => (any::<prop::sample::Index>(), answer).prop_map(|(at, how)| Step::Answer(at, how)),
        2 => (1..45u64).prop_map(|seconds| Step::Wait(seconds * SECOND)),
        1 => any::<prop::sample::Index>().prop_map(Step::Remove),
    ]
}

/// What is known of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Not delivered.
    Waiting,
    /// Delivered, and due again at that time.
    Out { due_ns: u64 },
    /// To be delivered again.
    Queued,
    /// Acknowledged, terminated, delivered too often, removed.
    Done,
}

/// The naive twin: a map of fates and a queue.
struct Naive {
    messages: BTreeMap<u64, (Fate, u32)>,
    queue: VecDeque<u64>,
    ack_pending_max: usize,
    deliveries_max: u32,
}

impl Naive {
    fn out(&self) -> usize {
        let out = |fate: &Fate| matches!(fate, Fate::Out { .. } | Fate::Queued);
        self.messages.values().filter(|(fate, _)| out(fate)).count()
    }

    /// Brings everything back that is due, by time.
    fn expire(&mut self, now_ns: u64) {
        let mut due: Vec<(u64, u64)> = Vec::new();
        for (seq, (fate, _)) in &self.messages {
            if let Fate::Out { due_ns } = fate
                && *due_ns <= now_ns
            {
                due.push((*due_ns, *seq));
            }
        }
        due.sort_unstable();
        due.iter().for_each(|(_, seq)| self.again(*seq));
    }

    fn again(&mut self, seq: u64) {
        let (fate, deliveries) = self.messages.get_mut(&seq).expect("it was delivered");
        if *deliveries >= self.deliveries_max {
            *fate = Fate::Done;
        } else if *fate != Fate::Queued {
            *fate = Fate::Queued;
            self.queue.push_back(seq);
        }
    }

    fn next(&mut self) -> Option<u64> {
        self.queue.retain(|seq| self.messages[seq].0 == Fate::Queued);
        if let Some(&seq) = self.queue.front() {
            return Some(seq);
        }
        if self.out() >= self.ack_pending_max {
            return None;
        }
        let waiting = self.messages.iter().find(|(_, (fate, _))| *fate == Fate::Waiting);
        waiting.map(|(seq, _)| *seq)
    }

    fn deliver(&mut self, seq: u64, now_ns: u64) -> u32 {
        let entry = self.messages.get_mut(&seq).expect("it is there");
        *entry = (Fate::Out { due_ns: now_ns + ACK_WAIT_NS }, entry.1 + 1);
        self.queue.retain(|queued| *queued != seq);
        entry.1
    }
}

struct Run {
    bench: Bench,
    naive: Naive,
    place: super::Place,
    /// Messages asked for and not delivered.
    asked: u64,
    deliveries: Vec<Sent>,
}

impl Run {
    fn new(ack_pending_max: usize, deliveries_max: u32) -> Run {
        let mut bench = Bench::new();
        let place = bench.consumer(ConsumerConfig {
            filter_subject: "a.*".to_owned(),
            max_ack_pending: ack_pending_max as i64,
            max_deliver: i64::from(deliveries_max),
            ..pull()
        });
        let (messages, queue) = (BTreeMap::new(), VecDeque::new());
        let naive = Naive { messages, queue, ack_pending_max, deliveries_max };
        Run { bench, naive, place, asked: 0, deliveries: Vec::new() }
    }

    fn act(&mut self, step: &Step) {
        let now_ns = self.bench.now.mono_ns;
        match step {
            Step::Publish { wanted } => {
                let seq = self.bench.publish(if *wanted { "a.x" } else { "b.x" }, "");
                if *wanted {
                    self.naive.messages.insert(seq, (Fate::Waiting, 0));
                }
            }
            Step::Pull(batch) => {
                self.asked += u64::from(*batch);
                self.bench.pull(self.place, "i", &batch.to_string());
            }
            Step::Wait(ns) => {
                self.bench.now.mono_ns += ns;
                self.bench.now.wall_ns += ns;
                self.naive.expire(now_ns + ns);
            }
            Step::Remove(at) => {
                let there: Vec<u64> = self.naive.messages.keys().copied().collect();
                if !there.is_empty() {
                    let seq = there[at.index(there.len())];
                    self.bench.remove(seq);
                    self.naive.messages.remove(&seq);
                    self.naive.queue.retain(|queued| *queued != seq);
                }
            }
            Step::Answer(at, answer) => {
                if self.deliveries.is_empty() {
                    return;
                }
                let sent = self.deliveries[at.index(self.deliveries.len())].clone();
                self.answer(&sent, *answer, now_ns);
            }
        }
    }

    fn answer(&mut self, sent: &Sent, answer: Answer, now_ns: u64) {
        let seq = sent.delivery().stream_seq;
        let payload = match answer {
            Answer::Ack => "+ACK".to_owned(),
            Answer::Nak => "-NAK".to_owned(),
            Answer::NakLater(ns) => format!("-NAK {{\"delay\":{ns}}}"),
            Answer::Progress => "+WPI".to_owned(),
            Answer::Term => "+TERM".to_owned(),
        };
        self.bench.ack(self.place, sent, &payload);
        let Some((fate, _)) = self.naive.messages.get_mut(&seq) else { return };
        if *fate == Fate::Done || *fate == Fate::Waiting {
            return;
        }
        if !matches!(answer, Answer::Nak) {
            self.naive.queue.retain(|queued| *queued != seq);
        }
        match answer {
            Answer::Ack | Answer::Term => *fate = Fate::Done,
            Answer::Nak => self.naive.again(seq),
            Answer::NakLater(ns) => *fate = Fate::Out { due_ns: now_ns + ns },
            Answer::Progress => *fate = Fate::Out { due_ns: now_ns + ACK_WAIT_NS },
        }
    }

    /// Both deliver what they can; it must be the same.
    fn compare(&mut self) -> Result<(), TestCaseError> {
        let now_ns = self.bench.now.mono_ns;
        let sent = self.bench.turn();
        for sent in &sent {
            let delivery = sent.delivery();
            prop_assert!(self.asked > 0, "more than was asked for");
            prop_assert_eq!(Some(delivery.stream_seq), self.naive.next());
            let deliveries = self.naive.deliver(delivery.stream_seq, now_ns);
            prop_assert_eq!(delivery.deliveries, u64::from(deliveries));
            self.asked -= 1;
        }
        self.deliveries.extend(sent);
        if self.asked > 0 {
            prop_assert_eq!(self.naive.next(), None, "a message was not delivered");
        }
        let info = self.bench.info(self.place);
        prop_assert_eq!(info.num_ack_pending, self.naive.out());
        let waiting = self.naive.messages.values().filter(|(fate, _)| *fate == Fate::Waiting);
        prop_assert_eq!(info.num_pending, waiting.count() as u64);
        self.check_floor(info.ack_floor.stream_seq)
    }

    /// Nothing at or below the floor is open.
    fn check_floor(&self, floor: u64) -> Result<(), TestCaseError> {
        for (seq, (fate, _)) in self.naive.messages.range(..=floor) {
            prop_assert_eq!(*fate, Fate::Done, "{} is below the floor {}", seq, floor);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_message_comes_until_it_is_acknowledged_and_never_after(
        steps in prop::collection::vec(step(), 1..200),
        ack_pending_max in 1..12usize,
        deliveries_max in 1..5u32,
    ) {
        let mut run = Run::new(ack_pending_max, deliveries_max);
        for step in &steps {
            run.act(step);
            run.compare()?;
        }
        // Whatever happened, in the end everything is delivered and done.
        for _ in 0..run.naive.messages.len() * 6 + 12 {
            run.act(&Step::Pull(7));
            run.act(&Step::Wait(45 * SECOND));
            run.compare()?;
        }
        let open = run.naive.messages.values().filter(|(fate, _)| *fate != Fate::Done).count();
        prop_assert_eq!(open, 0);
        prop_assert_eq!(run.bench.info(run.place).num_ack_pending, 0);
    }
}
