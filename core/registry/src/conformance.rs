//! What every [`Source`](crate::Source) does.
