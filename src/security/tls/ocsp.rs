//! OCSP (RFC 6960): what is asked about one certificate, and whether an answer may be believed.
//! Bytes in, bytes out; asking is `responder.rs`.

use rustls::crypto::aws_lc_rs;
use sha1::{Digest, Sha1};
use x509_cert::Certificate;
use x509_cert::der::asn1::{BitString, ObjectIdentifier, OctetString};
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::ExtendedKeyUsage;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_ocsp::{
    BasicOcspResponse, CertId, CertStatus, OcspGeneralizedTime, OcspRequest, OcspResponse,
    OcspResponseStatus, Request, SingleResponse, TbsRequest, Version,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};

const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
const OCSP_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.9");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
/// What a certificate names its responder by.
const RESPONDER: &str = "1.3.6.1.5.5.7.48.1";

/// What is asked about one certificate.
#[derive(Debug)]
pub(super) struct Question {
    id: CertId,
    issuer: Certificate,
}

/// What an answer says that may be believed. Whether it still counts is for whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub status: Status,
    /// Since when this is so, seconds since the Unix epoch.
    pub from_s: u64,
    /// When more will be known, seconds since the Unix epoch; `None` where the answer is silent.
    pub until_s: Option<u64>,
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

impl Status {
    /// In a word, as nats-server has it.
    pub fn word(self) -> &'static str {
        match self {
            Status::Good => "good",
            Status::Revoked => "revoked",
            Status::Unknown => "unknown",
        }
    }
}

/// Why an answer says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OcspError {
    /// It is none.
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

impl From<x509_cert::der::Error> for OcspError {
    fn from(error: x509_cert::der::Error) -> OcspError {
        OcspError::Malformed(error.to_string())
    }
}

impl Question {
    /// About a certificate of this issuer.
    ///
    /// # Errors
    /// [`OcspError::Malformed`] for an issuer that has no name in DER.
    pub fn new(leaf: &Certificate, issuer: Certificate) -> Result<Question, OcspError> {
        let id = certificate_id(leaf, &issuer)?;
        Ok(Question { id, issuer })
    }

    /// The request to a responder, DER.
    ///
    /// # Errors
    /// None that could happen with a certificate that was read.
    pub fn request(&self) -> Result<Vec<u8>, OcspError> {
        let one = Request { req_cert: self.id.clone(), single_request_extensions: None };
        let tbs_request = TbsRequest {
            version: Version::V1,
            requestor_name: None,
            request_list: vec![one],
            request_extensions: None,
        };
        Ok(OcspRequest { tbs_request, optional_signature: None }.to_der()?)
    }

    /// What an answer says, if the issuer stands for it at `now_s`, seconds since the Unix epoch.
    ///
    /// # Errors
    /// Why it may not be believed.
    pub fn read(&self, response: &[u8], now_s: u64) -> Result<Said, OcspError> {
        let parsed = OcspResponse::from_der(response)?;
        if parsed.response_status != OcspResponseStatus::Successful {
            return Err(OcspError::Refused(refusal(parsed.response_status)));
        }
        let missing = || OcspError::Malformed("no response in it".to_owned());
        let bytes = parsed.response_bytes.ok_or_else(missing)?;
        let basic = BasicOcspResponse::from_der(bytes.response.as_bytes())?;
        let is_ours = |one: &&SingleResponse| self.is_about(&one.cert_id);
        let mut about = basic.tbs_response_data.responses.iter();
        let one = about.find(is_ours).ok_or(OcspError::OtherCertificate)?;
        self.check_signature(&basic, now_s)?;
        let status = match one.cert_status {
            CertStatus::Good(_) => Status::Good,
            CertStatus::Revoked(_) => Status::Revoked,
            CertStatus::Unknown(_) => Status::Unknown,
        };
        let until_s = one.next_update.as_ref().map(seconds);
        Ok(Said { status, from_s: seconds(&one.this_update), until_s })
    }

    /// Whether this is the certificate's id; parameters of the hash do not matter.
    pub fn is_about(&self, id: &CertId) -> bool {
        self.id.hash_algorithm.oid == id.hash_algorithm.oid
            && self.id.issuer_name_hash == id.issuer_name_hash
            && self.id.issuer_key_hash == id.issuer_key_hash
            && self.id.serial_number == id.serial_number
    }

    /// The issuer signed it, or somebody whom the issuer let do so.
    fn check_signature(&self, basic: &BasicOcspResponse, now_s: u64) -> Result<(), OcspError> {
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
            false => Err(OcspError::Signature),
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

fn certificate_id(leaf: &Certificate, issuer: &Certificate) -> Result<CertId, OcspError> {
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

/// The responders that a certificate names.
pub(super) fn responders(certificate: &X509Certificate<'_>) -> Vec<String> {
    let mut responders = Vec::new();
    for extension in certificate.extensions() {
        if let ParsedExtension::AuthorityInfoAccess(access) = extension.parsed_extension() {
            let places = access.accessdescs.iter();
            let of_ocsp = places.filter(|one| one.access_method.to_id_string() == RESPONDER);
            responders.extend(of_ocsp.filter_map(|one| match &one.access_location {
                GeneralName::URI(uri) => Some((*uri).to_owned()),
                _ => None,
            }));
        }
    }
    responders
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
