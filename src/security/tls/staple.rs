//! OCSP staples: what a certificate's issuer says of it today, asked for once and shown to every
//! client (RFC 6960, spec/security.md §8). Bytes in, bytes out; asking is the server's business.

use std::path::{Path, PathBuf};

use config::tls::CertificateFiles;
use data_encoding::HEXLOWER;
use rustls::crypto::aws_lc_rs;
use sha1::{Digest, Sha1};
use sha2::Sha256;
use x509_cert::Certificate;
use x509_cert::der::asn1::{BitString, ObjectIdentifier, OctetString};
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::ExtendedKeyUsage;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_ocsp::{
    BasicOcspResponse, CertId, CertStatus, OcspGeneralizedTime, OcspRequest, OcspResponse,
    OcspResponseStatus, Request, SingleResponse, TbsRequest, Version,
};
use x509_parser::extensions::{GeneralName, ParsedExtension};

use super::certificates;

const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
const OCSP_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.9");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
/// What a certificate names its responder by.
const RESPONDER: &str = "1.3.6.1.5.5.7.48.1";
/// The extension by which a certificate asks for more of TLS (RFC 7633), and what it asks for: a
/// list with the number of `status_request`.
const TLS_FEATURE: &str = "1.3.6.1.5.5.7.1.24";
const STATUS_REQUEST: [u8; 3] = [2, 1, 5];
/// How far a responder's clock may be ahead of ours, seconds.
const SKEW_S: u64 = 60;
/// For how long a response without an end is good, seconds.
const UNSAID_LIFE_S: u64 = 3600;

/// A certificate, and what is to be asked of it.
#[derive(Debug)]
pub struct StapleQuestion {
    /// Its file.
    pub path: PathBuf,
    /// SHA-256 of the certificate, hex: its name in the cache.
    pub fingerprint: String,
    /// Whether it says that it must not be shown without a staple.
    pub must_staple: bool,
    /// The responders that it names.
    pub responders: Vec<String>,
    id: CertId,
    issuer: Certificate,
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

/// What is said of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nothing against it.
    Good,
    /// It is not to be trusted any more.
    Revoked,
    /// Nothing is known of it.
    Unknown,
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
    /// The response is none.
    #[error("OCSP response: {0}")]
    Malformed(String),
    /// The responder did not want to answer.
    #[error("OCSP responder answers {0}")]
    Refused(&'static str),
    /// It says nothing of this certificate.
    #[error("OCSP response is about another certificate")]
    OtherCertificate,
    /// Nobody signed it who may.
    #[error("OCSP response is not signed by the issuer, nor for it")]
    Signature,
    /// It is too old, or not valid yet.
    #[error("OCSP response is not valid now")]
    Time,
}

impl From<x509_cert::der::Error> for StapleError {
    fn from(error: x509_cert::der::Error) -> StapleError {
        StapleError::Malformed(error.to_string())
    }
}

impl StapleQuestion {
    /// For the first certificate of a file. Its issuer's is the next there, or one in `ca_file`.
    ///
    /// # Errors
    /// A file that cannot be read, or an issuer that is in none of them.
    pub fn new(
        files: &CertificateFiles,
        ca_file: Option<&Path>,
    ) -> Result<StapleQuestion, StapleError> {
        let path = files.cert_file.clone();
        let wrong = |reason: String| StapleError::Certificate { path: path.clone(), reason };
        let chain = certificates(&path, "certificate").map_err(|error| wrong(error.to_string()))?;
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
        let id = certificate_id(&leaf, &issuer)?;
        let (must_staple, responders) = wishes(der);
        let fingerprint = HEXLOWER.encode(&Sha256::digest(der));
        Ok(StapleQuestion { path, fingerprint, must_staple, responders, id, issuer })
    }

    /// The request to a responder, DER.
    ///
    /// # Errors
    /// None that could happen with a certificate that was read.
    pub fn request(&self) -> Result<Vec<u8>, StapleError> {
        let one = Request { req_cert: self.id.clone(), single_request_extensions: None };
        let tbs_request = TbsRequest {
            version: Version::V1,
            requestor_name: None,
            request_list: vec![one],
            request_extensions: None,
        };
        Ok(OcspRequest { tbs_request, optional_signature: None }.to_der()?)
    }

