//! A Rust file as the checks see it: comments and literals blanked out, items and test modules found by their braces.

/// One Rust file, with its code apart from its comments and literals.
pub(crate) struct Source<'a> {
    /// Path from the root of the checkout.
    pub(crate) path: &'a str,
    /// The text as written.
    pub(crate) text: &'a str,
    /// The text with comments and the insides of literals replaced by spaces; the lines stay where they are.
    pub(crate) code: String,
    /// Line spans of inline `#[cfg(test)]` modules.
    pub(crate) tests: Vec<Span>,
}

/// Lines from `first` to `last`, both counted from 0 and both inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: usize,
    pub(crate) last: usize,
}

impl Span {
    fn holds(self, line: usize) -> bool {
        (self.first..=self.last).contains(&line)
    }
}

/// A `fn` or `trait` with a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) span: Span,
}

impl<'a> Source<'a> {
    pub(crate) fn new(path: &'a str, text: &'a str) -> Self {
        let code = blank(text);
        let tests = test_modules(&code);
        Self { path, text, code, tests }
    }

    /// Whether the whole file is test code: an integration test, or a `tests` module in a file of its own.
    pub(crate) fn is_test(&self) -> bool {
        let mut parts = self.path.split('/');
        parts.any(|part| part == "tests" || part == "tests.rs" || part == "benches")
    }

    /// Whether a line (from 0) is test code.
    pub(crate) fn in_test(&self, line: usize) -> bool {
        self.is_test() || self.tests.iter().any(|span| span.holds(line))
    }

    /// How many lines of a span hold code: neither blank nor only comment.
    pub(crate) fn code_lines(&self, span: Span) -> usize {
        self.code
            .lines()
            .skip(span.first)
            .take(span.last + 1 - span.first)
            .filter(|line| !line.trim().is_empty())
            .count()
    }

    /// Lines of code outside inline test modules.
    pub(crate) fn product_lines(&self) -> usize {
        let lines = self.code.lines().enumerate();
        lines
            .filter(|(number, line)| {
                !line.trim().is_empty() && !self.tests.iter().any(|span| span.holds(*number))
            })
            .count()
    }

    /// Every `fn` that has a body.
    pub(crate) fn functions(&self) -> Vec<Item> {
        items(&self.code, "fn")
    }

    /// Every `trait`, with the number of `fn` in its body.
    pub(crate) fn traits(&self) -> Vec<(Item, usize)> {
        let traits = items(&self.code, "trait");
        traits
            .into_iter()
            .map(|item| {
                let methods = self.methods(item.span);
                (item, methods)
            })
            .collect()
    }

    fn methods(&self, span: Span) -> usize {
        let mut depth = 0_usize;
        let mut methods = 0;
        for line in self.code.lines().skip(span.first).take(span.last + 1 - span.first) {
            let words: Vec<usize> = words(line, "fn");
            for (at, byte) in line.bytes().enumerate() {
                match byte {
                    b'{' => depth += 1,
                    b'}' => depth = depth.saturating_sub(1),
                    _ if depth == 1 && words.contains(&at) => methods += 1,
                    _ => {}
                }
            }
        }
        methods
    }
}

/// Positions where `word` stands alone in `text`.
pub(crate) fn words(text: &str, word: &str) -> Vec<usize> {
    let joined = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = text.as_bytes();
    text.match_indices(word)
        .map(|(at, _)| at)
        .filter(|at| *at == 0 || !joined(bytes[at - 1]))
        .filter(|at| bytes.get(at + word.len()).is_none_or(|next| !joined(*next)))
        .collect()
}

/// Items introduced by `keyword` that have a body in braces.
fn items(code: &str, keyword: &str) -> Vec<Item> {
    let mut found = Vec::new();
    for at in words(code, keyword) {
        let rest = &code[at + keyword.len()..];
        let name: String = rest
            .trim_start()
            .chars()
            .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
            .collect();
        if name.is_empty() {
            continue; // `fn(..)` the type, not an item
        }
        if let Some(last) = body_end(code, at) {
            found.push(Item { name, span: Span { first: line_of(code, at), last: line_of(code, last) } });
        }
    }
    found
}

