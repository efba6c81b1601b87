//! Entries for the fuzzer. Any bytes may come in; none may panic, and what parses must print and
//! parse to the same again.

use std::io;
use std::path::Path;

use crate::apply;
use crate::digest;
use crate::draft::Draft;
use crate::duration;
use crate::parser::{self, Files};
use crate::place::Sources;
use crate::problem::Diagnostics;
use crate::value::Map;
use crate::word::{self, Word};

/// One text under every name, so that an include meets the text itself.
struct Everywhere<'t>(&'t [u8]);

impl Files for Everywhere<'_> {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Ok(self.0.to_owned())
    }
}

fn parse(text: &[u8]) -> Option<Map> {
    let mut sources = Sources::default();
    let env = |name: &str| Some(format!("[{name}, $A]")).filter(|_| name.len() < 3);
    match parser::load(Path::new("fuzz.conf"), &Everywhere(text), &env, &mut sources) {
        Ok(map) => Some(map),
        Err(problem) => {
            assert!(!problem.show(&sources).is_empty());
            None
        }
    }
}

/// A configuration file.
pub fn fuzz_config(text: &[u8]) {
    let Some(map) = parse(text) else { return };
    let printed = digest::print(&map);
    let Some(again) = parse(printed.as_bytes()) else {
        panic!("what was printed does not parse: {printed}");
    };
    assert_eq!(again, map, "{printed}");
    assert_eq!(digest::digest(&again), digest::digest(&map));
    let (mut draft, mut found) = (Draft::default(), Diagnostics::default());
    apply::apply(&map, &mut draft, &mut found);
    draft.finish(&mut found);
    let sources = Sources::default();
    assert_eq!(found.show(&sources).len(), found.errors.len() + found.warnings.len());
}

/// A duration.
pub fn fuzz_duration(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    if let Ok(read) = duration::parse(text) {
        assert_eq!(duration::parse(&duration::print(read)), Ok(read), "{text}");
    }
}

/// A number with a size suffix, or any other bare word.
pub fn fuzz_size(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    if let Ok(Word::Int(number)) = word::classify(text) {
        assert_eq!(word::classify(&number.to_string()), Ok(Word::Int(number)), "{text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What configurations are made of.
    const PIECES: [&str; 44] = [
        "{",
        "}",
        "[",
        "]",
        "(",
        "\n)",
        ")",
        "\"",
        "'",
        "\\",
        "\\x41",
        "\n",
        " ",
        ",",
        ";",
        ":",
        "=",
        "#",
        "//",
        "$A",
        "$LONG",
        "$2a$10$",
        "a",
        "port",
        "include ",
        "include",
        "include x",
        "true",
        "1",
        "-",
        ".",
        "1k",
        "2MB",
        "9223372036854775808",
        "1.5",
        "2016-05-04T18:53:41Z",
        "10s",
        "\u{e9}",
        "\u{2028}",
        "\0",
        "authorization",
        "users",
        "users: [{user: a}]",
        "\r\n",
    ];

    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % bound as u64) as usize
        }
    }

    #[test]
    fn texts_made_of_the_language_do_not_panic_and_print_to_the_same() {
        let seed = 0x9e37_79b9_7f4a_7c15;
        println!("seed {seed}");
        let mut random = Random(seed);
        for _ in 0..30_000 {
            let length = random.below(24);
            let text: String = (0..length).map(|_| PIECES[random.below(PIECES.len())]).collect();
            fuzz_config(text.as_bytes());
        }
    }

    #[test]
    fn short_words_do_not_panic_and_print_to_the_same() {
        let letters = b"0159.-+smhnu_kKbiMe \xc2\xb5";
        let mut random = Random(0x2545_f491_4f6c_dd1d);
        for _ in 0..100_000 {
            let length = random.below(8);
            let text: Vec<u8> = (0..length).map(|_| letters[random.below(letters.len())]).collect();
            fuzz_duration(&text);
            fuzz_size(&text);
            fuzz_config(&text);
        }
    }
}
