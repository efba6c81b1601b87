//! TLS as the options have it: made on the control thread, at the start and on each reload, and
//! read by every core and by monitoring.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use base::Log;
use base::observed::Observer;
use config::Options;
use monitor::{Admits, Https, HttpsTerms};
use security::{
    Asking, HandshakeDesk, Judgement, ListenerTls, PeerCheck, PeerOutside, Plain, ResponseCache,
    TlsError,
};
use tokio::sync::mpsc;

use crate::facts;
use crate::orders::Order;
use crate::peers::KeptAnswers;
use crate::stapling::{self, Stapling, StaplingError};

/// TLS of all listeners.
#[derive(Clone, Debug, Default)]
pub struct Listeners {
    /// Of the clients'.
    pub clients: Option<Arc<ListenerTls>>,
    /// Of monitoring's, where it is served over TLS.
    pub monitoring: Option<Https>,
    /// Who works for them beside the cores.
    beside: Option<Beside>,
    /// Whose certificates are stapled, beside the clients': monitoring's.
    own_of_monitoring: Option<Arc<ListenerTls>>,
    /// What keeps their staples fresh.
    stapling: Option<Rc<Stapling>>,
    /// What is kept of responders' answers about clients.
    answers: Option<Rc<KeptAnswers>>,
}

/// Who works for listeners beside the cores.
#[derive(Clone)]
pub struct Beside {
    /// Who makes the clients' handshakes.
    pub handshakes: HandshakeDesk,
    /// Where is logged what responders say of clients.
    pub log: Log,
    /// Who hears of clients that are refused for it.
    pub observer: Observer,
}

impl fmt::Debug for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beside").finish_non_exhaustive()
    }
}

impl Listeners {
    /// Reads what the options name. Without anybody beside the cores, that is all.
    ///
    /// # Errors
    /// [`TlsError`], with the file or the name at fault.
    pub fn new(options: &Options, beside: Option<Beside>) -> Result<Listeners, TlsError> {
        Listeners { beside, ..Listeners::default() }.renewed(options)
    }

    /// The same under other options.
    ///
    /// # Errors
    /// As [`Listeners::new`].
    pub fn renewed(&self, options: &Options) -> Result<Listeners, TlsError> {
        let beside = self.beside.clone();
        let Some(tls) = &options.tls else {
            return Ok(Listeners { beside, ..Listeners::default() });
        };
        let plain = if options.allow_non_tls { Plain::Allowed } else { Plain::Refused };
        let mut clients = ListenerTls::new(tls, plain)?;
        let own_of_monitoring = match options.https_port {
            Some(_) => Some(Arc::new(ListenerTls::for_monitoring(tls)?)),
            None => None,
        };
        let (mut answers, mut peers) = (None, None);
        if let Some(Beside { handshakes, log, observer }) = &beside {
            clients.desk = Some(handshakes.clone());
            if tls.ocsp_peer.verify {
                answers = KeptAnswers::open(&options.ocsp_cache, self.answers.as_ref(), log);
                let cache = answers.as_deref().map(KeptAnswers::cache);
                let (log, observer) = (log.clone(), Arc::clone(observer));
                let outside = PeerOutside { log, observer, cache };
                peers = PeerCheck::new(tls, outside)?.map(Arc::new);
            }
        }
        clients.peers.clone_from(&peers);
        let admits = peers.map(admits);
        let terms = |tls: &Arc<ListenerTls>| HttpsTerms { config: tls.config(), admits };
        let monitoring = own_of_monitoring.as_ref().map(terms);
        let monitoring = monitoring.map(|terms| Rc::new(RefCell::new(terms)));
        let clients = Some(Arc::new(clients));
        Ok(Listeners { clients, monitoring, beside, own_of_monitoring, stapling: None, answers })
    }

    /// What is kept of responders' answers about clients.
    pub fn answers(&self) -> Option<Arc<ResponseCache>> {
        self.answers.as_deref().map(KeptAnswers::cache)
    }

    /// Staples the certificates that are to be stapled, from now on.
    ///
    /// # Errors
    /// A certificate that must be stapled and cannot be.
    pub async fn staple(
        &mut self,
        options: &Options,
        log: &Log,
        orders: &mpsc::Sender<Order>,
    ) -> Result<(), StaplingError> {
        let all = self.clients.iter().chain(&self.own_of_monitoring).map(Arc::clone).collect();
        self.stapling = stapling::begin(options, all, log, orders).await?;
        Ok(())
    }

    /// Speaks TLS as `new` says with everyone who comes from now on.
    pub fn replace(&mut self, new: Listeners) {
        self.clients = new.clients;
        self.own_of_monitoring = new.own_of_monitoring;
        self.stapling = new.stapling;
        self.answers = new.answers;
        // The listener of monitoring holds on to its own.
        if let (Some(own), Some(new)) = (&self.monitoring, new.monitoring) {
            own.swap(&new);
        }
    }
}

/// The same check for monitoring's clients, on a thread that may block.
fn admits(peers: Arc<PeerCheck>) -> Admits {
    Arc::new(move |shown| {
        let now_s = facts::now_ns() / 1_000_000_000;
        peers.judge(&shown, Asking::Yes, now_s) == Judgement::Good
    })
}
