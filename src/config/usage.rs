//! The help text, made from the declarations of the flags.

use std::fmt::Write as _;

use crate::flags::{FLAGS, Flag, Group, Takes};
use crate::words::{WORDS, Word};

/// Columns before the text of a flag.
const TEXT_COLUMN: usize = 40;

/// What `-h` prints.
pub fn usage() -> String {
    let mut out = "\nUsage: corewire [options]\n".to_owned();
    for Word { name, arguments, doc, .. } in &WORDS {
        let word = format!("corewire {name} {arguments}");
        let _ = writeln!(out, "       {word:44}{doc}");
    }
    for group in Group::ALL {
        let _ = writeln!(out, "\n{}:", group.title());
        for flag in FLAGS.iter().filter(|flag| flag.group == group) {
            line(flag, &mut out);
        }
    }
    out
}

/// What `--help_tls` prints.
pub fn tls_help() -> String {
    let mut out =
        "TLS is configured in the block tls { … } of a configuration file, or here:\n\n".to_owned();
    for flag in FLAGS.iter().filter(|flag| flag.group == Group::Tls) {
        line(flag, &mut out);
    }
    out
}

fn line(flag: &Flag, out: &mut String) {
    let (mut short, long): (Vec<&str>, Vec<&str>) = flag
        .names
        .iter()
        .copied()
        .partition(|name| name.len() <= 2 || name.len() == 3 && is_upper(name));
    short.sort_unstable();
    let mut names: Vec<String> = short.iter().map(|name| format!("-{name}")).collect();
    names.extend(long.iter().map(|name| format!("--{name}")));
    let indent = if short.is_empty() { "        " } else { "    " };
    let mut left = format!("{indent}{}", names.join(", "));
    if let Takes::Value(metavar) = flag.takes {
        let _ = write!(left, " <{metavar}>");
    }
    let default = match flag.default() {
        "" => String::new(),
        default => format!(" (default: {default})"),
    };
    if left.len() >= TEXT_COLUMN {
        let _ = write!(out, "{left}\n{:TEXT_COLUMN$}", "");
    } else {
        let _ = write!(out, "{left:TEXT_COLUMN$}");
    }
    let _ = writeln!(out, "{}{default}", flag.doc());
}

fn is_upper(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_and_name_is_shown_with_its_text() {
        let text = usage();
        assert!(text.starts_with("\nUsage: corewire [options]\n"));
        for flag in FLAGS {
            assert!(!flag.doc().is_empty(), "{:?} has no text", flag.names);
            assert!(text.contains(flag.doc()), "{:?}", flag.names);
            for name in flag.names {
                assert!(text.contains(&format!("-{name}")), "{name}");
            }
        }
        assert!(
            text.contains("    -p, --port <port>                   Use port for clients"),
            "{text}"
        );
        assert!(tls_help().contains("--tlscacert"));
    }
}
