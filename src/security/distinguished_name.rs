//! Distinguished names: what a certificate calls its owner, and what a configuration writes for
//! that (RFC 2253), compared part by part and never as text (spec/security.md §8).
//!
//! ```text
//! CN=bob,OU=ops+L=Bern,O=corewire     three parts, the second with two attributes
//! ```

use std::collections::BTreeMap;

use x509_parser::der_parser::oid::Oid;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// Attributes that have a name; all others are known by their number.
const NAMES: [(&str, &str); 12] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.5", "SERIALNUMBER"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.17", "POSTALCODE"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "EMAILADDRESS"),
];

/// The attributes of which Go makes a subject's text, in its order.
const TEXT_ORDER: [&str; 9] =
    ["SERIALNUMBER", "CN", "POSTALCODE", "STREET", "ST", "L", "OU", "O", "C"];

/// What an attribute is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Value {
    /// Text, without escapes.
    Text(String),
    /// Something else, as hex of its DER.
    Encoded(String),
}

/// One part of a name: attributes by type, in order of type.
type Part = Vec<(String, Value)>;

/// A distinguished name, the part nearest to its owner first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DistinguishedName {
    parts: Vec<Part>,
}

/// The parts of a name whatever their order: no part may be missing, none may stand for two.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AnyOrder(Vec<Part>);

impl DistinguishedName {
    /// Reads a name as RFC 2253 writes it; `None` if it is none.
    pub fn parse(text: &str) -> Option<DistinguishedName> {
        let mut parts = Vec::new();
        let mut part = Part::new();
        let mut rest = text;
        loop {
            let (kind, value) = rest.split_once('=')?;
            let (value, end, after) = read_value(value)?;
            part.push((kind_of(kind.trim())?, value));
            if end != Some('+') {
                part.sort();
                parts.push(std::mem::take(&mut part));
            }
            if end.is_none() {
                return Some(DistinguishedName { parts });
            }
            rest = after;
        }
    }

    /// A certificate's name. In a certificate the part nearest to the owner comes last.
    pub fn of(subject: &X509Name<'_>) -> DistinguishedName {
        let part = |attributes: &x509_parser::x509::RelativeDistinguishedName<'_>| {
            let mut part: Part = attributes.iter().map(attribute).collect();
            part.sort();
            part
        };
        let mut parts: Vec<Part> = subject.iter_rdn().map(part).collect();
        parts.reverse();
        DistinguishedName { parts }
    }

    /// The name without the order of its parts.
    pub fn any_order(&self) -> AnyOrder {
        let mut parts = self.parts.clone();
        parts.sort();
        AnyOrder(parts)
    }
}

/// A subject as Go's `pkix` writes it: known attributes in a fixed order, all others left out.
pub(crate) fn go_text(subject: &X509Name<'_>) -> String {
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (kind, value) in subject.iter_attributes().map(attribute) {
        if let Value::Text(text) = value {
            values.entry(kind).or_default().push(text);
        }
    }
    let part = |kind: &&str| {
        let mut values = values.get(*kind)?.as_slice();
        // Of these Go keeps the last one only.
        if matches!(*kind, "CN" | "SERIALNUMBER") {
            values = &values[values.len() - 1..];
        }
        let attributes: Vec<String> =
            values.iter().map(|value| format!("{kind}={}", escaped(value))).collect();
        Some(attributes.join("+"))
    };
    TEXT_ORDER.iter().filter_map(part).collect::<Vec<_>>().join(",")
}

