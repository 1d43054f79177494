//! One container engine as a source.
