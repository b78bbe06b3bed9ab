//! The prost message library for Tramline.
