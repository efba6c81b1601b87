//! `corewire check`: the words behind it, and the profile that they name.

use crate::parser::Files;
use crate::place::Sources;
use crate::problem::Diagnostics;
use crate::profile::{self, ProfileName, Tuning};

/// What to look at the host for, and how to print it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckRequest {
    /// `--profile`, behind the word or before it.
    pub profile: ProfileName,
    /// What that profile says.
    pub tuning: Tuning,
    /// How to print.
    pub form: CheckForm,
}

/// How the check prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CheckForm {
    /// A table.
    #[default]
    Table,
    /// `--json`.
    Json,
}

/// A word that the check does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckMistake {
    /// Nobody declared it.
    #[error("check: unknown argument {0:?}; usage: corewire check [--json] [--profile name]")]
    Unknown(String),
    /// No such profile, or nothing that one could be read from.
    #[error("{0}")]
    Profile(String),
    /// `--profile` at the end.
    #[error("check: flag needs an argument: --profile")]
    NoProfile,
}

/// Reads the words behind `check`, and the profile; `profile` is the flag's value from before it.
pub fn parse(
    words: &[String],
    profile: Option<&str>,
    files: &dyn Files,
) -> Result<CheckRequest, CheckMistake> {
    let mut request = CheckRequest::default();
    let mut profile = profile.unwrap_or("default");
    let mut words = words.iter();
    while let Some(word) = words.next() {
        // One dash or two, as everywhere.
        let flag = word.strip_prefix("--").or_else(|| word.strip_prefix('-')).unwrap_or("");
        match flag.split_once('=').unwrap_or((flag, "")) {
            ("json", "") => request.form = CheckForm::Json,
            ("profile", "") => {
                profile = words.next().ok_or(CheckMistake::NoProfile)?;
            }
            ("profile", name) => profile = name,
            _ => return Err(CheckMistake::Unknown(word.clone())),
        }
    }
    let named = ProfileName::parse(profile);
    request.profile = named.map_err(|error| CheckMistake::Profile(error.to_string()))?;
    let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
    request.tuning = profile::load(&request.profile, files, &mut sources, &mut found);
    match found.errors.is_empty() {
        true => Ok(request),
        false => Err(CheckMistake::Profile(found.show(&sources).join("\n"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One(&'static str);

    impl Files for One {
        fn read(&self, _: &std::path::Path) -> std::io::Result<Vec<u8>> {
            Ok(self.0.as_bytes().to_vec())
        }
    }

    fn parsed(line: &str, profile: Option<&str>) -> Result<CheckRequest, CheckMistake> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&words, profile, &One("gather_us = 7\n"))
    }

    #[test]
    fn the_profile_stands_before_or_behind_the_word() {
        let named = |line, before| {
            let request = parsed(line, before).expect(line);
            (request.profile.to_string(), request.form)
        };
        assert_eq!(parsed("", None), Ok(CheckRequest::default()));
        assert_eq!(named("--json", Some("latency")), ("latency".into(), CheckForm::Json));
        for line in [
            "--profile throughput",
            "-profile=throughput",
            "--profile default --profile throughput",
        ] {
            assert_eq!(named(line, Some("latency")), ("throughput".into(), CheckForm::Table));
        }
    }

    #[test]
    fn a_profile_of_ones_own_is_read() {
        let request = parsed("--profile ./my.toml", None).expect("a profile");
        assert_eq!(
            (request.profile.to_string().as_str(), request.tuning.gather_us),
            ("./my.toml", 7)
        );
        let words = ["--profile=./my.toml".to_owned()];
        let bad = parse(&words, None, &One("gather_as = 7\n")).expect_err("no such key");
        assert!(bad.to_string().contains("my.toml:1:1"), "{bad}");
        assert!(matches!(parsed("--profile fast", None), Err(CheckMistake::Profile(_))));
    }

    #[test]
    fn what_is_unknown_is_named() {
        for line in ["jason", "--jason", "--json=1", "--json extra"] {
            let word = line.rsplit(' ').next().unwrap_or(line).to_owned();
            assert_eq!(parsed(line, None), Err(CheckMistake::Unknown(word)), "{line}");
        }
        assert_eq!(parsed("--profile", None), Err(CheckMistake::NoProfile));
    }
}
