//! Who asks for the same thing at the same time asks once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dockless_runtime::BoxFuture;
use futures_util::FutureExt as _;
use futures_util::future::{Shared, WeakShared};

use super::question::Question;
use super::reply::Refused;
use crate::error::Error;

type Work<T> = BoxFuture<'static, Result<T, Refused>>;

/// The askings under way, by their question. What is not awaited by anybody any more is dropped where it stands.
#[derive(Clone)]
pub(super) struct Flights<T>(Arc<Mutex<Table<T>>>);

struct Table<T> {
    under_way: HashMap<Question, Flight<T>>,
    begun: u64,
}

struct Flight<T> {
    number: u64,
    work: WeakShared<Work<T>>,
}

/// Takes a flight off the table when it is over, however that comes.
struct Landing<T> {
    flights: Flights<T>,
    question: Question,
    number: u64,
}

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Table { under_way: HashMap::new(), begun: 0 })))
    }
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// The result of the asking that is under way for this question, or of a new one. With `together` it is that of
    /// whoever asks the same, unless some source refused that one: what a source refuses to somebody says nothing
    /// about others.
    pub(super) async fn join(
        &self,
        question: &Question,
        together: bool,
        begin: impl Fn() -> Work<T>,
    ) -> Result<T, Error> {
        if together {
            match self.share(question.of_anybody(), &begin).await {
                Err(refused) if refused.is_of_another(&question.asked.principal) => {}
                result => return result.map_err(|refused| refused.error),
            }
        }
        self.share(question.clone(), &begin).await.map_err(|refused| refused.error)
    }

    fn share(&self, question: Question, begin: &impl Fn() -> Work<T>) -> Shared<Work<T>> {
        let mut table = self.table();
        let flying = table.under_way.get(&question).and_then(|flight| flight.work.upgrade());
        if let Some(work) = flying {
            return work;
        }
        table.begun += 1;
        let number = table.begun;
        let landing = Landing { flights: Self(self.0.clone()), question: question.clone(), number };
        let work = begin();
        let work: Work<T> = Box::pin(async move {
            let _landing = landing;
            work.await
        });
        let work = work.shared();
        if let Some(weak) = work.downgrade() {
            table.under_way.insert(question, Flight { number, work: weak });
        }
        work
    }
}

impl<T> Flights<T> {
    fn table(&self) -> MutexGuard<'_, Table<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for Landing<T> {
    fn drop(&mut self) {
        let mut table = self.flights.table();
        let is_ours = table.under_way.get(&self.question).is_some_and(|flight| flight.number == self.number);
        let landed = if is_ours { table.under_way.remove(&self.question) } else { None };
        drop(table);
        drop(landed);
    }
}
