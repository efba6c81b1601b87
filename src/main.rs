//! The `corewire` binary: hands its arguments to the server room.

fn main() {}
