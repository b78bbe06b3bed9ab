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

#[derive(Debug, Default)]
pub(crate) struct TimerTable {
    deadlines: [Option<Duration>; Timer::ALL.len()],
}

impl TimerTable {
    pub(crate) fn set(&mut self, timer: Timer, deadline: Duration) {
        self.deadlines[timer as usize] = Some(deadline);
    }

    pub(crate) fn stop(&mut self, timer: Timer) {
        self.deadlines[timer as usize] = None;
    }

    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.deadlines[timer as usize].is_some()
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.deadlines.iter().flatten().min().copied()
    }

    /// A timer that is due, stopped by this call.
    pub(crate) fn take_due(&mut self, now: Duration) -> Option<Timer> {
        let due = Timer::ALL.into_iter().find(|&timer| self.deadlines[timer as usize].is_some_and(|at| at <= now))?;
        self.stop(due);
        Some(due)
    }
}
