//! Times as the database keeps them: UTC text of fixed width, so that order is time order.

use chrono::{DateTime, NaiveDateTime, Utc};

const FORMAT: &str = "%Y-%m-%dT%H:%M:%SZ";

/// `t` as stored, which is also how the API writes `created_at`: `2026-11-21T02:06:59Z`.
#[must_use]
pub fn to_text(t: DateTime<Utc>) -> String {
    t.format(FORMAT).to_string()
}

/// The current time as stored.
#[must_use]
pub fn now() -> String {
    to_text(Utc::now())
}

/// A stored time. Also reads what clients send (`changed-since`): with a blank for the `T`,
/// without the `Z`, with a fraction.
#[must_use]
pub fn parse(text: &str) -> Option<DateTime<Utc>> {
    let plain = text.trim().trim_end_matches(['Z', 'z']).replacen(' ', "T", 1);
    NaiveDateTime::parse_from_str(&plain, "%Y-%m-%dT%H:%M:%S%.f").ok().map(|t| t.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn accepts_what_clients_send() {
        let t = parse("2026-11-21T02:06:59Z").expect("stored form");
        assert_eq!(to_text(t), "2026-11-21T02:06:59Z");
        for text in ["2026-11-21 02:06:59", "2026-11-21T02:06:59.000", "2026-11-21T02:06:59"] {
            assert_eq!(parse(text), Some(t), "{text}");
        }
        assert_eq!(parse("yesterday"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_answered(s in ".{0,40}") {
            let _ = parse(&s);
        }
    }
}
