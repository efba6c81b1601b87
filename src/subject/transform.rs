//! Subject transforms: from a subject that matches one pattern to another subject, with
//! wildcards carried over by `$n` and functions such as `{{partition(10,1)}}`. Account mappings,
//! imports and streams use them (spec/security.md §6, Subject mapping).
//!
//! A transform is parsed once and then applied without allocation, but for what the caller's
//! buffer needs.

use smallvec::SmallVec;

use crate::name;

mod function;

use function::{Function, parse_token};

/// What a transform is for; it decides which functions may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransformUse {
    /// An import: only wildcards, and each of the source must be used.
    Import,
    /// A mapping of an account: all functions but `left` and `right`, which its validator does
    /// not know.
    AccountMapping,
    /// A stream: all functions.
    Stream,
}

/// Why a transform cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransformError {
    /// The source is no subject, or `>` is only in one of both.
    #[error("invalid subject")]
    BadSubject,
    /// The destination is none.
    #[error("invalid mapping destination: invalid transform")]
    BadDestination,
    /// `{{…}}` that holds no known function.
    #[error("unknown mapping destination function in \"{0}\"")]
    UnknownFunction(String),
    /// A function with arguments that it cannot take.
    #[error("function argument is invalid in \"{0}\"")]
    BadArgument(String),
    /// A function with too few arguments.
    #[error("not enough arguments passed to the function in \"{0}\"")]
    TooFewArguments(String),
    /// A function with too many arguments.
    #[error("too many arguments passed to the function in \"{0}\"")]
    TooManyArguments(String),
    /// A reference to a wildcard that the source does not have.
    #[error("wildcard index out of range in \"{0}\"")]
    IndexOutOfRange(String),
    /// An import with another function than `wildcard`.
    #[error("the only mapping function allowed for import transforms is wildcard()")]
    NotForImports,
    /// An import that drops a wildcard of its source.
    #[error("not using all of the token wildcard(s)")]
    UnusedWildcard,
}

/// One token of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Box<[u8]>),
    /// `>`: what the source's `>` took.
    Tail,
    /// The wildcards it refers to are places among the source's tokens.
    Call(Function),
}

/// From subjects that match a pattern to other subjects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transform {
    source: Box<[u8]>,
    destination: Box<[u8]>,
    pieces: Box<[Piece]>,
    /// How many tokens stand before the source's `>`.
    tail_at: usize,
}

/// Where the tokens of a subject begin and end.
type Tokens<'a> = SmallVec<[&'a [u8]; 16]>;

impl Transform {
    /// A transform from what matches `source` (empty: `>`) to `destination`.
    ///
    /// # Errors
    /// [`TransformError`] says what is wrong with the destination.
    pub fn new(
        source: &str,
        destination: &str,
        purpose: TransformUse,
    ) -> Result<Transform, TransformError> {
        let source = if source.is_empty() { ">" } else { source };
        let wildcards = wildcard_places(source.as_bytes())?;
        let tail_at = name::token_count(source.as_bytes()) - 1;
        let has_tail = source == ">" || source.ends_with(".>");
        if !name::is_valid_subscription(destination.as_bytes()) {
            return Err(TransformError::BadDestination);
        }
        if name::has_blank(source.as_bytes())
            || has_tail != (destination == ">" || destination.ends_with(".>"))
        {
            return Err(TransformError::BadSubject);
        }
        let mut pieces = Vec::new();
        let mut used = SmallVec::<[usize; 8]>::new();
        for token in destination.split('.') {
            let piece = match token {
                "*" => return Err(TransformError::BadSubject),
                ">" => Piece::Tail,
                token => match parse_token(token, &wildcards, purpose)? {
                    // Functions may be written with blanks; a subject has none.
                    None if name::has_blank(token.as_bytes()) => {
                        return Err(TransformError::BadDestination);
                    }
                    None => Piece::Literal(token.as_bytes().into()),
                    Some(function) => {
                        used.extend(function.wildcard());
                        Piece::Call(function)
                    }
                },
            };
            pieces.push(piece);
        }
        let all_used = wildcards.iter().all(|place| used.contains(place));
        if purpose == TransformUse::Import && !all_used {
            return Err(TransformError::UnusedWildcard);
        }
        Ok(Transform {
            source: source.as_bytes().into(),
            destination: destination.as_bytes().into(),
            pieces: pieces.into(),
            tail_at,
        })
    }

