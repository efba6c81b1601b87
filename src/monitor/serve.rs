//! The listener: accepts, bounds what one HTTP client may hold, and hands requests to the desk.

use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE, HeaderValue, LOCATION, X_CONTENT_TYPE_OPTIONS,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::server::TlsStream;

use crate::answer::Desk;
use crate::budget::{BURST, Budget};
use crate::endpoint::Cost;
use crate::reply::{Content, Reply};
use crate::slow_reader::Patient;
use crate::source::Source;
use crate::straight::straightened;

/// HTTP connections at a time. At it: new ones wait in the listener's backlog.
pub const HTTP_CONNECTIONS_MAX: usize = 64;

/// Bytes of a request's head. Over it: 431 and close.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Header lines of a request. Over it: 431 and close.
const HEADERS_MAX: usize = 64;

/// Time for a request's head to arrive, and so for an idle connection to stay. Over it: close.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Time for a client to take a whole reply. Over it: close.
const REPLY_TIMEOUT: Duration = Duration::from_secs(30);

/// Kibibytes of large replies that wait for their readers, all connections together. At it: the
/// next large reply is built when one of them is gone.
const WAITING_KIB_MAX: u32 = 64 << 10;

/// Replies below this are not counted: [`HTTP_CONNECTIONS_MAX`] of them are few megabytes.
const SMALL_REPLY_BYTES: usize = 64 << 10;

/// Pause after a failed accept: as a rule the process has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers HTTP requests on `listener` until the future is dropped, which ends every connection.
/// Must be polled inside a `tokio::task::LocalSet`, on a runtime with time and I/O.
///
/// Over TLS where `https` says how; what it holds is asked for at each connection, so a new
/// certificate serves those that come after it.
pub async fn serve<S: Source + 'static>(
    listener: TcpListener,
    https: Option<Https>,
    desk: Rc<Desk<S>>,
) {
    receive_all(listener, https, Rc::new(Front::new(desk, Budget::new(BURST)))).await;
}

async fn receive_all<S: Source + 'static>(
    listener: TcpListener,
    https: Option<Https>,
    front: Rc<Front<S>>,
) {
    let slots = Arc::new(Semaphore::new(HTTP_CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let slot = Arc::clone(&slots).acquire_owned().await.expect("never closed");
        match listener.accept().await {
            Ok((stream, _)) => {
                let front = Rc::clone(&front);
                let tls = https.as_ref().map(|terms| terms.borrow().clone());
                connections.spawn_local(async move {
                    front.budget.metered(front.receive(stream, tls)).await;
                    drop(slot);
                });
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// How monitoring speaks TLS; to be replaced when the configuration is read again.
pub type Https = Rc<RefCell<HttpsTerms>>;

/// How monitoring speaks TLS.
#[derive(Clone)]
pub struct HttpsTerms {
    /// What all sessions have in common.
    pub config: Arc<rustls::ServerConfig>,
    /// Whether a client may stay; every client may without it.
    pub admits: Option<Admits>,
}

/// Whether a client may stay that showed these certificates, its own first. It may block.
pub type Admits = Arc<dyn Fn(Vec<CertificateDer<'static>>) -> bool + Send + Sync>;

impl fmt::Debug for HttpsTerms {
    /// Without keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpsTerms").finish_non_exhaustive()
    }
}

/// A client's session, if it comes to one and the client may stay.
async fn open(terms: HttpsTerms, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
    let stream = TlsAcceptor::from(terms.config).accept(stream).await.ok()?;
    let Some(admits) = terms.admits else { return Some(stream) };
    let shown = stream.get_ref().1.peer_certificates().unwrap_or_default().to_vec();
    let admitted = tokio::task::spawn_blocking(move || admits(shown)).await;
    admitted.unwrap_or(false).then_some(stream)
}

/// What all HTTP connections share.
struct Front<S> {
    desk: Rc<Desk<S>>,
    budget: Budget,
    /// Whoever builds a costly reply: one at a time, so that at most one is not yet charged.
    building: Semaphore,
    waiting: Arc<Semaphore>,
}

impl<S: Source + 'static> Front<S> {
    fn new(desk: Rc<Desk<S>>, budget: Budget) -> Front<S> {
        Front {
            desk,
            budget,
            building: Semaphore::new(1),
            waiting: Arc::new(Semaphore::new(WAITING_KIB_MAX as usize)),
        }
    }

    /// One connection's life.
    async fn receive(&self, stream: TcpStream, tls: Option<HttpsTerms>) {
        match tls {
            None => self.converse(stream).await,
            // A client without TLS, or too slow with it, is no event either.
            Some(tls) => {
                if let Ok(Some(stream)) = timeout(HEAD_TIMEOUT, open(tls, stream)).await {
                    self.converse(stream).await;
                }
            }
        }
    }

    /// Its requests and their answers.
    async fn converse(&self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let io = TokioIo::new(Patient::new(stream, REPLY_TIMEOUT));
        let service = service_fn(|request: Request<Incoming>| self.respond(request));
        let ended = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .serve_connection(io, service)
            .await;
        // A client that misbehaves or hangs up is no event for the operator.
        drop(ended);
    }

    // spec/monitoring.md §1: any method is served.
    async fn respond(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let uri = request.uri();
        let (path, query) = (uri.path(), uri.query().unwrap_or(""));
        if let Some(straight) = straightened(path) {
            return Ok(sent_to(&straight, uri.query()));
        }
        let response = match self.desk.cost(path) {
            Cost::Light => {
                self.desk.wait_for(&self.budget, Cost::Light).await;
                respond_with(self.desk.answer(path, query).await, None)
            }
            Cost::Heavy => {
                let building = self.building.acquire().await.expect("never closed");
                self.desk.wait_for(&self.budget, Cost::Heavy).await;
                let reply = self.desk.answer(path, query).await;
                let charge = self.charge(reply.body.len()).await;
                drop(building);
                respond_with(reply, charge)
            }
        };
        Ok(response)
    }

    /// Waits until `bytes` more may wait for their reader.
    async fn charge(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        if bytes < SMALL_REPLY_BYTES {
            return None;
        }
        let kib =
            u32::try_from(bytes >> 10).map_or(WAITING_KIB_MAX, |kib| kib.min(WAITING_KIB_MAX));
        let waiting = Arc::clone(&self.waiting);
        Some(waiting.acquire_many_owned(kib).await.expect("never closed"))
    }
}

/// A body that gives its charge back when the last byte is sent or the connection is gone.
struct Charged {
    body: Vec<u8>,
    _charge: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Charged {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

/// Sends whoever asks to another path.
fn sent_to(path: &str, query: Option<&str>) -> Response<Full<Bytes>> {
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NOT_FOUND;
    if let Ok(place) = HeaderValue::try_from(format!("{path}{query}")) {
        *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
        response.headers_mut().insert(LOCATION, place);
    }
    response
}

fn respond_with(reply: Reply, charge: Option<OwnedSemaphorePermit>) -> Response<Full<Bytes>> {
    let Reply { status, content, body } = reply;
    let body = Bytes::from_owner(Charged { body, _charge: charge });
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content.media_type()));
    if content == Content::Json {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    if status == StatusCode::NOT_FOUND {
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    response
}

#[cfg(test)]
mod tests;
