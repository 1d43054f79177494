//! Lengths: files, functions, inline tests and traits stay small enough to be read in one go.

use super::finding::Finding;
use super::source::{Item, Source};

// The numbers are those of the style sheet: nine in ten files of the code bases it learns from are below the first,
// ninety-eight in a hundred functions below the third.
const FILE_LINES_AIM: usize = 300;
const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const INLINE_TEST_LINES_MAX: usize = 200;
const TRAIT_METHODS_MAX: usize = 8;

/// The lengths of one file and of what it holds.
pub(crate) fn check(source: &Source<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !source.is_test() {
        let lines = source.product_lines();
        if lines > FILE_LINES_MAX {
            let rule = format!("{lines} lines of code, at most {FILE_LINES_MAX}: split it by nouns");
            findings.push(Finding::refuse(source.path, rule));
        } else if lines > FILE_LINES_AIM {
            findings
                .push(Finding::warn(source.path, format!("{lines} lines of code, aim at {FILE_LINES_AIM}")));
        }
    }
    for span in &source.tests {
        let lines = source.code_lines(*span);
        if lines > INLINE_TEST_LINES_MAX {
            let rule = format!(
                "{lines} lines of inline tests, at most {INLINE_TEST_LINES_MAX}: move them to tests.rs beside"
            );
            findings.push(Finding::refuse(place(source, span.first), rule));
        }
    }
    for Item { name, span } in source.functions() {
        let lines = source.code_lines(span);
        if lines > FUNCTION_LINES_MAX {
            let rule = format!("fn {name} has {lines} lines of code, at most {FUNCTION_LINES_MAX}");
            findings.push(Finding::refuse(place(source, span.first), rule));
        }
    }
    for (item, methods) in source.traits() {
        if methods > TRAIT_METHODS_MAX && !source.in_test(item.span.first) {
            let rule = format!(
                "trait {} has {methods} methods, at most {TRAIT_METHODS_MAX}: a seam is small",
                item.name
            );
            findings.push(Finding::refuse(place(source, item.span.first), rule));
        }
    }
    findings
}

fn place(source: &Source<'_>, line: usize) -> String {
    format!("{}:{}", source.path, line + 1)
}
