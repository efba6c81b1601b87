//! The NATS wire, sans-I/O: parser, encoder, INFO, CONNECT, errors
