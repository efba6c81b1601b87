//! Hot path of streams that compress: contents on their way into the log and out of it. Before it
//! stands `durable.rs`, after it the log's records.
//!
//! Each message is compressed by itself (LZ4's blocks): so a read is one look, what is erased or
//! damaged is one message, compaction copies bytes as they are, and what is acknowledged is an
//! exact prefix as ever. Small messages have little to repeat within themselves, but much of each
//! other; a stream therefore learns what they share ([`Samples`]), and compresses with that.
//! A dictionary is a value of the stream in the log, before the messages that need it; it stays as
//! long as the stream, so that they can be read whatever is learned later.
//!
//! Headers and payload, bytes a message (`examples/compression_bench.rs` has the feeds; LZ4 alone,
//! 1.2 µs to compress and 0.03 to 0.6 µs to expand on a busy virtual core):
//!
//! | | as they come | each by itself | with what they share |
//! |---|---|---|---|
//! | quotes, JSON | 86 | 86 | 34 |
//! | orders with five lines, JSON | 369 | 187 | 95 |
//! | noise | 100 | 100 | 100 |

use config::limits;
use lz4_flex::block;

use crate::dictionary::Samples;
use crate::log::{Compressed, PLAIN_BYTES};
use crate::terms::Compression;

/// What messages share: which of the stream's it is, from 1 on, and its text.
#[derive(Debug)]
pub(crate) struct Dictionary {
    number: u8,
    text: Box<[u8]>,
}

impl Dictionary {
    /// One that stood in the log.
    pub(crate) fn found(number: u64, text: &[u8]) -> Option<Dictionary> {
        let number = u8::try_from(number).ok().filter(|&number| number > 0)?;
        Some(Dictionary { number, text: text.into() })
    }

    /// Which of the stream's it is.
    pub(crate) fn number(&self) -> u8 {
        self.number
    }

    /// What messages refer to.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }
}

/// How one stream compresses.
#[derive(Debug, Default)]
pub(crate) struct Compressor {
    compression: Compression,
    /// In the order of their numbers; the last is used.
    dictionaries: Vec<Dictionary>,
    /// What is learned from, while it is.
    samples: Option<Samples>,
    window: Window,
    /// The lowest share of a window since the last dictionary, in 1024ths.
    best: Option<u64>,
}

/// What compression came to lately.
#[derive(Debug, Default)]
struct Window {
    messages: u64,
    plain_bytes: u64,
    record_bytes: u64,
}

impl Compressor {
    /// The compressor of a stream that has these dictionaries, if it needs one to be read.
    pub(crate) fn of(mut dictionaries: Vec<Dictionary>) -> Option<Box<Compressor>> {
        dictionaries.sort_by_key(Dictionary::number);
        let is_needed = !dictionaries.is_empty();
        is_needed.then(|| Box::new(Compressor { dictionaries, ..Compressor::default() }))
    }

    /// Switches a stream's compression.
    pub(crate) fn set(of_stream: &mut Option<Box<Compressor>>, compression: Compression) {
        let present = of_stream.as_ref().map_or(Compression::Off, |it| it.compression);
        if compression == present {
            return;
        }
        let it = of_stream.get_or_insert_default();
        it.compression = compression;
        it.samples = it.dictionaries.is_empty().then(Samples::default);
        (it.window, it.best) = (Window::default(), None);
    }

