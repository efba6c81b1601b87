//! Writes the log lines that rooms queue.
