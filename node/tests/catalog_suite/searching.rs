//! Searching by words.

use crate::made::{Make, Ready, deleted, next};

/// Name, description, tags.
const FILES: [(&str, &str, &[&str]); 12] = [
    ("Договор_аренды-2024.pdf", "офис на Тверской", &["аренда"]),
    ("договоры.xlsx", "реестр", &[]),
    ("contract-2024.pdf", "Lease of the warehouse", &["signed"]),
    ("invoice_0017.pdf", "Contracts with suppliers", &[]),
    ("scan_2024.png", "", &["договор"]),
    ("scan0012abc.png", "Ёлка в офисе", &[]),
    ("Отчёт за март.docx", "annual report of 2023", &[]),
    ("report.txt", "report on the year", &["annual"]),
    ("naïve café.txt", "NEAR AND OR NOT", &["C++", "a:b"]),
    ("合同.pdf", "", &[]),
    ("IMG20240102.jpg", "", &[]),
    ("v1.2.3-beta.tar.gz", "release", &[]),
];

/// A query and the names it finds, in any order.
const TABLE: [(&str, &[&str]); 41] = [
    ("договор", &["Договор_аренды-2024.pdf", "договоры.xlsx", "scan_2024.png"]),
    ("договорами", &["Договор_аренды-2024.pdf", "договоры.xlsx", "scan_2024.png"]),
    ("ДОГОВОРОВ", &["Договор_аренды-2024.pdf", "договоры.xlsx", "scan_2024.png"]),
    ("contract", &["contract-2024.pdf", "invoice_0017.pdf"]),
    ("contracts", &["contract-2024.pdf", "invoice_0017.pdf"]),
    ("contracting warehouses", &["contract-2024.pdf"]),
    ("contract-2024.pdf", &["contract-2024.pdf"]),
    ("Договор_аренды-2024.pdf", &["Договор_аренды-2024.pdf"]),
    ("2024", &["Договор_аренды-2024.pdf", "contract-2024.pdf", "scan_2024.png"]),
    ("scan_2024", &["scan_2024.png"]),
    ("scan 0012", &["scan0012abc.png"]),
    ("scan0012", &["scan0012abc.png"]),
    ("abc", &["scan0012abc.png"]),
    ("елка", &["scan0012abc.png"]),
    ("ёлки", &["scan0012abc.png"]),
    ("отчет", &["Отчёт за март.docx"]),
    ("отчёты мартовские", &[]),
    ("\"annual report\"", &["Отчёт за март.docx"]),
    ("\"report annual\"", &[]),
    ("annual report", &["Отчёт за март.docx", "report.txt"]),
    ("\"аренды 2024\"", &["Договор_аренды-2024.pdf"]),
    ("contr*", &["contract-2024.pdf", "invoice_0017.pdf"]),
    ("договорн*", &[]),
    ("догов*", &["Договор_аренды-2024.pdf", "договоры.xlsx", "scan_2024.png"]),
    ("договоры*", &["договоры.xlsx"]),
    ("wareh* leas*", &["contract-2024.pdf"]),
    ("contr", &[]),
    ("*ract", &[]),
    ("аренда офисов", &["Договор_аренды-2024.pdf"]),
    ("signed", &["contract-2024.pdf"]),
    ("café", &["naïve café.txt"]),
    ("cafe\u{301}", &["naïve café.txt"]),
    ("合同", &["合同.pdf"]),
    ("IMG20240102", &["IMG20240102.jpg"]),
    ("img", &["IMG20240102.jpg"]),
    ("1.2.3", &["v1.2.3-beta.tar.gz"]),
    ("v1.2.3-beta.tar.gz", &["v1.2.3-beta.tar.gz"]),
    ("tar.gz", &["v1.2.3-beta.tar.gz"]),
    ("C++", &["naïve café.txt"]),
    ("нет такого", &[]),
    ("договор contract", &[]),
];

async fn filled(make: &dyn Make) -> Ready {
    let ready = Ready::new(make).await;
    for (name, description, tags) in FILES {
        let mut row = ready.file(name);
        row.attr.description = Some(description.to_owned());
        row.attr.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        ready.put(&row).await;
    }
    ready
}

pub async fn finds_in_both_languages(make: &dyn Make) {
    let ready = filled(make).await;
    for (query, expected) in TABLE {
        let mut found = ready.found(query).await;
        found.sort();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "{query}");
    }
}

pub async fn ranks_names_first(make: &dyn Make) {
    let ready = filled(make).await;
    assert_eq!(ready.found("договор").await.last().map(String::as_str), Some("scan_2024.png"));
    assert_eq!(ready.found("contract").await, ["contract-2024.pdf", "invoice_0017.pdf"]);
    assert_eq!(ready.found("report").await.first().map(String::as_str), Some("report.txt"));
    assert_eq!(ready.found("2024").await.first().map(String::as_str), Some("scan_2024.png"), "the newest of equals");
}

pub async fn syntax_is_plain_text(make: &dyn Make) {
    let ready = filled(make).await;
    for (query, expected) in [
        ("NEAR(and not)", vec!["naïve café.txt"]),
        ("NOT AND", vec!["naïve café.txt"]),
        ("contract OR invoice", vec![]),
        ("contract NOT invoice", vec![]),
        ("-contract", vec!["contract-2024.pdf", "invoice_0017.pdf"]),
        ("name:contract", vec![]),
        ("{name} : contract", vec![]),
        ("^contract", vec!["contract-2024.pdf", "invoice_0017.pdf"]),
        ("exact : x", vec![]),
        ("\"contract\" ) ( \"", vec!["contract-2024.pdf", "invoice_0017.pdf"]),
        ("' OR 1=1 --", vec![]),
        ("a:b", vec!["naïve café.txt"]),
    ] {
        assert_eq!(ready.found(query).await, expected, "{query}");
    }
}

pub async fn follows_changes_and_removals(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let first = ready.file("alpha.txt");
    ready.put(&first).await;
    let mut second = next(&first);
    second.attr.description = Some("beta".to_owned());
    second.attr.tags = vec!["gamma".to_owned()];
    ready.put(&second).await;
    for word in ["alpha", "beta", "gamma"] {
        assert_eq!(ready.found(word).await, ["alpha.txt"], "{word}");
    }
    let mut third = next(&second);
    third.attr.description = None;
    ready.put(&third).await;
    assert!(ready.found("beta").await.is_empty());
    ready.put(&deleted(&third)).await;
    assert!(ready.found("alpha").await.is_empty());
    assert!(ready.catalog.correct(ready.term, first.attr.file_id, None).await.unwrap());
    ready.put(&next(&third)).await;
    assert_eq!(ready.found("gamma").await, ["alpha.txt"]);
}
