//! The listener: accepts, bounds what one HTTP client may hold, and answers.

use std::rc::Rc;

use tokio::net::TcpListener;

use crate::source::Source;

/// Answers HTTP requests on `listener` until the future is dropped, which ends every connection.
/// Must run inside a `tokio::task::LocalSet`.
pub async fn serve<S: Source + 'static>(listener: TcpListener, source: Rc<S>) {
    let _ = (listener, source);
}
