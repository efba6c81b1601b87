//! The system services on their way between the cores and the control thread: requests come in by
//! a service on the first core, answers and events go out by commands to a core.
//!
//! ```text
//! request ─▶ mailbox ─▶ queue ─▶ control thread: gathers, words ─▶ command ─▶ publish
//! connection comes or goes ─▶ queue ─▶ control thread: words ─▶ command ─▶ publish
//! ```

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base::observed::{PeerFault, ServiceSample, TracePart, TraceStart};
use base::snapshot::ConnectionEvent;
use base::{AccountId, Counter, ServiceId, ShardId};
use config::limits::JWT_BYTES_MAX;
use connection::{Taken, Tell};
use monitor::{
    Announcement, Asker, ClaimsRole, ClaimsSubject, Desk, Happened, REQUEST_BYTES_MAX, SystemDesk,
    SystemRequest,
};
use protocol::{MessageParts, canonical};
use security::ServiceAnswer;
use shard::{Letter, Message, Service, ServiceTurn, Shard};
use tokio::sync::mpsc;

use crate::command::Command;
use crate::cores::Cores;
use crate::gather::Gather;
use crate::questions::{self, Questions};

/// The system service has the number behind that of the service that brings answers home, on every
/// core, whether it listens there or not.
pub const SERVICE: ServiceId = ServiceId(1);

/// The core whose service listens.
pub const HOME: ShardId = ShardId(0);

/// The queue group of its subscriptions beside clients. A client cannot name one with a blank.
const QUEUE: &[u8] = b"system services";

/// Requests that may wait for the control thread. At it: dropped, `Counter::SystemDropped` rises.
const REQUESTS_MAX: usize = 256;

/// Events that may wait for the control thread. At it: dropped, `Counter::SystemDropped` rises.
const EVENTS_MAX: usize = 16 * 1024;

/// Events that are told before their accounts' numbers of connections are.
const EVENTS_AT_ONCE: usize = 256;

/// spec/monitoring.md §14: the figures of the server are told this often, and first after this.
const STATS_INTERVAL: Duration = Duration::from_secs(10);
const FIRST_STATS: Duration = Duration::from_millis(250);

/// spec/monitoring.md §14: so often the number of connections of an account that has some.
const ACCOUNTS_INTERVAL: Duration = Duration::from_secs(30);

/// How long the server's end may wait for its announcement.
const END_TOLD_MAX: Duration = Duration::from_millis(500);

/// The queues towards the control thread: the ends of the cores.
#[derive(Clone)]
pub struct FromCores {
    requests: mpsc::Sender<SystemRequest>,
    events: mpsc::Sender<ConnectionEvent>,
}

/// The other ends.
pub struct ToControl {
    requests: mpsc::Receiver<SystemRequest>,
    events: mpsc::Receiver<ConnectionEvent>,
}

/// New queues.
pub fn queues() -> (FromCores, ToControl) {
    let (requests, requests_inbox) = mpsc::channel(REQUESTS_MAX);
    let (events, events_inbox) = mpsc::channel(EVENTS_MAX);
    let to_control = ToControl { requests: requests_inbox, events: events_inbox };
    (FromCores { requests, events }, to_control)
}

impl FromCores {
    /// Where connections tell that they come and go.
    pub fn tell(&self) -> Tell {
        let events = self.events.clone();
        std::sync::Arc::new(move |event| match events.try_send(event) {
            Ok(()) => Taken::Yes,
            Err(_) => Taken::No,
        })
    }
}

/// What the service's subscriptions are for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// System services.
    Requests = 0,
    /// What authorization services answer.
    Answers = 1,
}

/// Listens on the subjects of the system services and passes on what comes.
pub struct Listener {
    requests: mpsc::Sender<SystemRequest>,
    /// Where answers of authorization services are judged.
    answers: Option<security::Desk>,
}

impl Listener {
    /// A service of `shard`. In the system account it listens on one core only, which every core
    /// finds; in every other account where its clients are.
    pub fn on(
        shard: &mut Shard,
        server_id: &str,
        claims: Option<ClaimsRole>,
        queues: &FromCores,
        answers: Option<security::Desk>,
    ) -> Box<dyn Service> {
        let id = shard.add_service();
        assert_eq!(id, SERVICE, "the system service comes right after that of answers");
        if shard.id() == HOME {
            let mut listen = |subject: &str, queue: Option<&str>| {
                let queue = queue.map(str::as_bytes);
                listen(shard, AccountId::SYSTEM, subject.as_bytes(), queue, Purpose::Requests);
            };
            for subject in monitor::subjects_of_system(server_id) {
                listen(&subject, None);
            }
            listen(&questions::subject_of_answers(server_id), None);
            for ClaimsSubject { subject, queue } in
                claims.into_iter().flat_map(monitor::subjects_of_claims)
            {
                listen(subject, queue);
            }
        }
        let beside_clients = monitor::subjects_in().collect();
        shard.listen_with_clients(id, beside_clients, QUEUE, AccountId::SYSTEM);
        Box::new(Listener { requests: queues.requests.clone(), answers })
    }
}

