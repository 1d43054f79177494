//! The access log: one event for each request, without secrets.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::fixture::Node;

/// Writes every event of the target `access` down.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "access"
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

#[test]
fn each_request_is_one_line_without_secrets() {
    let lines = Lines::default();
    // With a single dispatcher, tracing asks only the thread that meets an event first whether anyone wants it: other
    // tests, which want none, would silence it here.
    let _second = tracing::Dispatch::new(Lines::default());
    tracing::subscriber::with_default(lines.clone(), || {
        let node = Node::guarded();
        let headers =
            [("authorization", "Basic YWxpY2U6c2VjcmV0"), ("x-request-id", "id-1"), ("user-agent", "test/1")];
        node.send("GET /v2/a/tags/list?n=2&token=hunter2", &headers, "").expect(404);
        node.ask("GET /token?password=hunter2").expect(200);
    });
    let lines = lines.0.lock().unwrap();
    assert_eq!(lines.len(), 2, "{lines:?}");
    for part in [
        "method=GET ",
        "path=/v2/a/tags/list?n=2&token=[redacted] ",
        "status=404 ",
        "subject=alice ",
        "peer=192.0.2.1 ",
        "request_id=id-1 ",
        "user_agent=test/1 ",
        "whole=true ",
    ] {
        assert!(lines[0].contains(part), "{part}: {}", lines[0]);
    }
    assert!(lines.iter().all(|line| !line.contains("hunter2") && !line.contains("YWxp")), "{lines:?}");
}
