//! Replays every corpus through the rooms' fuzz entries, then runs each entry for a short while on
//! mutations of its corpus. What an entry must assert stands beside the code that it fuzzes.
//!
//! `FUZZ_SECONDS=60 FUZZ_SEED=7 cargo test --release --test fuzz_corpus -- --nocapture` runs each
//! entry for a minute from a chosen seed. An input that fails is printed, to be kept as a file of
//! the corpus.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long each entry runs on mutations, unless `FUZZ_SECONDS` says otherwise.
const FUZZED_FOR: Duration = Duration::from_millis(700);
/// An input that grows beyond this is cut, bytes.
const INPUT_MAX: usize = 8 * 1024;
/// Mutations of one input at most.
const MUTATIONS_MAX: usize = 8;

/// One fuzz entry and where its corpus lies.
struct Entry {
    name: &'static str,
    run: fn(&[u8]),
    folders: &'static [&'static str],
    /// Pieces that make sense to the entry; a mutation puts them in.
    pieces: &'static [&'static [u8]],
}

const CONFIG: [&str; 4] = [
    "src/config/corpus/good",
    "src/config/corpus/bad",
    "src/config/corpus/bad/parts",
    "src/config/corpus/warned",
];

const CONFIG_PIECES: [&[u8]; 14] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"(",
    b"\n)\n",
    b"\"",
    b"\\x",
    b"$A",
    b"include ",
    b":",
    b"\n",
    b"10s",
    b"9223372036854775808",
];

const PARSE_PIECES: [&[u8]; 12] = [
    b"PUB ",
    b"HPUB ",
    b"SUB ",
    b"UNSUB ",
    b"CONNECT {",
    b"PING",
    b"\r\n",
    b" ",
    b"\t",
    b"999999999",
    b"NATS/1.0\r\n\r\n",
    b"+OK",
];

const CONNECT_PIECES: [&[u8]; 10] = [
    b"\"pass\":",
    b"\"user\":",
    b"null",
    b"\"",
    b"\\u0070",
    b"{",
    b"}",
    b",",
    b"1e999",
    b"\"jwt\"",
];

const JWT_PIECES: [&[u8]; 14] = [
    b"\"iss\":\"ISSUER\"",
    b"\"sub\":\"x\"",
    b"\"type\":\"user\"",
    b"\"version\":2",
    b"\"nats\":{",
    b"\"tags\":[",
    b"null",
    b"-1",
    b"\"",
    b"{",
    b"}",
    b",",
    b".",
    b"1e999",
];

const PROXY_PIECES: [&[u8]; 8] = [
    b"PROXY ",
    b"TCP4 ",
    b"TCP6 ",
    b"UNKNOWN",
    b"192.0.2.7 ",
    b"\r\n",
    b"\r\n\r\n\0\r\nQUIT\n",
    b"\x21\x11\x00\x0c",
];

const CERTIFICATE_PIECES: [&[u8]; 7] = [
    b"\x30\x82",
    b"\x06\x03\x55\x04\x03",
    b"\x0c\x00",
    b"\x80\xff",
    b"\x18\x0f99991231235959Z",
    b"\xa0\x84\xff\xff\xff\xff",
    b"http://",
];

const ENTRIES: [Entry; 9] = [
    Entry {
        name: "protocol::fuzz_parse",
        run: protocol::fuzz::fuzz_parse,
        folders: &["src/protocol/corpus/parse"],
        pieces: &PARSE_PIECES,
    },
    Entry {
        name: "protocol::fuzz_connect",
        run: protocol::fuzz::fuzz_connect,
        folders: &["src/protocol/corpus/connect"],
        pieces: &CONNECT_PIECES,
    },
    Entry {
        name: "protocol::fuzz_proxy",
        run: protocol::fuzz::fuzz_proxy,
        folders: &["src/protocol/corpus/proxy"],
        pieces: &PROXY_PIECES,
    },
    Entry {
        name: "subject::fuzz_index",
        run: subject::fuzz::fuzz_index,
        folders: &["src/subject/corpus"],
        pieces: &[],
    },
    Entry {
        name: "config::fuzz_config",
        run: config::fuzz::fuzz_config,
        folders: &CONFIG,
        pieces: &CONFIG_PIECES,
    },
    Entry {
        name: "config::fuzz_duration",
        run: config::fuzz::fuzz_duration,
        folders: &CONFIG,
        pieces: &[b"ms", b"h", b"1", b"-", b".", b"\xc2\xb5s"],
    },
    Entry {
        name: "config::fuzz_size",
        run: config::fuzz::fuzz_size,
        folders: &CONFIG,
        pieces: &[b"KB", b"k", b"1", b"-", b"9223372036854775807"],
    },
    Entry {
        name: "security::jwt::fuzz_jwt",
        run: security::jwt::fuzz::fuzz_jwt,
        folders: &["src/security/jwt/corpus"],
        pieces: &JWT_PIECES,
    },
    Entry {
        name: "security::tls::fuzz_certificate",
        run: security::tls::fuzz::fuzz_certificate,
        folders: &["src/security/tls/corpus"],
        pieces: &CERTIFICATE_PIECES,
    },
];

