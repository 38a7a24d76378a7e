//! A query string taken apart.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::http::error::{ApiError, ApiResult};

/// A name and a value, decoded.
pub type Pair = (String, String);

/// The pairs of a query string as forms send them: `+` is a space, percent sequences are UTF-8.
pub fn pairs(query: Option<&str>) -> impl Iterator<Item = ApiResult<Pair>> {
    query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let key = decode(key).ok_or_else(|| ApiError::invalid("query", "a parameter's name is not UTF-8"))?;
        let value =
            decode(value).ok_or_else(|| ApiError::invalid(key.clone(), format!("the parameter {key} is not UTF-8")))?;
        Ok((key, value))
    })
}

fn decode(text: &str) -> Option<String> {
    let spaced: Cow<'_, str> = if text.contains('+') { text.replace('+', " ").into() } else { text.into() };
    percent_decode_str(&spaced).decode_utf8().ok().map(Cow::into_owned)
}
