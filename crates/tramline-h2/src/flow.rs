//! Flow-control windows (RFC 9113 §5.2, §6.9).

/// The largest window that RFC 9113 §6.9.1 allows.
pub const WINDOW_MAX: i64 = (1 << 31) - 1;
/// The window of the connection and of new streams before any SETTINGS (RFC 9113 §6.9.2).
pub const WINDOW_DEFAULT: u32 = 65_535;

/// How much one side may still send.
///
/// A window can be negative: a SETTINGS frame that lowers the initial window takes
/// the difference from streams that have already used theirs (RFC 9113 §6.9.2).
/// A window of 65,535 of which 60,000 are used, lowered to 16,384, stands at −43,616,
/// and WINDOW_UPDATE frames must bring it above zero before anything may be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window(i32);

/// The window would pass 2³¹ − 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Overflow;

impl Window {
    /// A window of `len` octets.
    #[must_use]
    pub const fn new(len: u32) -> Self {
        Window(if len > i32::MAX as u32 { i32::MAX } else { len as i32 })
    }

    /// Octets that may be sent now; never negative.
    #[must_use]
    pub fn available(self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }

    /// The signed value.
    #[must_use]
    pub const fn value(self) -> i64 {
        self.0 as i64
    }

    /// Whether `len` octets fit.
    #[must_use]
    pub fn fits(self, len: usize) -> bool {
        len <= self.available()
    }

    /// Takes `len` octets; the caller has checked that they fit.
    pub fn take(&mut self, len: usize) {
        self.0 -= len as i32;
    }

    /// WINDOW_UPDATE (RFC 9113 §6.9.1).
    ///
    /// # Errors
    /// [`Overflow`] above 2³¹ − 1.
    pub fn grow(&mut self, len: u32) -> Result<(), Overflow> {
        self.shift(i64::from(len))
    }

    /// A change of SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113 §6.9.2).
    ///
    /// # Errors
    /// [`Overflow`] above 2³¹ − 1.
    pub fn shift(&mut self, delta: i64) -> Result<(), Overflow> {
        let sum = i64::from(self.0) + delta;
        if sum > WINDOW_MAX {
            return Err(Overflow);
        }
        // No initial window is below zero, so no window is further below it than one is long.
        self.0 = sum.max(-WINDOW_MAX) as i32;
        Ok(())
    }
}

/// The receiving side of one window: what the peer may still send, and what we
/// owe it back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceiveWindow {
    window: Window,
    /// Consumed octets not yet given back.
    owed: u32,
    target: u32,
}

impl ReceiveWindow {
    pub(crate) const fn new(len: u32) -> Self {
        ReceiveWindow { window: Window::new(len), owed: 0, target: len }
    }

    /// Charges a received DATA frame, padding included; false if it does not fit.
    pub(crate) fn receive(&mut self, len: u32) -> bool {
        let fits = self.window.fits(len as usize);
        if fits {
            self.window.take(len as usize);
        }
        fits
    }

    /// The application consumed `len` octets.
    pub(crate) fn consume(&mut self, len: u32) {
        self.owed = self.owed.saturating_add(len);
    }

    /// The window is to be `target` octets from now on; the difference is owed.
    pub(crate) fn raise(&mut self, target: u32) {
        let more = target.saturating_sub(self.target);
        self.owed = self.owed.saturating_add(more);
        self.target += more;
    }

    /// The peer gets the difference by SETTINGS, so nothing is owed (streams).
    pub(crate) fn retarget(&mut self, target: u32) {
        let _ = self.window.shift(i64::from(target) - i64::from(self.target));
        self.target = target;
    }

    /// What the peer may still send.
    pub(crate) const fn window(&self) -> Window {
        self.window
    }

    /// Consumed octets not yet given back.
    pub(crate) const fn owed(&self) -> u32 {
        self.owed
    }

    /// Whether a quarter of the window is owed.
    #[inline]
    pub(crate) const fn is_update_due(&self) -> bool {
        self.owed != 0 && self.owed >= self.target / 4
    }

    /// The increment to announce, once a quarter of the window is owed: fewer
    /// frames, and the peer never stalls.
    #[inline]
    pub(crate) fn take_update(&mut self) -> Option<u32> {
        if self.is_update_due() { self.take_due_update() } else { None }
    }

    #[inline(never)]
    fn take_due_update(&mut self) -> Option<u32> {
        let room = WINDOW_MAX - self.window.value();
        let increment = i64::from(self.owed).min(room);
        let increment = u32::try_from(increment).ok().filter(|&n| n > 0)?;
        self.owed -= increment;
        let _ = self.window.grow(increment);
        Some(increment)
    }

    pub(crate) const fn target(&self) -> u32 {
        self.target
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_may_go_negative_and_come_back() {
        let mut window = Window::new(65_535);
        window.take(60_000);
        window.shift(16_384 - 65_535).unwrap();
        assert_eq!(window.value(), -43_616);
        assert_eq!(window.available(), 0);
        window.grow(43_617).unwrap();
        assert_eq!(window.available(), 1);
    }

    #[test]
    fn a_window_never_passes_the_maximum() {
        let mut window = Window::new(1);
        assert_eq!(window.grow(0x7fff_ffff), Err(Overflow));
        assert_eq!(window.value(), 1);
    }

    #[test]
    fn updates_wait_for_a_quarter() {
        let mut window = ReceiveWindow::new(1000);
        assert!(window.receive(1000));
        assert!(!window.receive(1));
        window.consume(249);
        assert_eq!(window.take_update(), None);
        window.consume(1);
        assert_eq!(window.take_update(), Some(250));
        assert!(window.receive(250));
    }

    #[test]
    fn raising_owes_the_difference() {
        let mut window = ReceiveWindow::new(65_535);
        window.raise(1 << 20);
        assert_eq!(window.take_update(), Some((1 << 20) - 65_535));
    }
}
