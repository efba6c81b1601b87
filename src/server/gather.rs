//! What monitoring asks, gathered from the cores page by page, so that no page keeps a core from
//! its messages for long.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use base::snapshot::{ClosedSnapshot, ConnectionSnapshot};
use base::{Counters, Log};
use monitor::{
    ClosedRing, Fanout, Health, ServerFacts, Source, SubscriptionPage, SubscriptionQuery,
};

use crate::command::Command;
use crate::cores::Cores;

/// The control thread's view of the server, for monitoring.
pub struct Gather {
    /// What does not change.
    pub facts: Rc<ServerFacts>,
    /// The cores.
    pub cores: Rc<Cores>,
    /// Connections that ended.
    pub closed: RefCell<ClosedRing>,
    /// Whether clients are still listened for.
    pub listening: Cell<bool>,
    /// The log.
    pub log: Log,
}

impl Source for Gather {
    fn facts(&self) -> Rc<ServerFacts> {
        Rc::clone(&self.facts)
    }

    fn shards(&self) -> &[Arc<Counters>] {
        self.cores.counters()
    }

    async fn connections(&self) -> Vec<ConnectionSnapshot> {
        let mut all = Vec::new();
        for core in 0..self.cores.len() {
            let mut from = Some(0);
            while let Some(start) = from {
                let page = self.cores.ask_page(core, (), start, Command::Connections).await;
                let Some((mut page, next)) = page else { break };
                all.append(&mut page);
                from = next;
            }
        }
        all
    }

    fn closed(&self) -> Vec<Rc<ClosedSnapshot>> {
        self.closed.borrow().all()
    }

    async fn subscriptions(&self, mut query: SubscriptionQuery) -> SubscriptionPage {
        let mut all = SubscriptionPage::default();
        for core in 0..self.cores.len() {
            let mut from = Some(0);
            while let Some(start) = from
                && query.take > 0
            {
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

    async fn fanout(&self) -> Fanout {
        let mut all = Fanout::default();
        for core in 0..self.cores.len() {
            // The index's own counters are copied on the same occasion.
            self.cores.ask(core, Command::RefreshCounters).await;
            if let Some(fanout) = self.cores.ask(core, Command::Fanout).await {
                all.add(fanout);
            }
        }
        all
    }

    fn health(&self) -> Health {
        match self.listening.get() {
            true => Health::Ok,
            false => Health::NotListening,
        }
    }

    fn log_lines_dropped(&self) -> u64 {
        self.log.dropped()
    }
}
