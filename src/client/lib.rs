//! The client dialect: what a NATS client may say and what it is told
