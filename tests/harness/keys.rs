//! The keys of a JSON object in the order in which they were sent, which NATS defines and
//! `serde_json` forgets.

/// The keys of the outermost object of `json`. Understands what servers send: no escaped keys.
pub fn keys_in_order(json: &str) -> Vec<&str> {
    let mut keys = Vec::new();
    let mut depth = 0;
    let mut rest = json;
    while let Some(at) = rest.find(['{', '}', '[', ']', '"']) {
        let byte = rest.as_bytes()[at];
        rest = &rest[at + 1..];
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {
                let end = string_end(rest);
                let (text, after) = (&rest[..end], &rest[end + 1..]);
                if depth == 1 && after.trim_start().starts_with(':') {
                    keys.push(text);
                }
                rest = after;
            }
        }
    }
    keys
}

/// Where the string that began before `text` has its closing quote.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    });
    end.expect("a closed string")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_outermost_keys_in_their_order() {
        let json = r#"{"b":1, "a" : {"x":"}","y":[{"z":0}]}, "c":"q\"{:", "d":["e"]}"#;
        assert_eq!(keys_in_order(json), ["b", "a", "c", "d"]);
    }
}
