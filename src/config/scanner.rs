//! Reads one configuration text character by character: white space, comments, quoted strings,
//! block strings and bare words, each with its place. spec/cli-and-config.md §6.

use crate::place::{Place, SourceId};
use crate::problem::SyntaxError;

/// A position in a text. `at` is always on a character's first byte.
#[derive(Debug)]
pub struct Scanner<'t> {
    text: &'t str,
    at: usize,
    source: SourceId,
    line: u32,
    column: u32,
}

/// A mistake in the text, and where.
pub type Mistake = (Place, SyntaxError);

impl<'t> Scanner<'t> {
    /// Begins at the start of `text`.
    pub fn new(text: &'t str, source: SourceId) -> Scanner<'t> {
        Scanner { text, at: 0, source, line: 1, column: 1 }
    }

    /// Where the next character stands.
    pub fn place(&self) -> Place {
        Place { source: self.source, line: self.line, column: self.column }
    }

    /// The next character, not taken.
    pub fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    /// Takes the next character.
    pub fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        if next == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        Some(next)
    }

    /// Takes the next character if it is `wanted`.
    pub fn take(&mut self, wanted: char) -> bool {
        let there = self.peek() == Some(wanted);
        if there {
            self.bump();
        }
        there
    }

    /// Skips blanks within the line.
    pub fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\r')) {
            self.bump();
        }
    }

    /// Skips white space, line ends and nothing else.
    pub fn skip_space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.bump();
        }
    }

    /// Skips white space, line ends and comments.
    pub fn skip_space_and_comments(&mut self) {
        loop {
            self.skip_space();
            if !self.skip_comment() {
                return;
            }
        }
    }

    /// Skips `# …` or `// …` up to the line's end, and says whether there was one.
    pub fn skip_comment(&mut self) -> bool {
        let rest = &self.text[self.at..];
        if !rest.starts_with('#') && !rest.starts_with("//") {
            return false;
        }
        while self.peek().is_some_and(|c| c != '\n') {
            self.bump();
        }
        true
    }

    /// Takes characters while they satisfy `wanted`.
    pub fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'t str {
        let start = self.at;
        while self.peek().is_some_and(&wanted) {
            self.bump();
        }
        &self.text[start..self.at]
    }

    /// A bare or quoted key. Quoted keys have no escapes.
    pub fn key(&mut self) -> Result<String, Mistake> {
        let place = self.place();
        match self.peek() {
            Some('=' | ':' | ',' | ';' | ']') | None => Err((place, SyntaxError::KeyMissing)),
            Some(quote @ ('"' | '\'')) => {
                self.bump();
                let key = self.take_while(|c| c != quote).to_owned();
                if self.take(quote) { Ok(key) } else { Err((place, SyntaxError::QuoteOpen)) }
            }
            Some(_) => {
                let key = self.take_while(|c| !c.is_whitespace() && c != '=' && c != ':');
                Ok(key.to_owned())
            }
        }
    }

    /// A string in single quotes: no escapes, line ends allowed.
    pub fn raw_string(&mut self) -> Result<String, Mistake> {
        let place = self.place();
        self.bump();
        let text = self.take_while(|c| c != '\'').to_owned();
        if self.take('\'') { Ok(text) } else { Err((place, SyntaxError::QuoteOpen)) }
    }

    /// A string in double quotes: escapes, line ends allowed.
    pub fn quoted_string(&mut self) -> Result<String, Mistake> {
        let place = self.place();
        self.bump();
        let text = self.escaped(|c| c == '"')?;
        if self.take('"') { Ok(text) } else { Err((place, SyntaxError::QuoteOpen)) }
    }

    /// A block string: all between `(` and the end of the line before a line that is only `)`.
    pub fn block_string(&mut self) -> Result<String, Mistake> {
        let place = self.place();
        self.bump();
        let rest = &self.text[self.at..];
        let mut from = 0;
        while let Some(found) = rest[from..].find("\n)") {
            let close = from + found;
            let after = &rest[close + 2..];
            let alone = after.is_empty() || after.starts_with('\n') || after.starts_with("\r\n");
            if alone {
                let text = &rest[..close];
                let end = self.at + close + 2;
                while self.at < end {
                    self.bump();
                }
                return Ok(text.strip_suffix('\r').unwrap_or(text).to_owned());
            }
            from = close + 1;
        }
        Err((place, SyntaxError::BlockOpen))
    }

    /// A bare word, escapes processed: ends before white space and `, ; ] } '`.
    pub fn bare_word(&mut self) -> Result<String, Mistake> {
        let ends = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | ']' | '}' | '\'');
        self.escaped(ends)
    }

    /// The name behind `include`: quoted, or bare up to white space, `;` or `}`.
    pub fn file_name(&mut self) -> Result<String, Mistake> {
        match self.peek() {
            Some('"') => self.quoted_string(),
            Some('\'') => self.raw_string(),
            _ => Ok(self.take_while(|c| !c.is_whitespace() && c != ';' && c != '}').to_owned()),
        }
    }

    fn escaped(&mut self, ends: impl Fn(char) -> bool) -> Result<String, Mistake> {
        let start = self.place();
        let mut bytes = Vec::new();
        while let Some(next) = self.peek() {
            if ends(next) {
                break;
            }
            let place = self.place();
            self.bump();
            if next == '\\' {
                bytes.push(self.escape().ok_or((place, SyntaxError::Escape))?);
            } else {
                bytes.extend_from_slice(next.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        String::from_utf8(bytes).map_err(|_| (start, SyntaxError::NotUtf8))
    }

    /// The byte behind a backslash: `\t \n \r \" \\ \xHH`.
    fn escape(&mut self) -> Option<u8> {
        match self.bump()? {
            't' => Some(b'\t'),
            'n' => Some(b'\n'),
            'r' => Some(b'\r'),
            '"' => Some(b'"'),
            '\\' => Some(b'\\'),
            'x' => {
                let high = self.bump()?.to_digit(16)?;
                let low = self.bump()?.to_digit(16)?;
                u8::try_from(high * 16 + low).ok()
            }
            _ => None,
        }
    }
}
