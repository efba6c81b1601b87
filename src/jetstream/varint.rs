//! Numbers in seven bits a byte, least significant first, as Go's `encoding/binary` writes them
//! into backups. Signed ones alternate: 0, -1, 1, -2 …

/// Why no number stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    /// The bytes end within it.
    CutShort,
    /// It has more than 64 bits.
    TooLong,
}

/// Appends a number.
pub(crate) fn push(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number from the beginning of `rest`.
pub(crate) fn read(rest: &mut &[u8]) -> Result<u64, Bad> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, behind) = rest.split_first().ok_or(Bad::CutShort)?;
        *rest = behind;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return Err(Bad::TooLong);
        }
        number |= bits << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(Bad::TooLong)
}

/// A signed number as it is written.
pub(crate) fn unsigned(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

/// A number that was written as a signed one.
pub(crate) fn signed(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_were_written() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut written = Vec::new();
            push(&mut written, number);
            written.push(9);
            let mut rest = &written[..];
            assert_eq!(read(&mut rest), Ok(number));
            assert_eq!(rest, [9]);
            let mut short = &written[..written.len() - 2];
            assert_eq!(read(&mut short), Err(Bad::CutShort));
        }
        assert_eq!(read(&mut &[0xff; 10][..]), Err(Bad::TooLong));
        for number in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(signed(unsigned(number)), number);
        }
        assert_eq!([unsigned(0), unsigned(-1), unsigned(1), unsigned(-2)], [0, 1, 2, 3]);
    }
}
