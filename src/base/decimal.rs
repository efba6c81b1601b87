//! Hot path: numbers in decimal, for subjects, headers and acknowledgements: `write!` costs several
//! times as much.

/// Appends a number.
#[inline]
pub fn push(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Reads a number of digits only. `None` when it is none or does not fit.
#[inline]
pub fn parse(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for number in [0, 7, 10, 12_345_678_901, u64::MAX] {
            let mut out = b"n=".to_vec();
            push(&mut out, number);
            assert_eq!(out, format!("n={number}").as_bytes());
            assert_eq!(parse(&out[2..]), Some(number));
        }
        for text in ["", "1x", "-1", " 1", "18446744073709551616"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
