//! Signatures by nkeys. spec/security.md §2

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL_NOPAD};

/// Whether `sig` is the signature of `nonce` by the public key `key`. Nothing is signed by
/// anybody while there is no nonce.
pub(crate) fn is_signed(key: &str, nonce: &str, sig: &str) -> bool {
    let Some(sig) = decode_signature(sig) else { return false };
    !nonce.is_empty() && verify(key, nonce.as_bytes(), &sig)
}

/// Whether `sig` is the signature of `message` by the public key `key`.
pub(crate) fn verify(key: &str, message: &[u8], sig: &[u8]) -> bool {
    // Ed25519 signatures have 64 bytes; what is shorter or longer is none.
    sig.len() == 64
        && nkeys::KeyPair::from_public_key(key).is_ok_and(|key| key.verify(message, sig).is_ok())
}

/// Raw base64 for URLs, or standard base64.
fn decode_signature(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    BASE64URL_NOPAD
        .decode(bytes)
        .or_else(|_| BASE64.decode(bytes))
        .or_else(|_| BASE64_NOPAD.decode(bytes))
        .ok()
}