/// Listens for what the authorization service of an account answers. On the first core.
pub fn listen_for_answers(shard: &mut Shard, account: AccountId, subject: &[u8]) {
    listen(shard, account, subject, None, Purpose::Answers);
}

/// Publishes for the system services, and lets other cores see it at once: who is told that it is
/// done may rely on them finding it in their rings.
pub fn publish(shard: &mut Shard, announcement: &Announcement) {
    let Announcement { account, subject, reply, headers, payload } = announcement;
    let parts = MessageParts {
        subject,
        reply: reply.as_deref(),
        headers: (!headers.is_empty()).then_some(&headers[..]),
        payload,
    };
    let mut wire = Vec::new();
    let published = canonical(parts, &mut wire);
    shard.publish_for(SERVICE, *account, &mut Message::borrowed(&published));
    shard.flush_rings();
}

fn listen(
    shard: &mut Shard,
    account: AccountId,
    subject: &[u8],
    queue: Option<&[u8]>,
    purpose: Purpose,
) {
    let listening = shard.subscribe_service(SERVICE, account, subject, queue, purpose as u64);
    listening.expect("our own subjects are valid");
}

impl Service for Listener {
    fn turn(&mut self, turn: &mut ServiceTurn<'_>) {
        let mailbox = turn.shard.take_mailbox(SERVICE);
        let dropped = mailbox.letters().filter(|letter| !self.pass_on(letter)).count();
        if dropped > 0 {
            turn.shard.counters().add(Counter::SystemDropped, dropped as u64);
        }
        turn.shard.give_back(SERVICE, mailbox);
    }

    fn has_work(&self) -> bool {
        false
    }

    fn next_deadline_ns(&self) -> Option<u64> {
        None
    }
}

impl Listener {
    /// Whether whoever it is for will see the letter.
    fn pass_on(&self, letter: &Letter<'_>) -> bool {
        let publish = &letter.publish;
        let headers = publish.headers().unwrap_or_default();
        let max = match letter.account {
            // Tokens of accounts.
            AccountId::SYSTEM => JWT_BYTES_MAX,
            _ => REQUEST_BYTES_MAX,
        };
        if publish.payload().len() + headers.len() > max {
            return false;
        }
        if letter.token == Purpose::Answers as u64 {
            let (subject, payload) = (publish.subject().to_vec(), publish.payload().to_vec());
            let answer = ServiceAnswer { subject, payload };
            return self.answers.as_ref().is_some_and(|desk| desk.hand_in(answer));
        }
        let request = SystemRequest {
            account: letter.account,
            asker: Asker { shard: letter.sender.shard, slot: letter.sender.slot },
            subject: publish.subject().to_vec(),
            reply: publish.reply().map(<[u8]>::to_vec),
            headers: headers.to_vec(),
            payload: publish.payload().to_vec(),
        };
        self.requests.try_send(request).is_ok()
    }
}

/// The system services on the control thread.
pub struct System {
    desk: SystemDesk<Gather>,
    cores: Arc<Cores>,
    questions: Questions,
}

impl System {
    /// Answers from what `gather` knows.
    pub fn new(gather: &Rc<Gather>, desk: &Rc<Desk<Gather>>) -> System {
        System {
            desk: SystemDesk::new(Rc::clone(gather), Rc::clone(desk)),
            cores: Arc::clone(&gather.cores),
            questions: Questions::new(&gather.facts.borrow().server_id),
        }
    }

    /// Answers and tells, on the current task set, for as long as that lives.
    pub fn run(self: &Rc<System>, queues: ToControl) {
        let ToControl { requests, events } = queues;
        let system = || Rc::clone(self);
        tokio::task::spawn_local(system().answer(requests));
        tokio::task::spawn_local(system().tell(events));
        tokio::task::spawn_local(system().tell_stats());
        tokio::task::spawn_local(system().tell_accounts());
    }

