//! The executor: one thread, seeded order, virtual time.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::future::BoxFuture;

use crate::simulation::random::Random;
use crate::spawn::Spawn;

/// The future of `block_on` itself.
const MAIN: u64 = 0;

/// One call of `block_on` may take a year of virtual time: longer than any limit a node knows, so what waits
/// longer waits for ever while some periodic task goes on.
const VIRTUAL_NS_MAX: u64 = 366 * 24 * 3600 * 1_000_000_000;

pub(super) struct Executor {
    state: Mutex<State>,
}

struct State {
    random: Random,
    now_ns: u64,
    /// Source of the ids of tasks and timers.
    next_id: u64,
    running: bool,
    ready: Vec<u64>,
    tasks: BTreeMap<u64, Task>,
    timers: BTreeMap<(u64, u64), Waker>,
}

enum Task {
    Future(BoxFuture<'static, ()>),
    Blocking(Box<dyn FnOnce() + Send>),
}

/// Tasks of a simulated machine. A panic of a task is not contained: it comes out of `block_on`.
#[derive(Clone)]
pub struct SimSpawn {
    executor: Arc<Executor>,
}

impl SimSpawn {
    pub(super) fn new(executor: Arc<Executor>) -> Self {
        Self { executor }
    }
}

impl Spawn for SimSpawn {
    fn spawn(&self, _name: &'static str, task: BoxFuture<'static, ()>) {
        self.executor.add(Task::Future(task));
    }

    fn spawn_blocking(&self, _name: &'static str, work: Box<dyn FnOnce() + Send>) {
        self.executor.add(Task::Blocking(work));
    }
}

struct TaskWaker {
    id: u64,
    executor: Weak<Executor>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if let Some(executor) = self.executor.upgrade() {
            let ready = &mut executor.lock().ready;
            if !ready.contains(&self.id) {
                ready.push(self.id);
            }
        }
    }
}

impl Executor {
    pub(super) fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                random: Random::new(seed),
                now_ns: 0,
                next_id: MAIN + 1,
                running: false,
                ready: Vec::new(),
                tasks: BTreeMap::new(),
                timers: BTreeMap::new(),
            }),
        })
    }

    /// Never held while foreign code (a task, a waker, a destructor) runs.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now_ns(&self) -> u64 {
        self.lock().now_ns
    }

    fn add(&self, task: Task) {
        let mut state = self.lock();
        let id = state.take_id();
        state.tasks.insert(id, task);
        state.ready.push(id);
    }

    pub(super) fn kill(&self) {
        loop {
            let (tasks, timers) = {
                let mut state = self.lock();
                state.ready.clear();
                (std::mem::take(&mut state.tasks), std::mem::take(&mut state.timers))
            };
            // Dropping a task may start another one.
            if tasks.is_empty() && timers.is_empty() {
                return;
            }
        }
    }

    pub(super) fn set_timer(&self, deadline: u64, timer: Option<u64>, waker: &Waker) -> u64 {
        let waker = waker.clone();
        let mut state = self.lock();
        let timer = timer.unwrap_or_else(|| state.take_id());
        let replaced = state.timers.insert((deadline, timer), waker);
        drop(state);
        drop(replaced);
        timer
    }

    pub(super) fn clear_timer(&self, deadline: u64, timer: u64) {
        let removed = self.lock().timers.remove(&(deadline, timer));
        drop(removed);
    }

    pub(super) fn block_on<F: Future>(self: &Arc<Self>, future: F) -> F::Output {
        let _running = Running::enter(self);
        let mut main = pin!(future);
        let give_up = self.now_ns().saturating_add(VIRTUAL_NS_MAX);
        loop {
            let Some(id) = self.next_ready() else {
                self.advance(give_up);
                continue;
            };
            let waker = Waker::from(Arc::new(TaskWaker { id, executor: Arc::downgrade(self) }));
            let mut context = Context::from_waker(&waker);
            if id != MAIN {
                self.run(id, &mut context);
            } else if let Poll::Ready(output) = main.as_mut().poll(&mut context) {
                return output;
            }
        }
    }

    fn run(&self, id: u64, context: &mut Context<'_>) {
        let task = self.lock().tasks.remove(&id);
        match task {
            Some(Task::Blocking(work)) => work(),
            Some(Task::Future(mut future)) => {
                let pending = future.as_mut().poll(context).is_pending();
                if pending {
                    self.lock().tasks.insert(id, Task::Future(future));
                }
            }
            // Woken once more after its end.
            None => {}
        }
    }

    fn next_ready(&self) -> Option<u64> {
        let mut state = self.lock();
        if state.ready.is_empty() {
            return None;
        }
        let count = state.ready.len();
        let index = state.random.below(count);
        Some(state.ready.swap_remove(index))
    }

    /// Jumps to the next timer.
    fn advance(&self, give_up: u64) {
        let mut due = Vec::new();
        let mut state = self.lock();
        let next = state.timers.keys().next().map(|(deadline, _)| *deadline);
        // A deadline that does not fit the clock is never.
        let Some(next) = next.filter(|next| *next < u64::MAX) else {
            let tasks = state.tasks.len();
            drop(state);
            panic!("deadlock: nothing can go on and no timer is set; {tasks} tasks wait");
        };
        state.now_ns = next.max(state.now_ns);
        while let Some(timer) = state.timers.first_entry().filter(|timer| timer.key().0 <= next) {
            due.push(timer.remove());
        }
        drop(state);
        assert!(next <= give_up, "not done after a year of virtual time: it waits for what never comes");
        due.into_iter().for_each(Waker::wake);
    }
}

impl State {
    fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}

/// The time in which `block_on` runs; ends on a panic too.
struct Running<'a>(&'a Executor);

impl<'a> Running<'a> {
    fn enter(executor: &'a Executor) -> Self {
        let mut state = executor.lock();
        let nested = std::mem::replace(&mut state.running, true);
        state.ready.retain(|id| *id != MAIN);
        state.ready.push(MAIN);
        drop(state);
        assert!(!nested, "block_on inside a task of the same simulation");
        Self(executor)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.running = false;
        state.ready.retain(|id| *id != MAIN);
    }
}
