//! The buffa message library for Tramline.
