//! Tasks: the seam [`Spawn`].

pub mod real;

use futures_util::future::BoxFuture;

/// The only way to start work beside the caller's.
///
/// Nothing is joined: who needs the result or the end of a task passes it a channel. A panic ends that task alone.
pub trait Spawn: Send + Sync {
    /// Runs `task` beside the caller. `name` says in logs what it is.
    fn spawn(&self, name: &'static str, task: BoxFuture<'static, ()>);

    /// Runs `work` where it may block a thread: disk access, hashing, passwords.
    fn spawn_blocking(&self, name: &'static str, work: Box<dyn FnOnce() + Send>);
}
