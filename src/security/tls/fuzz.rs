//! The entry for the fuzzer: any bytes may come as a client's certificate, and as what a responder
//! says of one. None may panic.

use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::certificate::ClientCertificate;
use super::ocsp::Question;
use super::{key_hash, peer, staple};

const LEAF: &[u8] = include_bytes!("corpus/leaf.der");
const AUTHORITY: &[u8] = include_bytes!("corpus/authority.der");
/// When the answers of the corpus hold, seconds since the Unix epoch.
const NOW_S: u64 = 1_800_000_000;

/// The bytes as a certificate, as its own issuer, and as an answer about it and about another.
pub fn fuzz_certificate(input: &[u8]) {
    // Whatever is read of them is fine; it must only be read.
    let _ = key_hash(&CertificateDer::from(input));
    let _ = staple::wishes(input);
    if let Some(shown) = ClientCertificate::new(input) {
        // Nobody has any of its names, so that all are looked for.
        assert_eq!(shown.first(|_| None::<()>, |_, _| None), None);
        let _ = shown.described();
    }
    if let Ok(certificate) = Certificate::from_der(input) {
        let _ = peer::link(input, certificate.clone());
        if let Ok(question) = Question::new(&certificate, certificate.clone()) {
            let _ = question.request();
        }
    }
    let _ = question().read(input, NOW_S);
}

fn question() -> Question {
    let certificate = |der| Certificate::from_der(der).expect("a certificate");
    Question::new(&certificate(LEAF), certificate(AUTHORITY)).expect("a question")
}

#[cfg(test)]
mod tests {
    use super::super::ocsp::Status;
    use super::*;

    #[test]
    fn the_corpus_gets_as_far_as_what_is_good_does() {
        let said = question().read(include_bytes!("corpus/leaf.response"), NOW_S).expect("good");
        assert_eq!(said.status, Status::Good);
        assert_eq!(staple::wishes(LEAF), (true, vec!["http://ocsp.example.com/".to_owned()]));
        let shown = ClientCertificate::new(LEAF).expect("a certificate");
        assert!(shown.described().contains("Ann"), "{}", shown.described());
    }
}
