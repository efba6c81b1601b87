//! Tokens of NATS: claims in JSON, signed by an nkey. spec/security.md §3
//!
//! Decoding checks the form, the version, what kind of claims it is, whether such an issuer may
//! make them, and the signature. Whether the issuer is trusted and what the claims are worth today
//! is the caller's. No bytes panic, and what is signed is bounded by [`limits::JWT_BYTES_MAX`].
//!
//! | file | what |
//! |---|---|
//! | `operator.rs`, `account.rs`, `user.rs` | what these claim |
//! | `activation.rs`, `authorization.rs`, `generic.rs` | what stands in other tokens |
//! | `payload.rs` | JSON in which no key stands twice |
//! | `first_version.rs` | claims of version 1, brought to the form of version 2 |
//! | `fuzz.rs` | the entry for the fuzzer |

mod account;
mod activation;
mod authorization;
mod first_version;
pub mod fuzz;
mod generic;
mod operator;
mod payload;
mod user;

use config::limits;
use config::users::is_public_key;
use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use nkeys::{KeyPair, KeyPairType};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha512_256};

use crate::nkey;

pub use account::{
    Account, AccountLimits, ExchangeKind, Export, ExternalAuthorization, Import, JetStreamLimits,
    Latency, LatencySampling, Permissions, ResponseType, Scope, ScopeKind, SigningKey, Trace,
    Weighted,
};
pub use activation::Activation;
pub use authorization::{
    AuthorizationRequest, AuthorizationResponse, ClientInformation, ClientTls, ConnectOptions,
    ServerId,
};
pub use generic::Generic;
pub use operator::Operator;
pub use user::{Grant, Responses, Subjects, TimeRange, User};

/// The version that is written, and the last one that is read.
const VERSION: u64 = 2;
/// What stands in the header of what is written.
const HEADER: &str = r#"{"typ":"JWT","alg":"ed25519-nkey"}"#;

/// What all claims say, and `C`, which one kind of them says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Claims<C> {
    /// `aud`: for whom they are.
    #[serde(rename = "aud", skip_serializing_if = "String::is_empty")]
    pub audience: String,
    /// `exp`: when they end, seconds since the Unix epoch; 0 never.
    #[serde(rename = "exp", skip_serializing_if = "is_default")]
    pub expires_s: i64,
    /// `jti`: their own hash.
    #[serde(rename = "jti", skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// `iat`: when they were made, seconds since the Unix epoch.
    #[serde(rename = "iat", skip_serializing_if = "is_default")]
    pub issued_s: i64,
    /// `iss`: the public key that signed them.
    #[serde(rename = "iss", skip_serializing_if = "String::is_empty")]
    pub issuer: String,
    /// `name`
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// `nbf`: when they begin, seconds since the Unix epoch; 0 at once.
    #[serde(rename = "nbf", skip_serializing_if = "is_default")]
    pub not_before_s: i64,
    /// `sub`: whom they are about, mostly a public key.
    #[serde(rename = "sub", skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// What this kind of claims says.
    #[serde(rename = "nats")]
    pub content: C,
}

/// What one kind of claims says.
pub trait Content: Default + Serialize + DeserializeOwned {
    /// `nats.type`; any without one.
    const KIND: Option<&'static str>;

    /// Whether the holder of such a key may make such claims.
    fn may_issue(kind: &KeyPairType) -> bool;
}

/// Why a token is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It has more than [`limits::JWT_BYTES_MAX`].
    #[error("too long")]
    TooLong,
    /// Not three parts in base64 for URLs, or no JSON in them.
    #[error("malformed")]
    Malformed,
    /// Its header names another type or algorithm.
    #[error("algorithm not supported")]
    Algorithm,
    /// It was made for servers newer than this, or says no version.
    #[error("version not supported")]
    Version,
    /// Claims of another kind.
    #[error("claims of another kind")]
    Kind,
    /// What it claims has a wrong form.
    #[error("invalid claims")]
    Claims,
    /// Who signed it may not make such claims.
    #[error("issuer may not make such claims")]
    Issuer,
    /// Its signature is none.
    #[error("invalid signature")]
    Signature,
}

/// Claims that hold at another time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// They have ended.
    #[error("expired")]
    Expired,
    /// They have not begun.
    #[error("not yet valid")]
    NotYet,
}

/// Claims that cannot be signed: a bug of the caller, or a key without its seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key cannot sign such claims")]
pub struct CannotSign;

/// What part of a token its signature covers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Signed {
    /// The claims: version 1.
    Payload,
    /// Header and claims.
    HeaderAndPayload,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Header {
    typ: String,
    alg: String,
}

impl<C: Content> Claims<C> {
    /// Claims about `subject`.
    pub fn new(subject: impl Into<String>, content: C) -> Claims<C> {
        Claims { subject: subject.into(), content, ..Claims::default() }
    }