    /// Asks in the system account; nothing if nobody listens, or nobody answers in time.
    pub async fn ask(&self, subject: &str, timeout: Duration) -> Option<Vec<u8>> {
        if !self.heard(vec![subject.to_owned()]).await.contains(&true) {
            return None;
        }
        let mut question = self.questions.begin();
        let announcement = Announcement {
            account: AccountId::SYSTEM,
            subject: subject.into(),
            reply: Some(question.reply()),
            headers: Vec::new(),
            payload: Vec::new(),
        };
        self.publish(HOME, announcement).await;
        tokio::time::timeout(timeout, &mut question.answered).await.ok()?.ok()
    }

    /// Tells of the server's end; when this is done, every core has what it is to deliver. A core
    /// that does not answer is not waited for.
    pub async fn tell_end(&self, happened: Happened) {
        let told = async {
            self.publish(HOME, self.desk.of_end(happened)).await;
            // A core takes what is in its rings before it handles a command.
            self.cores.ask_all(Command::RefreshCounters).await;
        };
        let _ = tokio::time::timeout(END_TOLD_MAX, told).await;
    }

    async fn answer(self: Rc<System>, mut requests: mpsc::Receiver<SystemRequest>) {
        while let Some(request) = requests.recv().await {
            if self.questions.take(&request.subject, &request.payload) {
                continue;
            }
            for answer in self.desk.answer(&request).await {
                self.publish(request.asker.shard, answer).await;
            }
        }
    }

    async fn tell(self: Rc<System>, mut events: mpsc::Receiver<ConnectionEvent>) {
        let mut several = Vec::with_capacity(EVENTS_AT_ONCE);
        while events.recv_many(&mut several, EVENTS_AT_ONCE).await > 0 {
            let mut accounts = BTreeSet::new();
            for event in several.drain(..) {
                if event.wanted {
                    // From the connection's own core, so that its events keep their order.
                    self.publish(event.connection.shard, self.desk.of_connection(&event)).await;
                }
                if let Some(refused) = self.desk.of_refused_login(&event) {
                    self.publish(event.connection.shard, refused).await;
                }
                if event.count_wanted {
                    accounts.insert(event.connection.account);
                }
            }
            self.tell_connections(accounts.into_iter().collect()).await;
        }
    }

    /// Tells how long a service took to answer.
    pub async fn tell_service(&self, sample: &ServiceSample, now_ns: u64) {
        let announcement = self.desk.of_service(sample, now_ns).await;
        self.publish(sample.requestor.shard, announcement).await;
    }

    /// Tells of a client whose certificates do not pass, where somebody listens.
    pub async fn tell_peer(&self, fault: &PeerFault, now_ns: u64) {
        if self.heard(vec![self.desk.peer_subject(fault)]).await.contains(&true) {
            self.publish(HOME, self.desk.of_peer(fault, now_ns)).await;
        }
    }

    /// Tells which way a message took.
    pub async fn tell_trace(&self, start: &TraceStart, parts: &[TracePart]) {
        let announcement = self.desk.of_trace(start, parts).await;
        self.publish(start.publisher.shard, announcement).await;
    }

    async fn tell_stats(self: Rc<System>) {
        let subject = String::from_utf8_lossy(&self.desk.statsz_subject()).into_owned();
        let mut pause = FIRST_STATS;
        loop {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(STATS_INTERVAL);
            if self.heard(vec![subject.clone()]).await.contains(&true) {
                self.publish(HOME, self.desk.of_server().await).await;
            }
        }
    }

    async fn tell_accounts(self: Rc<System>) {
        loop {
            tokio::time::sleep(ACCOUNTS_INTERVAL).await;
            let mut wanted = Vec::new();
            for account in self.desk.accounts() {
                let subjects = self.desk.connections_subjects(&account).to_vec();
                if self.heard(subjects).await.contains(&true) {
                    wanted.push(account);
                }
            }
            if !wanted.is_empty() {
                let used = self.desk.accounts_in_use().await;
                wanted.retain(|account| used.contains(account));
                self.tell_connections(wanted).await;
            }
        }
    }

    async fn tell_connections(&self, accounts: Vec<String>) {
        if accounts.is_empty() {
            return;
        }
        for announcement in self.desk.of_accounts(&accounts).await {
            self.publish(HOME, announcement).await;
        }
    }

    /// Whether somebody listens, for each subject of the system account.
    async fn heard(&self, subjects: Vec<String>) -> Vec<bool> {
        let account = AccountId::SYSTEM;
        let ask = |answer| Command::HasInterest(account, subjects, answer);
        self.cores.ask(HOME.index(), ask).await.unwrap_or_default()
    }

    async fn publish(&self, shard: ShardId, announcement: Announcement) {
        let announcement = Box::new(announcement);
        let ask = |done| Command::Publish(announcement, done);
        // A core that is gone publishes nothing.
        let _ = self.cores.ask(shard.index(), ask).await;
    }
}
