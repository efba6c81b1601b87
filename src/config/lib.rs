//! Flags, configuration language, options and limits
