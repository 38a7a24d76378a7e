//! Ranges: a table of what RFC 9110 says, and properties over any header.

use proptest::prelude::*;

use super::Selection::{Several, Single, Unsatisfiable, Whole};
use super::{PARTS_LIMIT, select};

#[test]
fn the_shapes_of_rfc_9110() {
    let table = [
        ("bytes=0-0", 1000, Single(0..1)),
        ("bytes=0-499", 1000, Single(0..500)),
        ("bytes=500-", 1000, Single(500..1000)),
        ("bytes=-300", 1000, Single(700..1000)),
        ("bytes=-3000", 1000, Single(0..1000)),
        ("bytes=990-2000", 1000, Single(990..1000)),
        ("bytes=0-999", 1000, Single(0..1000)),
        ("BYTES=0-1", 1000, Single(0..2)),
        ("bytes= 0-1 ,, ", 1000, Single(0..2)),
        ("bytes=1000-", 1000, Unsatisfiable),
        ("bytes=-0", 1000, Unsatisfiable),
        ("bytes=99999999999999999999999-", 1000, Unsatisfiable),
        ("bytes=5-99999999999999999999999", 1000, Single(5..1000)),
        ("bytes=1000-,0-4", 1000, Single(0..5)),
        // Not ranges: ignored.
        ("bytes=", 1000, Whole),
        ("bytes=,", 1000, Whole),
        ("bytes=a-b", 1000, Whole),
        ("bytes=5-4", 1000, Whole),
        ("bytes=0-4,5-4", 1000, Whole),
        ("bytes=+0-4", 1000, Whole),
        ("bytes=0--4", 1000, Whole),
        ("bytes 0-4", 1000, Whole),
        ("lines=0-4", 1000, Whole),
        ("", 1000, Whole),
        // Nothing can be had of an empty file, but its last bytes are all of it.
        ("bytes=0-", 0, Unsatisfiable),
        ("bytes=0-0", 0, Unsatisfiable),
        ("bytes=-5", 0, Whole),
        // Several: in the order asked for, joined where they touch.
        ("bytes=500-509,0-9", 1000, Several(vec![500..510, 0..10])),
        ("bytes=0-9,10-19", 1000, Single(0..20)),
        ("bytes=0-99,50-149", 1000, Single(0..150)),
        ("bytes=0-9,500-509,5-700", 1000, Single(0..701)),
        ("bytes=0-9,-10", 1000, Several(vec![0..10, 990..1000])),
        ("bytes=0-9,2000-", 1000, Single(0..10)),
    ];
    for (header, size, expected) in table {
        assert_eq!(select(header.as_bytes(), size), expected, "{header} of {size}");
    }
}

#[test]
fn very_many_ranges_get_the_whole_file() {
    let many = |n: u64| format!("bytes={}", (0..n).map(|i| format!("{0}-{0}", i * 1000)).collect::<Vec<_>>().join(","));
    assert!(matches!(select(many(16).as_bytes(), 1 << 20), Several(parts) if parts.len() == 16));
    assert_eq!(select(many(17).as_bytes(), 1 << 20), Whole);
    assert_eq!(select(many(10_000).as_bytes(), 1 << 40), Whole);
}

fn header() -> impl Strategy<Value = String> {
    let spec = prop_oneof![
        (0u64..2000, 0u64..2000).prop_map(|(a, b)| format!("{a}-{b}")),
        (0u64..2000).prop_map(|a| format!("{a}-")),
        (0u64..2000).prop_map(|a| format!("-{a}")),
        "[0-9 ,-]{0,6}",
    ];
    proptest::collection::vec(spec, 0..20).prop_map(|specs| format!("bytes={}", specs.join(",")))
}

proptest! {
    #[test]
    fn whatever_is_selected_lies_within_the_file(header in header(), size in 0u64..1500) {
        match select(header.as_bytes(), size) {
            Whole | Unsatisfiable => {}
            Single(part) => prop_assert!(part.start < part.end && part.end <= size),
            Several(parts) => {
                prop_assert!((2..=PARTS_LIMIT).contains(&parts.len()));
                prop_assert!(parts.iter().map(|p| p.end - p.start).sum::<u64>() < size);
                for (i, a) in parts.iter().enumerate() {
                    prop_assert!(a.start < a.end && a.end <= size);
                    for b in &parts[i + 1..] {
                        prop_assert!(a.end < b.start || b.end < a.start);
                    }
                }
            }
        }
    }

    #[test]
    fn every_byte_asked_for_is_selected(asked in proptest::collection::vec((0u64..900, 0u64..100), 1..12)) {
        let header: Vec<_> = asked.iter().map(|(first, more)| format!("{first}-{}", first + more)).collect();
        let parts = match select(format!("bytes={}", header.join(",")).as_bytes(), 1000) {
            Single(part) => vec![part],
            Several(parts) => parts,
            Whole => std::iter::once(0..1000).collect(),
            Unsatisfiable => vec![],
        };
        for (first, more) in asked {
            let last = (first + more).min(999);
            prop_assert!(parts.iter().any(|part| part.contains(&first) && part.contains(&last)));
        }
    }

    #[test]
    fn any_bytes_are_read_without_fault(header in proptest::collection::vec(any::<u8>(), 0..80), size: u64) {
        select(&header, size);
    }
}