    /// Whether messages that come in are compressed.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.compression == Compression::On
    }

    /// Looks at a message that is about to be compressed, if this is a time of learning. With the
    /// last one a dictionary comes of it, if they have enough in common.
    pub(crate) fn learn(&mut self, headers: &[u8], payload: &[u8]) -> Option<Dictionary> {
        let samples = self.samples.as_mut()?;
        samples.add(headers, payload);
        if !samples.is_enough() {
            return None;
        }
        let text = self.samples.take()?.common()?;
        let last = self.dictionaries.last().map_or(0, Dictionary::number);
        let number = last.checked_add(1)?;
        Some(Dictionary { number, text: text.into() })
    }

    /// Compresses with this dictionary from now on.
    pub(crate) fn take(&mut self, dictionary: Dictionary) {
        self.dictionaries.push(dictionary);
        (self.window, self.best) = (Window::default(), None);
    }

    /// Counts a record: how long it would be, and how long it is. A stream whose messages have
    /// become others than those it learned from learns again.
    pub(crate) fn count(&mut self, plain_bytes: usize, record_bytes: usize) {
        let window = &mut self.window;
        window.messages += 1;
        window.plain_bytes += plain_bytes as u64;
        window.record_bytes += record_bytes as u64;
        if window.messages < limits::JS_DICTIONARY_WINDOW {
            return;
        }
        let Window { plain_bytes, record_bytes, .. } = std::mem::take(window);
        let share = record_bytes * 1024 / plain_bytes.max(1);
        let best = self.best.map_or(share, |best| best.min(share));
        self.best = Some(best);
        let is_worse = share * 4 > best * 5;
        let is_first = self.dictionaries.is_empty();
        if (is_first || is_worse) && self.dictionaries.len() < limits::JS_DICTIONARIES_MAX {
            self.samples.get_or_insert_default();
        }
    }

    fn text_of(&self, number: u8) -> Option<&[u8]> {
        let found = self.dictionaries.iter().find(|dictionary| dictionary.number == number);
        found.map(Dictionary::text)
    }

    /// The memory it takes, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let texts: usize = self.dictionaries.iter().map(|it| it.text.len()).sum();
        size_of::<Compressor>() + texts + self.samples.as_ref().map_or(0, Samples::memory)
    }
}

/// The memory that a core needs to compress and to expand.
#[derive(Debug, Default)]
pub(crate) struct Codec {
    joined: Vec<u8>,
    compressed: Vec<u8>,
    plain: Vec<u8>,
}

impl Codec {
    /// The content of a message in fewer bytes; `None` where they would not be fewer.
    pub(crate) fn compress(
        &mut self,
        headers: &[u8],
        payload: &[u8],
        compressor: &Compressor,
    ) -> Option<Compressed<'_>> {
        let plain_bytes = headers.len() + payload.len();
        let tried = limits::JS_COMPRESSED_BYTES_MIN..=limits::JS_COMPRESSED_BYTES_MAX;
        if !tried.contains(&plain_bytes) {
            return None;
        }
        let plain = if headers.is_empty() {
            payload
        } else {
            let joined = room(&mut self.joined, plain_bytes);
            joined[..headers.len()].copy_from_slice(headers);
            joined[headers.len()..].copy_from_slice(payload);
            &*joined
        };
        let out = room(&mut self.compressed, block::get_maximum_output_size(plain_bytes));
        let (dictionary, written) = match compressor.dictionaries.last() {
            Some(Dictionary { number, text }) => {
                (*number, block::compress_into_with_dict(plain, out, text))
            }
            None => (0, block::compress_into(plain, out)),
        };
        let len = written.ok()?;
        (len + PLAIN_BYTES < plain_bytes).then(|| Compressed {
            headers_bytes: headers.len() as u32,
            plain_bytes: plain_bytes as u32,
            dictionary,
            bytes: &self.compressed[..len],
        })
    }

    /// Headers and payload out of what they were compressed to; `None` if that is damaged, or its
    /// dictionary is lost. Takes no more memory than it says of itself, less than 16 MiB.
    pub(crate) fn expand(
        &mut self,
        content: &Compressed<'_>,
        compressor: Option<&Compressor>,
    ) -> Option<(&[u8], &[u8])> {
        let out = room(&mut self.plain, content.plain_bytes as usize);
        let written = match content.dictionary {
            0 => block::decompress_into(content.bytes, out),
            number => {
                block::decompress_into_with_dict(content.bytes, out, compressor?.text_of(number)?)
            }
        };
        if written.ok()? != out.len() {
            return None;
        }
        out.split_at_checked(content.headers_bytes as usize)
    }
}

/// So many bytes of memory that is kept for the next message, unless it had to be longer than usual
/// and need not be now.
fn room(memory: &mut Vec<u8>, bytes: usize) -> &mut [u8] {
    let kept = limits::JS_COMPRESSION_MEMORY;
    if memory.len() < bytes || (memory.len() > kept && bytes <= kept) {
        *memory = vec![0; bytes.next_power_of_two()];
    }
    &mut memory[..bytes]
}

#[cfg(test)]
mod tests;
