//! The configuration language: text to [`Map`], with includes and variables resolved.
//!
//! Reads files and environment only through what it is given, so that tests and the fuzz entry
//! hand it their own. Depth, number of files and memory are bounded. spec/cli-and-config.md §6.

use std::io;
use std::path::{Component, Path, PathBuf};

use crate::limits;
use crate::place::{Place, SourceId, Sources};
use crate::problem::{Diagnostic, Problem, SyntaxError};
use crate::scanner::{Mistake, Scanner};
use crate::value::{Map, NODE_BYTES, Node, Value};
use crate::word::{self, Word};

/// Where variables that no map defines come from.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// Where files come from.
pub trait Files {
    /// The whole file, or as much as tells that it is over
    /// [`limits::CONFIG_FILE_BYTES_MAX`].
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
}

/// The files of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        use std::io::Read as _;
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path)?;
        file.take(limits::CONFIG_FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// Reads the file and all that it includes. The texts go into `sources`, so that the problem, if
/// there is one, can be shown with its line.
pub fn load(
    path: &Path,
    files: &dyn Files,
    environment: Environment<'_>,
    sources: &mut Sources,
) -> Result<Map, Diagnostic> {
    let bytes = files.read(path).map_err(|error| {
        let problem = Problem::Unreadable { path: path.to_owned(), reason: reason(&error) };
        Diagnostic { place: None, problem }
    })?;
    let mut loader = Loader { files, environment, sources, files_read: 1, bytes: 0 };
    let at = Position { depth: 0, includes: 0, variables: Vec::new() };
    loader
        .file(path, &bytes, at)
        .map_err(|(place, error)| Diagnostic { place: Some(place), problem: error.into() })
}

/// What the system said, without Rust's "(os error 2)".
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text[..end].to_lowercase()
}

/// What all files of one configuration share.
struct Loader<'l> {
    files: &'l dyn Files,
    environment: Environment<'l>,
    sources: &'l mut Sources,
    files_read: usize,
    bytes: usize,
}

/// How deep a text is inside others.
#[derive(Clone)]
struct Position {
    depth: usize,
    includes: usize,
    /// Environment variables whose value is being read.
    variables: Vec<String>,
}

impl Loader<'_> {
    fn file(&mut self, path: &Path, bytes: &[u8], at: Position) -> Result<Map, Mistake> {
        let name = path.display().to_string();
        let start = |source| Place { source, line: 1, column: 1 };
        if bytes.len() > limits::CONFIG_FILE_BYTES_MAX {
            let source = self.sources.add_unquoted(name);
            return Err((start(source), SyntaxError::FileTooLarge));
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            let source = self.sources.add_unquoted(name);
            return Err((start(source), SyntaxError::NotUtf8));
        };
        let source = self.sources.add_file(name, text);
        self.spend(bytes.len(), start(source))?;
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        let mut parser = Parser::new(self, text, source, directory, at);
        parser.top_level()?;
        Ok(parser.scopes.pop().unwrap_or_default())
    }

    /// Counts bytes against the configuration's memory.
    fn spend(&mut self, bytes: usize, place: Place) -> Result<(), Mistake> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > limits::CONFIG_MEMORY_MAX {
            return Err((place, SyntaxError::TooLarge));
        }
        Ok(())
    }
}

/// One text being read. `scopes` holds the maps under construction, outermost first; variables
/// are looked up in them from the last to the first.
struct Parser<'p, 'l> {
    loader: &'p mut Loader<'l>,
    scanner: Scanner<'p>,
    directory: PathBuf,
    at: Position,
    scopes: Vec<Map>,
}

/// What ended a value.
#[derive(PartialEq, Eq)]
enum End {
    /// A line end, comma, semicolon or comment: more may follow.
    Separator,
    /// The end of the block or of the text, not taken.
    Block,
}

impl<'p, 'l> Parser<'p, 'l> {
    fn new(
        loader: &'p mut Loader<'l>,
        text: &'p str,
        source: SourceId,
        directory: PathBuf,
        at: Position,
    ) -> Parser<'p, 'l> {
        let scanner = Scanner::new(text, source);
        Parser { loader, scanner, directory, at, scopes: vec![Map::default()] }
    }

    /// Entries up to the end. Braces around the whole, or around parts of it, mean nothing; as
    /// in nats-server, neither must one be closed nor opened.
    fn top_level(&mut self) -> Result<(), Mistake> {
        loop {
            self.scanner.skip_space_and_comments();
            match self.scanner.peek() {
                None => return Ok(()),
                Some('{' | '}') => {
                    self.scanner.bump();
                    self.scanner.skip_blanks();
                    if matches!(self.scanner.peek(), Some(',' | ';')) {
                        self.scanner.bump();
                    }
                }
                Some(_) => {
                    self.entry()?;
                }
            }
        }
    }

