use proptest::prelude::*;
use serde_json::json;

use super::Quantity;

#[test]
fn amounts_are_read_as_kubernetes_reads_them() {
    let table = [
        ("0", 0),
        ("1", 1),
        ("+1", 1),
        ("1Ki", 1 << 10),
        ("500Gi", 500 << 30),
        ("1.5Gi", 3 << 29),
        (".5Mi", 1 << 19),
        ("1.Mi", 1 << 20),
        ("2T", 2_000_000_000_000),
        ("1k", 1000),
        ("12e6", 12_000_000),
        ("1E3", 1000),
        ("1E", 1_000_000_000_000_000_000),
        ("1Ei", 1 << 60),
        ("1500m", 2),
        ("1n", 1),
        ("0.1", 1),
        ("1.000", 1),
        ("25e-1", 3),
        ("18446744073709551615", u64::MAX),
    ];
    for (text, bytes) in table {
        assert_eq!(Quantity::new(text).bytes(), Ok(bytes), "{text}");
    }
}

#[test]
fn what_is_no_amount_is_told() {
    for text in
        ["", "Gi", ".", "-1", "1.2.3", "1 Gi", "1gi", "1GiB", "1e", "1e99", "e3", "99999999999999999999", "++1", "1Zi"]
    {
        let error = Quantity::new(text).bytes().unwrap_err().to_string();
        assert!(error.contains(&format!("`{text}`")), "{error}");
    }
    let negative: Quantity = serde_json::from_value(json!(-1)).unwrap();
    assert!(negative.bytes().is_err());
}

#[test]
fn it_is_written_as_it_was_read() {
    for value in [json!("500Gi"), json!("0.5T"), json!(1024), json!("1024")] {
        let quantity: Quantity = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(serde_json::to_value(&quantity).unwrap(), value);
    }
    assert!(serde_json::from_value::<Quantity>(json!(1.5)).is_err());
    assert!(serde_json::from_value::<Quantity>(json!(null)).is_err());
}

#[test]
fn people_see_three_digits() {
    let table = [
        (0, "0"),
        (999, "999"),
        (1024, "1Ki"),
        (150 << 10, "150Ki"),
        ((150 << 10) + 1, "150Ki"),
        (3 << 29, "1536Mi"),
        ((412 << 30) + 77, "412Gi"),
        (1 << 40, "1Ti"),
    ];
    for (bytes, text) in table {
        assert_eq!(Quantity::rounded(bytes).to_string(), text, "{bytes}");
    }
}

proptest! {
    #[test]
    fn exact_amounts_come_back(bytes: u64) {
        prop_assert_eq!(Quantity::from_bytes(bytes).bytes(), Ok(bytes));
    }

    #[test]
    fn rounded_amounts_are_less_than_a_hundredth_off(bytes: u64) {
        let rounded = Quantity::rounded(bytes).bytes().unwrap();
        prop_assert!(rounded <= bytes && bytes - rounded <= bytes / 100);
    }

    #[test]
    fn no_text_panics(text in "[-+0-9.eEKMGTPimunk]{0,24}") {
        let _ = Quantity::new(text).bytes();
    }
}
