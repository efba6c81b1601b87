//! The digest of a configuration, and the configuration printed as JSON and as itself.
//!
//! spec/cli-and-config.md §6: SHA-256 of the JSON that Go's encoder makes of the parsed map, keys
//! sorted, with a newline. Go escapes `<`, `>` and `&`, and writes numbers in its own way.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::value::{Map, Node, Value};

/// `sha256:` and 64 hex digits.
pub fn digest(root: &Map) -> String {
    let mut text = json(root);
    text.push('\n');
    let mut shown = "sha256:".to_owned();
    for byte in Sha256::digest(text.as_bytes()) {
        let _ = write!(shown, "{byte:02x}");
    }
    shown
}

/// The configuration in Go's JSON, keys sorted, without a newline.
pub fn json(root: &Map) -> String {
    let mut out = String::new();
    json_map(root, &mut out);
    out
}

fn json_map(map: &Map, out: &mut String) {
    out.push('{');
    for (place, (key, entry)) in map.sorted().enumerate() {
        if place > 0 {
            out.push(',');
        }
        json_text(key, out);
        out.push(':');
        json_node(&entry.node, out);
    }
    out.push('}');
}

fn json_node(node: &Node, out: &mut String) {
    match &node.value {
        Value::Bool(value) => {
            let _ = write!(out, "{value}");
        }
        Value::Int(value) => {
            let _ = write!(out, "{value}");
        }
        Value::Float(value) => go_float(*value, out),
        Value::Date(text) | Value::Text(text) => json_text(text, out),
        Value::Array(nodes) => {
            out.push('[');
            for (place, node) in nodes.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                json_node(node, out);
            }
            out.push(']');
        }
        Value::Map(map) => json_map(map, out),
    }
}

fn json_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// The shortest digits that give the number back; with an exponent below 1e-6 and from 1e21 on.
fn go_float(value: f64, out: &mut String) {
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-6..1e21).contains(&magnitude) {
        let _ = write!(out, "{value}");
        return;
    }
    let short = format!("{value:e}");
    let _ = match short.split_once('e') {
        Some((digits, exponent)) if exponent.starts_with('-') => {
            write!(out, "{digits}e{exponent}")
        }
        Some((digits, exponent)) => write!(out, "{digits}e+{exponent}"),
        None => write!(out, "{short}"),
    };
}

/// The configuration in its own language, so that it parses to the same again.
pub fn print(root: &Map) -> String {
    let mut out = String::new();
    print_entries(root, &mut out);
    out
}

fn print_entries(map: &Map, out: &mut String) {
    for (key, entry) in map.written() {
        print_key(key, out);
        out.push_str(": ");
        print_node(&entry.node, out);
        out.push('\n');
    }
}

/// A quoted key has no escapes, and no key holds both quotes and something that needs them.
fn print_key(key: &str, out: &mut String) {
    let quote = if !key.contains('"') {
        "\""
    } else if !key.contains('\'') {
        "'"
    } else {
        ""
    };
    let _ = write!(out, "{quote}{key}{quote}");
}

fn print_node(node: &Node, out: &mut String) {
    match &node.value {
        Value::Float(value) => print_float(*value, out),
        Value::Date(text) => out.push_str(text),
        Value::Text(text) => print_text(text, out),
        Value::Array(nodes) => {
            out.push('[');
            for node in nodes {
                print_node(node, out);
                out.push('\n');
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push_str("{\n");
            print_entries(map, out);
            out.push('}');
        }
        Value::Bool(_) | Value::Int(_) => json_node(node, out),
    }
}

/// Digits on both sides of a point, and never an exponent: the language has none.
fn print_float(value: f64, out: &mut String) {
    let start = out.len();
    let _ = write!(out, "{value}");
    if !out[start..].contains('.') {
        out.push_str(".0");
    }
}

fn print_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\u{1f}' => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn float(value: f64) -> String {
        let mut out = String::new();
        go_float(value, &mut out);
        out
    }

    #[test]
    fn numbers_are_written_as_go_writes_them() {
        for (value, shown) in [
            (2.5, "2.5"),
            (0.5, "0.5"),
            (3.0, "3"),
            (-1.25, "-1.25"),
            (0.000001, "0.000001"),
            (0.00000025, "2.5e-7"),
            (1e21, "1e+21"),
            (123456789012345680000.0, "123456789012345680000"),
        ] {
            assert_eq!(float(value), shown);
        }
    }

    #[test]
    fn texts_are_escaped_as_go_escapes_them() {
        let mut out = String::new();
        json_text("a<b>&\"\\\n\u{1}\u{8}\u{2028}\u{e9}", &mut out);
        assert_eq!(out, "\"a\\u003cb\\u003e\\u0026\\\"\\\\\\n\\u0001\\b\\u2028\u{e9}\"");
    }
}
