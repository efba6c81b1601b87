//! One connection: reading, writing, liveness, slow consumers
