//! All timers of a connection, in one table.

use core::time::Duration;

/// What a connection can wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Timer {
    /// The peer's preface and first SETTINGS.
    Preface,
    /// The acknowledgement of our SETTINGS.
    SettingsAck,
    /// The END_HEADERS of a field block that has begun.
    HeaderBlock,
    /// Progress of a write.
    WriteStall,
    /// The next look for streams whose data waits for window.
    WindowStall,
    /// The PING between the two GOAWAY frames of a graceful end.
    Drain,
    /// A while after the last stream: memory is given back.
    Rest,
}

impl Timer {
    pub(crate) const ALL: [Timer; 7] = [
        Timer::Preface,
        Timer::SettingsAck,
        Timer::HeaderBlock,
        Timer::WriteStall,
        Timer::WindowStall,
        Timer::Drain,
        Timer::Rest,
    ];
}

/// Most of the time one timer is set, or none: what asks for the next one looks at those
/// that are.
#[derive(Debug, Default)]
pub(crate) struct TimerTable {
    deadlines: [Duration; Timer::ALL.len()],
    /// A bit for each timer that is set.
    armed: u8,
}

impl TimerTable {
    #[inline]
    pub(crate) fn set(&mut self, timer: Timer, deadline: Duration) {
        self.deadlines[timer as usize] = deadline;
        self.armed |= 1 << timer as u8;
    }

    #[inline]
    pub(crate) fn stop(&mut self, timer: Timer) {
        self.armed &= !(1 << timer as u8);
    }

    #[inline]
    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.armed & 1 << timer as u8 != 0
    }

    /// The earliest deadline.
    #[inline]
    pub(crate) fn next(&self) -> Option<Duration> {
        let mut left = self.armed;
        let mut next = None;
        while left != 0 {
            let deadline = self.deadlines.get(left.trailing_zeros() as usize)?;
            next = Some(next.map_or(*deadline, |before: Duration| before.min(*deadline)));
            left &= left - 1;
        }
        next
    }

    /// A timer that is due, stopped by this call.
    pub(crate) fn take_due(&mut self, now: Duration) -> Option<Timer> {
        let is_due = |timer: &Timer| self.is_set(*timer) && self.deadlines[*timer as usize] <= now;
        let due = Timer::ALL.into_iter().find(is_due)?;
        self.stop(due);
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_of_those_that_are_set_is_next() {
        let at = Duration::from_secs;
        let mut timers = TimerTable::default();
        assert_eq!((timers.next(), timers.take_due(at(100))), (None, None));
        for (n, timer) in Timer::ALL.into_iter().enumerate() {
            timers.set(timer, at(20 - n as u64));
            assert_eq!(timers.next(), Some(at(20 - n as u64)));
        }
        timers.set(Timer::Rest, at(50));
        assert_eq!(timers.next(), Some(at(15)));
        assert_eq!(timers.take_due(at(14)), None);
        assert_eq!(timers.take_due(at(15)), Some(Timer::Drain));
        timers.stop(Timer::WindowStall);
        assert!(!timers.is_set(Timer::WindowStall) && timers.is_set(Timer::Rest));
        assert_eq!(timers.next(), Some(at(17)));
    }
}
