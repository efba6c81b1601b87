//! Asks OCSP responders, by POST (RFC 6960, appendix A). It blocks: only threads that may wait come
//! here.

use std::time::Duration;

use config::limits;

use crate::web_resolver;

/// What the responder at `url` answers to a request, DER; no longer than
/// [`limits::OCSP_ANSWER_BYTES_MAX`].
///
/// # Errors
/// Why there is no answer, with the address.
pub fn ask_responder(url: &str, request: &[u8], timeout: Duration) -> Result<Vec<u8>, String> {
    // It stands in a certificate, and what is wrong with it in the log.
    let shown = url.escape_debug();
    let mut agent = ureq::Agent::config_builder().timeout_global(Some(timeout)).max_redirects(0);
    if url.starts_with("https:") {
        let trusted = web_resolver::trusted_by_host();
        agent = agent.tls_config(trusted.map_err(|error| format!("{shown}: {error}"))?);
    }
    let answer = agent
        .build()
        .new_agent()
        .post(url)
        .header("Content-Type", "application/ocsp-request")
        .send(request)
        .map_err(|error| format!("{shown}: {error}"))?;
    let limit = limits::OCSP_ANSWER_BYTES_MAX as u64;
    let body = answer.into_body().into_with_config().limit(limit).read_to_vec();
    body.map_err(|error| format!("{shown}: {error}"))
}
