//! The entry for the fuzzer: any bytes may stand in a token. None may panic, and what is read is
//! written so that it reads the same again.

use data_encoding::BASE64URL_NOPAD;
use nkeys::{KeyPair, KeyPairType};

use super::{
    Account, Activation, AuthorizationRequest, AuthorizationResponse, Claims, Content, Generic,
    Operator, User,
};

/// First the bytes as a token, then as claims of every kind with a signature that holds.
pub fn fuzz_jwt(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        decode::<Operator>(text);
        decode::<Account>(text);
        decode::<User>(text);
        decode::<Activation>(text);
        decode::<AuthorizationRequest>(text);
        decode::<AuthorizationResponse>(text);
        decode::<Generic>(text);
    }
    check::<Operator>(input, KeyPairType::Operator);
    check::<Account>(input, KeyPairType::Account);
    check::<User>(input, KeyPairType::Account);
    check::<Activation>(input, KeyPairType::Account);
    check::<AuthorizationRequest>(input, KeyPairType::Server);
    check::<AuthorizationResponse>(input, KeyPairType::Account);
    check::<Generic>(input, KeyPairType::Operator);
}

fn decode<C: Content>(token: &str) {
    // Whatever it says is fine; it must only say it.
    let _ = Claims::<C>::decode(token);
}

/// The same key each time, so that a corpus may name it.
fn pair(kind: KeyPairType) -> KeyPair {
    KeyPair::new_from_raw(kind, [7; 32]).expect("any 32 bytes are a seed")
}

/// Signs `payload`, with its issuer's place filled in.
fn check<C>(payload: &[u8], kind: KeyPairType)
where
    C: Content + Clone + PartialEq + std::fmt::Debug,
{
    let pair = pair(kind);
    let key = pair.public_key();
    let payload = String::from_utf8_lossy(payload).replace("ISSUER", &key);
    let header = BASE64URL_NOPAD.encode(super::HEADER.as_bytes());
    let signed = format!("{header}.{}", BASE64URL_NOPAD.encode(payload.as_bytes()));
    let sign = |bytes: &str| {
        let signature = pair.sign(bytes.as_bytes()).expect("a pair with its seed");
        BASE64URL_NOPAD.encode(&signature)
    };
    let Ok(claims) = Claims::<C>::decode(&format!("{signed}.{}", sign(&signed))) else { return };
    assert_eq!(claims.issuer, key, "nobody else signed it");
    if claims.subject.is_empty() {
        return;
    }
    let expected = claims.clone();
    let Ok(written) = claims.encode(&pair, expected.issued_s) else { return };
    let again = Claims::<C>::decode(&written).expect("our own");
    assert_eq!(again.content, expected.content);
}
