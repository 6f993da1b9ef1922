//! Files that lose their name while they are open.
//!
//! A system finds what is open by its inode, so that it can be read to the end after it was
//! removed; `turmoil-fs` finds it by its name. So what is read is put aside first.

use std::cell::{OnceCell, RefCell};
use std::io;
use std::rc::{Rc, Weak};

/// What a file held when its name was taken away; unset while it has its name.
pub(super) type Aside = OnceCell<Vec<u8>>;

/// The open files of a disk, by their path.
#[derive(Default)]
pub(super) struct OpenFiles(RefCell<Vec<(String, Weak<Aside>)>>);

impl OpenFiles {
    /// One more is open under this path, until it is dropped.
    pub(super) fn opened(&self, path: &str) -> Rc<Aside> {
        let aside = Rc::new(Aside::new());
        let mut files = self.0.borrow_mut();
        files.retain(|(_, file)| file.strong_count() > 0);
        files.push((path.to_owned(), Rc::downgrade(&aside)));
        aside
    }

    /// The path goes to nobody or to another file: puts aside what `read` gives, if it is open.
    ///
    /// # Errors
    /// It is open and cannot be read.
    pub(super) fn losing(
        &self,
        path: &str,
        read: impl FnOnce() -> io::Result<Vec<u8>>,
    ) -> io::Result<()> {
        let mut files = self.0.borrow_mut();
        let losing = files.extract_if(.., |(name, _)| name == path);
        let files: Vec<Rc<Aside>> = losing.filter_map(|(_, file)| file.upgrade()).collect();
        if files.is_empty() {
            return Ok(());
        }
        let content = read()?;
        for file in files {
            file.get_or_init(|| content.clone());
        }
        Ok(())
    }
}
