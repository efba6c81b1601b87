//! What a backup consists of: an archive, S2-compressed, in one of two formats. The tar with
//! nats-server's message blocks is written, which every server reads; both are read.
//!
//! | file | what |
//! |---|---|
//! | `archive/tar.rs` | the tar: meta.inf, meta.sum, msgs/1.blk …, obs/CONSUMER/meta.inf, o.dat |
//! | `archive/blocks.rs` | the messages in its blocks, and sums |
//! | `archive/container.rs` | the newer format, one entry for each message |
//!
//! Source: spec/jetstream.md §14; a backup of nats-server 2.9.10, which the tests read.

pub(super) mod blocks;
mod container;
pub(super) mod tar;

use std::io::Read as _;

use blocks::Record;
use container::Stage;

use crate::varint;

/// The type of the first frame of an S2 stream.
const FIRST_FRAME: u8 = 0xff;
/// An entry above this is no part of a backup.
const ENTRY_MAX: usize = 256 << 20;
/// Bytes that are unpacked before entries are taken out: few bytes may be packed from very many.
const AT_ONCE_MAX: u64 = 4 << 20;

/// A part of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    /// The stream's configuration, JSON.
    Meta(&'a [u8]),
    /// Its sum.
    MetaSum(&'a [u8]),
    /// A block of messages with its number.
    Block(u64, &'a [u8]),
    /// A consumer's name and configuration, JSON.
    ConsumerMeta(&'a str, &'a [u8]),
    /// A consumer's name and state, binary.
    ConsumerState(&'a str, &'a [u8]),
    /// A consumer's configuration and state, JSON.
    Consumer(&'a [u8]),
    /// A message.
    Message(Record<'a>),
    /// Nothing follows.
    End,
}

/// Why an archive cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// What is compressed is damaged.
    Compression,
    /// What was compressed is no archive, or an entry is too large.
    Archive,
    /// A message is damaged: its sum is wrong, or its lengths are.
    Message,
    /// It is that of another stream.
    OtherStream,
    /// A consumer is damaged.
    Consumer,
    /// It ends in the middle.
    CutShort,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Unreadable::Compression => "the archive's compression is damaged",
            Unreadable::Archive => "the archive is damaged",
            Unreadable::Message => "a message in the archive is damaged",
            Unreadable::OtherStream => "the archive is that of another stream",
            Unreadable::Consumer => "a consumer in the archive is damaged",
            Unreadable::CutShort => "the archive ends too early",
        })
    }
}

/// Which format an archive has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Format {
    /// Too little came to tell.
    #[default]
    Unknown,
    Tar,
    Container(Stage),
}

/// An archive that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Unpacker {
    /// Compressed, and not a whole frame yet.
    packed: Vec<u8>,
    /// Plain, and not a whole entry yet.
    plain: Vec<u8>,
    format: Format,
    has_begun: bool,
    has_ended: bool,
}

impl Unpacker {
    /// Takes a piece, and hands out each entry that is complete.
    pub(super) fn feed(
        &mut self,
        piece: &[u8],
        mut each: impl FnMut(Entry<'_>) -> Result<(), Unreadable>,
    ) -> Result<(), Unreadable> {
        if self.has_ended {
            return Ok(());
        }
        // The frame that names the format comes first.
        if !self.has_begun && piece.first() != Some(&FIRST_FRAME) {
            return Err(Unreadable::Compression);
        }
        self.has_begun = true;
        self.packed.extend_from_slice(piece);
        let mut at = 0;
        while let Some(len) = whole_frames(&self.packed[at..]) {
            let mut frames = minlz::Reader::with_ignore_stream_id(&self.packed[at..at + len]);
            frames.read_to_end(&mut self.plain).map_err(|_| Unreadable::Compression)?;
            at += len;
            self.hand_out(&mut each)?;
        }
        self.packed.drain(..at);
        Ok(())
    }

    fn hand_out(
        &mut self,
        each: &mut impl FnMut(Entry<'_>) -> Result<(), Unreadable>,
    ) -> Result<(), Unreadable> {
        let mut at = 0;
        if self.format == Format::Unknown && self.plain.len() >= container::MAGIC.len() {
            // spec/jetstream.md §14: both formats are detected from the first bytes
            self.format = match self.plain.starts_with(container::MAGIC) {
                true => {
                    at = container::MAGIC.len();
                    Format::Container(Stage::default())
                }
                false => Format::Tar,
            };
        }
        while !self.has_ended {
            let plain = &self.plain[at..];
            let next = match &mut self.format {
                Format::Unknown => None,
                Format::Tar => tar::next(plain)?,
                Format::Container(stage) => container::next(plain, stage)?,
            };
            let Some((entry, len)) = next else { break };
            match entry {
                Some(Entry::End) => self.has_ended = true,
                Some(entry) => each(entry)?,
                None => {}
            }
            at += len;
        }
        self.plain.drain(..at);
        Ok(())
    }

    /// Whether everything came.
    pub(super) fn finish(&self) -> Result<(), Unreadable> {
        if self.has_ended { Ok(()) } else { Err(Unreadable::CutShort) }
    }
}

/// Bytes of the frames at the beginning of `packed` that are whole and together not too large when
/// unpacked; `None` while the first is not whole. A frame is its type, its length in three bytes,
/// its content: a sum, then plain bytes or packed ones with their plain length.
fn whole_frames(packed: &[u8]) -> Option<usize> {
    let (mut whole, mut plain) = (0, 0);
    while let Some(head) = packed.get(whole..whole + 4) {
        let len = u32::from_le_bytes([head[1], head[2], head[3], 0]) as usize;
        let Some(content) = packed.get(whole + 4..whole + 4 + len) else { break };
        plain += match head[0] {
            0 => varint::read(&mut content.get(4..).unwrap_or_default()).unwrap_or(0),
            _ => len as u64,
        };
        if whole > 0 && plain > AT_ONCE_MAX {
            break;
        }
        whole += 4 + len;
    }
    (whole > 0).then_some(whole)
}

#[cfg(test)]
mod tests;
