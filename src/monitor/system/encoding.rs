//! Answers compressed for those who ask for it (spec/monitoring.md §13, `Accept-Encoding`).

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

/// How an answer is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    /// Snappy's frames, which readers of S2 understand, too.
    Snappy,
}

impl Encoding {
    /// What a request with these headers asks for. The header's name counts in any case; of
    /// several encodings the quicker one is taken.
    pub(super) fn wanted_by(headers: &[u8]) -> Encoding {
        let text = String::from_utf8_lossy(headers).to_ascii_lowercase();
        let mut values = text.lines().filter_map(|line| line.strip_prefix("accept-encoding:"));
        let Some(wanted) = values.next() else { return Encoding::Identity };
        if wanted.contains("snappy") || wanted.contains("s2") {
            return Encoding::Snappy;
        }
        if wanted.contains("gzip") { Encoding::Gzip } else { Encoding::Identity }
    }

    /// The header block and the payload that carry `body`.
    pub(super) fn apply(self, body: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
        let encoded = match self {
            Encoding::Identity => return (Vec::new(), body),
            Encoding::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(&body).and_then(|()| encoder.finish())
            }
            Encoding::Snappy => {
                let mut encoder = snap::write::FrameEncoder::new(Vec::new());
                let written = encoder.write_all(&body);
                written.and_then(|()| encoder.into_inner().map_err(|error| error.into_error()))
            }
        };
        let name = if self == Encoding::Gzip { "gzip" } else { "snappy" };
        let headers = format!("NATS/1.0\r\nContent-Encoding: {name}\r\n\r\n");
        (headers.into_bytes(), encoded.expect("a Vec takes everything"))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_encoding_is_what_the_header_asks_for() {
        let wanted =
            |value: &str| Encoding::wanted_by(format!("NATS/1.0\r\n{value}\r\n\r\n").as_bytes());
        assert_eq!(wanted("Accept-Encoding: gzip"), Encoding::Gzip);
        assert_eq!(wanted("accept-encoding:GZIP, S2"), Encoding::Snappy);
        assert_eq!(wanted("Accept-Encoding: snappy"), Encoding::Snappy);
        assert_eq!(wanted("Accept-Encoding: br"), Encoding::Identity);
        assert_eq!(wanted("X: gzip"), Encoding::Identity);
        assert_eq!(Encoding::wanted_by(b""), Encoding::Identity);
    }

    #[test]
    fn what_is_encoded_reads_back() {
        let body: Vec<u8> = (0..200_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        let read = |encoding: Encoding| {
            let (headers, payload) = encoding.apply(body.clone());
            let mut back = Vec::new();
            match encoding {
                Encoding::Identity => back.clone_from(&payload),
                Encoding::Gzip => {
                    flate2::read::GzDecoder::new(&payload[..]).read_to_end(&mut back).unwrap();
                }
                Encoding::Snappy => {
                    snap::read::FrameDecoder::new(&payload[..]).read_to_end(&mut back).unwrap();
                }
            }
            assert!(back == body, "{encoding:?}");
            (String::from_utf8(headers).unwrap(), payload.len() < body.len())
        };
        assert_eq!(read(Encoding::Identity), (String::new(), false));
        let block = |name| format!("NATS/1.0\r\nContent-Encoding: {name}\r\n\r\n");
        assert_eq!(read(Encoding::Gzip), (block("gzip"), true));
        assert_eq!(read(Encoding::Snappy), (block("snappy"), true));
    }
}
