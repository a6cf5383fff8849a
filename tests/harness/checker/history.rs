//! Linearizability of one key: whether there is an order of all operations that agrees with each
//! answer, in which none comes before one that was answered before it began.

use std::collections::BTreeSet;
use std::time::Instant;

/// What a put asks of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// Nothing.
    Always,
    /// `If-None-Match: *`.
    Absent,
    /// `If-Match`.
    Tag(String),
}

/// What an answer tells of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It has no object.
    Absent,
    /// It has some object.
    Present,
    /// It has this object, with all that belongs to it.
    Object(u64),
    /// It has an object with this tag.
    Tag(String),
    /// It has an object with another tag.
    OtherThan(String),
}

/// What happened to the key, in one moment between its beginning and its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// An object was put there. Each has a number of its own.
    Put(u64, When),
    /// It was emptied.
    Delete,
    /// It was looked at.
    See(Seen),
}

/// One operation.
#[derive(Debug, Clone)]
pub struct Op {
    /// What it did.
    pub deed: Deed,
    /// Before it was sent.
    pub begin: Instant,
    /// When it was answered. What was not may have happened at any time, or not at all.
    pub end: Option<Instant>,
}

/// What a key holds after some of the operations, and which of those that still run are among
/// them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Course {
    holds: Option<u64>,
    done: BTreeSet<usize>,
}

/// What the key may hold in the end; the error is the operation that cannot be explained.
pub fn check(
    start: Option<u64>,
    ops: &[Op],
    tag: impl Fn(u64) -> String,
) -> Result<BTreeSet<Option<u64>>, usize> {
    let begins = ops.iter().enumerate().map(|(n, op)| (op.begin, false, n));
    let ends = ops.iter().enumerate();
    let ends = ends.filter_map(|(n, op)| Some((op.end?, true, n)));
    let mut events: Vec<_> = begins.chain(ends).collect();
    events.sort();

    let first = Course {
        holds: start,
        done: BTreeSet::new(),
    };
    let mut courses = BTreeSet::from([first]);
    let mut running = BTreeSet::new();
    for (_, ends, n) in events {
        if !ends {
            running.insert(n);
            continue;
        }
        let all = possible(courses, &running, ops, &tag);
        let with = all.into_iter().filter_map(|mut course| {
            let did = course.done.remove(&n);
            did.then_some(course)
        });
        courses = with.collect();
        running.remove(&n);
        if courses.is_empty() {
            return Err(n);
        }
    }
    let all = possible(courses, &running, ops, &tag);
    Ok(all.into_iter().map(|course| course.holds).collect())
}

/// These courses, and all that they can become with the operations that run.
fn possible(
    courses: BTreeSet<Course>,
    running: &BTreeSet<usize>,
    ops: &[Op],
    tag: &impl Fn(u64) -> String,
) -> BTreeSet<Course> {
    let mut found = BTreeSet::new();
    let mut open: Vec<_> = courses.into_iter().collect();
    while let Some(mut course) = open.pop() {
        // A look changes nothing, so it is never wrong to take it at once.
        for &n in running {
            if let Deed::See(seen) = &ops[n].deed
                && sees(seen, course.holds, tag)
            {
                course.done.insert(n);
            }
        }
        if !found.insert(course.clone()) {
            continue;
        }
        for &n in running.difference(&course.done) {
            let holds = match &ops[n].deed {
                Deed::Put(id, when) if allows(when, course.holds, tag) => Some(*id),
                Deed::Delete => None,
                Deed::Put(..) | Deed::See(_) => continue,
            };
            let mut next = Course {
                holds,
                done: course.done.clone(),
            };
            next.done.insert(n);
            open.push(next);
        }
    }
    found
}

fn allows(when: &When, holds: Option<u64>, tag: &impl Fn(u64) -> String) -> bool {
    match (when, holds) {
        (When::Always, _) | (When::Absent, None) => true,
        (When::Tag(wanted), Some(id)) => tag(id) == *wanted,
        (When::Absent, Some(_)) | (When::Tag(_), None) => false,
    }
}

