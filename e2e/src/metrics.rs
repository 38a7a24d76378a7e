//! Readings of `/metrics`.

use std::collections::BTreeMap;

/// Every sample of one reading, by name with labels.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    samples: BTreeMap<String, f64>,
}

impl Metrics {
    /// Reads the Prometheus text format.
    pub fn parse(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Self { samples: samples.collect() }
    }

    /// The sum over all labels of the metric `name`; `None` when it is not there.
    pub fn sum(&self, name: &str) -> Option<f64> {
        let of_name = |key: &str| key.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('{'));
        let mut values = self.samples.iter().filter(|(key, _)| of_name(key)).map(|(_, value)| *value).peekable();
        values.peek()?;
        Some(values.sum())
    }

    /// The sum of the metric `name` over the samples whose labels contain this text, such as `status="500"`.
    pub fn sum_where(&self, name: &str, label: &str) -> f64 {
        let wanted =
            |key: &str| key.strip_prefix(name).is_some_and(|rest| rest.starts_with('{') && rest.contains(label));
        self.samples.iter().filter(|(key, _)| wanted(key)).map(|(_, value)| value).sum()
    }
}
