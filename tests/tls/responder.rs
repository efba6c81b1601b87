//! An OCSP responder that is not ours: openssl's.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::papers::Papers;

/// `openssl ocsp`, for what one authority issued. Dropping it ends it.
pub struct Responder {
    child: Child,
    port: u16,
}

impl Drop for Responder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Responder {
    /// Says of each serial number, in hex, what stands before it: `V` for valid, `R` for revoked.
    /// Of all others it knows nothing.
    pub fn start(papers: &Papers, says: &[(&str, &str)]) -> Responder {
        let lines = says.iter().map(|(status, serial)| {
            let revoked = if *status == "R" { "200101000000Z" } else { "" };
            format!("{status}\t400101000000Z\t{revoked}\t{serial}\tunknown\t/CN={serial}\n")
        });
        papers.folder.write("index.txt", &lines.collect::<String>());
        let mut child = Command::new("openssl")
            .args(["ocsp", "-port", "0", "-nmin", "60", "-index"])
            .arg(papers.path("index.txt"))
            .arg("-rsigner")
            .arg(papers.path("ca.pem"))
            .arg("-rkey")
            .arg(papers.path("ca.key"))
            .arg("-CA")
            .arg(papers.path("ca.pem"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl");
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().expect("piped"));
        said.read_line(&mut line).expect("it says where it listens");
        // ACCEPT [::]:39147 PID=2849
        let port = line.rsplit(':').next().and_then(|rest| rest.split(' ').next());
        let port = port.and_then(|port| port.parse().ok()).expect(&line);
        Responder { child, port }
    }

    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }
}
