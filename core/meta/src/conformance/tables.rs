//! The suite of the seam [`Tables`].

use crate::tables::{RANGE_ROWS_MAX, Table, TableError, TableRead, TableWrite, Tables};

/// Runs the suite; `make` makes empty tables.
///
/// # Panics
/// When the implementation does not do as it must.
pub fn tables<T: Tables>(make: impl Fn() -> T) {
    what_is_put_is_got(&make());
    tables_are_apart(&make());
    ranges_are_in_byte_order_and_bounded(&make());
    a_reader_sees_one_moment(&make());
    a_failed_write_leaves_nothing(&make());
    large_values_are_kept(&make());
    a_closed_one_refuses(&make());
}

fn write(tables: &dyn Tables, work: impl Fn(&mut dyn TableWrite)) {
    tables
        .write(&mut |tables| {
            work(tables);
            Ok(())
        })
        .expect("a write");
}

fn put(tables: &mut dyn TableWrite, key: &str, value: &str) {
    tables.put(Table::Tags, key.as_bytes(), value.as_bytes()).expect("a put");
}

fn get(tables: &dyn TableRead, key: &str) -> Option<String> {
    let value = tables.get(Table::Tags, key.as_bytes()).expect("a get");
    value.map(|value| String::from_utf8(value.to_vec()).expect("text was put"))
}

fn keys(tables: &dyn TableRead, from: &str, until: Option<&str>, limit: usize) -> Vec<String> {
    let rows = tables.range(Table::Tags, from.as_bytes(), until.map(str::as_bytes), limit).expect("a range");
    rows.iter().map(|row| String::from_utf8(row.key.to_vec()).expect("text was put")).collect()
}

fn what_is_put_is_got(tables: &dyn Tables) {
    write(tables, |tables| {
        assert_eq!(get(tables, "a"), None);
        put(tables, "a", "1");
        put(tables, "", "empty key");
        put(tables, "b", "");
        assert_eq!(get(tables, "a").as_deref(), Some("1"), "a writer sees its own puts");
        put(tables, "a", "2");
        assert!(tables.delete(Table::Tags, b"b").expect("a delete"));
        assert!(!tables.delete(Table::Tags, b"b").expect("a delete"), "deleting what is gone");
    });
    let read = tables.read().expect("a read");
    assert_eq!(get(&*read, "a").as_deref(), Some("2"));
    assert_eq!(get(&*read, "").as_deref(), Some("empty key"));
    assert_eq!(get(&*read, "b"), None);
    tables.checkpoint().expect("a checkpoint");
    assert_eq!(get(&*tables.read().expect("a read"), "a").as_deref(), Some("2"));
}

fn tables_are_apart(tables: &dyn Tables) {
    write(tables, |tables| {
        for table in Table::ALL {
            tables.put(table, b"key", table.name().as_bytes()).expect("a put");
        }
    });
    let read = tables.read().expect("a read");
    for table in Table::ALL {
        assert_eq!(read.get(table, b"key").expect("a get").as_deref(), Some(table.name().as_bytes()));
    }
}

fn ranges_are_in_byte_order_and_bounded(tables: &dyn Tables) {
    write(tables, |tables| {
        for key in ["b", "a", "aa", "a\0", "a-", "B", "\u{7f}"] {
            put(tables, key, "x");
        }
        assert_eq!(keys(tables, "a", Some("b"), 9), ["a", "a\0", "a-", "aa"], "a writer's own range");
    });
    let read = tables.read().expect("a read");
    assert_eq!(keys(&*read, "", None, 9), ["B", "a", "a\0", "a-", "aa", "b", "\u{7f}"]);
    assert_eq!(keys(&*read, "a\0", Some("aa"), 9), ["a\0", "a-"], "the end is not in it");
    assert_eq!(keys(&*read, "a", None, 2), ["a", "a\0"], "the limit");
    assert_eq!(keys(&*read, "a", None, 0), [""; 0]);
    assert_eq!(keys(&*read, "b", Some("b"), 9), [""; 0]);
    assert_eq!(keys(&*read, "b", Some("a"), 9), [""; 0], "a reversed range is empty");
    write(tables, |tables| {
        for number in 0..=RANGE_ROWS_MAX {
            tables.put(Table::Events, &number.to_be_bytes(), b"").expect("a put");
        }
    });
    let read = tables.read().expect("a read");
    assert_eq!(read.range(Table::Events, b"", None, usize::MAX).expect("a range").len(), RANGE_ROWS_MAX);
}

fn a_reader_sees_one_moment(tables: &dyn Tables) {
    write(tables, |tables| put(tables, "a", "1"));
    let before = tables.read().expect("a read");
    write(tables, |tables| {
        put(tables, "a", "2");
        put(tables, "b", "2");
    });
    tables.checkpoint().expect("a checkpoint");
    assert_eq!(get(&*before, "a").as_deref(), Some("1"));
    assert_eq!(keys(&*before, "", None, 9), ["a"]);
    assert_eq!(get(&*tables.read().expect("a read"), "a").as_deref(), Some("2"));
}

fn a_failed_write_leaves_nothing(tables: &dyn Tables) {
    write(tables, |tables| {
        put(tables, "kept", "1");
        put(tables, "gone", "1");
    });
    let wrong = TableError::Damaged("the work says so".to_owned());
    let failed = tables.write(&mut |tables| {
        put(tables, "kept", "2");
        put(tables, "kept", "3");
        put(tables, "new", "2");
        tables.delete(Table::Tags, b"gone")?;
        put(tables, "gone", "2");
        Err(wrong.clone())
    });
    assert_eq!(failed, Err(wrong.clone()));
    let read = tables.read().expect("a read");
    assert_eq!(keys(&*read, "", None, 9), ["gone", "kept"]);
    assert_eq!((get(&*read, "kept").as_deref(), get(&*read, "gone").as_deref()), (Some("1"), Some("1")));
    write(tables, |tables| put(tables, "kept", "4"));
    assert_eq!(get(&*tables.read().expect("a read"), "kept").as_deref(), Some("4"), "it takes writes again");
}

fn large_values_are_kept(tables: &dyn Tables) {
    let large = vec![7; 5 << 20];
    write(tables, |tables| tables.put(Table::Contents, b"large", &large).expect("a put"));
    tables.checkpoint().expect("a checkpoint");
    let read = tables.read().expect("a read");
    assert_eq!(read.get(Table::Contents, b"large").expect("a get").as_deref(), Some(&large[..]));
}

fn a_closed_one_refuses(tables: &dyn Tables) {
    write(tables, |tables| put(tables, "a", "1"));
    tables.close().expect("a close");
    tables.close().expect("closing again");
    assert!(matches!(tables.read(), Err(TableError::Closed)));
    assert_eq!(tables.write(&mut |_| Ok(())), Err(TableError::Closed));
    assert_eq!(tables.checkpoint(), Err(TableError::Closed));
}
