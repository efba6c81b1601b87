//! The heart of one core: door in, match, fan-out, delivery, door out