/// Where the braces that open after `from` close again; `None` when a `;` ends the item first.
fn body_end(code: &str, from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut brackets = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' if depth == 0 => brackets += 1,
            b')' | b']' if depth == 0 => brackets = brackets.saturating_sub(1),
            b';' if depth == 0 && brackets == 0 => return None,
            b'{' if brackets == 0 || depth > 0 => depth += 1,
            b'}' if depth == 1 => return Some(at),
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

fn line_of(code: &str, at: usize) -> usize {
    code.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count()
}

/// Inline modules under an attribute that says `cfg(test)`.
fn test_modules(code: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    for (at, _) in code.match_indices("#[cfg(") {
        let Some(end) = code[at..].find(")]").map(|end| at + end) else { continue };
        let condition = &code[at + 6..end];
        if condition != "test" && !condition.starts_with("all(test") {
            continue;
        }
        let mut rest = code[end + 2..].trim_start();
        while rest.starts_with("#[") {
            let Some(close) = rest.find("]\n") else { break };
            rest = rest[close + 1..].trim_start();
        }
        let start = code.len() - rest.len();
        let head = rest.trim_start_matches("pub(crate) ").trim_start_matches("pub ");
        if head.starts_with("mod ")
            && let Some(last) = body_end(code, start)
        {
            spans.push(Span { first: line_of(code, at), last: line_of(code, last) });
        }
    }
    spans
}

/// What the reader stands in while it walks over a file.
enum State {
    Code,
    Line,
    Block(usize),
    Text,
    Raw(usize),
}

/// Replaces comments and the insides of literals by spaces; every newline stays.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut state = State::Code;
    let mut at = 0;
    while at < bytes.len() {
        let (next, taken, shown) = step(&state, bytes, at);
        for byte in &bytes[at..at + taken] {
            out.push(if shown || *byte == b'\n' { *byte } else { b' ' });
        }
        at += taken;
        if let Some(next) = next {
            state = next;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// One step: the state that follows (if it changes), the bytes taken, and whether they are code.
fn step(state: &State, bytes: &[u8], at: usize) -> (Option<State>, usize, bool) {
    let rest = &bytes[at..];
    match state {
        State::Code => step_code(bytes, at),
        State::Line if rest[0] == b'\n' => (Some(State::Code), 1, true),
        State::Line => (None, 1, false),
        State::Block(depth) if rest.starts_with(b"/*") => (Some(State::Block(depth + 1)), 2, false),
        State::Block(1) if rest.starts_with(b"*/") => (Some(State::Code), 2, false),
        State::Block(depth) if rest.starts_with(b"*/") => (Some(State::Block(depth - 1)), 2, false),
        State::Text if rest[0] == b'\\' => (None, rest.len().min(2), false),
        State::Text if rest[0] == b'"' => (Some(State::Code), 1, true),
        State::Raw(hashes) if rest[0] == b'"' && closes(rest, *hashes) => {
            (Some(State::Code), hashes + 1, true)
        }
        State::Block(_) | State::Text | State::Raw(_) => (None, 1, false),
    }
}

fn closes(rest: &[u8], hashes: usize) -> bool {
    rest.len() > hashes && rest[1..=hashes].iter().all(|byte| *byte == b'#')
}

fn step_code(bytes: &[u8], at: usize) -> (Option<State>, usize, bool) {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return (Some(State::Line), 2, false);
    }
    if rest.starts_with(b"/*") {
        return (Some(State::Block(1)), 2, false);
    }
    if rest[0] == b'"' {
        return (Some(State::Text), 1, true);
    }
    let apart = at == 0 || !(bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    let raw = rest.strip_prefix(b"r").or_else(|| rest.strip_prefix(b"br")).filter(|_| apart);
    if let Some(raw) = raw {
        let hashes = raw.iter().take_while(|byte| **byte == b'#').count();
        if raw.get(hashes) == Some(&b'"') {
            let taken = rest.len() - raw.len() + hashes + 1;
            return (Some(State::Raw(hashes)), taken, true);
        }
    }
    if rest[0] == b'\''
        && let Some(length) = character(rest)
    {
        return (None, length, false);
    }
    (None, 1, true)
}

/// The length of a character literal that starts here; `None` for a lifetime.
fn character(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        let close = rest.iter().skip(3).take(12).position(|byte| *byte == b'\'')?;
        return Some(close + 4);
    }
    let close = rest.iter().skip(2).take(4).position(|byte| *byte == b'\'')?;
    (close == 0 || !rest[1].is_ascii()).then_some(close + 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_lines_stay() {
        let text = "a /* { /* x */ } */ b // {\n\"{\\\"\" '{' '\\'' r#\"{\"}\"# b\"{\" 'a: loop\n";
        let code = blank(text);
        assert_eq!(code.len(), text.len());
        assert_eq!(code.lines().count(), 2);
        assert!(!code.contains('{') && !code.contains('}'), "{code}");
        assert!(code.contains("'a: loop"), "{code}");
    }

    #[test]
    fn functions_are_measured_by_their_braces() {
        let text = "fn one() -> [u8; 2] {\n    a\n}\nfn no_body();\ntype F = fn(u8);\nfn two<T>(x: T) where T: Fn() {\n}\n";
        let source = Source::new("a.rs", text);
        let names: Vec<(String, usize)> = source
            .functions()
            .into_iter()
            .map(|item| (item.name, item.span.last - item.span.first))
            .collect();
        assert_eq!(names, [("one".to_owned(), 2), ("two".to_owned(), 1)]);
    }

    #[test]
    fn inline_tests_are_told_from_product_code() {
        let text = "fn a() {}\n#[cfg(test)]\n#[expect(x, reason = \"y\")]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n";
        let source = Source::new("a.rs", text);
        assert_eq!(source.tests, [Span { first: 1, last: 5 }]);
        assert_eq!(source.product_lines(), 2);
        assert!(source.in_test(4) && !source.in_test(6));
    }

    #[test]
    fn methods_of_a_trait_are_counted_but_not_what_their_bodies_hold() {
        let text = "trait A: B {\n fn a();\n fn b() { fn inner() {} }\n type C: Fn();\n}\n";
        let source = Source::new("a.rs", text);
        assert_eq!(
            source.traits().iter().map(|(item, count)| (item.name.as_str(), *count)).collect::<Vec<_>>(),
            [("A", 2)]
        );
    }
}
