//! The tar of a backup: entries without directories, as nats-server writes and reads them.

use super::{ENTRY_MAX, Entry, Unreadable};

/// Tar counts in blocks of this size.
const TAR_BLOCK: usize = 512;

/// Appends an entry.
pub(in crate::stream) fn push_entry(name: &str, content: &[u8], out: &mut Vec<u8>) {
    let mut head = [0; TAR_BLOCK];
    let mut put = |at: usize, bytes: &[u8]| head[at..at + bytes.len()].copy_from_slice(bytes);
    let (prefix, name) = split(name);
    put(0, name.as_bytes());
    put(100, b"0000600\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{:011o}\0", content.len()).as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    put(345, prefix.as_bytes());
    let sum: u32 = head.iter().map(|&byte| u32::from(byte)).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(content);
    out.resize(out.len().next_multiple_of(TAR_BLOCK), 0);
}

/// A long name in two parts: 155 bytes, a slash, 100 bytes. Consumers' names may have 255.
fn split(name: &str) -> (&str, &str) {
    if name.len() <= 100 {
        return ("", name);
    }
    let fits = |&(at, _): &(usize, &str)| at <= 155 && name.len() - at - 1 <= 100;
    name.match_indices('/').find(fits).map_or(("", ""), |(at, _)| (&name[..at], &name[at + 1..]))
}

/// Whether a tar has room for this name.
pub(in crate::stream) fn takes(name: &str) -> bool {
    !split(name).1.is_empty()
}

/// Appends the end of a tar.
pub(in crate::stream) fn push_end(out: &mut Vec<u8>) {
    out.resize(out.len() + 2 * TAR_BLOCK, 0);
}

/// What stands at the beginning of `plain`, and its length there; `None` while it is not whole.
pub(super) fn next(plain: &[u8]) -> Result<Option<(Option<Entry<'_>>, usize)>, Unreadable> {
    let Some(head) = plain.get(..TAR_BLOCK) else { return Ok(None) };
    if head.iter().all(|&byte| byte == 0) {
        return Ok(Some((Some(Entry::End), TAR_BLOCK)));
    }
    let text = |range: std::ops::Range<usize>| {
        let field = &head[range];
        let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
        std::str::from_utf8(&field[..end]).map_err(|_| Unreadable::Archive)
    };
    let size = text(124..136)?.trim();
    let size = usize::from_str_radix(size, 8).map_err(|_| Unreadable::Archive)?;
    if size > ENTRY_MAX {
        return Err(Unreadable::Archive);
    }
    let Some(content) = plain.get(TAR_BLOCK..TAR_BLOCK + size) else { return Ok(None) };
    let whole = TAR_BLOCK + size.next_multiple_of(TAR_BLOCK);
    if whole > plain.len() {
        return Ok(None);
    }
    Ok(Some((named((text(345..500)?, text(0..100)?), content), whole)))
}

/// What an entry is, by its name; `None` for what a restore does not need.
fn named<'a>((prefix, name): (&'a str, &'a str), content: &'a [u8]) -> Option<Entry<'a>> {
    let of_consumer = |path: &'a str| path.strip_prefix("obs/").filter(|name| !name.contains('/'));
    match (prefix, name) {
        ("", "meta.inf") => return Some(Entry::Meta(content)),
        ("", "meta.sum") => return Some(Entry::MetaSum(content)),
        _ => {}
    }
    if let Some(number) = name.strip_prefix("msgs/").and_then(|name| name.strip_suffix(".blk")) {
        return Some(Entry::Block(number.parse().ok()?, content));
    }
    let (path, file) = match prefix {
        "" => name.rsplit_once('/')?,
        prefix => (prefix, name),
    };
    let name = of_consumer(path)?;
    match file {
        "meta.inf" => Some(Entry::ConsumerMeta(name, content)),
        "o.dat" => Some(Entry::ConsumerState(name, content)),
        _ => None,
    }
}
