//! Subjects as bytes: what is valid, how many tokens, and the naive match of a pattern.
//!
//! Everything here is one pass over the bytes without allocation. [`matches()`] is the plain
//! reading of the rules; filters use it, and the index is tested against it.
//! Source: spec/client-protocol.md §5.

/// What separates tokens.
const SEPARATOR: u8 = b'.';

/// The tokens of `subject`, empty ones included: `a..b` has three.
pub(crate) fn tokens(subject: &[u8]) -> impl Iterator<Item = &[u8]> {
    subject.split(|&byte| byte == SEPARATOR)
}

/// How many tokens `subject` has, empty ones included; the empty subject has one.
#[must_use]
pub fn token_count(subject: &[u8]) -> usize {
    memchr::memchr_iter(SEPARATOR, subject).count() + 1
}

/// Whether `subject` may be subscribed to: no empty token, and `>` only as the last token.
/// A `*` or `>` inside a longer token is an ordinary byte.
#[must_use]
pub fn is_valid_subscription(subject: &[u8]) -> bool {
    // spec/client-protocol.md §5: an empty token is invalid; `foo.>.bar` is invalid for SUB.
    let mut after_tail = false;
    for token in tokens(subject) {
        if token.is_empty() || after_tail {
            return false;
        }
        after_tail = token == b">";
    }
    true
}

/// Whether `subject` is valid and holds no wildcard token: what a pedantic publish asks for.
#[must_use]
pub fn is_valid_literal(subject: &[u8]) -> bool {
    tokens(subject).all(|token| !token.is_empty() && token != b"*" && token != b">")
}

/// Whether `subject` holds what no subject on the wire can: blanks, line ends, NUL. To be asked of
/// every subject that came in a header, in JSON or from a file before anything is sent on it.
#[must_use]
pub fn has_blank(subject: &[u8]) -> bool {
    subject.iter().any(|byte| byte.is_ascii_whitespace() || *byte == 0)
}

/// Whether `subject` may be subscribed to, wherever it came from.
#[must_use]
pub fn is_sound_subscription(subject: &[u8]) -> bool {
    is_valid_subscription(subject) && !has_blank(subject)
}

/// Whether `subject` may be published on, wherever it came from.
#[must_use]
pub fn is_sound_literal(subject: &[u8]) -> bool {
    is_valid_literal(subject) && !has_blank(subject)
}

/// Whether a valid subscription subject holds a wildcard token.
#[must_use]
pub fn has_wildcard(subject: &[u8]) -> bool {
    tokens(subject).any(|token| token == b"*" || token == b">")
}

/// Whether two subjects are equal; for the usual lengths without a call.
#[inline]
#[must_use]
pub fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    match one.len() {
        // The two ends overlap and cover everything.
        4..8 => {
            one.first_chunk::<4>() == other.first_chunk()
                && one.last_chunk::<4>() == other.last_chunk()
        }
        8..=16 => {
            one.first_chunk::<8>() == other.first_chunk()
                && one.last_chunk::<8>() == other.last_chunk()
        }
        17..=32 => {
            one.first_chunk::<16>() == other.first_chunk()
                && one.last_chunk::<16>() == other.last_chunk()
        }
        _ => one == other,
    }
}

/// Whether a message published on `subject` reaches a subscription to `pattern`.
///
/// `*` in the pattern takes exactly one token, a final `>` one or more. Wildcard tokens of the
/// published subject are literal. A subject with an empty token reaches nobody.
#[must_use]
pub fn matches(pattern: &[u8], subject: &[u8]) -> bool {
    if tokens(subject).any(<[u8]>::is_empty) {
        return false;
    }
    let mut published = tokens(subject);
    let mut wanted = tokens(pattern).peekable();
    while let Some(want) = wanted.next() {
        let Some(have) = published.next() else { return false };
        if want == b">" && wanted.peek().is_none() {
            return true;
        }
        if want != b"*" && want != have {
            return false;
        }
    }
    published.next().is_none()
}

/// Whether some subject matches both of two valid subscription subjects.
#[must_use]
pub fn overlap(one: &[u8], other: &[u8]) -> bool {
    let (mut one, mut other) = (tokens(one), tokens(other));
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some(b">"), Some(_)) | (Some(_), Some(b">")) => return true,
            (Some(a), Some(b)) if a == b || a == b"*" || b == b"*" => {}
            _ => return false,
        }
    }
}

