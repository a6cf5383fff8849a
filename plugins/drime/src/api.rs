//! The JSON of the API, read leniently: fields come and go, numbers arrive as texts.

use serde_json::Value;

/// A file or a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number in the whole service.
    pub id: i64,
    /// As people see it.
    pub name: String,
    /// Whether it is a folder.
    pub folder: bool,
    /// Bytes.
    pub size: u64,
    /// The folder that it is in; `None` at the top of a workspace.
    pub parent: Option<i64>,
    /// The workspace that it is in.
    pub workspace: Option<i64>,
    /// The storage's own name of the content: new for each upload.
    pub version: String,
    /// Creation in nanoseconds since 1970.
    pub created: i64,
    /// What the uploader declared.
    pub mime: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// It lies in the trash.
    pub deleted: bool,
    /// The list of users is there and empty: the mark of a broken upload.
    pub orphaned: bool,
}

impl Entry {
    /// Reads an entry; `None` if it has no id or name.
    pub fn read(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let id = number(value.get("id")?)?;
        let created = text("created_at").as_deref().and_then(time).unwrap_or(0);
        let orphaned = value
            .get("users")
            .and_then(Value::as_array)
            .is_some_and(Vec::is_empty);
        let trashed = value.get("deleted_at").is_some_and(|at| !at.is_null());
        Some(Self {
            id,
            name: text("name")?,
            folder: text("type").as_deref() == Some("folder"),
            size: value
                .get("file_size")
                .and_then(number)
                .and_then(|size| size.try_into().ok())
                .unwrap_or(0),
            parent: value
                .get("parent_id")
                .and_then(number)
                .filter(|id| *id != 0),
            workspace: value.get("workspace_id").and_then(number),
            version: text("file_name").unwrap_or_else(|| id.to_string()),
            created,
            mime: text("mime").filter(|mime| !mime.is_empty()),
            description: text("description").filter(|text| !text.is_empty()),
            deleted: trashed || value.get("is_deleted").and_then(number) == Some(1),
            orphaned,
        })
    }

    /// The entry of an answer, under any of the names that it has been seen.
    pub fn of_answer(answer: &Value) -> Option<Self> {
        ["fileEntry", "folder", "entry"]
            .iter()
            .find_map(|name| answer.get(name))
            .or(Some(answer))
            .and_then(Self::read)
    }

    /// The address under which the content can be read.
    pub fn hash(&self) -> String {
        hash(self.id)
    }

    /// The order of several files with one name: the last one counts.
    pub fn age(&self) -> (i64, i64) {
        (self.created, self.id)
    }
}

/// A page of a folder.
#[derive(Debug)]
pub struct Page {
    /// What is on it, whether it belongs there or not.
    pub entries: Vec<Entry>,
    /// Its number, as the server counts.
    pub current: u64,
    /// Whether another one follows.
    pub more: bool,
    /// How many rows a page has.
    pub per: Option<u64>,
    /// Rows of all pages up to this one, if it is known how many a page has.
    pub so_far: Option<u64>,
}

impl Page {
    /// Reads the answer to the question for page `asked`.
    pub fn read(answer: &Value, asked: u64) -> Option<Self> {
        let rows = answer.get("data")?.as_array()?;
        let field = |name: &str| {
            answer
                .get(name)
                .and_then(number)
                .and_then(|n| u64::try_from(n).ok())
        };
        let current = field("current_page").unwrap_or(asked);
        let per = field("per_page").filter(|per| *per > 0);
        let before = current.saturating_sub(1).checked_mul(per.unwrap_or(0));
        let full = per.is_some_and(|per| rows.len() as u64 >= per);
        let more = match field("last_page") {
            Some(last) => current < last,
            None => full || answer.get("next_page").is_some_and(|next| !next.is_null()),
        };
        Some(Self {
            entries: rows.iter().filter_map(Entry::read).collect(),
            current,
            more,
            per,
            so_far: before.map(|before| before + rows.len() as u64),
        })
    }
}