    /// Reads a token and checks its signature.
    ///
    /// # Errors
    /// [`TokenError`]
    pub fn decode(token: &str) -> Result<Claims<C>, TokenError> {
        if token.len() > limits::JWT_BYTES_MAX {
            return Err(TokenError::TooLong);
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::Malformed);
        };
        let is_old = check_header(header)?;
        let claims = payload::parse(&decode_part(payload)?).ok_or(TokenError::Malformed)?;
        let (claims, mut signed) = of_this_version::<C>(claims)?;
        if C::KIND.is_none() && is_old {
            signed = Signed::Payload;
        }
        let claims: Claims<C> =
            Claims::deserialize(Value::Object(claims)).map_err(|_| TokenError::Claims)?;
        let issuer = KeyPair::from_public_key(&claims.issuer).map_err(|_| TokenError::Issuer)?;
        if !C::may_issue(&issuer.key_pair_type()) {
            return Err(TokenError::Issuer);
        }
        let covered = match signed {
            Signed::Payload => payload,
            Signed::HeaderAndPayload => &token[..header.len() + 1 + payload.len()],
        };
        match nkey::verify(&claims.issuer, covered.as_bytes(), &decode_part(signature)?) {
            true => Ok(claims),
            false => Err(TokenError::Signature),
        }
    }

    /// Signs them with `pair`, which becomes their issuer, and gives the token. `now_s` is when,
    /// seconds since the Unix epoch.
    ///
    /// # Errors
    /// [`CannotSign`]
    pub fn encode(mut self, pair: &KeyPair, now_s: i64) -> Result<String, CannotSign> {
        if self.subject.is_empty() || !C::may_issue(&pair.key_pair_type()) {
            return Err(CannotSign);
        }
        self.issuer = pair.public_key();
        self.issued_s = now_s;
        self.id = self.hash();
        let mut claims = serde_json::to_value(&self).map_err(|_| CannotSign)?;
        let content = claims.get_mut("nats").and_then(Value::as_object_mut).ok_or(CannotSign)?;
        if let Some(kind) = C::KIND {
            content.insert("type".to_owned(), kind.into());
        }
        content.insert("version".to_owned(), VERSION.into());
        let header = BASE64URL_NOPAD.encode(HEADER.as_bytes());
        let payload = BASE64URL_NOPAD.encode(claims.to_string().as_bytes());
        let mut token = format!("{header}.{payload}");
        let signature = pair.sign(token.as_bytes()).map_err(|_| CannotSign)?;
        token.push('.');
        token.push_str(&BASE64URL_NOPAD.encode(&signature));
        Ok(token)
    }

    /// Whether they hold at `now_s`, seconds since the Unix epoch.
    ///
    /// # Errors
    /// [`TimeError`]
    pub fn hold_at(&self, now_s: i64) -> Result<(), TimeError> {
        if self.expires_s > 0 && now_s > self.expires_s {
            return Err(TimeError::Expired);
        }
        if self.not_before_s > 0 && self.not_before_s > now_s {
            return Err(TimeError::NotYet);
        }
        Ok(())
    }

    // spec/security.md §3: base32 of the SHA-512/256 of the claims without `jti` and `nats`.
    fn hash(&self) -> String {
        let bare = Claims {
            audience: self.audience.clone(),
            expires_s: self.expires_s,
            id: String::new(),
            issued_s: self.issued_s,
            issuer: self.issuer.clone(),
            name: self.name.clone(),
            not_before_s: self.not_before_s,
            subject: self.subject.clone(),
            content: (),
        };
        let mut json = serde_json::to_value(&bare).unwrap_or_default();
        if let Some(map) = json.as_object_mut() {
            map.remove("nats");
        }
        BASE32_NOPAD.encode(&Sha512_256::digest(json.to_string().as_bytes()))
    }
}

/// Whether `text` is a public key of this kind. Keys that are too short or too long are none.
pub fn is_key(text: &str, kind: KeyPairType) -> bool {
    is_public_key(text, kind)
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn decode_part(part: &str) -> Result<Vec<u8>, TokenError> {
    BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| TokenError::Malformed)
}

/// Whether the header names the algorithm of version 1; an error if it names one of others.
fn check_header(part: &str) -> Result<bool, TokenError> {
    let header: Header =
        serde_json::from_slice(&decode_part(part)?).map_err(|_| TokenError::Malformed)?;
    if !header.typ.eq_ignore_ascii_case("JWT") {
        return Err(TokenError::Algorithm);
    }
    match header.alg.to_ascii_lowercase().as_str() {
        "ed25519-nkey" => Ok(false),
        "ed25519" => Ok(true),
        _ => Err(TokenError::Algorithm),
    }
}

/// The claims in the form of version 2, without what every content says of itself, and what of
/// the token is signed.
fn of_this_version<C: Content>(
    mut claims: Map<String, Value>,
) -> Result<(Map<String, Value>, Signed), TokenError> {
    let is_first = claims.get("type").is_some_and(|kind| kind.as_str() != Some(""));
    if is_first && C::KIND.is_some() {
        first_version::migrate(&mut claims).ok_or(TokenError::Claims)?;
    }
    let content = claims.entry("nats").or_insert_with(|| Value::Object(Map::new()));
    let content = content.as_object_mut().ok_or(TokenError::Claims)?;
    let version = content.remove("version").unwrap_or_default();
    let Some(kind) = C::KIND else { return Ok((claims, Signed::HeaderAndPayload)) };
    let signed = match (is_first, version.as_u64()) {
        (true, _) => Signed::Payload,
        (false, Some(VERSION)) => Signed::HeaderAndPayload,
        (false, _) => return Err(TokenError::Version),
    };
    match content.remove("type") {
        Some(Value::String(said)) if said == kind => Ok((claims, signed)),
        _ => Err(TokenError::Kind),
    }
}

#[cfg(test)]
mod tests;