/// The domain components of a subject, `DC=a,DC=b`, in the certificate's order.
pub(crate) fn domain_components(subject: &X509Name<'_>) -> String {
    let component = |(kind, value)| match value {
        Value::Text(text) if kind == "DC" => Some(format!("DC={text}")),
        _ => None,
    };
    subject.iter_attributes().map(attribute).filter_map(component).collect::<Vec<_>>().join(",")
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> (String, Value) {
    let value = match attribute.as_str() {
        Ok(text) => Value::Text(text.to_owned()),
        Err(_) => Value::Encoded(data_encoding::HEXLOWER.encode(attribute.as_slice())),
    };
    (name_of(attribute.attr_type()), value)
}

fn name_of(oid: &Oid<'_>) -> String {
    let number = oid.to_id_string();
    let known = NAMES.iter().find(|(known, _)| *known == number);
    known.map_or(number, |(_, name)| (*name).to_owned())
}

/// An attribute's type as written, in the form that [`name_of`] gives.
fn kind_of(written: &str) -> Option<String> {
    let upper = written.to_ascii_uppercase();
    let kind = upper.strip_prefix("OID.").unwrap_or(&upper);
    let known = NAMES.iter().find(|(number, name)| *number == kind || *name == kind);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
    match (known, kind) {
        (Some((_, name)), _) => Some((*name).to_owned()),
        (None, "E" | "EMAIL") => Some("EMAILADDRESS".to_owned()),
        (None, "S") => Some("ST".to_owned()),
        (None, other) => (!other.is_empty() && other.bytes().all(plain)).then(|| other.to_owned()),
    }
}

/// A value, what ended it, and what follows.
fn read_value(text: &str) -> Option<(Value, Option<char>, &str)> {
    let mut bytes = Vec::new();
    // What is escaped or quoted is kept, blanks at its end too.
    let mut kept = 0;
    let mut quoted = false;
    let text = text.trim_start_matches(' ');
    let mut chars = text.char_indices();
    let mut ended = (None, "");
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => quoted = !quoted,
            '\\' => {
                let (_, next) = chars.next()?;
                match next.to_digit(16) {
                    Some(high) => {
                        let low = chars.next()?.1.to_digit(16)?;
                        bytes.push((high * 16 + low) as u8);
                    }
                    None => push(&mut bytes, next),
                }
                kept = bytes.len();
            }
            ',' | ';' | '+' if !quoted => {
                ended = (Some(char), &text[at + 1..]);
                break;
            }
            other => {
                push(&mut bytes, other);
                if quoted {
                    kept = bytes.len();
                }
            }
        }
    }
    if quoted {
        return None;
    }
    while bytes.len() > kept && bytes.last() == Some(&b' ') {
        bytes.pop();
    }
    let value = String::from_utf8(bytes).ok()?;
    let value = match text.strip_prefix('#') {
        Some(_) => Value::Encoded(value[1..].to_ascii_lowercase()),
        None => Value::Text(value),
    };
    Some((value, ended.0, ended.1))
}

fn push(bytes: &mut Vec<u8>, char: char) {
    bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
}

/// RFC 2253 §2.4
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (at, char) in value.chars().enumerate() {
        let special = matches!(char, ',' | '+' | '"' | '\\' | '<' | '>' | ';');
        let at_edge = (at == 0 && matches!(char, ' ' | '#')) || (at == last && char == ' ');
        if special || at_edge {
            out.push('\\');
        }
        out.push(char);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DistinguishedName {
        DistinguishedName::parse(text).unwrap_or_else(|| panic!("{text} is a name"))
    }

    fn is_same(one: &str, other: &str) -> bool {
        name(one).any_order() == name(other).any_order()
    }

    #[test]
    fn names_are_compared_part_by_part() {
        assert_eq!(name("CN=bob, OU=ops , O=x"), name("cn=bob,ou=ops,o=x"));
        assert_eq!(name("2.5.4.3=bob"), name("OID.2.5.4.3=bob"));
        assert_eq!(name("CN=a+OU=b"), name("OU=b+CN=a"));
        assert_eq!(name(r#"CN="a,b""#), name(r"CN=a\,b"));
        assert_eq!(name(r"CN=J\C3\B6rg"), name("CN=Jörg"));
        assert_ne!(name(r"CN=a\ "), name("CN=a "));
        assert_ne!(name("CN=Bob"), name("CN=bob"));
        assert_ne!(name("CN=bob,O=x"), name("O=x,CN=bob"));
        assert!(is_same("CN=bob,O=x", "O=x,CN=bob"));
        assert_ne!(name(r"CN=\#41"), name("CN=#41"));
    }

    #[test]
    fn tricks_with_order_and_repetition_do_not_match() {
        // Parts that are missing, that stand for two, that hide in a value.
        for (one, other) in [
            ("CN=bob,OU=ops", "CN=bob"),
            ("CN=bob,OU=ops,OU=ops", "CN=bob,OU=ops,OU=admin"),
            ("CN=bob,CN=bob", "CN=bob,OU=admin"),
            (r"CN=bob\,OU=admin", "CN=bob,OU=admin"),
            ("CN=bob+OU=admin", "CN=bob,OU=admin"),
            ("CN=bob", "CN=bobby"),
        ] {
            assert!(!is_same(one, other), "{one} is not {other}");
            assert!(!is_same(other, one), "{other} is not {one}");
        }
    }

    #[test]
    fn what_is_no_name_is_none() {
        for text in ["", "bob", "=bob", "CN", r"CN=a\", "CN=\"a", r"CN=a\4", r"CN=\FF", "C N=a"] {
            assert_eq!(DistinguishedName::parse(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            failure_persistence: None, ..proptest::prelude::ProptestConfig::default()
        })]
        #[test]
        fn whatever_is_escaped_is_read_back(value in "\\PC{1,20}") {
            let parsed = DistinguishedName::parse(&format!("CN={},O=x", escaped(&value)));
            let expected = vec![vec![("CN".to_owned(), Value::Text(value))]];
            proptest::prop_assert_eq!(parsed.map(|name| name.parts[..1].to_vec()), Some(expected));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = DistinguishedName::parse(&text);
        }
    }
}
