//! Orders and pages.

use storage_node::model::{CursorKey, FileQuery, FileRow, Order, PageRequest, Sort, SortValue, parse_text_query};
use uuid::Uuid;

use crate::made::{Make, Ready, all, file, names, next};

fn key(row: &FileRow, sort: Sort) -> CursorKey {
    let value = match sort {
        Sort::CreatedAt | Sort::Relevance => SortValue::Number(row.attr.created_at.micros()),
        Sort::UpdatedAt => SortValue::Number(row.attr.updated_at.micros()),
        Sort::OriginalFilename => SortValue::Text(row.attr.original_filename.clone()),
        Sort::FileSize => SortValue::Number(i64::try_from(row.attr.file_size).unwrap()),
    };
    CursorKey { value, id: row.attr.file_id }
}

const SORTS: [Sort; 4] = [Sort::CreatedAt, Sort::UpdatedAt, Sort::OriginalFilename, Sort::FileSize];

async fn walk(ready: &Ready, query: &FileQuery, limit: u32) -> Vec<FileRow> {
    let mut query = FileQuery { limit, ..query.clone() };
    let mut rows = Vec::new();
    loop {
        let page = ready.list(&query).await;
        assert!(page.rows.len() <= limit as usize);
        assert!(!page.has_more || page.rows.len() == limit as usize);
        rows.extend(page.rows);
        let Some(last) = rows.last().filter(|_| page.has_more) else { return rows };
        query.page = PageRequest::After(key(last, query.sort));
    }
}

/// Forty files with many equal sizes, names and times of change.
async fn forty(ready: &Ready) -> Vec<FileRow> {
    let mut rows = Vec::new();
    for n in 0..40_i64 {
        let mut row = ready.file(["b", "я", "A", "\u{1F4C4}"][usize::try_from(n % 4).unwrap()]);
        row.attr.file_size = u64::try_from(n % 3).unwrap();
        row.attr.updated_at = row.attr.created_at.plus_micros((n % 5) * 1_000_000);
        row.attr.description = Some(if n % 2 == 0 { "even common" } else { "odd common" }.to_owned());
        ready.put(&row).await;
        rows.push(row);
    }
    rows
}

pub async fn every_order_is_walked_whole(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let mut rows = forty(&ready).await;
    for sort in SORTS {
        rows.sort_by(|a, b| {
            let (a, b) = (&a.attr, &b.attr);
            let by = match sort {
                Sort::CreatedAt | Sort::Relevance => a.created_at.cmp(&b.created_at),
                Sort::UpdatedAt => a.updated_at.cmp(&b.updated_at),
                Sort::OriginalFilename => a.original_filename.cmp(&b.original_filename),
                Sort::FileSize => a.file_size.cmp(&b.file_size),
            };
            by.then(a.file_id.cmp(&b.file_id))
        });
        for (order, text) in [(Order::Asc, None), (Order::Desc, None), (Order::Desc, parse_text_query("common"))] {
            let mut expected: Vec<Uuid> = rows.iter().map(|row| row.attr.file_id).collect();
            if order == Order::Desc {
                expected.reverse();
            }
            let query = FileQuery { sort, order, text, ..all() };
            for limit in [1, 7, 40, 1000] {
                let found: Vec<Uuid> = walk(&ready, &query, limit).await.iter().map(|row| row.attr.file_id).collect();
                assert_eq!(found, expected, "{sort:?} {order:?} {limit}");
            }
        }
    }
}

pub async fn pages_stand_still_under_inserts(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let rows = forty(&ready).await;
    for sort in SORTS {
        let query = FileQuery { sort, limit: 13, ..all() };
        let mut page = ready.list(&query).await;
        let mut seen: Vec<Uuid> = Vec::new();
        loop {
            seen.extend(page.rows.iter().map(|row| row.attr.file_id));
            let Some(last) = page.rows.last().filter(|_| page.has_more) else { break };
            let after = PageRequest::After(key(last, sort));
            for name in ["A", "m", "я"] {
                ready.put(&ready.file(name)).await;
            }
            page = ready.list(&FileQuery { page: after, ..query.clone() }).await;
        }
        for row in &rows {
            let times = seen.iter().filter(|id| **id == row.attr.file_id).count();
            assert_eq!(times, 1, "{sort:?}");
        }
    }
    // The row a page ended with may go: the next page begins where it stood.
    let page = ready.list(&FileQuery { limit: 5, ..all() }).await;
    let last = page.rows.last().unwrap();
    let after = FileQuery { page: PageRequest::After(key(last, Sort::CreatedAt)), ..all() };
    let before = names(&ready.list(&after).await);
    assert!(ready.catalog.correct(ready.term, last.attr.file_id, None).await.unwrap());
    assert_eq!(names(&ready.list(&after).await), before);
}

pub async fn offsets_count(make: &dyn Make) {
    let ready = Ready::new(make).await;
    forty(&ready).await;
    let at = async |offset, text: &str| {
        let text = parse_text_query(text);
        let sort = if text.is_some() { Sort::Relevance } else { Sort::FileSize };
        let page = PageRequest::Offset(offset);
        ready.list(&FileQuery { text, sort, page, limit: 30, ..all() }).await
    };
    for (offset, text, rows, has_more, total) in [
        (0, "", 30, true, 40),
        (30, "", 10, false, 40),
        (40, "", 0, false, 40),
        (u64::MAX, "", 0, false, 40),
        (0, "common", 30, true, 40),
        (30, "common", 10, false, 40),
        (0, "even", 20, false, 20),
    ] {
        let page = at(offset, text).await;
        assert_eq!(
            (page.rows.len(), page.has_more, page.total, page.total_is_minimum),
            (rows, has_more, Some(total), false),
            "{offset} {text}"
        );
    }
    assert_eq!(ready.list(&all()).await.total, None);
}

