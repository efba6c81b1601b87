//! nats-server's message blocks, and its sums.
//!
//! ```text
//! record   ├ length: u32, top bit: headers ┤ seq: u64, top bit: erased ┤ Unix ns: i64 ┤
//!          ├ subject length: u16 ┤ subject ┤ [header length: u32 ┤ headers] ┤ payload ┤ sum: 8 ┤
//! ```
//!
//! Numbers are little-endian. The sum is HighwayHash over sequence to payload without the length
//! of the headers, keyed by `<stream>-<block>`.

use highway::{HighwayHash as _, HighwayHasher, Key};
use sha2::{Digest as _, Sha256};

use super::Unreadable;

const RECORD_HEAD: usize = 22;
const SUM: usize = 8;
/// In the length: the record has headers.
const HAS_HEADERS: u32 = 1 << 31;
/// In the sequence: the message was erased.
const ERASED: u64 = 1 << 63;

/// One message of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::stream) struct Record<'a> {
    pub(in crate::stream) seq: u64,
    pub(in crate::stream) time_ns: u64,
    pub(in crate::stream) subject: &'a [u8],
    pub(in crate::stream) headers: &'a [u8],
    pub(in crate::stream) payload: &'a [u8],
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

/// `meta.sum` of `meta.inf`: of a stream under its name, of a consumer under
/// `<stream>/<consumer>`.
pub(in crate::stream) fn meta_sum(name: &str, meta: &[u8]) -> String {
    let mut hasher = hasher(name);
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
pub(in crate::stream) fn push_record(
    stream: &str,
    block: u64,
    record: &Record<'_>,
    out: &mut Vec<u8>,
) {
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
pub(in crate::stream) fn read_block(
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
