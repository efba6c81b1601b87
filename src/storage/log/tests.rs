//! What a log does on a disk that is full, fails or was damaged, and how it reads.
