//! What a backup consists of: tar entries with nats-server's message blocks in them, so that each
//! server reads the other's backups.
//!
//! ```text
//! tar      meta.inf, meta.sum, msgs/1.blk, msgs/2.blk …   the whole S2-compressed
//! record   ├ length: u32, top bit: headers ┤ seq: u64, top bit: erased ┤ Unix ns: i64 ┤
//!          ├ subject length: u16 ┤ subject ┤ [header length: u32 ┤ headers] ┤ payload ┤ sum: 8 ┤
//! ```
//!
//! Numbers are little-endian. The sum is HighwayHash over sequence to payload without the length
//! of the headers, keyed by `<stream>-<block>`. Source: spec/jetstream.md §14; a backup of
//! nats-server 2.9.10, which the tests read.

use std::io::Read as _;

use highway::{HighwayHash as _, HighwayHasher, Key};
use sha2::{Digest as _, Sha256};

const TAR_BLOCK: usize = 512;
const RECORD_HEAD: usize = 22;
const SUM: usize = 8;
/// In the length: the record has headers.
const HAS_HEADERS: u32 = 1 << 31;
/// In the sequence: the message was erased.
const ERASED: u64 = 1 << 63;
/// The type of the first frame of an S2 stream.
const FIRST_FRAME: u8 = 0xff;
/// A tar entry above this is no part of a backup.
const ENTRY_MAX: usize = 256 << 20;

/// One message of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) seq: u64,
    pub(super) time_ns: u64,
    pub(super) subject: &'a [u8],
    pub(super) headers: &'a [u8],
    pub(super) payload: &'a [u8],
}

/// Why an archive cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// What is compressed is damaged.
    Compression,
    /// The tar is damaged, or an entry is too large.
    Tar,
    /// A message is damaged: its sum is wrong, or its lengths are.
    Message,
    /// It ends in the middle.
    CutShort,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Unreadable::Compression => "the archive's compression is damaged",
            Unreadable::Tar => "the archive is damaged",
            Unreadable::Message => "a message in the archive is damaged",
            Unreadable::CutShort => "the archive ends too early",
        })
    }
}

/// HighwayHash with the key that nats-server derives from `name`.
fn hasher(name: &str) -> HighwayHasher {
    let digest = Sha256::digest(name.as_bytes());
    let mut key = [0; 4];
    for (word, bytes) in key.iter_mut().zip(digest.chunks_exact(8)) {
        *word = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
    }
    HighwayHasher::new(Key(key))
}

