//! The bytes of a message body, and the checks of `--verify`.
//!
//! ```text
//! plain      'x' repeated
//! verified   sequence u64 LE | publisher u32 LE | checksum u32 LE | 'x' repeated
//! ```

use crate::error::VerifyError;

/// Bytes that a verified payload needs.
pub const VERIFIED_BYTES_MIN: usize = 16;
const FILL: u8 = b'x';

/// Whether messages carry a sequence and a checksum. It costs the generator a third of its speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// Only counts are checked.
    Count,
    /// Order and content are checked too.
    Content,
}

/// A body of `size` bytes.
pub fn plain(size: usize) -> Vec<u8> {
    vec![FILL; size]
}

/// Writes sequence, publisher and checksum into the first 16 bytes of `body`.
pub fn stamp(body: &mut [u8], publisher: u32, sequence: u64) {
    body[..8].copy_from_slice(&sequence.to_le_bytes());
    body[8..12].copy_from_slice(&publisher.to_le_bytes());
    let sum = checksum(&body[..12]);
    body[12..16].copy_from_slice(&sum.to_le_bytes());
}

/// Reads what [`stamp`] wrote, and checks the whole body.
///
/// # Errors
/// [`VerifyError::Size`] or [`VerifyError::Payload`].
pub fn check(body: &[u8], size: usize) -> Result<(u32, u64), VerifyError> {
    if body.len() != size {
        return Err(VerifyError::Size { got: body.len(), expected: size });
    }
    let sequence = u64::from_le_bytes(body[..8].try_into().expect("eight bytes"));
    let publisher = u32::from_le_bytes(body[8..12].try_into().expect("four bytes"));
    let sum = u32::from_le_bytes(body[12..16].try_into().expect("four bytes"));
    let intact = sum == checksum(&body[..12]) && body[16..].iter().all(|&byte| byte == FILL);
    if intact {
        Ok((publisher, sequence))
    } else {
        Err(VerifyError::Payload { publisher, sequence })
    }
}

/// FNV-1a: twelve bytes, no table.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, &byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_bit_is_found() {
        let mut body = plain(24);
        stamp(&mut body, 3, 77);
        assert_eq!(check(&body, 24), Ok((3, 77)));
        for bit in 0..24 * 8 {
            let mut changed = body.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(check(&changed, 24).is_err(), "bit {bit}");
        }
        assert_eq!(check(&body[..20], 24), Err(VerifyError::Size { got: 20, expected: 24 }));
    }
}
