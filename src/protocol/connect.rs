//! CONNECT: its JSON decoded over what the connection already has, and redacted for trace lines.
//!
//! Decoding follows what nats-server accepts: keys in any case, unknown keys ignored, the last of
//! equal keys wins, `null` leaves a field as it was, a value of the wrong type is an error, and
//! text that is not UTF-8 becomes U+FFFD.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

/// What a client says about itself.
// spec/client-protocol.md §2.4
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// `+OK` for each operation.
    pub verbose: bool,
    /// Check subjects of publishes strictly.
    pub pedantic: bool,
    /// Deliver the connection's own messages to it.
    pub echo: bool,
    /// Informational.
    pub tls_required: bool,
    /// The client takes HMSG and may send HPUB.
    pub headers: bool,
    /// The client wants 503 when nobody answers; needs `headers`.
    pub no_responders: bool,
    /// 0 or 1; anything else is to be refused.
    pub protocol: i64,
    /// Token to authenticate by.
    pub auth_token: String,
    /// User to authenticate as.
    pub user: String,
    /// That user's password.
    pub pass: String,
    /// The client's name for itself.
    pub name: String,
    /// The client library's language.
    pub lang: String,
    /// The client library's version.
    pub version: String,
    /// Public nkey of the user.
    pub nkey: String,
    /// JWT of the user.
    pub jwt: String,
    /// Base64 signature of the nonce.
    pub sig: String,
    /// Obsolete; anything but empty is an authorization violation.
    pub account: String,
    /// Obsolete; `true` is an authorization violation.
    pub new_account: bool,
    /// Base64 signature of the nonce by a proxy.
    pub proxy_sig: String,
}

impl Default for Connect {
    /// A connection that never sent CONNECT.
    // spec/client-protocol.md §1 Defaults before CONNECT
    fn default() -> Self {
        Connect {
            verbose: true,
            pedantic: true,
            echo: true,
            tls_required: false,
            headers: false,
            no_responders: false,
            protocol: 0,
            auth_token: String::new(),
            user: String::new(),
            pass: String::new(),
            name: String::new(),
            lang: String::new(),
            version: String::new(),
            nkey: String::new(),
            jwt: String::new(),
            sig: String::new(),
            account: String::new(),
            new_account: false,
            proxy_sig: String::new(),
        }
    }
}

/// A CONNECT that cannot be decoded: closes with `Protocol Violation`, without `-ERR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Not JSON, or more than one value.
    #[error("CONNECT is not valid JSON")]
    Malformed,
    /// JSON, but a value is not of its key's type.
    #[error("CONNECT has a value of the wrong type")]
    WrongType,
}

impl Connect {
    /// Decodes `json` over `current`: keys that it leaves out stay as they are.
    pub fn decode_over(current: &Connect, json: &[u8]) -> Result<Connect, ConnectError> {
        if has_raw_control_character(json) {
            return Err(ConnectError::Malformed);
        }
        let mut connect = current.clone();
        let mut decoder = serde_json::Deserializer::from_slice(json);
        let decoded = decoder.deserialize_any(Over(&mut connect)).and_then(|()| decoder.end());
        decoded.map_err(|error| match error.classify() {
            serde_json::error::Category::Data => ConnectError::WrongType,
            _ => ConnectError::Malformed,
        })?;
        Ok(connect)
    }

    /// Takes the value of one key.
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "verbose" => set(&mut self.verbose, map),
            "pedantic" => set(&mut self.pedantic, map),
            "echo" => set(&mut self.echo, map),
            "tls_required" => set(&mut self.tls_required, map),
            "headers" => set(&mut self.headers, map),
            "no_responders" => set(&mut self.no_responders, map),
            "protocol" => set(&mut self.protocol, map),
            "auth_token" => set_text(&mut self.auth_token, map),
            "user" => set_text(&mut self.user, map),
            "pass" => set_text(&mut self.pass, map),
            "name" => set_text(&mut self.name, map),
            "lang" => set_text(&mut self.lang, map),
            "version" => set_text(&mut self.version, map),
            "nkey" => set_text(&mut self.nkey, map),
            "jwt" => set_text(&mut self.jwt, map),
            "sig" => set_text(&mut self.sig, map),
            "account" => set_text(&mut self.account, map),
            "new_account" => set(&mut self.new_account, map),
            "proxy_sig" => set_text(&mut self.proxy_sig, map),
            _ => map.next_value::<IgnoredAny>().map(drop),
        }
    }
}

