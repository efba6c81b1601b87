//! Hot path: takes what consumers deliver, one connection and one thread for each stream. Before it
//! stands `Inbox` (one large read), after it the acknowledgements, written once a turn.
//!
//! The stream sequence in every reply subject is checked: nothing may come twice, be missing or out
//! of order. A window ends when all messages are delivered and the server has answered the PING
//! behind the last acknowledgement.

use std::sync::Arc;

use serde_json::json;

use crate::cores::Placement;
use crate::crew::{Crew, Sender};
use crate::error::{BenchError, Role, VerifyError};
use crate::interrupt;
use crate::js_api::{Api, StreamPlan};
use crate::lines::{number, put_publish};
use crate::measure::{Measure, Sample};
use crate::progress::Progress;
use crate::server::Server;
use crate::session::{Closer, Endpoint, Inbox, Session, Sink, Turn, fresh_inbox};
use crate::stage::{Counter, Phase, Stage};
use crate::wire::{Frame, shown};

/// Room for headers, subject and reply beside the payload.
const FRAME_EXTRA: usize = 4096;
const DURABLE: &str = "bench";

/// Whether each message is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Ack {
    /// Each one by itself.
    Explicit,
    /// None.
    None,
}

/// How messages are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// A durable pull consumer; another request goes out when half of the last one has come.
    Pull {
        /// Messages asked for in one request.
        batch: u64,
        /// Whether each is acknowledged.
        ack: Ack,
    },
    /// An ordered push consumer: ephemeral, no acknowledgements, flow control, heartbeats.
    Ordered,
    /// The same over the last message of each subject, as a watcher of a bucket asks.
    Watch,
}

/// One stream to be read from its beginning.
#[derive(Debug, Clone)]
pub struct Source {
    /// The stream.
    pub stream: StreamPlan,
    /// Messages due.
    pub messages: u64,
}

/// Everything about one run; the streams are full already.
#[derive(Debug, Clone)]
pub struct ConsumePlan {
    /// What is read, each by a consumer of its own.
    pub sources: Vec<Source>,
    /// How.
    pub manner: Manner,
    /// Payload bytes of the messages.
    pub size: usize,
}

impl ConsumePlan {
    /// Reads every stream once to its end.
    ///
    /// # Errors
    /// Whatever kept the load from starting at all.
    pub fn run(
        &self,
        server: &mut Server,
        placement: &Placement,
        progress: &Progress,
    ) -> Result<Sample, BenchError> {
        let mut api = Api::open(&server.endpoint)?;
        let mut crew = Crew::new(placement);
        for source in &self.sources {
            interrupt::check()?;
            if let Manner::Pull { ack, .. } = self.manner {
                let policy = if ack == Ack::Explicit { "explicit" } else { "none" };
                let config = json!({
                    "durable_name": DURABLE, "deliver_policy": "all", "ack_policy": policy,
                    "max_ack_pending": -1, "max_waiting": 512,
                });
                api.create_durable(&source.stream.name, DURABLE, config)?;
            }
            let (reader, closer) = Reader::open(&server.endpoint, source, self)?;
            crew.closers.push(closer);
            crew.senders.push(Sender { counter: Arc::clone(&reader.counter), copies: 0 });
            crew.spawn(move |stage| reader.run(stage));
        }
        let mut sample = crew.run(server, progress, |_| self.all_acknowledged(&mut api));
        for (measure, _) in &mut sample.values {
            if *measure == Measure::PublishRate {
                *measure = Measure::DeliverRate;
            }
        }
        if let Some(rate) = sample.get(Measure::DeliverRate) {
            sample.put(Measure::ByteRate, rate * self.size as f64);
        }
        Ok(sample)
    }

    fn all_acknowledged(&self, api: &mut Api) -> Result<(), BenchError> {
        if !matches!(self.manner, Manner::Pull { .. }) {
            return Ok(());
        }
        for source in &self.sources {
            let stream = source.stream.name.clone();
            let left = api.outstanding(&stream, DURABLE)?;
            if left > 0 {
                return Err(BenchError::Verify(VerifyError::Unacknowledged { stream, left }));
            }
        }
        Ok(())
    }
}

/// Which sequences may follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Each one, from the first.
    EachOne,
    /// Any that is higher.
    Rising,
}

/// One consuming connection.
pub struct Reader {
    inbox: Inbox,
    counter: Arc<Counter>,
    stream: StreamPlan,
    messages: u64,
    manner: Manner,
    inbox_name: String,
    taken: Taken,
}

/// What the reads of one connection have brought.
struct Taken {
    /// Subject of the API's answer.
    answers: Vec<u8>,
    /// The lowest sequence that is due.
    next: u64,
    order: Order,
    acknowledges: bool,
    count: u64,
    /// Messages asked for and not yet delivered.
    asked: u64,
    /// Acknowledgements and flow-control answers of this turn.
    out: Vec<u8>,
    wrong: Option<(u64, u64)>,
    /// What the server said instead of a message.
    said: Option<String>,
}