    /// A transform for an import, where a destination may also repeat the source's `*` instead
    /// of `$1`, `$2`, in this order.
    ///
    /// # Errors
    /// As [`Transform::new`].
    pub fn import(source: &str, destination: &str) -> Result<Transform, TransformError> {
        Transform::new(source, &numbered(destination), TransformUse::Import)
    }

    /// The way back of an import: from what `destination` makes to what `source` takes.
    ///
    /// # Errors
    /// As [`Transform::import`].
    pub fn import_reversed(source: &str, destination: &str) -> Result<Transform, TransformError> {
        let forward = Transform::import(source, destination)?;
        let wildcards = wildcard_places(&forward.source)?;
        let mut order = Vec::new();
        let mut pattern = Vec::new();
        for piece in &forward.pieces {
            pattern.push(match piece {
                Piece::Literal(text) => String::from_utf8_lossy(text).into_owned(),
                Piece::Tail => ">".to_owned(),
                Piece::Call(function) => {
                    order.extend(function.wildcard());
                    "*".to_owned()
                }
            });
        }
        let back = source.split('.').enumerate().map(|(place, token)| match token {
            "*" if wildcards.contains(&place) => {
                let nth = order.iter().position(|at| *at == place).map_or(0, |at| at + 1);
                format!("${nth}")
            }
            token => token.to_owned(),
        });
        let back: Vec<String> = back.collect();
        // A wildcard that the destination uses twice has two places on the way back.
        Transform::new(&pattern.join("."), &back.join("."), TransformUse::AccountMapping)
    }

    /// The pattern that it takes.
    #[must_use]
    pub fn source(&self) -> &[u8] {
        &self.source
    }

    /// The destination as written.
    #[must_use]
    pub fn destination(&self) -> &[u8] {
        &self.destination
    }

    /// The pattern of what comes out: each function is `*`.
    #[must_use]
    pub fn destination_pattern(&self) -> Vec<u8> {
        let mut pattern = Vec::new();
        for piece in &self.pieces {
            if !pattern.is_empty() {
                pattern.push(b'.');
            }
            match piece {
                Piece::Literal(text) => pattern.extend_from_slice(text),
                Piece::Tail => pattern.push(b'>'),
                Piece::Call(_) => pattern.push(b'*'),
            }
        }
        pattern
    }

    /// Whether the same subject always becomes the same.
    #[must_use]
    pub fn is_pure(&self) -> bool {
        !self.pieces.iter().any(|piece| matches!(piece, Piece::Call(Function::Random(_))))
    }

    /// Appends what `subject` becomes to `out`; false, and nothing appended, if it does not match.
    pub fn apply(&self, subject: &[u8], random: &mut fastrand::Rng, out: &mut Vec<u8>) -> bool {
        if !name::matches(&self.source, subject) {
            return false;
        }
        self.apply_matched(subject, random, out);
        true
    }

    /// Appends what `subject`, which matches, becomes to `out`.
    pub fn apply_matched(&self, subject: &[u8], random: &mut fastrand::Rng, out: &mut Vec<u8>) {
        let tokens: Tokens<'_> = name::tokens(subject).collect();
        for (place, piece) in self.pieces.iter().enumerate() {
            if place > 0 {
                out.push(b'.');
            }
            match piece {
                Piece::Literal(text) => out.extend_from_slice(text),
                Piece::Tail => {
                    let start: usize = tokens[..self.tail_at].iter().map(|t| t.len() + 1).sum();
                    out.extend_from_slice(&subject[start..]);
                }
                Piece::Call(function) => function.write(subject, &tokens, random, out),
            }
        }
    }
}

/// The places of the `*` tokens of a valid subject.
fn wildcard_places(source: &[u8]) -> Result<SmallVec<[usize; 8]>, TransformError> {
    if !name::is_valid_subscription(source) {
        return Err(TransformError::BadSubject);
    }
    let tokens = name::tokens(source).enumerate();
    Ok(tokens.filter(|(_, token)| *token == b"*").map(|(place, _)| place).collect())
}

/// `a.*.*` as `a.$1.$2`.
pub fn numbered(destination: &str) -> String {
    let mut nth = 0;
    let tokens = destination.split('.').map(|token| match token {
        "*" => {
            nth += 1;
            format!("${nth}")
        }
        token => token.to_owned(),
    });
    tokens.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests;
