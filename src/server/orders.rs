//! What others ask of the control thread: the way by which a request that came over the wire
//! (`$SYS.REQ.SERVER.<id>.RELOAD`) reaches what only the control thread can do.

use monitor::{ClaimsAnswer, ClaimsRequest};
use tokio::sync::oneshot;

/// Orders that may wait; whoever finds no room is told so by the channel.
pub const ORDERS_MAX: usize = 16;

/// One order.
pub enum Order {
    /// Read the configuration again, as SIGHUP does. The answer is the error's text, which the
    /// log has too.
    Reload(oneshot::Sender<Result<(), String>>),
    /// End the server, as SIGINT does.
    Stop,
    /// Obey or answer what the system account says of account tokens.
    Claims(ClaimsRequest, oneshot::Sender<ClaimsAnswer>),
}
