//! A raw client that logs in and collects what it is told up to the next PONG.

use std::net::SocketAddr;

use harness::{Pings, Raw, Server};

/// A connection that has said CONNECT.
pub struct Visitor {
    pub raw: Raw,
}

impl Visitor {
    /// Says CONNECT with these fields of JSON.
    pub fn saying(address: SocketAddr, fields: &str) -> Visitor {
        let mut raw = Raw::connect(address);
        raw.set_pings(Pings::Answered);
        let common = r#""verbose":false,"pedantic":false,"headers":true,"no_responders":true"#;
        let comma = if fields.is_empty() { "" } else { "," };
        raw.send(&format!("CONNECT {{{common},\"protocol\":1{comma}{fields}}}"));
        Visitor { raw }
    }

    /// Logs in with name and password.
    pub fn named(server: &Server, user: &str, pass: &str) -> Visitor {
        let mut visitor =
            Visitor::saying(server.client(), &format!(r#""user":"{user}","pass":"{pass}""#));
        visitor.tells("");
        visitor
    }

    /// Sends lines and a PING; all lines that come before the PONG, INFO left out.
    pub fn tells(&mut self, lines: &str) -> Vec<String> {
        let lines = if lines.is_empty() { String::new() } else { format!("{lines}\r\n") };
        self.raw.send(&format!("{lines}PING"));
        let mut told = Vec::new();
        loop {
            let line = self.raw.line();
            match line.as_str() {
                "PONG" | "PONG\r\n" => return told,
                line if line.starts_with("INFO") => {}
                line => told.push(line.trim_end().to_owned()),
            }
        }
    }

    /// Publishes without payload; what the server says of it.
    pub fn publishes(&mut self, subject: &str) -> Vec<String> {
        self.tells(&format!("PUB {subject} 0\r\n"))
    }
}

/// A server on one core: there, who has a PONG has all that was published before it.
pub fn one_core(config: &str) -> Server {
    Server::builder().cores(1).config(config).start()
}