#[test]
fn every_corpus_holds() {
    for entry in &ENTRIES {
        let corpus = entry.corpus();
        for (name, input) in &corpus {
            entry.check(input, name);
        }
        println!("{}: {} inputs", entry.name, corpus.len());
    }
}

#[test]
fn mutations_of_every_corpus_hold() {
    let seed = seed();
    println!("FUZZ_SEED={seed}");
    for entry in &ENTRIES {
        let mut random = fastrand::Rng::with_seed(seed);
        let corpus = entry.corpus();
        let deadline = Instant::now() + fuzzed_for();
        let mut runs = 0u64;
        while Instant::now() < deadline {
            let input = entry.mutation(&corpus, &mut random);
            entry.check(&input, &format!("run {runs} of seed {seed}"));
            runs += 1;
        }
        println!("{}: {runs} mutations", entry.name);
        assert!(runs > 0, "{} had no time at all", entry.name);
    }
}

#[test]
fn a_failing_entry_fails_the_replay() {
    let refuses = |input: &[u8]| assert!(!input.contains(&b'!'), "no shouting");
    let entry = Entry { name: "refuses", run: refuses, folders: &[], pieces: &[b"!"] };
    entry.check(b"quiet", "quiet");
    assert!(catch_unwind(|| entry.check(b"loud!", "loud")).is_err());
    let corpus = [(String::from("quiet"), b"quiet".to_vec())];
    let mut random = fastrand::Rng::with_seed(1);
    let found = (0..1000).any(|_| entry.mutation(&corpus, &mut random).contains(&b'!'));
    assert!(found, "mutations reach what the pieces lead to");
}

impl Entry {
    /// Name and bytes of every file of the corpus, in order.
    fn corpus(&self) -> Vec<(String, Vec<u8>)> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let files = self.folders.iter().flat_map(|folder| {
            let files = std::fs::read_dir(root.join(folder));
            files.unwrap_or_else(|error| panic!("{folder}: {error}"))
        });
        let paths = files.map(|file| file.expect("a readable folder").path());
        let mut corpus: Vec<_> = paths
            .filter(|path| path.is_file())
            .map(|path| {
                let input = std::fs::read(&path).expect("a readable input");
                (path.display().to_string(), input)
            })
            .collect();
        corpus.sort();
        assert!(corpus.len() >= 4, "{}: the corpus is gone", self.name);
        corpus
    }

    /// Runs the entry; says which input failed, since the entry itself cannot.
    #[track_caller]
    fn check(&self, input: &[u8], origin: &str) {
        if catch_unwind(AssertUnwindSafe(|| (self.run)(input))).is_err() {
            panic!("{} failed on {origin}:\n{}", self.name, input.escape_ascii());
        }
    }

    /// An input of the corpus, changed in up to [`MUTATIONS_MAX`] places.
    fn mutation(&self, corpus: &[(String, Vec<u8>)], random: &mut fastrand::Rng) -> Vec<u8> {
        let mut input = corpus[random.usize(..corpus.len())].1.clone();
        for _ in 0..random.usize(1..=MUTATIONS_MAX) {
            let at = random.usize(..=input.len());
            let until = random.usize(at..=input.len().min(at + 16));
            match random.u8(..7) {
                0 => drop(input.drain(at..until)),
                1 => input.insert(at, random.u8(..)),
                2 if at < input.len() => input[at] ^= 1 << random.u8(..8),
                3 => input.truncate(at),
                4 => {
                    let again = input[at..until].to_vec();
                    input.splice(at..at, again);
                }
                5 => {
                    let other = &corpus[random.usize(..corpus.len())].1;
                    let rest = &other[random.usize(..=other.len())..];
                    input.splice(at..until, rest.iter().copied());
                }
                _ => {
                    let piece = random.choice(self.pieces.iter()).copied();
                    input.splice(at..until, piece.unwrap_or_default().iter().copied());
                }
            }
        }
        input.truncate(INPUT_MAX);
        input
    }
}

/// `FUZZ_SEED`, or another one each time.
fn seed() -> u64 {
    let chosen = std::env::var("FUZZ_SEED").ok();
    chosen.map_or_else(|| fastrand::u64(..), |seed| seed.parse().expect("FUZZ_SEED is a number"))
}

fn fuzzed_for() -> Duration {
    let chosen = std::env::var("FUZZ_SECONDS").ok();
    let seconds = chosen.map(|seconds| seconds.parse().expect("FUZZ_SECONDS is a number"));
    seconds.map_or(FUZZED_FOR, Duration::from_secs)
}