    /// What a response says, if it may be believed at `now_s`, seconds since the Unix epoch.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, response: &[u8], now_s: u64) -> Result<Staple, StapleError> {
        let parsed = OcspResponse::from_der(response)?;
        if parsed.response_status != OcspResponseStatus::Successful {
            return Err(StapleError::Refused(refusal(parsed.response_status)));
        }
        let missing = || StapleError::Malformed("no response in it".to_owned());
        let bytes = parsed.response_bytes.ok_or_else(missing)?;
        let basic = BasicOcspResponse::from_der(bytes.response.as_bytes())?;
        let is_ours = |one: &&SingleResponse| is_same(&one.cert_id, &self.id);
        let mut about = basic.tbs_response_data.responses.iter();
        let one = about.find(is_ours).ok_or(StapleError::OtherCertificate)?;
        self.check_signature(&basic, now_s)?;
        let from_s = seconds(&one.this_update);
        let until_s = one.next_update.as_ref().map_or(from_s + UNSAID_LIFE_S, seconds);
        if from_s > now_s + SKEW_S || until_s <= now_s {
            return Err(StapleError::Time);
        }
        let status = match one.cert_status {
            CertStatus::Good(_) => Status::Good,
            CertStatus::Revoked(_) => Status::Revoked,
            CertStatus::Unknown(_) => Status::Unknown,
        };
        // spec/security.md §8: refreshed at half of its validity.
        let refresh_s = from_s + (until_s - from_s) / 2;
        Ok(Staple { response: response.to_vec(), status, refresh_s, until_s })
    }

    /// The issuer signed it, or somebody whom the issuer let do so.
    fn check_signature(&self, basic: &BasicOcspResponse, now_s: u64) -> Result<(), StapleError> {
        let signed = basic.tbs_response_data.to_der()?;
        let by = |key: &SubjectPublicKeyInfoOwned| {
            is_signed(key, &basic.signature_algorithm, &signed, &basic.signature)
        };
        let issuer_key = &self.issuer.tbs_certificate.subject_public_key_info;
        let delegates = basic.certs.as_deref().unwrap_or_default();
        let delegated = |one: &&Certificate| {
            let key = &one.tbs_certificate.subject_public_key_info;
            self.lets_sign(one, now_s) && by(key)
        };
        match by(issuer_key) || delegates.iter().any(|one| delegated(&one)) {
            true => Ok(()),
            false => Err(StapleError::Signature),
        }
    }

    /// Whether the issuer lets the owner of a certificate sign responses now.
    fn lets_sign(&self, delegate: &Certificate, now_s: u64) -> bool {
        let about = &delegate.tbs_certificate;
        let usages = about.extensions.iter().flatten();
        let usage = usages.filter(|extension| extension.extn_id == EXTENDED_KEY_USAGE);
        let may = usage
            .filter_map(|usage| ExtendedKeyUsage::from_der(usage.extn_value.as_bytes()).ok())
            .any(|usage| usage.0.contains(&OCSP_SIGNING));
        let from_s = about.validity.not_before.to_unix_duration().as_secs();
        let until_s = about.validity.not_after.to_unix_duration().as_secs();
        let key = &self.issuer.tbs_certificate.subject_public_key_info;
        let Ok(signed) = about.to_der() else { return false };
        may && (from_s..=until_s).contains(&now_s)
            && is_signed(key, &delegate.signature_algorithm, &signed, &delegate.signature)
    }
}

fn certificate_id(leaf: &Certificate, issuer: &Certificate) -> Result<CertId, StapleError> {
    let issuer = &issuer.tbs_certificate;
    let key = issuer.subject_public_key_info.subject_public_key.raw_bytes();
    let hash = |bytes: &[u8]| OctetString::new(Sha1::digest(bytes).to_vec());
    Ok(CertId {
        hash_algorithm: AlgorithmIdentifierOwned {
            oid: SHA1,
            parameters: Some(x509_cert::der::asn1::Null.into()),
        },
        issuer_name_hash: hash(&issuer.subject.to_der()?)?,
        issuer_key_hash: hash(key)?,
        serial_number: leaf.tbs_certificate.serial_number.clone(),
    })
}

