//! The functions of a transform's destination: how they are written, what they make of a
//! subject. spec/security.md §6, Subject mapping

use base::decimal;
use smallvec::SmallVec;

use super::{TransformError, TransformUse};

/// One function, its wildcards resolved to places among the source's tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Wildcard(usize),
    /// Over the tokens at these places, or the whole subject when there are none.
    Partition {
        buckets: u32,
        places: SmallVec<[usize; 4]>,
    },
    Split {
        place: usize,
        separator: Box<[u8]>,
    },
    SplitFromLeft {
        place: usize,
        at: usize,
    },
    SplitFromRight {
        place: usize,
        at: usize,
    },
    SliceFromLeft {
        place: usize,
        size: usize,
    },
    SliceFromRight {
        place: usize,
        size: usize,
    },
    Left {
        place: usize,
        len: usize,
    },
    Right {
        place: usize,
        len: usize,
    },
    Random(u32),
}

/// The function that `token` holds; `None` if it is an ordinary token.
pub(super) fn parse_token(
    token: &str,
    wildcards: &[usize],
    purpose: TransformUse,
) -> Result<Option<Function>, TransformError> {
    if let Some(digits) = token.strip_prefix('$')
        && let Ok(nth) = digits.parse::<usize>()
    {
        // `$0` and a `$n` without wildcard are ordinary tokens in nats-server.
        return match nth {
            0 => Ok(None),
            nth => nth_wildcard(nth, token, wildcards).map(Function::Wildcard).map(Some),
        };
    }
    let Some(inside) = token.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")) else {
        return Ok(None);
    };
    let call = inside.trim().strip_suffix(')').and_then(|call| call.split_once('('));
    let Some((name, arguments)) = call else {
        return Err(TransformError::UnknownFunction(token.to_owned()));
    };
    let call = Call { token, wildcards, arguments: split_arguments(arguments) };
    let function = call.function(name.trim(), purpose)?;
    if purpose == TransformUse::Import && !matches!(function, Function::Wildcard(_)) {
        return Err(TransformError::NotForImports);
    }
    Ok(Some(function))
}

fn split_arguments(text: &str) -> Vec<&str> {
    match text.trim() {
        "" => Vec::new(),
        text => text.split(',').map(str::trim).collect(),
    }
}

/// The place of the `nth` wildcard, counted from 1.
fn nth_wildcard(nth: usize, token: &str, wildcards: &[usize]) -> Result<usize, TransformError> {
    let place = nth.checked_sub(1).and_then(|index| wildcards.get(index));
    place.copied().ok_or_else(|| TransformError::IndexOutOfRange(token.to_owned()))
}

/// A function as it was written.
struct Call<'a> {
    token: &'a str,
    wildcards: &'a [usize],
    arguments: Vec<&'a str>,
}

impl Call<'_> {
    fn function(&self, name: &str, purpose: TransformUse) -> Result<Function, TransformError> {
        // Names are tolerant to the case of their first letter, and of inner words.
        let lower = name.to_ascii_lowercase();
        let left_right = purpose != TransformUse::AccountMapping;
        match lower.as_str() {
            "wildcard" => self.exactly(1).and_then(|()| self.place(0)).map(Function::Wildcard),
            "partition" => self.partition(),
            "random" => {
                self.exactly(1)?;
                Ok(Function::Random(self.positive(0)?))
            }
            "split" => {
                self.exactly(2)?;
                let separator = self.arguments[1];
                if separator.is_empty() || separator.contains([' ', '.']) {
                    return Err(TransformError::BadArgument(self.token.to_owned()));
                }
                Ok(Function::Split {
                    place: self.place(0)?,
                    separator: separator.as_bytes().into(),
                })
            }
            "splitfromleft" => self.sized(|place, at| Function::SplitFromLeft { place, at }),
            "splitfromright" => self.sized(|place, at| Function::SplitFromRight { place, at }),
            "slicefromleft" => self.sized(|place, size| Function::SliceFromLeft { place, size }),
            "slicefromright" => self.sized(|place, size| Function::SliceFromRight { place, size }),
            "left" if left_right => self.sized(|place, len| Function::Left { place, len }),
            "right" if left_right => self.sized(|place, len| Function::Right { place, len }),
            _ => Err(TransformError::UnknownFunction(self.token.to_owned())),
        }
    }

    fn exactly(&self, count: usize) -> Result<(), TransformError> {
        match self.arguments.len().cmp(&count) {
            std::cmp::Ordering::Less => Err(TransformError::TooFewArguments(self.token.to_owned())),
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => {
                Err(TransformError::TooManyArguments(self.token.to_owned()))
            }
        }
    }

    fn number(&self, nth: usize) -> Result<u32, TransformError> {
        let text = self.arguments[nth];
        let number = text.parse::<i32>().ok().and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| TransformError::BadArgument(self.token.to_owned()))
    }

    fn positive(&self, nth: usize) -> Result<u32, TransformError> {
        match self.number(nth)? {
            0 => Err(TransformError::BadArgument(self.token.to_owned())),
            number => Ok(number),
        }
    }

    fn place(&self, nth: usize) -> Result<usize, TransformError> {
        nth_wildcard(self.number(nth)? as usize, self.token, self.wildcards)
    }

    fn partition(&self) -> Result<Function, TransformError> {
        if self.arguments.is_empty() {
            return Err(TransformError::TooFewArguments(self.token.to_owned()));
        }
        let buckets = self.positive(0)?;
        let places = (1..self.arguments.len()).map(|nth| self.place(nth));
        Ok(Function::Partition { buckets, places: places.collect::<Result<_, _>>()? })
    }

    fn sized(&self, make: impl Fn(usize, usize) -> Function) -> Result<Function, TransformError> {
        self.exactly(2)?;
        Ok(make(self.place(0)?, self.number(1)? as usize))
    }
}

