//! What monitoring asks, gathered from the cores page by page, so that no page keeps a core from
//! its messages for long.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base::snapshot::{
    ClosedSnapshot, ConnectionSnapshot, StreamQuery, StreamSnapshot, UserSnapshot,
};
use base::{AccountId, ClientId, ConnSlot, Counters, Log, ShardId};
use crossbeam_channel::Receiver;
use monitor::{
    AccountFacts, Asker, Claims, ClaimsAnswer, ClaimsRequest, ClosedRing, Health, IndexFigures,
    JetStreamFigures, JetStreamUse, OcspCacheFigures, Operator, QueueDepth, ServerFacts, Source,
    SubscriptionPage, SubscriptionQuery, UsageByAccount,
};
use security::ResponseCache;
use tokio::sync::{mpsc, oneshot};

use crate::command::{CONNECTIONS_PER_PAGE, Command};
use crate::cores::Cores;
use crate::jetstream;
use crate::orders::Order;
use crate::peers;

/// The control thread's view of the server, for monitoring.
pub struct Gather {
    /// What only a reload changes.
    pub facts: RefCell<Rc<ServerFacts>>,
    /// The cores.
    pub cores: Arc<Cores>,
    /// The accounts.
    pub accounts: RefCell<Rc<[AccountFacts]>>,
    /// Connections that ended and are not in `closed` yet.
    pub closed_inbox: Receiver<Box<ClosedSnapshot>>,
    /// Connections that ended.
    pub closed: RefCell<ClosedRing>,
    /// Whether clients are still listened for.
    pub listening: Cell<bool>,
    /// The log.
    pub log: Log,
    /// JetStream, where it is switched on.
    pub jetstream: Option<jetstream::View>,
    /// What OCSP responders said of clients, where it is kept.
    pub ocsp_cache: RefCell<Option<Arc<ResponseCache>>>,
    /// What the control thread is asked to do.
    pub orders: mpsc::Sender<Order>,
}

/// Between two pages a core gets on with its messages, however fast it is asked: a page of some
/// 20 µs in each of these, which the timer makes up to 3 ms, is less than a hundredth of its time.
const PAGE_PAUSE: Duration = Duration::from_millis(2);

/// Pauses in one answer. Beyond it pages follow each other at once, so that an answer about very
/// many connections comes within the time that its askers wait.
const PAUSES_MAX: u32 = 512;

/// Spreads the pages of one answer over time. Servers with few connections have one page a core
/// and do not wait.
#[derive(Default)]
struct Pacing {
    pauses: u32,
}

impl Pacing {
    /// Before the page that begins at `start`.
    async fn between_pages(&mut self, start: usize) {
        if start > 0 && self.pauses < PAUSES_MAX {
            self.pauses += 1;
            tokio::time::sleep(PAGE_PAUSE).await;
        }
    }
}

impl Gather {
    /// Takes over what the cores told of connections that ended.
    pub fn take_closed(&self) {
        let mut ring = self.closed.borrow_mut();
        for closed in self.closed_inbox.try_iter() {
            ring.push(*closed);
        }
    }
}

impl Source for Gather {
    fn facts(&self) -> Rc<ServerFacts> {
        Rc::clone(&self.facts.borrow())
    }

    fn shards(&self) -> &[Arc<Counters>] {
        self.cores.counters()
    }

    async fn connections(&self) -> Vec<ConnectionSnapshot> {
        let mut all = Vec::new();
        let mut pacing = Pacing::default();
        for core in 0..self.cores.len() {
            let mut from = Some(0);
            while let Some(start) = from {
                pacing.between_pages(start).await;
                let page = self.cores.ask_page(core, (), start, Command::Connections).await;
                let Some((mut page, next)) = page else { break };
                all.append(&mut page);
                from = next;
            }
        }
        all
    }

    fn closed(&self) -> Vec<Arc<ClosedSnapshot>> {
        self.take_closed();
        self.closed.borrow().all()
    }

    async fn subscriptions(&self, mut query: SubscriptionQuery) -> SubscriptionPage {
        let mut all = SubscriptionPage::default();
        let mut pacing = Pacing::default();
        for core in 0..self.cores.len() {
            let mut from = Some(0);
            while let Some(start) = from
                && query.take > 0
            {
                pacing.between_pages(start).await;
                let asked = query.clone();
                let page = self.cores.ask_page(core, asked, start, Command::Subscriptions).await;
                let Some((page, next)) = page else { break };
                query = query.rest(&page);
                all.append(page);
                from = next;
            }
        }
        all
    }

    async fn index(&self, account: Option<AccountId>) -> IndexFigures {
        let mut all = IndexFigures::default();
        let mut pacing = Pacing::default();
        for core in 0..self.cores.len() {
            let mut from = Some(0);
            while let Some(start) = from {
                pacing.between_pages(start).await;
                let page = self.cores.ask_page(core, account, start, Command::Index).await;
                let Some((figures, next)) = page else { break };
                all.add(figures);
                from = next;
            }
        }
        all
    }