impl Sink for Taken {
    fn message(&mut self, frame: Frame<'_>) {
        if frame.body.starts_with(b"NATS/1.0 ") {
            return self.status(frame);
        }
        let Some(sequence) = sequence(frame.reply) else {
            if frame.subject == self.answers.as_slice()
                && memchr::memmem::find(frame.body, b"\"error\"").is_none()
            {
                return;
            }
            self.said.get_or_insert_with(|| shown(frame.body));
            return;
        };
        let due = match self.order {
            Order::EachOne => sequence == self.next,
            Order::Rising => sequence >= self.next,
        };
        if !due {
            self.wrong.get_or_insert((self.next, sequence));
        }
        self.next = sequence + 1;
        self.count += 1;
        self.asked = self.asked.saturating_sub(1);
        if self.acknowledges {
            put_publish(&mut self.out, &[frame.reply], b"+ACK");
        }
    }
}

impl Taken {
    // spec/jetstream.md §8: 100 is a heartbeat, or a flow-control request where it has a reply; 404
    // and 408 end a pull request. Everything else ends the consumer.
    fn status(&mut self, frame: Frame<'_>) {
        match frame.body.get(9..12) {
            Some(b"100") if frame.reply.is_empty() => {}
            Some(b"100") => put_publish(&mut self.out, &[frame.reply], b""),
            Some(b"404" | b"408") => self.asked = 0,
            _ => {
                self.said.get_or_insert_with(|| shown(frame.body));
            }
        }
    }
}

/// The stream sequence in a reply subject.
// spec/jetstream.md §8: `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.…` (nine words), or
// with domain and account hash behind `ACK` (eleven and more).
fn sequence(reply: &[u8]) -> Option<u64> {
    let words = memchr::memchr_iter(b'.', reply).count() + 1;
    let at = match words {
        9 => 5,
        11.. => 7,
        _ => return None,
    };
    number(reply.split(|&byte| byte == b'.').nth(at)?)
}

