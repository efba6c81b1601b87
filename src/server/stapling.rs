//! OCSP staples of the listeners: asked for at the start, kept in the store's folder, and asked
//! for again at half of their life (spec/security.md §8). Asking blocks, so it is done on threads
//! made for that.
//!
//! ```text
//! <store_dir>/ocsp/<SHA-256 of the certificate>     the response, DER
//! ```

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base::{Level, Log};
use config::Options;
use config::ocsp::OcspMode;
use runtime::Files;
use runtime::system_files::SystemFiles;
use security::{
    ListenerTls, Presented, Staple, StapleError, StapleQuestion, Status, ask_responder,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::facts;
use crate::orders::Order;

/// Time for one responder.
const RESPONDER_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause before a responder that failed is asked again.
const RETRY: Duration = Duration::from_secs(60);

/// Why the server cannot show a certificate as it must be shown.
#[derive(Debug, thiserror::Error)]
pub enum StaplingError {
    /// The certificate, or the response.
    #[error("bad OCSP status update for certificate at '{}': {error}", path.display())]
    Staple {
        /// The certificate's file.
        path: PathBuf,
        /// What is wrong.
        error: StapleError,
    },
    /// No responder answers.
    #[error("bad OCSP status update for certificate at '{}': {reason}", path.display())]
    Unreachable {
        /// The certificate's file.
        path: PathBuf,
        /// What the last one said.
        reason: String,
    },
    /// It is revoked, and `ocsp.mode` is `must`.
    #[error("certificate at '{}' is revoked", path.display())]
    Revoked {
        /// The certificate's file.
        path: PathBuf,
    },
}

/// One certificate that is stapled.
struct Stapled {
    /// Its place among the listener's.
    place: usize,
    question: StapleQuestion,
}

/// All certificates that are stapled, and how.
struct Plan {
    certificates: Vec<Stapled>,
    mode: OcspMode,
    urls: Vec<String>,
    folder: Option<PathBuf>,
}

/// The task that asks again; it ends with this.
#[derive(Debug)]
pub struct Stapling(JoinHandle<()>);

impl Drop for Stapling {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Staples the certificates of `listeners`, and goes on doing so. Nothing where none is to be.
///
/// # Errors
/// A certificate that must be stapled, and why it cannot be.
pub async fn begin(
    options: &Options,
    listeners: Vec<Arc<ListenerTls>>,
    log: &Log,
    orders: &mpsc::Sender<Order>,
) -> Result<Option<Rc<Stapling>>, StaplingError> {
    let plan = Arc::new(Plan::new(options, log)?);
    if plan.certificates.is_empty() {
        return Ok(None);
    }
    let mut refresh_s = u64::MAX;
    for number in 0..plan.certificates.len() {
        let staple = ask(&plan, number).await?;
        refresh_s = refresh_s.min(staple.refresh_s);
        plan.show(number, staple, &listeners);
    }
    let again = ask_again(plan, listeners, log.clone(), orders.clone(), refresh_s);
    Ok(Some(Rc::new(Stapling(tokio::task::spawn_local(again)))))
}

/// Asks again whenever a staple is half over. Ends, with an order to stop, when a certificate is
/// revoked that must not be.
async fn ask_again(
    plan: Arc<Plan>,
    listeners: Vec<Arc<ListenerTls>>,
    log: Log,
    orders: mpsc::Sender<Order>,
    mut refresh_s: u64,
) {
    loop {
        let left = Duration::from_secs(refresh_s.saturating_sub(now_s()));
        tokio::time::sleep(left.max(RETRY)).await;
        refresh_s = u64::MAX;
        for number in 0..plan.certificates.len() {
            match ask(&plan, number).await {
                Ok(staple) => {
                    refresh_s = refresh_s.min(staple.refresh_s);
                    plan.show(number, staple, &listeners);
                }
                Err(error @ StaplingError::Revoked { .. }) => {
                    log.say(Level::Error, format!("{error}; shutting down"));
                    // Control that is gone needs no order.
                    let _ = orders.send(Order::Stop).await;
                    return;
                }
                Err(error) => {
                    log.say(Level::Error, error.to_string());
                    refresh_s = 0;
                }
            }
        }
    }
}

/// A staple, from the cache or from a responder, on a thread that may block.
async fn ask(plan: &Arc<Plan>, number: usize) -> Result<Staple, StaplingError> {
    let asked = Arc::clone(plan);
    let staple = tokio::task::spawn_blocking(move || asked.staple(number, now_s())).await;
    staple.unwrap_or_else(|_| {
        let path = plan.certificates[number].question.path.clone();
        Err(StaplingError::Unreachable { path, reason: "the thread that asked failed".into() })
    })
}

fn now_s() -> u64 {
    facts::now_ns() / 1_000_000_000
}

impl Plan {
    fn new(options: &Options, log: &Log) -> Result<Plan, StaplingError> {
        let mode = options.ocsp.mode;
        let folder = options.jetstream.store_dir.as_ref().map(|dir| dir.join("ocsp"));
        let mut plan =
            Plan { certificates: Vec::new(), mode, urls: options.ocsp.urls.clone(), folder };
        let Some(tls) = &options.tls else { return Ok(plan) };
        for (place, files) in tls.pairs().iter().enumerate() {
            let path = &files.cert_file;
            let failed = |error| StaplingError::Staple { path: path.clone(), error };
            let certificate = Presented::read(files).map_err(failed)?;
            match (mode, certificate.must_staple()) {
                (OcspMode::Always, _) | (OcspMode::Auto | OcspMode::Must, true) => {
                    let question = certificate.question(tls.ca_file.as_deref()).map_err(failed)?;
                    plan.certificates.push(Stapled { place, question });
                }
                (OcspMode::Never, true) => {
                    let path = path.display();
                    let text =
                        format!("Certificate at '{path}' has MustStaple but OCSP is disabled");
                    log.say(Level::Warn, text);
                }
                (_, false) => {}
            }
        }
        Ok(plan)
    }

    /// Shows it to every client from now on.
    fn show(&self, number: usize, staple: Staple, listeners: &[Arc<ListenerTls>]) {
        for listener in listeners {
            listener.set_staple(self.certificates[number].place, Some(staple.response.clone()));
        }
    }

    /// Blocks for as long as responders take.
    fn staple(&self, number: usize, now_s: u64) -> Result<Staple, StaplingError> {
        let question = &self.certificates[number].question;
        let cached = self.cached(question, now_s);
        if let Some(staple) = &cached
            && staple.refresh_s > now_s
        {
            return self.judged(question, staple.clone());
        }
        match (self.fetch(question, now_s), cached) {
            (Ok(staple), _) => {
                if let Some(folder) = &self.folder {
                    // Without it the next start asks again.
                    let file = folder.join(&question.fingerprint);
                    let made = SystemFiles.make_folder(folder);
                    let _ = made.and_then(|()| SystemFiles.replace(&file, &staple.response));
                }
                self.judged(question, staple)
            }
            (Err(_), Some(cached)) => self.judged(question, cached),
            (Err(error), None) => Err(error),
        }
    }

    /// spec/security.md §8: with `must`, a certificate that is revoked is not shown.
    fn judged(&self, question: &StapleQuestion, staple: Staple) -> Result<Staple, StaplingError> {
        match (self.mode, staple.status) {
            (OcspMode::Must, Status::Revoked | Status::Unknown) => {
                Err(StaplingError::Revoked { path: question.path.clone() })
            }
            _ => Ok(staple),
        }
    }

    /// What the folder has, if it is still good.
    fn cached(&self, question: &StapleQuestion, now_s: u64) -> Option<Staple> {
        let file = self.folder.as_ref()?.join(&question.fingerprint);
        question.check(&std::fs::read(file).ok()?, now_s).ok()
    }

    fn fetch(&self, question: &StapleQuestion, now_s: u64) -> Result<Staple, StaplingError> {
        let path = || question.path.clone();
        let request =
            question.request().map_err(|error| StaplingError::Staple { path: path(), error })?;
        let named = if self.urls.is_empty() { &question.responders } else { &self.urls };
        let mut last = StaplingError::Unreachable {
            path: path(),
            reason: "it names no responder, and ocsp.urls has none".to_owned(),
        };
        for url in named {
            last = match ask_responder(url, &request, RESPONDER_TIMEOUT) {
                Ok(response) => match question.check(&response, now_s) {
                    Ok(staple) => return Ok(staple),
                    Err(error) => StaplingError::Staple { path: path(), error },
                },
                Err(reason) => StaplingError::Unreachable { path: path(), reason },
            };
        }
        Err(last)
    }
}
