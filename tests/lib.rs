//! The integration tests live in the test target of this package; this library is empty.
