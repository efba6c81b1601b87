//! TLS as the options have it: made on the control thread, at the start and on each reload, and
//! read by every core and by monitoring.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use base::Log;
use config::Options;
use monitor::Https;
use security::{HandshakeDesk, ListenerTls, Plain, TlsError};
use tokio::sync::mpsc;

use crate::orders::Order;
use crate::stapling::{self, Stapling, StaplingError};

/// TLS of all listeners.
#[derive(Clone, Debug, Default)]
pub struct Listeners {
    /// Of the clients'.
    pub clients: Option<Arc<ListenerTls>>,
    /// Of monitoring's, where it is served over TLS.
    pub monitoring: Option<Https>,
    /// Who makes the clients' handshakes.
    pub handshakes: Option<HandshakeDesk>,
    /// Whose certificates are stapled, beside the clients': monitoring's.
    own_of_monitoring: Option<Arc<ListenerTls>>,
    /// What keeps their staples fresh.
    stapling: Option<Rc<Stapling>>,
}

impl Listeners {
    /// Reads what the options name.
    ///
    /// # Errors
    /// [`TlsError`], with the file or the name at fault.
    pub fn new(
        options: &Options,
        handshakes: Option<HandshakeDesk>,
    ) -> Result<Listeners, TlsError> {
        let Some(tls) = &options.tls else { return Ok(Listeners::default()) };
        let plain = if options.allow_non_tls { Plain::Allowed } else { Plain::Refused };
        let mut clients = ListenerTls::new(tls, plain)?;
        clients.desk.clone_from(&handshakes);
        let clients = Some(Arc::new(clients));
        let own_of_monitoring = match options.https_port {
            Some(_) => Some(Arc::new(ListenerTls::for_monitoring(tls)?)),
            None => None,
        };
        let monitoring = own_of_monitoring.as_ref().map(|tls| Rc::new(RefCell::new(tls.config())));
        Ok(Listeners { clients, monitoring, handshakes, own_of_monitoring, stapling: None })
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
        // The listener of monitoring holds on to its own.
        if let (Some(own), Some(new)) = (&self.monitoring, new.monitoring) {
            own.swap(&new);
        }
    }
}