    fn map(&mut self) -> Result<Map, Mistake> {
        let open = self.scanner.place();
        self.deeper(open)?;
        self.scanner.bump();
        self.scopes.push(Map::default());
        loop {
            self.scanner.skip_space_and_comments();
            match self.scanner.peek() {
                None => return Err((open, SyntaxError::MapOpen)),
                Some('}') => break,
                Some(_) => {
                    self.entry()?;
                }
            }
        }
        self.scanner.bump();
        self.at.depth -= 1;
        Ok(self.scopes.pop().unwrap_or_default())
    }

    fn deeper(&mut self, place: Place) -> Result<(), Mistake> {
        self.at.depth += 1;
        if self.at.depth > limits::CONFIG_DEPTH_MAX {
            return Err((place, SyntaxError::TooDeep));
        }
        Ok(())
    }

    /// `key value` with what ends it, into the innermost map; or an `include`.
    fn entry(&mut self) -> Result<(), Mistake> {
        let place = self.scanner.place();
        let quoted = matches!(self.scanner.peek(), Some('"' | '\''));
        let key = self.scanner.key()?;
        let spaced = self.scanner.peek().is_some_and(char::is_whitespace);
        if !quoted && spaced && key.eq_ignore_ascii_case("include") {
            self.scanner.skip_blanks();
            if !matches!(self.scanner.peek(), Some('=' | ':')) {
                self.include(place)?;
                return self.end_of_value().map(drop);
            }
        }
        let node = self.value_of(&key, place)?;
        self.loader.spend(key.len() + NODE_BYTES, place)?;
        self.scope().insert(key, place, node);
        self.end_of_value().map(drop)
    }

    fn scope(&mut self) -> &mut Map {
        if self.scopes.is_empty() {
            self.scopes.push(Map::default());
        }
        let last = self.scopes.len() - 1;
        &mut self.scopes[last]
    }

    /// What stands behind a key: `=`, `:` or white space, then a value. Only white space may run
    /// over a line's end.
    fn value_of(&mut self, key: &str, place: Place) -> Result<Node, Mistake> {
        self.scanner.skip_space();
        if matches!(self.scanner.peek(), Some('=' | ':')) {
            self.scanner.bump();
            self.scanner.skip_blanks();
        }
        match self.scanner.peek() {
            None | Some('\n' | ',' | ';' | '}' | ']') => {
                Err((place, SyntaxError::ValueMissing(key.to_owned())))
            }
            Some(_) => self.value(),
        }
    }

    fn value(&mut self) -> Result<Node, Mistake> {
        let place = self.scanner.place();
        let value = match self.scanner.peek() {
            Some('{') => Value::Map(self.map()?),
            Some('[') => Value::Array(self.array()?),
            Some('"') => Value::Text(self.scanner.quoted_string()?),
            Some('\'') => Value::Text(self.scanner.raw_string()?),
            Some('(') => Value::Text(self.scanner.block_string()?),
            _ => return self.word(place),
        };
        Ok(Node { place, value })
    }

    fn word(&mut self, place: Place) -> Result<Node, Mistake> {
        let word = self.scanner.bare_word()?;
        if word.is_empty() {
            return Err((place, SyntaxError::ElementMissing));
        }
        let value = match word::classify(&word).map_err(|error| (place, error.into()))? {
            Word::Bool(value) => Value::Bool(value),
            Word::Int(value) => Value::Int(value),
            Word::Float(value) => Value::Float(value),
            Word::Date => Value::Date(word),
            Word::Text => Value::Text(word),
            Word::Variable => return self.variable(&word[1..], place),
        };
        Ok(Node { place, value })
    }

    fn array(&mut self) -> Result<Vec<Node>, Mistake> {
        let open = self.scanner.place();
        self.deeper(open)?;
        self.scanner.bump();
        let mut nodes = Vec::new();
        loop {
            self.scanner.skip_space_and_comments();
            match self.scanner.peek() {
                None => return Err((open, SyntaxError::ArrayOpen)),
                Some(']') => break,
                Some(',') => return Err((self.scanner.place(), SyntaxError::ElementMissing)),
                Some(_) => {
                    let node = self.value()?;
                    self.loader.spend(NODE_BYTES, node.place)?;
                    nodes.push(node);
                }
            }
            self.end_of_element(open)?;
        }
        self.scanner.bump();
        self.at.depth -= 1;
        Ok(nodes)
    }