/// A number that may come as a text.
pub fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(flag) => Some((*flag).into()),
        _ => None,
    }
}

/// `base64("ID|")` without padding.
pub fn hash(id: i64) -> String {
    let text = format!("{id}|");
    crate::listing::base64(text.as_bytes())
        .trim_end_matches('=')
        .to_owned()
}

/// Nanoseconds since 1970 of `2026-01-05T08:30:00.000000Z` and its relatives.
pub fn time(text: &str) -> Option<i64> {
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    let (hour, minute, second) = (part(11, 13)?, part(14, 16)?, part(17, 19)?);
    let mut rest = text.get(19..)?;
    let mut nanos = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let digits = fraction.len()
            - fraction
                .trim_start_matches(|c: char| c.is_ascii_digit())
                .len();
        let (digits, tail) = fraction.split_at(digits);
        nanos = format!("{digits:0<9}").get(..9)?.parse().ok()?;
        rest = tail;
    }
    let offset = match rest {
        "" | "Z" => 0,
        _ => {
            let sign = if rest.starts_with('-') { -1 } else { 1 };
            let hours: i64 = rest.get(1..3)?.parse().ok()?;
            let minutes: i64 = rest.get(rest.len().checked_sub(2)?..)?.parse().ok()?;
            sign * (hours * 3600 + minutes * 60)
        }
    };
    // Days since 1970 in the Gregorian calendar, with years that begin in March.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let era = y.div_euclid(400);
    let of_era = y.rem_euclid(400);
    let of_year = (153 * m + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

/// The text that the filter `created_at` takes.
pub fn time_text(nanos: i64) -> String {
    let seconds = nanos.div_euclid(1_000_000_000);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let z = days + 719_468;
    let (era, of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let m = (5 * of_year + 2) / 153;
    let day = of_year - (153 * m + 2) / 5 + 1;
    let month = if m < 10 { m + 3 } else { m - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest % 3600 / 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.000000Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_entry_is_read_whatever_its_numbers_look_like() {
        let row = json!({"id": "812", "name": "a", "type": "text", "file_size": "5",
            "parent_id": 7, "file_name": "uuid", "created_at": "2026-01-05T08:30:00.000000Z",
            "mux_status": {}});
        let entry = Entry::read(&row).unwrap();
        assert_eq!((entry.id, entry.size, entry.parent), (812, 5, Some(7)));
        assert!(!entry.folder && !entry.deleted);
        assert!(Entry::read(&json!({"name": "a"})).is_none());
    }

    #[test]
    fn the_hash_is_that_of_the_service() {
        assert_eq!(hash(812_000_345), "ODEyMDAwMzQ1fA");
    }

    #[test]
    fn times_are_read_in_all_their_forms() {
        let expected = Some(1_767_601_800_000_000_000);
        for text in [
            "2026-01-05T08:30:00.000000Z",
            "2026-01-05 08:30:00",
            "2026-01-05T10:30:00+02:00",
        ] {
            assert_eq!(time(text), expected, "{text}");
        }
        assert_eq!(
            time("2026-01-05T08:30:00.5Z"),
            expected.map(|t| t + 500_000_000)
        );
        assert_eq!(time("soon"), None);
        assert_eq!(
            time_text(1_767_601_800_000_000_000),
            "2026-01-05T08:30:00.000000Z"
        );
        assert_eq!(
            time_text(951_782_400_000_000_000),
            "2000-02-29T00:00:00.000000Z"
        );
    }

    #[test]
    fn a_page_ends_only_where_the_server_says_so() {
        let page = |current, last| {
            let answer = json!({"data": [], "current_page": current, "last_page": last});
            Page::read(&answer, 1).unwrap().more
        };
        assert!(page(1, 2) && !page(2, 2));
        assert!(Page::read(&json!({"user": null}), 1).is_none());
    }
}
