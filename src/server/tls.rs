//! TLS as the options have it: made on the control thread, at the start and on each reload, and
//! read by every core and by monitoring.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use config::Options;
use monitor::Https;
use security::{ListenerTls, Plain, TlsError};

/// TLS of all listeners.
#[derive(Clone, Debug, Default)]
pub struct Listeners {
    /// Of the clients'.
    pub clients: Option<Arc<ListenerTls>>,
    /// Of monitoring's, where it is served over TLS.
    pub monitoring: Option<Https>,
}

impl Listeners {
    /// Reads what the options name.
    ///
    /// # Errors
    /// [`TlsError`], with the file or the name at fault.
    pub fn new(options: &Options) -> Result<Listeners, TlsError> {
        let Some(tls) = &options.tls else { return Ok(Listeners::default()) };
        let plain = if options.allow_non_tls { Plain::Allowed } else { Plain::Refused };
        let clients = Some(Arc::new(ListenerTls::new(tls, plain)?));
        let monitoring = match options.https_port {
            Some(_) => Some(Rc::new(RefCell::new(ListenerTls::for_monitoring(tls)?))),
            None => None,
        };
        Ok(Listeners { clients, monitoring })
    }

    /// Speaks TLS as `new` says with everyone who comes from now on.
    pub fn replace(&mut self, new: Listeners) {
        self.clients = new.clients;
        // The listener of monitoring holds on to its own.
        if let (Some(own), Some(new)) = (&self.monitoring, new.monitoring) {
            own.swap(&new);
        }
    }
}