    fn end_of_element(&mut self, open: Place) -> Result<(), Mistake> {
        self.scanner.skip_blanks();
        if self.scanner.skip_comment() {
            return Ok(());
        }
        match self.scanner.peek() {
            Some(']') => Ok(()),
            Some(',' | '\n') => {
                self.scanner.bump();
                Ok(())
            }
            Some(other) => Err((self.scanner.place(), SyntaxError::AfterElement(other))),
            None => Err((open, SyntaxError::ArrayOpen)),
        }
    }

    /// Takes what ends a value: one line end, comma, semicolon or comment; or stands before the
    /// end of the block.
    fn end_of_value(&mut self) -> Result<End, Mistake> {
        self.scanner.skip_blanks();
        if self.scanner.skip_comment() {
            return Ok(End::Separator);
        }
        match self.scanner.peek() {
            None | Some('}') => Ok(End::Block),
            Some('\n' | ',' | ';') => {
                self.scanner.bump();
                Ok(End::Separator)
            }
            Some(other) => Err((self.scanner.place(), SyntaxError::AfterValue(other))),
        }
    }

    /// `$NAME`: the nearest enclosing map that has it, else the environment.
    fn variable(&mut self, name: &str, place: Place) -> Result<Node, Mistake> {
        let found = self.scopes.iter_mut().rev().find_map(|scope| scope.get_mut(name));
        if let Some(entry) = found {
            entry.used = true;
            let extent = entry.node.extent();
            let value = entry.node.value.clone();
            self.loader.spend(extent.bytes, place)?;
            if self.at.depth + extent.depth > limits::CONFIG_DEPTH_MAX {
                return Err((place, SyntaxError::TooDeep));
            }
            return Ok(Node { place, value });
        }
        let missing = SyntaxError::VariableMissing { name: name.to_owned(), line: place.line };
        let text = (self.loader.environment)(name).ok_or((place, missing))?;
        let value = self.environment_value(name, &text, place).map_err(|error| (place, error))?;
        Ok(Node { place, value })
    }

    /// The value of an environment variable is written in the same language, and may itself stand
    /// for another one.
    fn environment_value(
        &mut self,
        name: &str,
        text: &str,
        place: Place,
    ) -> Result<Value, SyntaxError> {
        let cycle = self.at.variables.iter().any(|reading| reading == name);
        if cycle || self.at.variables.len() >= limits::CONFIG_VARIABLE_DEPTH_MAX {
            return Err(SyntaxError::VariableCycle(name.to_owned()));
        }
        let mut at = self.at.clone();
        at.variables.push(name.to_owned());
        self.loader.spend(text.len(), place).map_err(|(_, error)| error)?;
        let source = self.loader.sources.add_unquoted(format!("${name}"));
        let directory = self.directory.clone();
        let mut parser = Parser::new(self.loader, text, source, directory, at);
        let invalid = |error| SyntaxError::VariableInvalid {
            name: name.to_owned(),
            line: place.line,
            reason: Box::new(error),
        };
        let node = parser.value_of(name, place).map_err(|(_, error)| match error {
            SyntaxError::VariableCycle(_) => error,
            _ => invalid(error),
        })?;
        parser.end_of_value().map_err(|(_, error)| invalid(error))?;
        parser.scanner.skip_space_and_comments();
        match parser.scanner.peek() {
            None => Ok(node.value),
            Some(more) => Err(invalid(SyntaxError::AfterValue(more))),
        }
    }

    /// Puts a file's entries into the innermost map. The file sees none of our variables.
    fn include(&mut self, place: Place) -> Result<(), Mistake> {
        let name = self.scanner.file_name()?;
        if name.is_empty() {
            return Err((place, SyntaxError::ValueMissing("include".to_owned())));
        }
        let mut at = self.at.clone();
        at.includes += 1;
        at.variables.clear();
        if at.includes > limits::CONFIG_INCLUDE_DEPTH_MAX {
            return Err((place, SyntaxError::IncludeDepth));
        }
        self.loader.files_read += 1;
        if self.loader.files_read > limits::CONFIG_FILES_MAX {
            return Err((place, SyntaxError::IncludeCount));
        }
        // An absolute path is joined onto the directory too.
        let name = Path::new(name.trim_start_matches('/')).components();
        let path: PathBuf = self
            .directory
            .components()
            .chain(name)
            .filter(|part| !matches!(part, Component::CurDir))
            .collect();
        let bytes = self.loader.files.read(&path).map_err(|error| {
            (place, SyntaxError::Include { path: path.clone(), reason: reason(&error) })
        })?;
        let included = self.loader.file(&path, &bytes, at)?;
        self.scope().merge(included);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