/// Whether everything that `pattern` matches is matched by `other` too.
#[must_use]
pub fn is_subset(pattern: &[u8], other: &[u8]) -> bool {
    let mut wanted = tokens(other);
    let mut have = tokens(pattern);
    loop {
        match (have.next(), wanted.next()) {
            (None, None) => return true,
            (Some(_), Some(b">")) => return true,
            (Some(b">"), _) | (None, _) | (_, None) => return false,
            (Some(_), Some(b"*")) => {}
            (Some(one), Some(other)) => {
                if one != other {
                    return false;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_refuse_empty_tokens_and_early_tails() {
        for good in ["a", "a.b", "*", ">", "a.*", "a.>", "*.*.>", "foo*", "f>o.b", "foo>", "*.a"] {
            assert!(is_valid_subscription(good.as_bytes()), "{good}");
        }
        for bad in ["", ".", "a.", ".a", "a..b", "a.>.b", ">.a", ">.>", ">."] {
            assert!(!is_valid_subscription(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn literals_hold_no_wildcard_token() {
        for good in ["a", "a.b", "foo*", "f*o", "foo>", ">a.b", "**", ">>"] {
            assert!(is_valid_literal(good.as_bytes()), "{good}");
            assert!(!has_wildcard(good.as_bytes()), "{good}");
        }
        for bad in ["", "a..b", "*", ">", "a.*.b", "a.>", "a.>.b"] {
            assert!(!is_valid_literal(bad.as_bytes()), "{bad}");
        }
        for bad in ["a b", "a\r\nPUB x 0", "a\tb", "a\0", "a\n", "a.*"] {
            assert!(!is_sound_literal(bad.as_bytes()), "{bad:?}");
        }
        assert!(is_sound_literal(b"a.b") && !has_blank(b"a.>"));
    }

    #[test]
    fn patterns_overlap_when_a_subject_matches_both() {
        let table = [
            ("a", "a", true),
            ("a", "b", false),
            ("a.*", "*.b", true),
            ("a.*", "a", false),
            ("a.>", "a", false),
            ("a.>", "*.b.c", true),
            (">", "a.b", true),
            ("a.*.c", "a.b.*", true),
            ("a.*.c", "a.b.d", false),
            ("a.b.>", "a.*", false),
            ("a.>", "b.>", false),
        ];
        for (one, other, expected) in table {
            assert_eq!(overlap(one.as_bytes(), other.as_bytes()), expected, "{one} and {other}");
            assert_eq!(overlap(other.as_bytes(), one.as_bytes()), expected, "{other} and {one}");
        }
    }

    #[test]
    fn tokens_are_counted_with_empty_ones() {
        for (subject, count) in [("", 1), ("a", 1), ("a.b.c", 3), ("a..b", 3), (".", 2)] {
            assert_eq!(token_count(subject.as_bytes()), count, "{subject}");
        }
    }

    #[test]
    fn patterns_match_token_by_token() {
        let table = [
            ("a", "a", true),
            ("a", "b", false),
            ("a", "a.b", false),
            ("a.b", "a", false),
            ("*", "a", true),
            ("*", "a.b", false),
            (">", "a", true),
            (">", "a.b.c", true),
            ("a.>", "a", false),
            ("a.>", "a.b", true),
            ("a.>", "a.b.c", true),
            ("a.*", "a.b", true),
            ("a.*", "a", false),
            ("a.*.c", "a.b.c", true),
            ("a.*.c", "a.b.d", false),
            ("*.*.>", "a.b", false),
            ("*.*.>", "a.b.c", true),
            ("foo*", "foo*", true),
            ("foo*", "foox", false),
            ("f>o", "f>o", true),
            // A published wildcard token is a literal one.
            ("a.*", "a.*", true),
            ("a.*", "a.>", true),
            ("a.b", "a.*", false),
            ("a.>", "a.>", true),
            ("a.*.c", "a.>.c", true),
            (">", "*", true),
            // A subject with an empty token reaches nobody.
            (">", "", false),
            (">", "a..b", false),
            ("*", "", false),
            ("a.>", "a.", false),
            ("*.a", ".a", false),
        ];
        for (pattern, subject, expected) in table {
            assert_eq!(
                matches(pattern.as_bytes(), subject.as_bytes()),
                expected,
                "{pattern} against {subject}"
            );
        }
    }

    #[test]
    fn sets_of_subjects_by_their_patterns() {
        let table = [
            // one, other, subset, overlap
            ("a", "a", true, true),
            ("a", "b", false, false),
            ("a", "*", true, true),
            ("*", "a", false, true),
            ("a.*", "a.>", true, true),
            ("a.>", "a.*", false, true),
            ("a.>", "a.>", true, true),
            (">", "*", false, true),
            ("*.*", ">", true, true),
            ("a", "a.>", false, false),
            ("a.*.c", "*.b.*", false, true),
            ("a.*.c", "*.b.d", false, false),
            ("a.b.c", "a.*.>", true, true),
            ("*.b", "a.*", false, true),
        ];
        for (one, other, subset, overlap) in table {
            let (one, other) = (one.as_bytes(), other.as_bytes());
            let shown = (String::from_utf8_lossy(one), String::from_utf8_lossy(other));
            assert_eq!(is_subset(one, other), subset, "{shown:?}");
            assert_eq!(super::overlap(one, other), overlap, "{shown:?}");
            assert_eq!(super::overlap(other, one), overlap, "{shown:?}");
        }
    }
}
