//! Where in which file something stands, and the texts from which an error quotes its line.

use std::fmt::Write as _;

/// One file (or environment value) of a configuration, numbered in the order of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceId(usize);

/// A character in a file. Line and column count from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file.
    pub source: SourceId,
    /// Its line.
    pub line: u32,
    /// Its column.
    pub column: u32,
}

/// The texts that a configuration was read from.
#[derive(Debug, Default)]
pub struct Sources(Vec<Source>);

#[derive(Debug)]
struct Source {
    name: String,
    text: Option<String>,
}

/// What stands on lines where secrets are likely, misspelled or not, so that an error must not
/// quote them.
const SECRET_WORDS: [&str; 11] =
    ["pas", "word", "tok", "user", "auth", "secret", "seed", "key", "cred", "$2", "@"];

impl Sources {
    /// Adds a file whose lines may be quoted.
    pub fn add_file(&mut self, name: impl Into<String>, text: &str) -> SourceId {
        self.add(Source { name: name.into(), text: Some(text.to_owned()) })
    }

    /// Adds a text that is only named, never quoted: environment values may be secrets.
    pub fn add_unquoted(&mut self, name: impl Into<String>) -> SourceId {
        self.add(Source { name: name.into(), text: None })
    }

    fn add(&mut self, source: Source) -> SourceId {
        self.0.push(source);
        SourceId(self.0.len() - 1)
    }

    /// `file:line:column`, as spec/cli-and-config.md §6 wants it.
    pub fn locate(&self, place: Place) -> String {
        let name = self.0.get(place.source.0).map_or("", |source| source.name.as_str());
        format!("{name}:{}:{}", place.line, place.column)
    }

    /// The line with a caret under the place, or nothing where the line may hold a secret.
    pub fn excerpt(&self, place: Place) -> Option<String> {
        let text = self.0.get(place.source.0)?.text.as_deref()?;
        let line = text.lines().nth(place.line.checked_sub(1)? as usize)?;
        let lower = line.to_ascii_lowercase();
        let too_long = line.len() > 160;
        if too_long || SECRET_WORDS.iter().any(|word| lower.contains(word)) {
            return None;
        }
        let number = place.line.to_string();
        let before = line.chars().take(place.column.saturating_sub(1) as usize);
        let indent: String = before.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let margin = " ".repeat(number.len());
        let mut shown = String::new();
        let _ = write!(shown, "  {number} | {line}\n  {margin} | {indent}^");
        Some(shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_the_line_with_a_caret_but_no_secret() {
        let mut sources = Sources::default();
        let source = sources.add_file("a.conf", "port: 1\n\tfoo: 2\npassword: x\n");
        let at = |line, column| Place { source, line, column };
        assert_eq!(sources.locate(at(2, 2)), "a.conf:2:2");
        assert_eq!(sources.excerpt(at(2, 2)).unwrap(), "  2 | \tfoo: 2\n    | \t^");
        assert_eq!(sources.excerpt(at(3, 1)), None);
        assert_eq!(sources.excerpt(at(9, 1)), None);
        let source = sources.add_unquoted("$X");
        assert_eq!(sources.excerpt(Place { source, line: 1, column: 1 }), None);
    }
}