/// `meta.sum` of `meta.inf`.
pub(super) fn meta_sum(stream: &str, meta: &[u8]) -> String {
    let mut hasher = hasher(stream);
    hasher.append(meta);
    hasher.finalize64().to_le_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn record_sum(stream: &str, block: u64, head: &[u8], parts: [&[u8]; 3]) -> [u8; SUM] {
    let mut hasher = hasher(&format!("{stream}-{block}"));
    hasher.append(&head[4..20]);
    parts.iter().for_each(|part| hasher.append(part));
    hasher.finalize64().to_le_bytes()
}

/// Appends a message to a block.
pub(super) fn push_record(stream: &str, block: u64, record: &Record<'_>, out: &mut Vec<u8>) {
    let Record { seq, time_ns, subject, headers, payload } = *record;
    let with_headers = if headers.is_empty() { 0 } else { 4 + headers.len() };
    let len = (RECORD_HEAD + subject.len() + with_headers + payload.len() + SUM) as u32;
    let flags = if headers.is_empty() { 0 } else { HAS_HEADERS };
    let start = out.len();
    out.extend_from_slice(&(len | flags).to_le_bytes());
    out.extend_from_slice(&seq.to_le_bytes());
    out.extend_from_slice(&time_ns.to_le_bytes());
    out.extend_from_slice(&(subject.len() as u16).to_le_bytes());
    out.extend_from_slice(subject);
    if !headers.is_empty() {
        out.extend_from_slice(&(headers.len() as u32).to_le_bytes());
        out.extend_from_slice(headers);
    }
    out.extend_from_slice(payload);
    let sum = record_sum(stream, block, &out[start..], [subject, headers, payload]);
    out.extend_from_slice(&sum);
}

/// Hands out the messages of a block in order, erased ones left out.
pub(super) fn read_block(
    stream: &str,
    block: u64,
    mut bytes: &[u8],
    mut each: impl FnMut(&Record<'_>),
) -> Result<(), Unreadable> {
    let damaged = Unreadable::Message;
    while !bytes.is_empty() {
        let head = bytes.get(..RECORD_HEAD).ok_or(damaged)?;
        let word = u32::from_le_bytes(head[..4].try_into().expect("four bytes"));
        let len = (word & !HAS_HEADERS) as usize;
        let record = bytes.get(..len).filter(|_| len >= RECORD_HEAD + SUM).ok_or(damaged)?;
        bytes = &bytes[len..];
        let seq = u64::from_le_bytes(head[4..12].try_into().expect("eight bytes"));
        let time_ns = u64::from_le_bytes(head[12..20].try_into().expect("eight bytes"));
        let subject_len = usize::from(u16::from_le_bytes([head[20], head[21]]));
        let (content, sum) = record.split_at(len - SUM);
        let rest = &content[RECORD_HEAD..];
        let (subject, rest) = rest.split_at_checked(subject_len).ok_or(damaged)?;
        let (headers, payload) = match word & HAS_HEADERS {
            0 => (&[][..], rest),
            _ => {
                let (len, rest) = rest.split_at_checked(4).ok_or(damaged)?;
                let len = u32::from_le_bytes(len.try_into().expect("four bytes")) as usize;
                rest.split_at_checked(len).ok_or(damaged)?
            }
        };
        // What was erased, and empty places that newer servers leave, have no subject.
        if seq & ERASED != 0 || seq == 0 || subject.is_empty() {
            continue;
        }
        if record_sum(stream, block, head, [subject, headers, payload]) != sum {
            return Err(damaged);
        }
        each(&Record { seq, time_ns, subject, headers, payload });
    }
    Ok(())
}

/// Appends a tar entry.
pub(super) fn push_entry(name: &str, content: &[u8], out: &mut Vec<u8>) {
    let mut head = [0; TAR_BLOCK];
    let mut put = |at: usize, bytes: &[u8]| head[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes());
    put(100, b"0000600\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{:011o}\0", content.len()).as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = head.iter().map(|&byte| u32::from(byte)).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(content);
    out.resize(out.len().next_multiple_of(TAR_BLOCK), 0);
}

/// Appends the end of a tar.
pub(super) fn push_end(out: &mut Vec<u8>) {
    out.resize(out.len() + 2 * TAR_BLOCK, 0);
}

/// An archive that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Unpacker {
    /// Compressed, and not a whole frame yet.
    packed: Vec<u8>,
    /// Plain, and not a whole entry yet.
    plain: Vec<u8>,
    has_begun: bool,
    has_ended: bool,
}

impl Unpacker {
    /// Takes a piece, and hands out name and content of each entry that is complete.
    pub(super) fn feed(
        &mut self,
        piece: &[u8],
        mut each: impl FnMut(&str, &[u8]) -> Result<(), Unreadable>,
    ) -> Result<(), Unreadable> {
        // The frame that names the format comes first.
        if !self.has_begun && piece.first() != Some(&FIRST_FRAME) {
            return Err(Unreadable::Compression);
        }
        self.has_begun = true;
        self.packed.extend_from_slice(piece);
        let mut whole = 0;
        // A frame: its type, its length in three bytes, its content.
        while let Some(head) = self.packed.get(whole..whole + 4) {
            let len = u32::from_le_bytes([head[1], head[2], head[3], 0]) as usize;
            if whole + 4 + len > self.packed.len() {
                break;
            }
            whole += 4 + len;
        }
        if whole > 0 {
            let mut frames = minlz::Reader::with_ignore_stream_id(&self.packed[..whole]);
            frames.read_to_end(&mut self.plain).map_err(|_| Unreadable::Compression)?;
            self.packed.drain(..whole);
        }
        let mut at = 0;
        while let Some(head) = self.plain.get(at..at + TAR_BLOCK) {
            if head.iter().all(|&byte| byte == 0) {
                self.has_ended = true;
                break;
            }
            let (name, len) = entry_head(head)?;
            let content = at + TAR_BLOCK;
            let end = content + len.next_multiple_of(TAR_BLOCK);
            if end > self.plain.len() {
                break;
            }
            each(name, &self.plain[content..content + len])?;
            at = end;
        }
        self.plain.drain(..at);
        Ok(())
    }

    /// Whether everything came.
    pub(super) fn finish(&self) -> Result<(), Unreadable> {
        if self.has_ended { Ok(()) } else { Err(Unreadable::CutShort) }
    }
}

/// Name and size in a tar entry's head.
fn entry_head(head: &[u8]) -> Result<(&str, usize), Unreadable> {
    let text = |range: std::ops::Range<usize>| {
        let field = &head[range];
        let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
        std::str::from_utf8(&field[..end]).map_err(|_| Unreadable::Tar)
    };
    let size = text(124..136)?.trim();
    let size = usize::from_str_radix(size, 8).map_err(|_| Unreadable::Tar)?;
    if size > ENTRY_MAX {
        return Err(Unreadable::Tar);
    }
    Ok((text(0..100)?, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_of_nats_server_is_read() {
        let archive = include_bytes!("tests/nats_server_2_9_10.tar.s2");
        let mut messages = Vec::new();
        let mut unpacker = Unpacker::default();
        let mut sum = (String::new(), String::new());
        // In pieces of any size.
        for piece in archive.chunks(100) {
            let read = unpacker.feed(piece, |name, content| {
                match name {
                    "meta.inf" => sum.0 = meta_sum("A", content),
                    "meta.sum" => sum.1 = String::from_utf8(content.to_vec()).unwrap(),
                    "msgs/1.blk" => {
                        return read_block("A", 1, content, |record| {
                            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                            let (subject, payload) = (text(record.subject), text(record.payload));
                            messages.push((record.seq, subject, text(record.headers), payload));
                        });
                    }
                    _ => {}
                }
                Ok(())
            });
            assert_eq!(read, Ok(()));
        }
        assert_eq!(unpacker.finish(), Ok(()));
        assert_eq!(sum.0, sum.1);
        let expected = [
            (1, "a.1", "", "hello"),
            (2, "a.2", "NATS/1.0\r\nX: y\r\n\r\n", "world"),
            (4, "a.4", "", "four"),
        ];
        let expected = expected.map(|(seq, a, b, c)| (seq, a.into(), b.into(), c.into()));
        assert_eq!(messages, expected);
    }

    #[test]
    fn damage_is_noticed() {
        let record = Record {
            seq: 7,
            time_ns: 9,
            subject: b"a",
            headers: b"NATS/1.0\r\n\r\n",
            payload: b"x",
        };
        let mut block = Vec::new();
        push_record("S", 1, &record, &mut block);
        let mut read = Vec::new();
        read_block("S", 1, &block, |found| read.push(found.seq)).unwrap();
        assert_eq!(read, [7]);
        for at in 0..block.len() {
            let mut damaged = block.clone();
            damaged[at] ^= 0x10;
            let mut whole = Vec::new();
            let result = read_block("S", 1, &damaged, |found| whole.push(found.payload.to_vec()));
            assert!(result.is_err() || whole.is_empty(), "bit flip at {at}");
        }
        assert!(read_block("S", 2, &block, |_| {}).is_err(), "another block's key");
        let mut unpacker = Unpacker::default();
        assert!(unpacker.feed(b"\xff\x06\x00\x00S2sTwO", |_, _| Ok(())).is_ok());
        assert!(unpacker.feed(b"\x00\x04\x00\x00abcd", |_, _| Ok(())).is_err());
        assert!(Unpacker::default().feed(b"no archive", |_, _| Ok(())).is_err());
    }
}