/// Whether two are the same certificate's; parameters of the hash do not matter.
fn is_same(one: &CertId, other: &CertId) -> bool {
    one.hash_algorithm.oid == other.hash_algorithm.oid
        && one.issuer_name_hash == other.issuer_name_hash
        && one.issuer_key_hash == other.issuer_key_hash
        && one.serial_number == other.serial_number
}

/// Whether a certificate must have a staple, and the responders it names.
fn wishes(der: &[u8]) -> (bool, Vec<String>) {
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(der) else {
        return (false, Vec::new());
    };
    let (mut must, mut responders) = (false, Vec::new());
    for extension in parsed.extensions() {
        if extension.oid.to_id_string() == TLS_FEATURE {
            must = extension.value.windows(3).any(|window| window == STATUS_REQUEST);
        }
        if let ParsedExtension::AuthorityInfoAccess(access) = extension.parsed_extension() {
            let places = access.accessdescs.iter();
            let of_ocsp = places.filter(|one| one.access_method.to_id_string() == RESPONDER);
            responders.extend(of_ocsp.filter_map(|one| match &one.access_location {
                GeneralName::URI(uri) => Some((*uri).to_owned()),
                _ => None,
            }));
        }
    }
    (must, responders)
}

/// Whether `key` signed `message`, by an algorithm that TLS knows.
fn is_signed(
    key: &SubjectPublicKeyInfoOwned,
    algorithm: &AlgorithmIdentifierOwned,
    message: &[u8],
    signature: &BitString,
) -> bool {
    let (Some(by), Some(of)) = (inside(algorithm), inside(&key.algorithm)) else { return false };
    let known = aws_lc_rs::default_provider().signature_verification_algorithms.all;
    let mut fitting = known.iter().filter(|one| {
        one.signature_alg_id().as_ref() == by && one.public_key_alg_id().as_ref() == of
    });
    let key = key.subject_public_key.raw_bytes();
    fitting.any(|one| one.verify_signature(key, message, signature.raw_bytes()).is_ok())
}

/// The inside of an algorithm's DER, as TLS compares it.
fn inside(algorithm: &AlgorithmIdentifierOwned) -> Option<Vec<u8>> {
    let der = algorithm.to_der().ok()?;
    // A sequence shorter than 128 bytes: its tag, its length.
    (der.len() < 130).then(|| der[2..].to_vec())
}

fn seconds(time: &OcspGeneralizedTime) -> u64 {
    time.0.to_unix_duration().as_secs()
}

fn refusal(status: OcspResponseStatus) -> &'static str {
    match status {
        OcspResponseStatus::Successful => "successful",
        OcspResponseStatus::MalformedRequest => "malformedRequest",
        OcspResponseStatus::InternalError => "internalError",
        OcspResponseStatus::TryLater => "tryLater",
        OcspResponseStatus::SigRequired => "sigRequired",
        OcspResponseStatus::Unauthorized => "unauthorized",
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

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
        StapleQuestion::new(&files, None).expect("its issuer is in the file")
    }

    #[test]
    fn a_question_names_the_certificate_by_its_issuer() {
        let question = question();
        assert!(question.must_staple && question.responders.is_empty());
        assert_eq!(question.fingerprint.len(), 64);
        let request = question.request().expect("encodes");
        let read = OcspRequest::from_der(&request).expect("a request");
        assert!(is_same(&read.tbs_request.request_list[0].req_cert, &question.id));
    }

    #[test]
    fn what_is_no_good_response_is_refused() {
        let question = question();
        for status in [OcspResponse::try_later(), OcspResponse::unauthorized()] {
            let error = question.check(&status.to_der().expect("encodes"), 0);
            assert!(matches!(error, Err(StapleError::Refused(_))), "{error:?}");
        }
        assert!(matches!(question.check(b"", 0), Err(StapleError::Malformed(_))));
        let mut random = fastrand::Rng::with_seed(11);
        for _ in 0..5_000 {
            let bytes: Vec<u8> = (0..random.usize(0..60)).map(|_| random.u8(..)).collect();
            assert!(question.check(&bytes, 0).is_err());
        }
    }
}