fn sees(seen: &Seen, holds: Option<u64>, tag: &impl Fn(u64) -> String) -> bool {
    match (seen, holds) {
        (Seen::Absent, holds) => holds.is_none(),
        (_, None) => false,
        (Seen::Present, Some(_)) => true,
        (Seen::Object(expected), Some(id)) => *expected == id,
        (Seen::Tag(expected), Some(id)) => tag(id) == *expected,
        (Seen::OtherThan(other), Some(id)) => tag(id) != *other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A history of `(deed, begin, end)`; an end of 0 is none.
    fn judged(start: Option<u64>, ops: &[(Deed, u64, u64)]) -> Result<Vec<Option<u64>>, usize> {
        let zero = Instant::now();
        let at = |second: u64| zero + Duration::from_secs(second);
        let op = |(deed, begin, end): &(Deed, u64, u64)| Op {
            deed: deed.clone(),
            begin: at(*begin),
            end: (*end > 0).then(|| at(*end)),
        };
        let ops: Vec<_> = ops.iter().map(op).collect();
        check(start, &ops, |id| format!("tag{id}")).map(|found| found.into_iter().collect())
    }

    fn put(id: u64) -> Deed {
        Deed::Put(id, When::Always)
    }

    fn see(id: u64) -> Deed {
        Deed::See(Seen::Object(id))
    }

    #[test]
    fn what_was_acknowledged_must_be_there() {
        assert_eq!(judged(None, &[(put(1), 1, 2)]), Ok(vec![Some(1)]));
        assert_eq!(
            judged(None, &[(put(1), 1, 2), (Deed::Delete, 3, 4)]),
            Ok(vec![None])
        );
        let lost = [(put(1), 1, 2), (Deed::See(Seen::Absent), 3, 4)];
        assert_eq!(judged(None, &lost), Err(1));
        let stale = [(put(1), 1, 2), (put(2), 3, 4), (see(1), 5, 6)];
        assert_eq!(judged(None, &stale), Err(2));
    }

    #[test]
    fn what_ran_at_once_may_have_come_in_any_order() {
        let both = [(put(1), 1, 4), (put(2), 2, 3)];
        assert_eq!(judged(None, &both), Ok(vec![Some(1), Some(2)]));
        let seen = [(put(1), 1, 4), (put(2), 2, 3), (see(1), 5, 6)];
        assert_eq!(judged(None, &seen), Ok(vec![Some(1)]));
        // Two readers that see two writes in different orders.
        let crossed = [
            (put(1), 1, 9),
            (put(2), 1, 9),
            (see(1), 2, 3),
            (see(2), 4, 5),
            (see(1), 6, 7),
        ];
        assert_eq!(judged(None, &crossed), Err(4));
    }

    #[test]
    fn what_was_not_answered_may_have_happened_or_not() {
        let open = [(put(1), 1, 2), (put(2), 3, 0)];
        assert_eq!(judged(None, &open), Ok(vec![Some(1), Some(2)]));
        let seen = [
            (put(1), 1, 2),
            (put(2), 3, 0),
            (see(2), 4, 5),
            (see(1), 6, 7),
        ];
        assert_eq!(judged(None, &seen), Err(3));
        assert_eq!(judged(None, &[(see(2), 1, 2), (put(2), 3, 0)]), Err(0));
    }

    #[test]
    fn of_two_conditional_writers_one_wins() {
        let first = |id| Deed::Put(id, When::Absent);
        assert_eq!(judged(None, &[(first(1), 1, 3), (first(2), 1, 3)]), Err(1));
        let refused = Deed::See(Seen::Present);
        assert_eq!(
            judged(None, &[(first(1), 1, 3), (refused, 1, 3)]),
            Ok(vec![Some(1)])
        );
        let swap = |id| Deed::Put(id, When::Tag("tag7".into()));
        assert_eq!(judged(Some(7), &[(swap(1), 1, 3), (swap(2), 1, 3)]), Err(1));
        let other = Deed::See(Seen::OtherThan("tag7".into()));
        assert_eq!(
            judged(Some(7), &[(swap(1), 1, 3), (other.clone(), 1, 3)]),
            Ok(vec![Some(1)])
        );
        assert_eq!(judged(Some(7), &[(other, 1, 3)]), Err(0));
    }
}
