//! Pooled write chunks and the segments a connection sends
