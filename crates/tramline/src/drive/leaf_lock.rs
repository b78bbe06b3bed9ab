//! The only lock on the road.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// A lock around one box: uncontended by design, and never held across an await,
/// I/O or another lock. That of the message memory alone comes last: it may be taken while
/// another one is held, and nobody takes one beside it.
///
/// A panic of user code while it is held (an encoder, say) ends that call alone, so
/// poisoning means nothing here.
#[derive(Debug, Default)]
pub(crate) struct LeafLock<T>(Mutex<T>);

impl<T> LeafLock<T> {
    pub(crate) const fn new(value: T) -> Self {
        LeafLock(Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// None if somebody holds it.
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(locked) => Some(locked),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}
