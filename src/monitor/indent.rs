//! JSON over several lines, indented by two spaces (spec/monitoring.md §1), written as it is made.
//! Parts that cores wrote on one line are laid out anew on the way.

use std::io::{self, Write};

use serde_json::ser::Formatter;

/// A line's end and what most lines begin with.
const LINE: &[u8] = b"\n                                ";

/// Where in the document the writer is.
#[derive(Debug, Default)]
pub(crate) struct Indented {
    depth: usize,
    /// Whether what was opened last has anything in it: an empty one stays on its line.
    is_filled: bool,
}

impl Indented {
    fn line<W: ?Sized + Write>(&self, out: &mut W) -> io::Result<()> {
        let blanks = 2 * self.depth;
        match LINE.get(..=blanks) {
            Some(line) => out.write_all(line),
            None => write!(out, "\n{:blanks$}", ""),
        }
    }

    fn open<W: ?Sized + Write>(&mut self, out: &mut W, bracket: u8) -> io::Result<()> {
        self.depth += 1;
        self.is_filled = false;
        out.write_all(&[bracket])
    }

    fn close<W: ?Sized + Write>(&mut self, out: &mut W, bracket: u8) -> io::Result<()> {
        self.depth -= 1;
        if self.is_filled {
            self.line(out)?;
        }
        self.is_filled = true;
        out.write_all(&[bracket])
    }

    fn begin_entry<W: ?Sized + Write>(&self, out: &mut W) -> io::Result<()> {
        if self.is_filled {
            out.write_all(b",")?;
        }
        self.line(out)
    }
}

impl Formatter for Indented {
    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(out, b'[')
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out, b']')
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, _: bool) -> io::Result<()> {
        self.begin_entry(out)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.is_filled = true;
        Ok(())
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(out, b'{')
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out, b'}')
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, _: bool) -> io::Result<()> {
        self.begin_entry(out)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.is_filled = true;
        Ok(())
    }

    /// `compact` must be JSON without blanks outside of texts.
    fn write_raw_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        compact: &str,
    ) -> io::Result<()> {
        let compact = compact.as_bytes();
        // What was copied so far; whole stretches between marks go at once.
        let (mut copied, mut is_text, mut is_escaped) = (0, false, false);
        for (at, &byte) in compact.iter().enumerate() {
            if is_text {
                is_text = byte != b'"' || is_escaped;
                is_escaped = byte == b'\\' && !is_escaped;
                continue;
            }
            match byte {
                b'"' => is_text = true,
                b'{' | b'[' => {
                    out.write_all(&compact[copied..at])?;
                    self.open(out, byte)?;
                    copied = at + 1;
                    // An empty one stays on its line.
                    if !matches!(compact.get(at + 1), Some(b'}' | b']')) {
                        self.is_filled = true;
                        self.line(out)?;
                    }
                }
                b'}' | b']' => {
                    out.write_all(&compact[copied..at])?;
                    self.close(out, byte)?;
                    copied = at + 1;
                }
                b',' => {
                    out.write_all(&compact[copied..=at])?;
                    self.line(out)?;
                    copied = at + 1;
                }
                b':' => {
                    out.write_all(&compact[copied..=at])?;
                    out.write_all(b" ")?;
                    copied = at + 1;
                }
                _ => {}
            }
        }
        out.write_all(&compact[copied..])
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde_json::value::RawValue;

    use super::*;

    fn indented(value: &impl Serialize) -> String {
        let mut out = Vec::new();
        let mut writer = serde_json::Serializer::with_formatter(&mut out, Indented::default());
        value.serialize(&mut writer).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn it_is_laid_out_as_by_the_library_whoever_wrote_it() {
        let mut deep = serde_json::json!("the end");
        for _ in 0..40 {
            deep = serde_json::json!([deep]);
        }
        let values = [
            serde_json::json!({}),
            serde_json::json!([]),
            serde_json::json!(7),
            serde_json::json!("a:{b,}\"[\\"),
            serde_json::json!({"a": {}, "b": [[], [1, -2.5e3, null], {"c\\": "\\\"x\": [1, {\\"}]}),
            serde_json::json!([[["", "\\\\"]], true]),
            serde_json::json!([{}, {"x": []}, [{}], []]),
            deep,
        ];
        for value in values {
            let expected = serde_json::to_string_pretty(&value).unwrap();
            assert_eq!(indented(&value), expected);
            let raw = RawValue::from_string(value.to_string()).unwrap();
            assert_eq!(indented(&raw), expected);
            let inside = (&raw, [&raw], &value);
            assert_eq!(
                indented(&inside),
                serde_json::to_string_pretty(&(&value, [&value], &value)).unwrap()
            );
        }
    }
}
