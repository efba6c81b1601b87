//! What a bare word means: a boolean, a number with or without a size suffix, a date, a variable
//! or just text. spec/cli-and-config.md §6.

/// A bare word, understood.
#[derive(Clone, Debug, PartialEq)]
pub enum Word {
    /// `true`, `yes`, `on` and their opposites, in any case.
    Bool(bool),
    /// An integer, its suffix multiplied out.
    Int(i64),
    /// A number with digits on both sides of a point.
    Float(f64),
    /// `YYYY-MM-DDTHH:MM:SSZ`.
    Date,
    /// `$NAME`, without the dollar.
    Variable,
    /// Anything else.
    Text,
}

/// Why a word that begins like a number is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// A minus sign before something that is no number.
    #[error("expected a digit after '-'; put the value in quotes if it is text")]
    LoneMinus,
    /// A point without digits on both sides.
    #[error(
        "a number needs digits on both sides of its point; put the value in quotes if it \
             is text"
    )]
    LonePoint,
    /// Something that begins like a date.
    #[error(
        "a date must be in full, as in 2026-05-04T18:53:41Z; put the value in quotes if it \
             is text"
    )]
    Date,
    /// A number and more, which may be meant as either.
    #[error("this begins like a number; put it in quotes")]
    Unclear,
    /// More than 64 bits.
    #[error("integer is out of range")]
    OutOfRange,
}

/// Understands a bare word that is not empty.
pub fn classify(word: &str) -> Result<Word, WordError> {
    match word.as_bytes() {
        // bcrypt: taken literally, so that hashes need no quotes.
        [b'$', b'2', b'a', b'$', ..] => Ok(Word::Text),
        [b'$', ..] => Ok(Word::Variable),
        [b'.', ..] => Err(WordError::LonePoint),
        [b'-', rest @ ..] if rest.first().is_some_and(u8::is_ascii_digit) => negative(word),
        [b'-', ..] => Err(WordError::LoneMinus),
        [b'0'..=b'9', ..] => number(word),
        _ => Ok(boolean(word).map_or(Word::Text, Word::Bool)),
    }
}

fn boolean(word: &str) -> Option<bool> {
    const TRUE: [&str; 3] = ["true", "yes", "on"];
    const FALSE: [&str; 3] = ["false", "no", "off"];
    let is = |names: [&str; 3]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
    match (is(TRUE), is(FALSE)) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

fn negative(word: &str) -> Result<Word, WordError> {
    match number(word)? {
        Word::Text => Err(WordError::Unclear),
        number => Ok(number),
    }
}

fn number(word: &str) -> Result<Word, WordError> {
    let unsigned = word.strip_prefix('-').unwrap_or(word);
    let end = unsigned.find(|c: char| !c.is_ascii_digit()).unwrap_or(unsigned.len());
    let (digits, rest) = unsigned.split_at(end);
    if let Some(scale) = scale(rest) {
        let digits: i128 = digits.parse().map_err(|_| WordError::OutOfRange)?;
        let value = digits.checked_mul(scale).ok_or(WordError::OutOfRange)?;
        let value = if word.starts_with('-') { -value } else { value };
        return i64::try_from(value).map(Word::Int).map_err(|_| WordError::OutOfRange);
    }
    if let Some(fraction) = rest.strip_prefix('.') {
        return float(word, fraction);
    }
    if rest.starts_with('-') {
        return if is_date(word) { Ok(Word::Date) } else { Err(WordError::Date) };
    }
    Ok(Word::Text)
}

/// What an integer with this suffix is multiplied by; nothing when it is no suffix.
fn scale(suffix: &str) -> Option<i128> {
    if suffix.is_empty() {
        return Some(1);
    }
    let suffix = suffix.to_ascii_lowercase();
    let (letter, tail) = suffix.split_at_checked(1)?;
    let power = "kmgtpe".find(letter)? as u32 + 1;
    match tail {
        "" => Some(1000_i128.pow(power)),
        "b" | "i" | "ib" => Some(1024_i128.pow(power)),
        _ => None,
    }
}

fn float(word: &str, fraction: &str) -> Result<Word, WordError> {
    let end = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
    match (end, fraction[end..].chars().next()) {
        (0, _) => Err(WordError::LonePoint),
        (_, None) => match word.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Word::Float(value)),
            _ => Err(WordError::OutOfRange),
        },
        // 127.0.0.1 and 127.0.0.1:4222 are text.
        (_, Some('.' | ':')) => Ok(Word::Text),
        (_, Some(_)) => Err(WordError::Unclear),
    }
}

