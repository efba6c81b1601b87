//! Hot path: PUB lines that differ from message to message, written on the fly. Before it stands
//! whoever counts what is under way, after it the socket.

/// `PUB <word> [word] <size>` and the body.
pub fn put_publish(out: &mut Vec<u8>, words: &[&[u8]], body: &[u8]) {
    out.extend_from_slice(b"PUB");
    for word in words {
        out.push(b' ');
        out.extend_from_slice(word);
    }
    out.push(b' ');
    put_number(out, body.len() as u64);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
    out.extend_from_slice(b"\r\n");
}

/// Decimal digits without an allocation.
pub fn put_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return out.extend_from_slice(&digits[at..]);
        }
    }
}

/// Reads decimal digits.
pub fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_lines_are_written_as_the_protocol_wants() {
        let mut out = Vec::new();
        put_publish(&mut out, &[b"a", b"_INBOX.x.0"], b"hi");
        put_publish(&mut out, &[b"b"], b"");
        assert_eq!(out, b"PUB a _INBOX.x.0 2\r\nhi\r\nPUB b 0\r\n\r\n");
        let mut digits = Vec::new();
        put_number(&mut digits, u64::MAX);
        assert_eq!(number(&digits), Some(u64::MAX));
        assert_eq!(number(b"x"), None);
    }
}
