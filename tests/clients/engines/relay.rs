//! A socket in front of docker's: it notes what is asked, and can hold an export back in its middle.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use crate::inside::Room;

/// What of an export is passed on before it is held back: some layers have begun by then.
const BEFORE_HOLD_BYTES: usize = 1 << 20;
/// The longest head of a request that is looked for its end.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// What it noted.
#[derive(Default)]
struct Notes {
    exports: usize,
    /// Whether exports are held back, and the numbers of those that are.
    holds: bool,
    held: BTreeSet<usize>,
    /// Exports whose asker went away while they were held.
    given_up: usize,
}

#[derive(Default)]
struct Shared {
    notes: Mutex<Notes>,
    changed: Condvar,
}

/// The socket. Its threads end with the connections, and with the test.
pub(super) struct Relay {
    path: PathBuf,
    shared: Arc<Shared>,
}

impl Relay {
    /// A socket in this room that passes everything on to `engine`.
    pub(super) fn start(room: &Room, engine: &str) -> Self {
        let path = room.path("relay.sock");
        let engine = PathBuf::from(engine.strip_prefix("unix://").unwrap());
        let listener = UnixListener::bind(&path).unwrap();
        let shared = Arc::new(Shared::default());
        let of_all = Arc::clone(&shared);
        thread::spawn(move || {
            for asker in listener.incoming().map_while(Result::ok) {
                let (shared, engine) = (Arc::clone(&of_all), engine.clone());
                thread::spawn(move || shared.serve(asker, &engine));
            }
        });
        Self { path, shared }
    }

    pub(super) fn address(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    /// Exports that were asked for.
    pub(super) fn exports(&self) -> usize {
        self.shared.notes.lock().unwrap().exports
    }

    /// Exports that are held back now.
    pub(super) fn held(&self) -> usize {
        self.shared.notes.lock().unwrap().held.len()
    }

    /// Exports that nobody waited for any more while they were held back.
    pub(super) fn given_up(&self) -> usize {
        self.shared.notes.lock().unwrap().given_up
    }

    /// Whether exports stop in their middle from now on; those that do go on when they may.
    pub(super) fn hold_exports(&self, holds: bool) {
        self.shared.notes.lock().unwrap().holds = holds;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    /// One connection: a request and its answer. The node closes it when it has what it wants, or wants it no more.
    fn serve(self: Arc<Self>, mut asker: UnixStream, engine: &Path) {
        let Ok(mut answerer) = UnixStream::connect(engine) else { return };
        let Some(head) = read_head(&mut asker) else { return };
        let export = first_line(&head).contains("/get ").then(|| {
            let mut notes = self.notes.lock().unwrap();
            notes.exports += 1;
            notes.exports
        });
        if answerer.write_all(&head).is_err() {
            return;
        }
        let (mut from, mut to) = (asker.try_clone().unwrap(), answerer.try_clone().unwrap());
        let beside = Arc::clone(&self);
        thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let mut notes = beside.notes.lock().unwrap();
            notes.given_up += usize::from(export.is_some_and(|number| notes.held.remove(&number)));
            beside.changed.notify_all();
            let _ = to.shutdown(Shutdown::Both);
        });
        self.pass_on(&mut answerer, &mut asker, export);
        let _ = asker.shutdown(Shutdown::Both);
    }

    fn pass_on(&self, from: &mut UnixStream, to: &mut UnixStream, export: Option<usize>) {
        let (mut piece, mut passed) = (vec![0; 64 << 10], 0);
        loop {
            match from.read(&mut piece) {
                Ok(count) if count > 0 && to.write_all(&piece[..count]).is_ok() => passed += count,
                _ => return,
            }
            if let Some(number) = export.filter(|_| passed >= BEFORE_HOLD_BYTES) {
                self.wait_while_held(number);
            }
        }
    }

    fn wait_while_held(&self, number: usize) {
        let mut notes = self.notes.lock().unwrap();
        if notes.holds {
            notes.held.insert(number);
        }
        while notes.holds && notes.held.contains(&number) {
            notes = self.changed.wait(notes).unwrap();
        }
        notes.held.remove(&number);
    }
}

fn read_head(from: &mut UnixStream) -> Option<Vec<u8>> {
    let (mut head, mut piece) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        match from.read(&mut piece) {
            Ok(count) if count > 0 && head.len() < HEAD_BYTES_MAX => head.extend_from_slice(&piece[..count]),
            _ => return None,
        }
    }
    Some(head)
}

fn first_line(head: &[u8]) -> String {
    String::from_utf8_lossy(head).lines().next().unwrap_or_default().to_owned()
}