fn set<'de, T, A>(field: &mut T, map: &mut A) -> Result<(), A::Error>
where
    T: Deserialize<'de>,
    A: MapAccess<'de>,
{
    if let Some(value) = map.next_value::<Option<T>>()? {
        *field = value;
    }
    Ok(())
}

fn set_text<'de, A: MapAccess<'de>>(field: &mut String, map: &mut A) -> Result<(), A::Error> {
    if let Some(Text(value)) = map.next_value::<Option<Text>>()? {
        *field = value;
    }
    Ok(())
}

/// The top of the JSON: an object whose keys are taken one by one, or `null`.
struct Over<'c>(&'c mut Connect);

impl<'de> Visitor<'de> for Over<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or null")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(key)) = map.next_key()? {
            self.0.take(&folded(&key), &mut map)?;
        }
        Ok(())
    }
}

/// A JSON string; what is not UTF-8 in it (lone surrogates too) becomes U+FFFD.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Text, E> {
                Ok(Text(String::from_utf8_lossy(bytes).into_owned()))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }
        }
        // As bytes, because serde_json refuses the whole document over one bad character.
        deserializer.deserialize_bytes(Bytes)
    }
}

/// A key without its case, as Go compares it: besides ASCII the two characters whose lower case
/// is an ASCII letter count as that letter.
fn folded(key: &str) -> String {
    let fold = |character: char| match character {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        _ => character.to_ascii_lowercase(),
    };
    key.chars().map(fold).collect()
}

/// Whether a control character stands unescaped in a string, which JSON forbids and a decoder
/// that reads strings as bytes lets pass.
fn has_raw_control_character(json: &[u8]) -> bool {
    let mut in_string = false;
    let mut escaped = false;
    for &byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            0..b' ' if in_string => return true,
            _ => {}
        }
    }
    false
}

/// Keys whose values never reach a log.
// spec/cli-and-config.md §5
const SECRETS: [&str; 5] = ["pass", "auth_token", "sig", "nkey", "proxy_sig"];

/// The JSON of a CONNECT for a trace line, with the values of secret keys replaced by
/// `[REDACTED]`. It need not be valid JSON: what follows a secret key is hidden whatever it is.
pub fn redacted(json: &[u8]) -> String {
    let mut out = Vec::with_capacity(json.len());
    let mut at = 0;
    while at < json.len() {
        if json[at] != b'"' {
            out.push(json[at]);
            at += 1;
            continue;
        }
        let (key_start, key_end) = (at, string_end(json, at));
        out.extend_from_slice(&json[key_start..key_end]);
        at = key_end;
        if let Some(value) = value_after_colon(json, key_end)
            && is_secret(&json[key_start..key_end])
        {
            out.extend_from_slice(&json[key_end..value]);
            at = redact_value(json, value, &mut out);
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Index after the string that begins at `start`, or the end of the input if it has none.
fn string_end(json: &[u8], start: usize) -> usize {
    let mut escaped = false;
    let end = json[start + 1..].iter().position(|&byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(json.len(), |offset| start + 1 + offset + 1)
}

/// Index of the value, when a colon stands after `key_end`.
fn value_after_colon(json: &[u8], key_end: usize) -> Option<usize> {
    let skip_blanks = |from: usize| {
        let rest = &json[from..];
        from + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
    };
    let colon = skip_blanks(key_end);
    (json.get(colon) == Some(&b':')).then(|| skip_blanks(colon + 1))
}

/// Whether a quoted key names a secret, in any case and with any escapes.
fn is_secret(quoted: &[u8]) -> bool {
    serde_json::from_slice::<Text>(quoted)
        .is_ok_and(|Text(key)| SECRETS.contains(&folded(&key).as_str()))
}

/// Writes the replacement of the value at `start` and returns the index after that value.
fn redact_value(json: &[u8], start: usize, out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(b"\"[REDACTED]\"");
    if json.get(start) == Some(&b'"') {
        return string_end(json, start);
    }
    let is_scalar = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    match json[start..].iter().take_while(|&byte| is_scalar(byte)).count() {
        0 => start + nested_len(&json[start..]),
        len => start + len,
    }
}

/// Length of the object or list that `json` begins with; all of it where that cannot be told, so
/// that no part of a secret is shown.
fn nested_len(json: &[u8]) -> usize {
    let mut values = serde_json::Deserializer::from_slice(json).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(IgnoredAny)) => values.byte_offset(),
        _ => json.len(),
    }
}

#[cfg(test)]
mod tests;