impl Reader {
    /// A connection that is ready to read `source`, and the means to end it.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub fn open(
        endpoint: &Endpoint,
        source: &Source,
        plan: &ConsumePlan,
    ) -> Result<(Reader, Closer), BenchError> {
        let mut session = Session::open(endpoint, Role::Consumer)?;
        let inbox_name = fresh_inbox();
        // By their names, as clients do: nats-server sees no interest behind a wildcard here.
        for (sid, end) in ["api", "d", "m"].iter().enumerate() {
            session.write(format!("SUB {inbox_name}.{end} {}\r\n", sid + 1).as_bytes())?;
        }
        session.flush()?;
        let closer = session.closer()?;
        let inbox = Inbox::new(session.into_channel(), Role::Consumer, plan.size + FRAME_EXTRA);
        let taken = Taken {
            answers: format!("{inbox_name}.api").into_bytes(),
            next: 1,
            order: if plan.manner == Manner::Watch { Order::Rising } else { Order::EachOne },
            acknowledges: matches!(plan.manner, Manner::Pull { ack: Ack::Explicit, .. }),
            count: 0,
            asked: 0,
            out: Vec::new(),
            wrong: None,
            said: None,
        };
        let (stream, messages, counter) = (source.stream.clone(), source.messages, Arc::default());
        let manner = plan.manner;
        let reader = Reader { inbox, counter, stream, messages, manner, inbox_name, taken };
        Ok((reader, closer))
    }

    fn run(mut self, stage: &Stage) -> Result<(), BenchError> {
        if stage.wait_for(Phase::Warmup) == Phase::Closed {
            return Ok(());
        }
        self.counter.finish(Phase::Warmup, 0, stage.now_ns());
        if stage.wait_for(Phase::Measured) == Phase::Closed {
            return Ok(());
        }
        self.read(stage)?;
        self.counter.finish(Phase::Measured, self.taken.count, stage.now_ns());
        stage.wait_for(Phase::Closed);
        Ok(())
    }

    /// Reads everything that is due, or until the stage closes; returns how many messages came.
    ///
    /// # Errors
    /// A message that is not due, and whatever the server says instead of one.
    pub fn read(&mut self, stage: &Stage) -> Result<u64, BenchError> {
        self.begin()?;
        while self.taken.count < self.messages && !stage.is_closed() {
            if let Manner::Pull { batch, .. } = self.manner {
                self.pull(batch);
            }
            if !self.taken.out.is_empty() {
                self.inbox.send(&mut self.taken.out)?;
            }
            if self.inbox.turn(&mut self.taken)? == Turn::End {
                let count = self.taken.count;
                let closed = Err(BenchError::Closed(Role::Consumer));
                return if stage.is_closed() { Ok(count) } else { closed };
            }
            self.check()?;
            self.counter.set(self.taken.count, stage.now_ns());
        }
        self.confirm(stage)?;
        Ok(self.taken.count)
    }

    /// A push consumer begins when it is made.
    fn begin(&mut self) -> Result<(), BenchError> {
        let deliver_policy = match self.manner {
            Manner::Pull { .. } => return Ok(()),
            Manner::Ordered => "all",
            Manner::Watch => "last_per_subject",
        };
        // What the official clients' ordered consumers ask for.
        let body = json!({ "stream_name": self.stream.name, "config": {
            "deliver_subject": format!("{}.d", self.inbox_name), "deliver_policy": deliver_policy,
            "ack_policy": "none", "flow_control": true, "idle_heartbeat": 5_000_000_000_u64,
            "max_deliver": 1, "mem_storage": true, "num_replicas": 1,
            "filter_subject": self.stream.subjects,
        }});
        let subject = format!("$JS.API.CONSUMER.CREATE.{}", self.stream.name);
        let words = [subject.as_bytes(), &self.taken.answers];
        put_publish(&mut self.taken.out, &words, body.to_string().as_bytes());
        self.inbox.send(&mut self.taken.out)
    }

    /// Asks for more once half of the last request has come.
    fn pull(&mut self, batch: u64) {
        let left = self.messages - self.taken.count;
        let due = batch.min(left);
        if self.taken.asked > batch / 2 || self.taken.asked >= due {
            return;
        }
        let more = due - self.taken.asked;
        self.taken.asked += more;
        // spec/jetstream.md §8
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{DURABLE}", self.stream.name);
        let reply = format!("{}.m", self.inbox_name);
        let body = json!({ "batch": more, "expires": 30_000_000_000_u64 }).to_string();
        let words = [subject.as_bytes(), reply.as_bytes()];
        put_publish(&mut self.taken.out, &words, body.as_bytes());
    }

    fn check(&mut self) -> Result<(), BenchError> {
        let stream = self.stream.name.clone();
        if let Some(text) = self.taken.said.take() {
            return Err(BenchError::Refused { subject: format!("reading {stream}"), text });
        }
        match self.taken.wrong {
            Some((expected, got)) => {
                Err(BenchError::Verify(VerifyError::Sequence { stream, expected, got }))
            }
            None => Ok(()),
        }
    }

    /// Sends the last acknowledgements, and waits until the server has read them.
    fn confirm(&mut self, stage: &Stage) -> Result<(), BenchError> {
        if stage.is_closed() {
            return Ok(());
        }
        self.taken.out.extend_from_slice(b"PING\r\n");
        self.inbox.send(&mut self.taken.out)?;
        while self.inbox.pongs() == 0 && !stage.is_closed() {
            if self.inbox.turn(&mut self.taken)? == Turn::End {
                return Err(BenchError::Closed(Role::Consumer));
            }
        }
        self.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(order: Order) -> Taken {
        Taken {
            answers: b"_INBOX.c.api".to_vec(),
            next: 1,
            order,
            acknowledges: true,
            count: 0,
            asked: 3,
            out: Vec::new(),
            wrong: None,
            said: None,
        }
    }

    fn deliver(taken: &mut Taken, reply: &str, body: &[u8]) {
        taken.message(Frame { subject: b"bench.js.0.1", reply: reply.as_bytes(), body });
    }

    #[test]
    fn both_forms_of_reply_subject_carry_the_sequence() {
        assert_eq!(sequence(b"$JS.ACK.S.C.1.42.7.1700000000.0"), Some(42));
        assert_eq!(sequence(b"$JS.ACK._.hash.S.C.1.42.7.1700000000.0.x"), Some(42));
        assert_eq!(sequence(b"_INBOX.a.b"), None);
        assert_eq!(sequence(b""), None);
    }

    #[test]
    fn a_gap_or_a_repeat_is_seen_and_each_message_is_acknowledged() {
        let mut each = taken(Order::EachOne);
        deliver(&mut each, "$JS.ACK.S.C.1.1.1.0.0", b"x");
        assert_eq!(each.out, b"PUB $JS.ACK.S.C.1.1.1.0.0 4\r\n+ACK\r\n");
        assert_eq!((each.count, each.asked, each.wrong), (1, 2, None));
        deliver(&mut each, "$JS.ACK.S.C.1.3.2.0.0", b"x");
        assert_eq!(each.wrong, Some((2, 3)));
        let mut rising = taken(Order::Rising);
        deliver(&mut rising, "$JS.ACK.S.C.1.3.1.0.0", b"x");
        assert_eq!(rising.wrong, None);
        deliver(&mut rising, "$JS.ACK.S.C.1.3.2.0.0", b"x");
        assert_eq!(rising.wrong, Some((4, 3)));
    }

    #[test]
    fn status_lines_are_no_messages() {
        let mut taken = taken(Order::EachOne);
        deliver(&mut taken, "", b"NATS/1.0 100 Idle Heartbeat\r\n\r\n");
        assert!(taken.out.is_empty());
        deliver(&mut taken, "$JS.FC.x", b"NATS/1.0 100 FlowControl Request\r\n\r\n");
        assert_eq!(taken.out, b"PUB $JS.FC.x 0\r\n\r\n");
        deliver(&mut taken, "", b"NATS/1.0 408 Request Timeout\r\n\r\n");
        assert_eq!((taken.asked, taken.count), (0, 0));
        deliver(&mut taken, "", b"NATS/1.0 409 Consumer Deleted\r\n\r\n");
        assert!(taken.said.is_some_and(|said| said.contains("409")));
    }
}
