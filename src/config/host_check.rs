//! `corewire check`: the words behind it.

/// What to look at the host for, and how to print it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckRequest {
    /// `--profile`, behind the word or before it; whether there is such a one, the check knows.
    pub profile: Option<String>,
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
    /// `--profile` at the end.
    #[error("check: flag needs an argument: --profile")]
    NoProfile,
}

/// Reads the words behind `check`; `profile` is the flag's value from before it.
pub fn parse(words: &[String], profile: Option<&str>) -> Result<CheckRequest, CheckMistake> {
    let mut request = CheckRequest { profile: profile.map(str::to_owned), ..Default::default() };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        // One dash or two, as everywhere.
        let flag = word.strip_prefix("--").or_else(|| word.strip_prefix('-')).unwrap_or("");
        match flag.split_once('=').unwrap_or((flag, "")) {
            ("json", "") => request.form = CheckForm::Json,
            ("profile", "") => {
                let name = words.next().ok_or(CheckMistake::NoProfile)?;
                request.profile = Some(name.clone());
            }
            ("profile", name) => request.profile = Some(name.to_owned()),
            _ => return Err(CheckMistake::Unknown(word.clone())),
        }
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str, profile: Option<&str>) -> Result<CheckRequest, CheckMistake> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&words, profile)
    }

    fn wanted(profile: &str, form: CheckForm) -> Result<CheckRequest, CheckMistake> {
        Ok(CheckRequest { profile: Some(profile.to_owned()), form })
    }

    #[test]
    fn the_profile_stands_before_or_behind_the_word() {
        assert_eq!(parsed("", None), Ok(CheckRequest::default()));
        assert_eq!(parsed("--json", Some("latency")), wanted("latency", CheckForm::Json));
        for line in ["--profile a", "-profile=a", "--profile b --profile a"] {
            assert_eq!(parsed(line, Some("latency")), wanted("a", CheckForm::Table), "{line}");
        }
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
