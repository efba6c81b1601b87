//! Go's way of writing flags, turned into clap's.
//!
//! One dash or two mean the same; a value follows `=` or is the next argument; a boolean takes
//! its value only after `=`; the first argument that is no flag ends the flags. Out come
//! `--name=value` and `--name`, with each flag under its first name. spec/cli-and-config.md §1

use crate::apply;
use crate::declaration::{Kind, Status};
use crate::flags::{self, Flag, Takes};

/// A command line in clap's way.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Normal {
    /// The flags.
    pub flags: Vec<String>,
    /// What stands behind them.
    pub words: Vec<String>,
}

/// A flag that cannot be read. Texts are those of Go's flag package, which tools match.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlagMistake {
    /// A flag that nobody declared.
    #[error("flag provided but not defined: -{0}")]
    Unknown(String),
    /// A flag whose value is missing.
    #[error("flag needs an argument: -{0}")]
    NoValue(String),
    /// Too many dashes, or no name.
    #[error("bad flag syntax: {0}")]
    Syntax(String),
    /// A boolean that is none.
    #[error("invalid boolean value \"{value}\" for -{name}: parse error")]
    NotBoolean {
        /// The flag as written.
        name: String,
        /// Its value as written.
        value: String,
    },
    /// A number that is none.
    #[error("invalid value \"{value}\" for flag -{name}: parse error")]
    NotNumber {
        /// The flag as written.
        name: String,
        /// Its value as written.
        value: String,
    },
    /// Bytes that are no text.
    #[error("argument {0:?} is not UTF-8 text")]
    NotText(std::ffi::OsString),
}

/// Turns arguments, without the program's name, into clap's way.
pub fn normalise(args: impl Iterator<Item = String>) -> Result<Normal, FlagMistake> {
    let mut normal = Normal::default();
    let mut args = args.peekable();
    while let Some(arg) = args.next_if(|arg| arg.len() > 1 && arg.starts_with('-')) {
        if arg == "--" {
            break;
        }
        let body = arg.strip_prefix("--").unwrap_or_else(|| &arg[1..]);
        if body.is_empty() || body.starts_with(['-', '=']) {
            return Err(FlagMistake::Syntax(arg));
        }
        let (name, value) = match body.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (body, None),
        };
        let flag = flags::find(name).ok_or_else(|| FlagMistake::Unknown(name.to_owned()))?;
        let value = match (value, flag.takes) {
            (None, Takes::Value(_)) => {
                Some(args.next().ok_or_else(|| FlagMistake::NoValue(name.to_owned()))?)
            }
            (value, _) => value,
        };
        if let Some(value) = &value {
            check(flag, name, value)?;
        }
        normal.flags.push(match value {
            Some(value) => format!("--{}={value}", flag.name()),
            None => format!("--{}", flag.name()),
        });
    }
    normal.words.extend(args);
    Ok(normal)
}

/// Booleans and numbers are checked here, where the flag's name is known as it was written.
fn check(flag: &Flag, name: &str, value: &str) -> Result<(), FlagMistake> {
    let (name, value) = (name.to_owned(), value.to_owned());
    let kind = flag.option().map(|option| &option.status);
    match (flag.takes, kind) {
        (Takes::Switch, _) if apply::flag_switch(&value).is_none() => {
            Err(FlagMistake::NotBoolean { name, value })
        }
        (Takes::Value(_), Some(Status::Built(Kind::Count { .. })))
            if apply::flag_integer(&value).is_none() =>
        {
            Err(FlagMistake::NotNumber { name, value })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(line: &str) -> Result<Normal, FlagMistake> {
        normalise(line.split(' ').map(str::to_owned))
    }

    fn flags(line: &str) -> Vec<String> {
        normal(line).unwrap().flags
    }

    #[test]
    fn one_dash_or_two_and_values_either_way() {
        for line in ["-p -1", "--p -1", "-port -1", "--port -1", "-p=-1", "--port=-1"] {
            assert_eq!(flags(line), ["--port=-1"], "{line}");
        }
        assert_eq!(
            flags("-DV -sl stop=5 -T=false"),
            ["--DV", "--signal=stop=5", "--logtime=false"]
        );
        assert_eq!(flags("-js -ms 1 -VV -DVV"), ["--jetstream", "--https_port=1", "--VV", "--DVV"]);
    }

    #[test]
    fn the_first_word_that_is_no_flag_ends_the_flags() {
        let found = normal("-D version -V").unwrap();
        assert_eq!(found.flags, ["--debug"]);
        assert_eq!(found.words, ["version", "-V"]);
        assert_eq!(normal("-T false").unwrap().words, ["false"]);
        assert_eq!(normal("-D -- -V").unwrap().words, ["-V"]);
        assert_eq!(normal("-").unwrap().words, ["-"]);
    }

    #[test]
    fn mistakes_read_as_go_writes_them() {
        let text = |line| normal(line).unwrap_err().to_string();
        assert_eq!(text("-foo"), "flag provided but not defined: -foo");
        assert_eq!(text("--foo=1"), "flag provided but not defined: -foo");
        assert_eq!(text("-p"), "flag needs an argument: -p");
        assert_eq!(text("---p"), "bad flag syntax: ---p");
        assert_eq!(text("-=3"), "bad flag syntax: -=3");
    }
}