    async fn refresh(&self) {
        for core in 0..self.cores.len() {
            self.cores.ask(core, Command::RefreshCounters).await;
        }
    }

    fn accounts(&self) -> Rc<[AccountFacts]> {
        Rc::clone(&self.accounts.borrow())
    }

    fn past_usage(&self) -> Rc<UsageByAccount> {
        self.take_closed();
        self.closed.borrow().usage()
    }

    fn queues(&self) -> Vec<QueueDepth> {
        let cores = (0..self.cores.len()).map(|core| QueueDepth {
            name: format!("Commands to core {core}"),
            pending: self.cores.waiting(core),
        });
        let closed =
            QueueDepth { name: "Closed connections".into(), pending: self.closed_inbox.len() };
        cores.chain([closed]).collect()
    }

    fn health(&self) -> Health {
        let stuck = self.jetstream().map_or(0, |figures| figures.stuck_cores);
        match self.listening.get() {
            true if stuck > 0 => {
                Health::Unavailable("JetStream can not store: the log says why".into())
            }
            true => Health::Ok,
            false => Health::NotListening,
        }
    }

    fn ocsp_cache(&self) -> Option<OcspCacheFigures> {
        self.ocsp_cache.borrow().as_deref().map(peers::figures)
    }

    fn jetstream(&self) -> Option<JetStreamFigures> {
        self.jetstream.as_ref().map(jetstream::View::figures)
    }

    fn jetstream_accounts(&self) -> Vec<JetStreamUse> {
        self.jetstream.as_ref().map(jetstream::View::accounts).unwrap_or_default()
    }

    async fn streams(&self, query: StreamQuery) -> Vec<StreamSnapshot> {
        let mut all: Vec<StreamSnapshot> = Vec::new();
        let mut pacing = Pacing::default();
        for core in 0..self.cores.len() {
            let mut from = Some(0);
            while let Some(start) = from {
                pacing.between_pages(start).await;
                let page = self.cores.ask_page(core, query.clone(), start, Command::Streams).await;
                let Some((page, next)) = page else { break };
                for mut stream in page {
                    // More consumers of the last one.
                    match all
                        .last_mut()
                        .filter(|last| (last.account, &last.name) == (stream.account, &stream.name))
                    {
                        Some(last) => last.consumers.append(&mut stream.consumers),
                        None => all.push(stream),
                    }
                }
                from = next;
            }
        }
        all.sort_by(|a, b| (a.account, &a.name).cmp(&(b.account, &b.name)));
        all
    }

    fn log_lines_dropped(&self) -> u64 {
        self.log.dropped()
    }
}

impl Operator for Gather {
    async fn kick(&self, client: ClientId) -> bool {
        for core in 0..self.cores.len() {
            if self.cores.ask(core, |answer| Command::Kick(client, answer)).await == Some(true) {
                return true;
            }
        }
        false
    }

    async fn warn_of_end(&self, client: ClientId) -> bool {
        for core in 0..self.cores.len() {
            let warned = self.cores.ask(core, |answer| Command::WarnOfEnd(client, answer));
            if warned.await == Some(true) {
                return true;
            }
        }
        false
    }

    async fn reload(&self) -> Result<(), String> {
        let (answer, answered) = oneshot::channel();
        let busy = || String::from("the server is busy or about to end");
        self.orders.try_send(Order::Reload(answer)).map_err(|_| busy())?;
        answered.await.unwrap_or_else(|_| Err(busy()))
    }

    async fn connections_at(
        &self,
        shard: ShardId,
        slots: Vec<ConnSlot>,
    ) -> Vec<Option<ConnectionSnapshot>> {
        let mut found = Vec::with_capacity(slots.len());
        for some in slots.chunks(CONNECTIONS_PER_PAGE) {
            let slots = some.to_vec();
            let ask = |answer| Command::ConnectionsAt(slots, answer);
            let page = self.cores.ask(shard.index(), ask).await;
            found.extend(page.unwrap_or_else(|| vec![None; some.len()]));
        }
        found
    }

    async fn who(&self, asker: Asker) -> Option<UserSnapshot> {
        let core = asker.shard.index();
        self.cores.ask(core, |answer| Command::User(asker.slot, answer)).await.flatten()
    }
}

impl Claims for Gather {
    async fn claims(&self, request: ClaimsRequest) -> ClaimsAnswer {
        let (answer, answered) = oneshot::channel();
        let ended = || ClaimsAnswer::Failed(None, String::from("the server is about to end"));
        match self.orders.send(Order::Claims(request, answer)).await {
            Ok(()) => answered.await.unwrap_or_else(|_| ended()),
            Err(_) => ended(),
        }
    }
}
