//! JSON laid out anew, indented by two spaces (spec/monitoring.md §1): answers hold parts that
//! cores wrote on one line.

/// `compact`, which must be JSON without blanks outside of texts, over several lines.
pub(crate) fn indented(compact: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(compact.len() * 2);
    let (mut depth, mut is_text, mut is_escaped) = (0, false, false);
    let line = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.extend(std::iter::repeat_n(b' ', 2 * depth));
    };
    for (at, &byte) in compact.iter().enumerate() {
        if is_text {
            out.push(byte);
            is_text = byte != b'"' || is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            continue;
        }
        match byte {
            b'{' | b'[' => {
                out.push(byte);
                // An empty one stays on its line.
                if !matches!(compact.get(at + 1), Some(b'}' | b']')) {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            b'}' | b']' => {
                if !matches!(compact[..at].last(), Some(b'{' | b'[')) {
                    depth -= 1;
                    line(&mut out, depth);
                }
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            _ => {
                is_text = byte == b'"';
                out.push(byte);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_laid_out_as_by_the_library() {
        let values = [
            serde_json::json!({}),
            serde_json::json!([]),
            serde_json::json!("a:{b,}\"[\\"),
            serde_json::json!({"a": {}, "b": [[], [1, -2.5e3, null], {"c\\": "\\\"x\": [1, {\\"}]}),
            serde_json::json!([[["", "\\\\"]], true]),
        ];
        for value in values {
            let compact = serde_json::to_vec(&value).unwrap();
            let expected = serde_json::to_string_pretty(&value).unwrap();
            assert_eq!(String::from_utf8(indented(&compact)).unwrap(), expected);
        }
    }
}
