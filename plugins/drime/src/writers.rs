//! Uploads to one place that overlap: what one of them has published the next one replaces. What
//! the gateway knew when an upload began may be out of date when it ends.

use crate::api::Entry;
use crate::places::Place;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// The places of uploads that are under way.
#[derive(Default)]
pub(crate) struct Writers(Rc<RefCell<HashMap<Place, Uploads>>>);

/// The uploads to one place.
#[derive(Default)]
struct Uploads {
    count: usize,
    /// The last entry that was published while there were any.
    last: Option<Entry>,
    /// What was there has vanished meanwhile: one of them has replaced it, perhaps, and does not
    /// know yet.
    vanished: bool,
}

/// An upload that is under way; it is over when this is dropped.
pub(crate) struct Writing {
    writers: Rc<RefCell<HashMap<Place, Uploads>>>,
    place: Place,
}

impl Writers {
    /// An upload begins.
    pub(crate) fn begin(&self, place: &Place) -> Writing {
        let mut places = self.0.borrow_mut();
        places.entry(place.clone()).or_default().count += 1;
        Writing {
            writers: Rc::clone(&self.0),
            place: place.clone(),
        }
    }

    /// An entry has been published; answers the older one that another upload has published since
    /// the first of those that are under way began.
    pub(crate) fn publish(&self, place: &Place, entry: &Entry) -> Option<i64> {
        let mut places = self.0.borrow_mut();
        let uploads = places.get_mut(place)?;
        uploads.vanished = false;
        let before = uploads.last.replace(entry.clone())?;
        (before.age() < entry.age()).then_some(before.id)
    }

    /// What was at a place is not there any more.
    pub(crate) fn vanish(&self, place: &Place) {
        if let Some(uploads) = self.0.borrow_mut().get_mut(place) {
            uploads.vanished = true;
        }
    }

    /// Whether an upload that is under way may have made a place look empty.
    pub(crate) fn has_vanished(&self, place: &Place) -> bool {
        let places = self.0.borrow();
        places.get(place).is_some_and(|uploads| uploads.vanished)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let mut places = self.writers.borrow_mut();
        if let Some(uploads) = places.get_mut(&self.place) {
            uploads.count -= 1;
            if uploads.count == 0 {
                places.remove(&self.place);
            }
        }
    }
}
