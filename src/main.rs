//! The `corewire` binary: hands its arguments to the server room.

use std::process::ExitCode;

fn main() -> ExitCode {
    server::run()
}