impl Function {
    /// The wildcard that it carries over, if it carries one over whole.
    pub(super) fn wildcard(&self) -> Option<usize> {
        match self {
            Function::Wildcard(place) => Some(*place),
            _ => None,
        }
    }

    /// Appends what it makes of a subject.
    pub(super) fn write(
        &self,
        subject: &[u8],
        tokens: &[&[u8]],
        random: &mut fastrand::Rng,
        out: &mut Vec<u8>,
    ) {
        match self {
            Function::Wildcard(place) => out.extend_from_slice(tokens[*place]),
            Function::Partition { buckets, places } => {
                let hash = match places.is_empty() {
                    true => fnv1a([subject].into_iter()),
                    false => fnv1a(places.iter().map(|place| tokens[*place])),
                };
                decimal::push(out, u64::from(hash % buckets));
            }
            Function::Random(buckets) => decimal::push(out, u64::from(random.u32(0..*buckets))),
            Function::Split { place, separator } => split(tokens[*place], separator, out),
            Function::SplitFromLeft { place, at } => {
                let token = tokens[*place];
                write_split(token, *at, out);
            }
            Function::SplitFromRight { place, at } => {
                let token = tokens[*place];
                write_split(token, token.len().saturating_sub(*at), out);
            }
            Function::SliceFromLeft { place, size } => {
                let token = tokens[*place];
                match (1..token.len()).contains(size) {
                    true => join(token.chunks(*size), out),
                    false => out.extend_from_slice(token),
                }
            }
            Function::SliceFromRight { place, size } => {
                let token = tokens[*place];
                match (1..token.len()).contains(size) {
                    true => {
                        let (first, rest) = token.split_at(token.len() % size);
                        join([first].into_iter().chain(rest.chunks(*size)), out);
                    }
                    false => out.extend_from_slice(token),
                }
            }
            Function::Left { place, len } => {
                let token = tokens[*place];
                let inside = (1..token.len()).contains(len);
                out.extend_from_slice(if inside { &token[..*len] } else { token });
            }
            Function::Right { place, len } => {
                let token = tokens[*place];
                let inside = (1..token.len()).contains(len);
                out.extend_from_slice(if inside { &token[token.len() - len..] } else { token });
            }
        }
    }
}

/// `token` as two tokens, or unchanged where one of them would be empty.
fn write_split(token: &[u8], at: usize, out: &mut Vec<u8>) {
    if (1..token.len()).contains(&at) {
        join([&token[..at], &token[at..]].into_iter(), out);
    } else {
        out.extend_from_slice(token);
    }
}

/// The parts of `token` between separators; empty ones are dropped.
fn split(token: &[u8], separator: &[u8], out: &mut Vec<u8>) {
    let mut parts: SmallVec<[&[u8]; 8]> = SmallVec::new();
    let mut start = 0;
    for at in memchr::memmem::find_iter(token, separator) {
        parts.push(&token[start..at]);
        start = at + separator.len();
    }
    parts.push(&token[start..]);
    join(parts.into_iter(), out);
}

fn join<'a>(parts: impl Iterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    let mut first = true;
    for part in parts.filter(|part| !part.is_empty()) {
        if !std::mem::replace(&mut first, false) {
            out.push(b'.');
        }
        out.extend_from_slice(part);
    }
}

/// FNV-1a of 32 bits over the bytes of all tokens, one after another.
fn fnv1a<'a>(tokens: impl Iterator<Item = &'a [u8]>) -> u32 {
    tokens
        .flatten()
        .fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}
