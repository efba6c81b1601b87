//! OCSP staples: what a certificate's issuer says of it today, asked for once and shown to every
//! client (RFC 6960, spec/security.md §8). Asking is the server's business.

use std::path::{Path, PathBuf};

use config::tls::CertificateFiles;
use data_encoding::HEXLOWER;
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::certificates;
use super::ocsp::{OcspError, Question, Said, Status, responders};

/// The extension by which a certificate asks for more of TLS (RFC 7633), and what it asks for: a
/// list with the number of `status_request`.
const TLS_FEATURE: &str = "1.3.6.1.5.5.7.1.24";
const STATUS_REQUEST: [u8; 3] = [2, 1, 5];
/// How far a responder's clock may be ahead of ours, seconds.
const SKEW_S: u64 = 60;
/// For how long a response without an end is good, seconds.
const UNSAID_LIFE_S: u64 = 3600;

/// A certificate as clients get it, and what it says of staples.
#[derive(Debug)]
pub struct Presented {
    path: PathBuf,
    chain: Vec<CertificateDer<'static>>,
    must_staple: bool,
    responders: Vec<String>,
}

/// A certificate, and what is to be asked of it.
#[derive(Debug)]
pub struct StapleQuestion {
    /// Its file.
    pub path: PathBuf,
    /// SHA-256 of the certificate, hex: its name in the cache.
    pub fingerprint: String,
    /// The responders that it names.
    pub responders: Vec<String>,
    question: Question,
}

/// What an issuer says of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staple {
    /// The response, as clients get it.
    pub response: Vec<u8>,
    /// What it says.
    pub status: Status,
    /// From then on another is to be asked for, seconds since the Unix epoch.
    pub refresh_s: u64,
    /// Until then it is good.
    pub until_s: u64,
}

/// Why there is no staple.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StapleError {
    /// The certificate, or its issuer's, cannot be used.
    #[error("certificate {}: {reason}", path.display())]
    Certificate {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The answer says nothing.
    #[error(transparent)]
    Answer(#[from] OcspError),
}

impl Presented {
    /// Reads the first certificate of a file, with those that come behind it.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(files: &CertificateFiles) -> Result<Presented, StapleError> {
        let path = files.cert_file.clone();
        match certificates(&path, "certificate") {
            Ok(chain) => {
                let (must_staple, responders) = wishes(chain[0].as_ref());
                Ok(Presented { path, chain, must_staple, responders })
            }
            Err(error) => Err(StapleError::Certificate { path, reason: error.to_string() }),
        }
    }

    /// Whether it says that it must be shown with a staple.
    #[must_use]
    pub fn must_staple(&self) -> bool {
        self.must_staple
    }

    /// What is to be asked of it. Its issuer's certificate is the next in its file, or one in
    /// `ca_file`.
    ///
    /// # Errors
    /// A certificate that cannot be used, or an issuer that is in none of the files.
    pub fn question(self, ca_file: Option<&Path>) -> Result<StapleQuestion, StapleError> {
        let Presented { path, chain, responders, .. } = self;
        let wrong = |reason: String| StapleError::Certificate { path: path.clone(), reason };
        let der = chain[0].as_ref();
        let leaf = Certificate::from_der(der).map_err(|error| wrong(error.to_string()))?;
        let roots = match ca_file {
            Some(file) => certificates(file, "certificate authority").unwrap_or_default(),
            None => Vec::new(),
        };
        let issuer = chain[1..]
            .iter()
            .chain(&roots)
            .filter_map(|der| Certificate::from_der(der).ok())
            .find(|other| other.tbs_certificate.subject == leaf.tbs_certificate.issuer)
            .ok_or_else(|| wrong("its issuer's certificate is in no file".to_owned()))?;
        let question = Question::new(&leaf, issuer)?;
        let fingerprint = HEXLOWER.encode(&Sha256::digest(der));
        Ok(StapleQuestion { path, fingerprint, responders, question })
    }
}

impl StapleQuestion {
    /// The request to a responder, DER.
    ///
    /// # Errors
    /// None that could happen with a certificate that was read.
    pub fn request(&self) -> Result<Vec<u8>, StapleError> {
        Ok(self.question.request()?)
    }

    /// What a response says, if it may be believed at `now_s`, seconds since the Unix epoch.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, response: &[u8], now_s: u64) -> Result<Staple, StapleError> {
        let Said { status, from_s, until_s } = self.question.read(response, now_s)?;
        let until_s = until_s.unwrap_or(from_s + UNSAID_LIFE_S);
        if from_s > now_s + SKEW_S || until_s <= now_s {
            return Err(OcspError::Time.into());
        }
        // spec/security.md §8: refreshed at half of its validity.
        let refresh_s = from_s + until_s.saturating_sub(from_s) / 2;
        Ok(Staple { response: response.to_vec(), status, refresh_s, until_s })
    }
}

/// Whether a certificate must have a staple, and the responders it names.
pub(super) fn wishes(der: &[u8]) -> (bool, Vec<String>) {
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(der) else {
        return (false, Vec::new());
    };
    let mut features =
        parsed.extensions().iter().filter(|one| one.oid.to_id_string() == TLS_FEATURE);
    let asks = |value: &[u8]| value.windows(3).any(|window| window == STATUS_REQUEST);
    (features.any(|feature| asks(feature.value)), responders(&parsed))
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    use x509_cert::der::Encode;
    use x509_ocsp::{OcspRequest, OcspResponse};

    use super::*;

    /// A certificate with its issuer's, in one file.
    fn question() -> StapleQuestion {
        let folder = tempfile::tempdir().expect("a folder");
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![]).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an issuer");
        let ca = params.self_signed(&key).expect("signed").pem();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec!["a.b".to_owned()]).expect("a name");
        let must = vec![0x30, 3, 2, 1, 5];
        let feature = [1, 3, 6, 1, 5, 5, 7, 1, 24];
        params.custom_extensions.push(rcgen::CustomExtension::from_oid_content(&feature, must));
        let leaf = params.signed_by(&key, &issuer).expect("signed").pem();
        let cert_file = folder.path().join("cert.pem");
        std::fs::write(&cert_file, leaf + &ca).expect("written");
        let files = CertificateFiles { cert_file, key_file: PathBuf::new() };
        let presented = Presented::read(&files).expect("readable");
        assert!(presented.must_staple());
        presented.question(None).expect("its issuer is in the file")
    }

    #[test]
    fn a_question_names_the_certificate_by_its_issuer() {
        let question = question();
        assert!(question.responders.is_empty());
        assert_eq!(question.fingerprint.len(), 64);
        let request = question.request().expect("encodes");
        let read = OcspRequest::from_der(&request).expect("a request");
        assert!(question.question.is_about(&read.tbs_request.request_list[0].req_cert));
    }

    #[test]
    fn what_is_no_good_response_is_refused() {
        let question = question();
        for status in [OcspResponse::try_later(), OcspResponse::unauthorized()] {
            let error = question.check(&status.to_der().expect("encodes"), 0);
            assert!(matches!(error, Err(StapleError::Answer(OcspError::Refused(_)))), "{error:?}");
        }
        assert!(matches!(
            question.check(b"", 0),
            Err(StapleError::Answer(OcspError::Malformed(_)))
        ));
        let mut random = fastrand::Rng::with_seed(11);
        for _ in 0..5_000 {
            let bytes: Vec<u8> = (0..random.usize(0..60)).map(|_| random.u8(..)).collect();
            assert!(question.check(&bytes, 0).is_err());
        }
    }
}