/// Whether the word is a day that exists and a time in it.
fn is_date(word: &str) -> bool {
    let bytes = word.as_bytes();
    let shape = b"dddd-dd-ddTdd:dd:ddZ";
    let fits = |(byte, shape): (&u8, &u8)| match shape {
        b'd' => byte.is_ascii_digit(),
        other => byte == other,
    };
    if bytes.len() != shape.len() || !bytes.iter().zip(shape).all(fits) {
        return false;
    }
    let field = |at: usize, len: usize| -> u32 {
        bytes[at..at + len].iter().fold(0, |sum, byte| sum * 10 + u32::from(byte - b'0'))
    };
    let (year, month, day) = (field(0, 4), field(5, 2), field(8, 2));
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    };
    (1..=days).contains(&day) && field(11, 2) < 24 && field(14, 2) < 60 && field(17, 2) < 60
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_in_any_case() {
        for (word, value) in [("true", true), ("YES", true), ("oN", true), ("False", false)] {
            assert_eq!(classify(word), Ok(Word::Bool(value)));
        }
        assert_eq!(classify("trueish"), Ok(Word::Text));
    }

    #[test]
    fn suffixes_are_powers_of_1000_or_1024() {
        for (word, value) in [
            ("8k", 8_000),
            ("4kb", 4_096),
            ("3Ki", 3_072),
            ("4KiB", 4_096),
            ("2m", 2_000_000),
            ("2MB", 2 << 20),
            ("22GiB", 22 << 30),
            ("22ti", 22 << 40),
            ("22pib", 22 << 50),
            ("5e", 5_000_000_000_000_000_000),
            ("7eb", 7 << 60),
            ("-1", -1),
            ("-2k", -2_000),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(classify(word), Ok(Word::Int(value)), "{word}");
        }
        for word in
            ["9223372036854775808", "10e", "8eb", "123456789012345678901234567890123456789012"]
        {
            assert_eq!(classify(word), Err(WordError::OutOfRange), "{word}");
        }
    }

    #[test]
    fn digits_and_letters_are_text_unless_they_are_unclear() {
        for word in [
            "10s",
            "1h30m",
            "4kbx",
            "0K1abc",
            "8m4dwr",
            "5e7bcd-abc10",
            "4e2abc",
            "4_0",
            "127.0.0.1",
            "127.0.0.1:4222",
            "1.5.2",
            "4222#c",
            "12:30",
            "+1",
        ] {
            assert_eq!(classify(word), Ok(Word::Text), "{word}");
        }
        assert_eq!(classify("1.5s"), Err(WordError::Unclear));
        assert_eq!(classify("-5s"), Err(WordError::Unclear));
        assert_eq!(classify("1."), Err(WordError::LonePoint));
        assert_eq!(classify("1.x"), Err(WordError::LonePoint));
        assert_eq!(classify(".5"), Err(WordError::LonePoint));
        assert_eq!(classify("-"), Err(WordError::LoneMinus));
        assert_eq!(classify("-foo"), Err(WordError::LoneMinus));
        assert_eq!(classify("2.5"), Ok(Word::Float(2.5)));
        assert_eq!(classify("-1.5"), Ok(Word::Float(-1.5)));
    }

    #[test]
    fn dates_must_exist() {
        assert_eq!(classify("2016-05-04T18:53:41Z"), Ok(Word::Date));
        assert_eq!(classify("2024-02-29T00:00:00Z"), Ok(Word::Date));
        for word in [
            "2016-05-04",
            "1234-abcd",
            "12-abcd",
            "2023-02-29T00:00:00Z",
            "2016-13-04T18:53:41Z",
            "2016-05-04T24:53:41Z",
        ] {
            assert_eq!(classify(word), Err(WordError::Date), "{word}");
        }
    }

    #[test]
    fn variables_and_the_bcrypt_exemption() {
        assert_eq!(classify("$NAME"), Ok(Word::Variable));
        assert_eq!(classify("$2b$11$ooo"), Ok(Word::Variable));
        assert_eq!(classify("$2a$11$ooo"), Ok(Word::Text));
    }
}