/// Ids of other nodes may agree in the bits that short row numbers are made from.
pub async fn rows_of_one_number_keep_apart(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let first = ready.ids.next();
    let files: Vec<FileRow> =
        (0..5).map(|n| file(Uuid::from_u128((first.as_u128() & !0xff) | n), &format!("{n}.txt"))).collect();
    for file in &files {
        ready.put(file).await;
    }
    for file in &files {
        let mut update = next(file);
        update.attr.description = Some("новое описание".to_owned());
        ready.put(&update).await;
        assert_eq!(ready.catalog.file(file.attr.file_id).await.unwrap(), Some(update));
    }
    assert_eq!(names(&ready.list(&all()).await), ["4.txt", "3.txt", "2.txt", "1.txt", "0.txt"]);
    assert_eq!(ready.found("описания").await.len(), 5);
    let mark = Uuid::now_v7();
    assert!(
        ready
            .catalog
            .rebuild_batch(ready.term, mark, files.iter().map(|file| next(&next(file))).collect())
            .await
            .unwrap()
    );
    assert_eq!(walk(&ready, &all(), 1).await.len(), 5);
}

/// Beyond these numbers a search does not look: it would cost the more the less it says.
pub async fn common_words_are_counted_and_ranked_so_far(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let mark = Uuid::now_v7();
    for batch in 0..11_u32 {
        let rows = (0..if batch == 10 { 1 } else { 1_000 }).map(|_| ready.file("common.txt")).collect();
        assert!(ready.catalog.rebuild_batch(ready.term, mark, rows).await.unwrap());
        if batch < 9 {
            continue;
        }
        let at = |sort, offset| FileQuery {
            text: parse_text_query("common"),
            sort,
            page: PageRequest::Offset(offset),
            limit: 30,
            ..all()
        };
        let page = ready.list(&at(Sort::CreatedAt, 9_990)).await;
        assert_eq!(page.rows.len(), if batch == 9 { 10 } else { 11 });
        assert_eq!((page.total, page.total_is_minimum), (Some(10_000), batch == 10));
        let page = ready.list(&at(Sort::Relevance, 4_980)).await;
        assert_eq!((page.rows.len(), page.has_more), (20, false), "the newest 5,000 are ranked");
    }
}

/// However far from the page's beginning matches lie, however close together: all of them come, in order, each once.
pub async fn matches_are_found_however_far_back(make: &dyn Make) {
    const FILES: usize = 6_000;
    let ready = Ready::new(make).await;
    let first = ready.ids.next().as_u128();
    let mut rows = Vec::with_capacity(FILES);
    let mut millis = (first >> 80) - (1 << 37);
    for n in 0..FILES {
        // Years apart, hours apart, all at once.
        millis += match n {
            0..50 => 40_000_000_000 / 50,
            50..3_000 => 3_600_000,
            _ => 1,
        };
        let id = first & ((1 << 80) - 1) & !0xffff_ffff | (millis << 80) | u128::try_from(n).unwrap();
        let mut row = file(Uuid::from_u128(id), &format!("{n}.txt"));
        let said =
            [(n % 7 == 0, "seventh"), (n < 120, "old"), ((3_000..3_100).contains(&n), "middle"), (n == 2_900, "one")];
        row.attr.description =
            Some(said.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect::<Vec<_>>().join(" "));
        rows.push(row);
    }
    let mark = Uuid::now_v7();
    for batch in rows.chunks(500) {
        assert!(ready.catalog.rebuild_batch(ready.term, mark, batch.to_vec()).await.unwrap());
    }
    for word in ["seventh", "old", "middle", "one", "none", "seventh old"] {
        let has = |row: &&FileRow| {
            let said = row.attr.description.as_deref().unwrap_or_default();
            word.split(' ').all(|word| said.split(' ').any(|one| one == word))
        };
        let mut expected: Vec<String> = rows.iter().filter(has).map(|row| row.attr.original_filename.clone()).collect();
        for order in [Order::Asc, Order::Desc] {
            let query = FileQuery { text: parse_text_query(word), order, ..all() };
            let found: Vec<String> =
                walk(&ready, &query, 97).await.into_iter().map(|row| row.attr.original_filename).collect();
            assert_eq!(found, expected, "{word}");
            expected.reverse();
        }
        expected.reverse();
        for sort in [Sort::Relevance, Sort::CreatedAt] {
            let mut found = Vec::new();
            loop {
                let page = PageRequest::Offset(found.len() as u64);
                let page =
                    ready.list(&FileQuery { text: parse_text_query(word), sort, page, limit: 200, ..all() }).await;
                assert_eq!((page.total, page.total_is_minimum), (Some(expected.len() as u64), false), "{word}");
                found.extend(names(&page));
                if !page.has_more {
                    break;
                }
            }
            assert_eq!(found, expected, "{word}");
        }
    }
}
