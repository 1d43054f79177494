//! Layers of an engine, rebuilt byte for byte where they lie.
