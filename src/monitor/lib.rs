//! HTTP endpoints on the control thread
