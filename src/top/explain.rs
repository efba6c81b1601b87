//! `corewire explain client ID` and `corewire explain subject SUBJECT`: what a server that runs
//! says of where they live, who is slow, and what was dropped.

use std::io::Write as _;

use clap::{Parser, Subcommand};

use crate::fetch::{FetchError, Server};

#[derive(Debug, Parser)]
#[command(
    name = "corewire explain",
    about = "Says where a client or a subject's subscribers live, who is slow, and what was dropped"
)]
struct Arguments {
    /// Monitoring address of the server, as given to it with -m
    #[arg(long, global = true, default_value = "http://127.0.0.1:8222", value_name = "URL")]
    server: Server,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// One client, open or ended lately
    Client {
        /// Its id (cid), as connz and the log show it
        id: u64,
    },
    /// The subscribers that a message on a subject reaches
    Subject {
        /// The subject; wildcards find all that overlap
        subject: String,
        /// The account that it is in
        #[arg(long, default_value = "$G")]
        account: String,
    },
}

impl What {
    /// What is asked of the server.
    fn path(&self) -> String {
        match self {
            What::Client { id } => format!("/explain?client={id}"),
            What::Subject { subject, account } => {
                format!("/explain?subject={}&acc={}", encoded(subject), encoded(account))
            }
        }
    }
}

/// Text as it may stand in a query.
fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
enum ExplainError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("standard output cannot be written: {0}")]
    Output(#[from] std::io::Error),
}

/// Runs `corewire explain` with the arguments behind `explain`, and returns the process's exit
/// code: 0, 1 when the server cannot be read, 2 when the arguments are wrong.
pub fn run(arguments: &[String]) -> u8 {
    let name = std::iter::once("corewire explain");
    let arguments = name.chain(arguments.iter().map(String::as_str));
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // That the other end of a pipe is gone needs no word.
            let _ = error.print();
            return error.exit_code() as u8;
        }
    };
    match show(&arguments) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("corewire explain: {error}");
            1
        }
    }
}

fn show(arguments: &Arguments) -> Result<(), ExplainError> {
    let text = arguments.server.get(&arguments.what.path())?;
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(arguments: &[&str]) -> Option<String> {
        let all = std::iter::once(&"explain").chain(arguments);
        Some(Arguments::try_parse_from(all).ok()?.what.path())
    }

    #[test]
    fn words_become_a_query() {
        assert_eq!(path(&["client", "7"]).as_deref(), Some("/explain?client=7"));
        let subject = path(&["subject", "a.*.>", "--account", "x y", "--server", "h:1"]);
        assert_eq!(subject.as_deref(), Some("/explain?subject=a.%2A.%3E&acc=x%20y"));
        assert_eq!(path(&["subject", "a"]).as_deref(), Some("/explain?subject=a&acc=%24G"));
        for wrong in [&[][..], &["client"], &["client", "x"], &["stream", "s"]] {
            assert_eq!(path(wrong), None, "{wrong:?}");
        }
    }
}
